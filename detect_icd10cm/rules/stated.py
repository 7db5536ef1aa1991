"""Which mentions of a note are coded, and with which code: assertion, setting, history, relatives, validity."""

from __future__ import annotations

import re

from detect_icd10cm.codes.history import family_code, history_code
from detect_icd10cm.rules.aftercare import subsequent_code
from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import FINAL_SECTIONS, Draft
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.rules.validity import find_successor
from detect_icd10cm.types import Mention

# Where an inpatient note says what is so at discharge (II.H, III.C); the rest tells how it was found out.
_AT_DISCHARGE = frozenset({"assessment", "diagnosis", "plan", "hospital_course", None})

# Coded only where confirmed, for inpatients too: HIV, Zika, COVID-19 and its pneumonia, identified influenza viruses.
_CONFIRMED_ONLY = ("B20", "A92.5", "U07.1", "J12.82", "J09", "J10")  # I.C.1.a.1, I.C.1.f.1, I.C.1.g.1.a, I.C.10.c

# Where an inpatient note says what was treated during the stay (III), and the words that say that it was in the stay
# and not before.
_OF_THE_STAY = frozenset({"assessment", "diagnosis", "hospital_course"})
_RESOLVED = re.compile(r"\bresolved\b", re.IGNORECASE)
_BEFORE_THE_STAY = re.compile(
    r"\b(?:history|h/o|hx|previous(?:ly)?|prior(?! to)|in the past|former(?:ly)?|remote|(?:months?|years?) ago|"
    r"in (?:19|20)\d\d|as a child)\b|(?<!-)(?<!year )(?<!years )\bold\b",
    re.IGNORECASE,
)

# The chapters, by their letters, of the conditions that a family-history code is about.
_CONCERNS = (
    ("Z81", ""), ("Z82.0", "G"), ("Z82.1", "H"), ("Z82.2", "H"), ("Z82.3", "GI"), ("Z82.4", "I"), ("Z82.5", "J"),
    ("Z82.6", "M"), ("Z82.7", "Q"), ("Z82.8", ""), ("Z83.0", "AB"), ("Z83.1", "AB"), ("Z83.2", "D"), ("Z83.3", "E"),
    ("Z83.4", "E"), ("Z83.5", "H"), ("Z83.6", "J"), ("Z83.7", "K"), ("Z84.0", "L"), ("Z84.1", "N"), ("Z84.2", "N"),
    ("Z84.8", ""),
)  # fmt: skip

# Past infections, conditions of blood, nerves, eyes, lungs, gut, skin, joints and urinary tract, and injuries.
_PASSES = ("Z86.1", "Z86.2", "Z86.6", "Z87.0", "Z87.1", "Z87.2", "Z87.3", "Z87.4", "Z87.828")

# Poisonings, effects of drugs, and complications of care: no injuries, which is all that there is a history code of.
_NO_HISTORY = CodeGroup.parse("T36-T50", "T80-T88")

# An injury of the past that is still cared for, and one that is over.
_INJURY = CodeGroup.parse("S00-S99", "M80-", "M84-", "T20-T25")
_SEVENTH_LENGTH = 8  # with the dot
_HEALING = re.compile(
    r"\bhealing\b|\bfollow-?up (?:of|for)\b|\baftercare\b|\b(?:days?|weeks?) (?:ago|out|after|post)\b|"
    r"\b(?:in|out of) (?:a |the |his |her )?(?:cast|splint|brace|sling)\b",
    re.IGNORECASE,
)
_OVER = re.compile(
    r"\b(?:healed|resolved|history of|h/o|remote|(?:months?|years?) ago|in (?:19|20)\d\d)\b", re.IGNORECASE
)

_FOLLOW_UP = ("Z08", "Z09")
_TREATED_BEFORE = ("Z85", "Z86", "Z87")

_ALLERGY_STATUS = ("Z88", "Z91.0")

_PRESENT = "documented as present, coded as far as the note describes it (I.B.2)"
_UNCERTAIN = "uncertain diagnosis of an inpatient at discharge, coded as if established (II.H, III.C)"
_HISTORY = "condition of the past, reported by its history or status code (I.C.21.c.4)"
_TREATED = "resolved during the stay, in which it was treated, coded as the condition that it was (III)"
_UNDER_CARE = "an injury that is still healing, coded as one under care behind its treatment (I.C.19.a, I.C.21.c.7)"
_FAMILY = "condition of a relative, reported by its family-history code (I.C.21.c.4)"


def state_codes(draft: Draft) -> None:
    """Put the codes of the mentions that are coded into a draft.

    Absent and hypothetical findings are not coded, uncertain diagnoses only for inpatients, and past or family
    conditions only by the codes that say so; a past symptom is none that may recur, which is what such codes are for.
    Of an allergy list only statuses are coded: the rest are reactions of another time (III, IV.J; judgement).
    """
    for i, mention in enumerate(draft.mentions):
        stated = _find_code(mention, draft)
        if stated is None:
            continue
        code, reason = stated
        if draft.codeset.is_billable(code):
            draft.add(code, (i,), reason)
            continue
        successor = find_successor(code, draft.codeset)
        if successor:
            entry = draft.add(successor.code, (i,), reason)
            if entry:
                entry.note(successor.reason)
                entry.doubts.append(successor.reason)


def find_uncodable(draft: Draft) -> tuple[str, ...]:
    """Return what to tell of codes that are stated but neither valid in the release nor to be mapped."""
    found = [stated[0] for mention in draft.mentions if (stated := _find_code(mention, draft))]
    return tuple(
        f"code {code} is not billable in release {draft.codeset.release} and has no single successor; it is left out"
        for code in dict.fromkeys(found)
        if not draft.codeset.is_billable(code) and find_successor(code, draft.codeset) is None
    )


def _find_code(mention: Mention, draft: Draft) -> tuple[str, str] | None:
    """Return the code of a mention and why it is coded, or None where it is not."""
    section = draft.section_of(mention)
    if section == "allergies" and mention.kind in ("diagnosis", "symptom") and mention.assertion != "family":
        return (mention.code, _PRESENT) if mention.code.startswith(_ALLERGY_STATUS) else None
    if mention.assertion == "present":
        return mention.code, _PRESENT
    if mention.assertion == "possible":
        coded = draft.setting == "inpatient" and mention.kind == "diagnosis"
        coded = coded and not mention.code.startswith(_CONFIRMED_ONLY)
        return (mention.code, _UNCERTAIN) if coded and section in _AT_DISCHARGE else None
    if mention.kind == "symptom":
        return None
    if mention.assertion == "historical":
        treated = _find_treated(mention, section, draft)
        if treated:
            return treated, _TREATED
        healing = _find_healing(mention, draft)
        if healing:
            return healing, _UNDER_CARE
        if _NO_HISTORY.matches(mention.code):
            return None
        code = history_code(mention.code, draft.codeset)
        return (code, _HISTORY) if code else None
    if mention.assertion == "family":
        code = family_code(mention.code, draft.codeset)
        return (code, _FAMILY) if code else None
    return None


def _find_treated(mention: Mention, section: str | None, draft: Draft) -> str | None:
    """Return the code of a condition that is of the past only because an inpatient's stay resolved it, or None.

    A cancer that is gone is history (I.C.2.m). Where the mention carries a history code already, the best of its
    candidates which that is the history of says what was treated.
    """
    text = draft.document.text
    if draft.setting != "inpatient" or mention.kind != "diagnosis" or section not in _OF_THE_STAY or not text:
        return None
    low, high = find_sentence(text, mention.start, mention.end)
    if not _RESOLVED.search(text, low, high) or _BEFORE_THE_STAY.search(text, low, high):
        return None
    codes = [mention.code, *(candidate.code for candidate in mention.candidates)]
    past = history_code(mention.code, draft.codeset)
    return next((c for c in codes if c[0] not in "CZ" and c != past == history_code(c, draft.codeset)), None)


def _find_healing(mention: Mention, draft: Draft) -> str | None:
    """Return the code, of a subsequent encounter, of an injury of the past that is still cared for, or None."""
    text = draft.document.text
    low, high = find_sentence(text, mention.start, mention.end) if text else (0, 0)
    if not _HEALING.search(text, low, high) or _OVER.search(text, low, high):
        return None
    for code in (mention.code, *(candidate.code for candidate in mention.candidates)):
        is_injury = len(code) == _SEVENTH_LENGTH and _INJURY.matches(code)
        if is_injury and code[-1] != "S":
            return subsequent_code(code, draft.codeset)
    return None


def drop_irrelevant_history(draft: Draft) -> None:
    """Take out history that does not bear on the care of the patient (III.A, IV.J).

    That it bears is taken from its standing in the assessment, for a relative's condition also from a present
    condition of the same chapter, and always for a cancer, and for a past condition that is not among those which
    pass without a trace; and what a visit is the follow-up of is told by its history (I.C.21.c.8).
    """
    chapters = {code[0] for code in draft.diagnoses}
    is_follow_up = draft.reason in _FOLLOW_UP
    for code in draft:
        if draft.sections_of(code) & FINAL_SECTIONS or (is_follow_up and code.startswith(_TREATED_BEFORE)):
            continue
        if draft.is_stated_as(code, "family"):
            concerned = next((letters for prefix, letters in _CONCERNS if code.startswith(prefix)), None)
            if concerned is not None and not chapters & set(concerned):
                draft.drop(code, "")
        elif code.startswith(_PASSES) and draft.is_stated_as(code, "historical"):
            draft.drop(code, "")
