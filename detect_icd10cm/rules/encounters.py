"""What a visit is for, where that is no disease: screening, an examination, chemotherapy and the like."""

from __future__ import annotations

from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.patient import find_patient
from detect_icd10cm.rules.tables import Encounter, load_encounters

# Notes say why the patient came in their first words, in characters.
_REACH = 600
# 9 of the 14 that were added to the project's annotated notes (train and dev) were right.
_PRECISION = 0.64
# "Z00.1": what says of which kind the visit is.
_KIND = 5
_REASON = "the note begins with what the visit is for ({guideline}, row {id})"
_DOUBT = "read from the note's first words; that the visit is for it is not sure"


def add_reason_of_encounter(draft: Draft) -> None:
    """Add the code of what the visit is for, where the note says so and no mention has stated it."""
    head = draft.document.text[:_REACH]
    lower = head.lower()
    for row in load_encounters():
        # A look at the letters is far quicker than the pattern, and mostly enough.
        if not any(cue in lower for cue in row.cues) or not row.pattern.search(head) or not _applies(row, draft):
            continue
        stated = next((code for code in draft if code[:_KIND] == row.code[:_KIND]), None)
        if stated:
            draft.reason = draft.reason or stated
            return
        entry = draft.add(row.code, (), _REASON.format(guideline=row.guideline, id=row.id))
        if entry:
            entry.score = _PRECISION
            entry.doubts.append(_DOUBT)
            draft.reason = draft.reason or row.code
            return


def _applies(row: Encounter, draft: Draft) -> bool:
    if (row.needs and not draft.find(row.needs)) or (row.unless and draft.find(row.unless)):
        return False
    if row.ages is None:
        return True
    age = find_patient(draft.document.text).age
    return age is not None and row.ages[0] <= age <= row.ages[1]
