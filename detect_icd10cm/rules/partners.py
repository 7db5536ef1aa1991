"""Codes that must not stand without another one beside or ahead of them (I.A.13, I.A.17, I.C.1.d, I.C.1.g)."""

from __future__ import annotations

import re

from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.instructions import find_note, is_manifestation, needs_cause
from detect_icd10cm.rules.refine import refine_code
from detect_icd10cm.rules.tables import Partner, load_partners

COVID_PNEUMONIA, COVID = "J12.82", "U07.1"
SEPSIS, SEVERE_SEPSIS = "A41.9", "R65.2"
_PARTNER_ADDED = "asked for beside {code} ({guideline}, row {id})"
_COVID_ADDED = "COVID-19, of which J12.82 is the pneumonia, is coded ahead of it (I.C.1.g.1.c)"
_COVID_DOUBT = "COVID-19 itself is not stated"
_SEPSIS_ADDED = "the systemic infection of {code} is coded ahead of it (I.C.1.d.1.b)"
_SEPSIS_DOUBT = "the underlying systemic infection itself is not stated"
_CAUSE_DOUBT = "a code of the cause or disease that it belongs to must precede it, and none is stated (I.A.13)"
# Meningococcal and candidal blood infections; the titles of the others say sepsis.
_BLOOD_INFECTIONS = ("A39.2", "A39.3", "A39.4", "B37.7")
_SEPSIS = re.compile(r"(?<!without )\b(?:sepsis|septicemia)\b", re.IGNORECASE)
_NO_CAUSE = ("R", "V", "W", "X", "Y", "Z")


def add_partners(draft: Draft) -> None:
    """Add what the classification asks for beside a code and no mention states, as specific as the code's words."""
    for code in draft:
        for row in load_partners().find(code):
            if draft.find(row.unless) or row.add in draft or not _speaks_of(draft, code, row):
                continue
            reason = _PARTNER_ADDED.format(code=code, guideline=row.guideline, id=row.id)
            entry = draft.add(row.add, draft.entries[code].mentions, reason)
            if entry:
                entry.doubts.append(row.doubt)
                refine_code(draft, row.add)


def _speaks_of(draft: Draft, code: str, row: Partner) -> bool:
    """Return whether the sentences that state a code hold the words of a row."""
    pattern, text = row.pattern, draft.document.text
    if pattern is None:
        return True
    return any(pattern.search(text, *find_sentence(text, m.start, m.end)) for m in draft.mentions_of(code) if text)


def complete_pairs(draft: Draft) -> None:
    """Add the COVID-19 of its pneumonia and the sepsis of severe sepsis; mark what lacks the code ahead of it."""
    if COVID_PNEUMONIA in draft and COVID not in draft:
        entry = draft.add(COVID, draft.entries[COVID_PNEUMONIA].mentions, _COVID_ADDED)
        if entry:
            entry.doubts.append(_COVID_DOUBT)
    for code in draft:
        if code.startswith(SEVERE_SEPSIS):
            if not any(_is_systemic(draft, code, other) for other in draft):
                entry = draft.add(SEPSIS, draft.entries[code].mentions, _SEPSIS_ADDED.format(code=code))
                if entry:
                    entry.doubts.append(_SEPSIS_DOUBT)
                    refine_code(draft, SEPSIS)
        elif needs_cause(draft.codeset, code) and not any(_may_cause(draft, code, other) for other in draft):
            draft.entries[code].doubts.append(_CAUSE_DOUBT)


def _is_systemic(draft: Draft, code: str, other: str) -> bool:
    """Return whether a code is of a systemic infection that may be the one of a code of severe sepsis."""
    return is_sepsis(draft, other) or find_note(draft.codeset, code, "code_first", other) is not None


def is_sepsis(draft: Draft, code: str) -> bool:
    """Return whether a code says sepsis, or an infection of the blood."""
    if code.startswith(("R", "Z")):
        return False
    return code.startswith(_BLOOD_INFECTIONS) or bool(_SEPSIS.search(draft.codeset.title(code)))


def _may_cause(draft: Draft, code: str, other: str) -> bool:
    """Return whether a code may be the cause of another; most notes give only examples of what may be."""
    if other == code or is_manifestation(draft.codeset, other):
        return False
    notes = draft.codeset[code].code_first
    is_open = not notes or any("such as" in note or "(" not in note for note in notes)
    if is_open and not other.startswith(_NO_CAUSE):
        return True
    return find_note(draft.codeset, code, "code_first", other) is not None
