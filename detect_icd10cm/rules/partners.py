"""Codes that must not stand without another one ahead of them (I.A.13, I.C.1.d, I.C.1.g)."""

from __future__ import annotations

import re

from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.instructions import find_note, is_manifestation, needs_cause

COVID_PNEUMONIA, COVID = "J12.82", "U07.1"
SEVERE_SEPSIS = "R65.2"
_COVID_ADDED = "COVID-19, of which J12.82 is the pneumonia, is coded ahead of it (I.C.1.g.1.c)"
_COVID_DOUBT = "COVID-19 itself is not stated"
_SEPSIS_DOUBT = "a code of the underlying systemic infection must precede it, and none is stated (I.C.1.d.1.b)"
_CAUSE_DOUBT = "a code of the cause or disease that it belongs to must precede it, and none is stated (I.A.13)"
# Meningococcal and candidal blood infections; the titles of the others say sepsis.
_BLOOD_INFECTIONS = ("A39.2", "A39.3", "A39.4", "B37.7")
_SEPSIS = re.compile(r"(?<!without )\b(?:sepsis|septicemia)\b", re.IGNORECASE)
_NO_CAUSE = ("R", "V", "W", "X", "Y", "Z")


def complete_pairs(draft: Draft) -> None:
    """Add COVID-19 ahead of its pneumonia, and mark for review what lacks the code that must precede it."""
    if COVID_PNEUMONIA in draft and COVID not in draft:
        entry = draft.add(COVID, draft.entries[COVID_PNEUMONIA].mentions, _COVID_ADDED)
        if entry:
            entry.doubts.append(_COVID_DOUBT)
    for code in draft:
        if code.startswith(SEVERE_SEPSIS):
            if not any(_is_sepsis(draft, code, other) for other in draft):
                draft.entries[code].doubts.append(_SEPSIS_DOUBT)
        elif needs_cause(draft.codeset, code) and not any(_may_cause(draft, code, other) for other in draft):
            draft.entries[code].doubts.append(_CAUSE_DOUBT)


def _is_sepsis(draft: Draft, code: str, other: str) -> bool:
    if other.startswith("R65"):
        return False
    named = other.startswith(_BLOOD_INFECTIONS) or _SEPSIS.search(draft.codeset.title(other))
    return bool(named) or find_note(draft.codeset, code, "code_first", other) is not None


def _may_cause(draft: Draft, code: str, other: str) -> bool:
    """Return whether a code may be the cause of another; most notes give only examples of what may be."""
    if other == code or is_manifestation(draft.codeset, other):
        return False
    notes = draft.codeset[code].code_first
    is_open = not notes or any("such as" in note or "(" not in note for note in notes)
    if is_open and not other.startswith(_NO_CAUSE):
        return True
    return find_note(draft.codeset, code, "code_first", other) is not None
