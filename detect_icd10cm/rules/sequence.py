"""The order of a note's codes: first-listed or principal first, external causes last (II, IV.G, I.A.13, I.C.20.a.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from detect_icd10cm.rules.chapters import PAIN_ENCOUNTER
from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import FINAL_SECTIONS, Draft, Entry
from detect_icd10cm.rules.instructions import find_note, is_manifestation
from detect_icd10cm.rules.partners import SEVERE_SEPSIS, is_sepsis
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.types import KINDS

_DIAGNOSIS_SECTIONS = frozenset({"assessment", "diagnosis"})
_EXTERNAL_CAUSES = ("V", "W", "X", "Y")
_OBSTETRIC = "O"
_FIRST = {
    "inpatient": "listed first: first diagnosis of the assessment or diagnosis list (II)",
    "outpatient": "listed first: first diagnosis of the assessment or diagnosis list (IV.G)",
}
_ELSE_FIRST = {
    "inpatient": "listed first: no diagnosis list; what the note states first of what it comes to (II, II.A)",
    "outpatient": "listed first: no diagnosis list; what the note states first of what it comes to (IV.G, IV.D)",
}
# Codes that say where a pain is.
_SITES_OF_PAIN = ("M25.5", "M54", "M79.6", "R07", "R10", "R51")
_SITE_FIRST = "listed behind {code}, the site of the pain: the encounter is not for its control (I.C.6.b.1)"
_REASON_FIRST = "listed first: what the visit is for (IV.A, I.C.21.c)"
_PAIN_FIRST = "listed first: the encounter is for the control of pain (I.C.6.b.1)"
# Z codes that may only be listed first (I.C.21.c.15), and what of them may stand elsewhere.
_ONLY_FIRST = CodeGroup.parse(
    "Z00-", "Z01-", "Z02-", "Z04-", "Z31.81", "Z31.83", "Z31.84", "Z33.2", "Z34-", "Z38-", "Z39-", "Z40-", "Z42-",
    "Z51.0", "Z51.1-", "Z52-", "Z76.1", "Z76.2", "Z99.12",
)  # fmt: skip
_ALSO_ELSEWHERE = ("Z00.6", "Z52.9")
_ONLY_FIRST_SAID = "listed first: it may be reported only so (I.C.21.c.15)"
_OBSTETRIC_FIRST = "listed first: chapter 15 goes ahead of the other chapters (I.C.15.a.1)"
# Infections of one place, which stand behind the sepsis that the patient was admitted with.
_LOCALIZED = CodeGroup.parse(
    "G00-G03", "I33-", "J09-J18", "J20-J22", "J69.0", "J85-J86", "K35-", "K57.0-", "K57.2-", "K57.4-", "K57.8-", "K65-",
    "K81.0", "K83.09", "L02-L04", "L08-", "M00-", "M46.2-", "M86-", "N10", "N12", "N13.6", "N30-", "N34-", "N39.0",
    "N41-", "N45-", "N70-N77", "A04-", "A09", "U07.1",
)  # fmt: skip
_LATER = re.compile(
    r"\b(?:became septic|went into septic|(?:hospital|admission|post-?operative) day|"
    r"(?:during|later in) (?:the|his|her|this) (?:hospital )?(?:stay|course|hospitali[sz]ation|admission)|"
    r"(?:not|without) [^.]{0,20}on admission|after admission|subsequent(?:ly)?|then developed|later developed)\b",
    re.IGNORECASE,
)
_LOCALIZED_BEHIND = "listed behind {code}: a localized infection beside the sepsis of the admission (I.C.1.d.4)"
_BEHIND = "listed behind {code}: {note} (I.A.13, I.A.17, I.B.7)"
_AHEAD = "listed first: {code} must follow it ({section})"
_NEVER_FIRST = "never listed first (I.A.13, I.C.1.d.3); the note names no cause of it that could be"


def order_codes(draft: Draft) -> list[Entry]:
    """Return the entries of a draft, first-listed first; those that notes put behind others stand behind them."""
    pain = _find_pain(draft)
    only_first = _find_only_first(draft)
    obstetric = [code for code in draft if code.startswith(_OBSTETRIC)]
    reason = _find_first(draft, obstetric) if obstetric else draft.reason or pain or _find_first(draft, draft)
    chosen = only_first or reason
    ranked = sorted(draft, key=lambda code: (code != chosen, *_rank(draft, code)))
    ahead = {code: _find_ahead(draft, code) for code in ranked}
    ordered: dict[str, None] = {}
    for code in ranked:
        _place(code, ahead, ordered, set())
    codes = list(ordered)
    if codes and (codes[0].startswith(SEVERE_SEPSIS) or is_manifestation(draft.codeset, codes[0])):
        draft.entries[codes[0]].note(_NEVER_FIRST)
        codes.append(codes.pop(0))
    if codes and codes[0] == only_first:
        draft.entries[only_first].note(_ONLY_FIRST_SAID)
    elif codes:
        _explain_first(draft, codes[0], chosen, pain)
    return [draft.entries[code] for code in codes]


def _explain_first(draft: Draft, first: str, chosen: str | None, pain: str | None) -> None:
    entry = draft.entries[first]
    if first == draft.reason:
        entry.note(_REASON_FIRST)
    elif first == pain:
        entry.note(_PAIN_FIRST)
    elif first.startswith(_OBSTETRIC) and any(not code.startswith((_OBSTETRIC, "Z")) for code in draft):
        entry.note(_OBSTETRIC_FIRST)
    elif chosen is None:
        entry.note(_ELSE_FIRST[draft.setting])
    elif first == chosen:
        entry.note(_FIRST[draft.setting])
    else:
        section = "I.C.1.d.3, I.C.1.d.4" if is_sepsis(draft, first) else "I.A.13"
        entry.note(_AHEAD.format(code=chosen, section=section))


def _place(code: str, ahead: dict[str, dict[str, str]], ordered: dict[str, None], waiting: set[str]) -> None:
    """Put a code behind all that must stand ahead of it; a circle of notes is left as it stands."""
    if code in ordered or code in waiting:
        return
    for other in ahead[code]:
        _place(other, ahead, ordered, waiting | {code})
    ordered[code] = None


def _find_ahead(draft: Draft, code: str) -> dict[str, str]:
    """Return the codes of the draft that notes put ahead of a code, each with the note."""
    found = _find_sepsis(draft, code)
    is_for_pain = bool(PAIN_ENCOUNTER.search(draft.document.text)) if code.startswith("G89") else False
    for other in draft:
        if other == code or other.startswith(_EXTERNAL_CAUSES) or other.startswith("Z"):
            continue
        if code.startswith("G89") and other.startswith(_SITES_OF_PAIN) and not is_for_pain:
            found[other] = ""
            draft.entries[code].note(_SITE_FIRST.format(code=other))
            continue
        note = find_note(draft.codeset, code, "code_first", other)
        if note is None and not code.startswith(_EXTERNAL_CAUSES):
            note = find_note(draft.codeset, other, "use_additional", code)
        if note is not None and find_note(draft.codeset, other, "code_first", code) is None:
            found[other] = note
            draft.entries[code].note(_BEHIND.format(code=other, note=note))
    return found


def _find_sepsis(draft: Draft, code: str) -> dict[str, str]:
    """Return the sepsis that goes ahead of a localized infection: none that the note lets come later (I.C.1.d.4)."""
    if not _LOCALIZED.matches(code):
        return {}
    found = [other for other in draft if other != code and is_sepsis(draft, other) and not _came_later(draft, other)]
    for other in found:
        draft.entries[code].note(_LOCALIZED_BEHIND.format(code=other))
    return dict.fromkeys(found, "")


def _came_later(draft: Draft, code: str) -> bool:
    text = draft.document.text
    sentences = [find_sentence(text, m.start, m.end) for m in draft.mentions_of(code)] if text else []
    return any(_LATER.search(text, *sentence) for sentence in sentences)


def _find_pain(draft: Draft) -> str | None:
    """Return the code of category G89 where the encounter is for the pain itself (I.C.6.b.1.a)."""
    codes = [code for code in draft if code.startswith("G89")]
    return codes[0] if codes and PAIN_ENCOUNTER.search(draft.document.text) else None


def _find_only_first(draft: Draft) -> str | None:
    """Return the first code that the note states as present and that may only be listed first."""
    codes = [code for code in draft.find(_ONLY_FIRST) if not code.startswith(_ALSO_ELSEWHERE)]
    stated = {code: [i for i in draft.entries[code].mentions if _is_present(draft, i)] for code in codes}
    return min((code for code in codes if stated[code]), key=lambda code: stated[code][0], default=None)


def _is_present(draft: Draft, i: int) -> bool:
    return draft.mentions[i].assertion == "present"


def _find_first(draft: Draft, codes: Iterable[str]) -> str | None:
    """Return the one of some codes that states the first diagnosis under an assessment or diagnosis heading.

    An uncertain one counts where it is coded, which is for inpatients (II.H).
    """
    for i, mention in enumerate(draft.mentions):
        if mention.assertion not in ("present", "possible") or mention.kind != "diagnosis":
            continue
        if draft.section_of(mention) not in _DIAGNOSIS_SECTIONS:
            continue
        for code in codes:
            if i in draft.entries[code].mentions and not code.startswith((*_EXTERNAL_CAUSES, "Z")):
                return code
    return None


def _rank(draft: Draft, code: str) -> tuple[int, int, int, int]:
    """Return the place of a code: what it is, then where the note states it, then how early."""
    mentions = draft.entries[code].mentions
    first = min(mentions, default=len(draft.mentions))
    if code.startswith(_EXTERNAL_CAUSES):
        return 3, 0, 0, first
    sections = draft.sections_of(code)
    place = 0 if sections & FINAL_SECTIONS else 2 if sections <= {"past_medical_history"} else 1
    kind = min((KINDS.index(draft.mentions[i].kind) for i in mentions), default=KINDS.index("status"))
    chapter = 0 if code.startswith(_OBSTETRIC) else 2 if code.startswith("Z") else 1
    return chapter, place, kind, first
