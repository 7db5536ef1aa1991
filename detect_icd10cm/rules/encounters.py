"""What a visit is for, where that is no disease: screening, an examination, chemotherapy and the like."""

from __future__ import annotations

from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import FINAL_SECTIONS, Draft
from detect_icd10cm.rules.patient import find_patient
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.rules.tables import Encounter, load_encounters

# Notes say why the patient came in their first words, in characters.
_REACH = 600
# 12 of the 16 that were added to the project's annotated notes (train and dev) were right.
_PRECISION = 0.75
# "Z00.1": what says of which kind the visit is.
_KIND = 5
# Aftercare and follow-up are generally listed first (I.C.21.c.7, I.C.21.c.8).
_AFTER = CodeGroup.parse("Z08", "Z09", "Z47-", "Z48-")
# Aftercare that does not say of what, which a more specific one takes the place of.
_SURGICAL, _UNNAMED = ("Z47", "Z48"), "Z48.89"
_REASON = "the note begins with what the visit is for ({guideline}, row {id})"
_DOUBT = "read from the note's first words; that the visit is for it is not sure"


def add_reason_of_encounter(draft: Draft) -> None:
    """Add the code of what the visit is for, where the note says so and no mention has stated it."""
    head = draft.document.text[:_REACH]
    lower = head.lower()
    for row in load_encounters():
        # A look at the letters is far quicker than the pattern, and mostly enough.
        if not any(cue in lower for cue in row.cues) or not _is_said(row, head) or not _applies(row, draft):
            continue
        reason = _REASON.format(guideline=row.guideline, id=row.id)
        if _UNNAMED in draft and row.code.startswith(_SURGICAL) and draft.change(_UNNAMED, row.code, reason):
            draft.entries[row.code].doubts.append(_DOUBT)
        stated = next((code for code in draft if code[:_KIND] == row.code[:_KIND]), None)
        if stated:
            draft.reason = draft.reason or stated
            return
        entry = draft.add(row.code, (), reason)
        if entry:
            entry.score = _PRECISION
            entry.doubts.append(_DOUBT)
            draft.reason = draft.reason or row.code
            return
    draft.reason = _find_stated(draft)


def _find_stated(draft: Draft) -> str | None:
    """Return the aftercare or follow-up code that the note states early, or as what it comes to."""
    for code in draft.find(_AFTER):
        for mention in draft.mentions_of(code):
            named = mention.start < _REACH or draft.section_of(mention) in FINAL_SECTIONS
            if named and mention.assertion == "present":
                return code
    return None


def _is_said(row: Encounter, head: str) -> bool:
    return any(
        row.about_pattern is None or row.about_pattern.search(head, *find_sentence(head, cue.start(), cue.end()))
        for cue in row.pattern.finditer(head)
    )


def _applies(row: Encounter, draft: Draft) -> bool:
    if row.setting not in (draft.setting, None):
        return False
    if (row.needs and not draft.find(row.needs)) or (row.unless and draft.find(row.unless)):
        return False
    if row.ages is None:
        return True
    age = find_patient(draft.document.text).age
    return age is not None and row.ages[0] <= age <= row.ages[1]
