"""Symptoms and findings that are not coded beside what explains them (I.B.5, I.C.18.b, III.B)."""

from __future__ import annotations

from detect_icd10cm.rules.draft import FINAL_SECTIONS, Draft
from detect_icd10cm.rules.tables import load_integral

# What an examiner sees or a test shows, before anyone says what it means.
_UNINTERPRETED = frozenset({"physical_exam", "laboratory", "findings", "procedure", "review_of_systems"})
# What an examiner or a surgeon sees.
_SEEN = frozenset({"physical_exam", "findings", "procedure"})
# Where a note says what it comes to, and why the patient came.
_REASONS = FINAL_SECTIONS | {"chief_complaint"}
_INTEGRAL = "{symptom} routinely goes with it and is not coded beside it (I.B.5, I.C.18.b; row {id})"
_FINDING = "{code}, only among examination and test results, is not coded beside a diagnosis (III.B, IV.D)"
_SEEN_ONLY = "{code}, seen but not taken up in the assessment, is not coded beside what is (III, IV.J; judgement)"
_ON_THE_WAY = "{code}, a symptom that the assessment leaves out, is not coded beside the diagnosis (II.A; judgement)"


def drop_integral_symptoms(draft: Draft) -> None:
    """Take out symptoms that routinely go with a confirmed diagnosis of the note; each such diagnosis says so."""
    table = load_integral()
    confirmed = [code for code in draft if _is_confirmed(draft, code)]
    for code in draft:
        if not _is_symptom(draft, code):
            continue
        for row in table.find(code):
            causes = [cause for cause in confirmed if cause != code and row.of.matches(cause)]
            if causes:
                draft.drop(code, _INTEGRAL.format(symptom=code, id=row.id), causes)
                break


def drop_unsettled_findings(draft: Draft) -> None:
    """Take out what the way to the diagnosis turned up, where the note sums it up in a diagnosis.

    Those are symptoms that only examination or test results state, findings of an examination or operation apart
    from the diagnoses of the note's assessment, and an inpatient's symptoms that its assessment leaves out.
    """
    confirmed = [code for code in draft if _is_confirmed(draft, code)]
    final = [code for code in confirmed if draft.sections_of(code) & FINAL_SECTIONS]
    for code in draft if confirmed else ():
        sections = draft.sections_of(code)
        if _is_symptom(draft, code):
            if sections <= _UNINTERPRETED:
                draft.drop(code, _FINDING.format(code=code), final[:1] or confirmed[:1])
            elif final and draft.setting == "inpatient" and not sections & _REASONS:
                draft.drop(code, _ON_THE_WAY.format(code=code), final[:1])
        elif final and code in confirmed and sections <= _SEEN:
            draft.drop(code, _SEEN_ONLY.format(code=code), final[:1])


def _is_symptom(draft: Draft, code: str) -> bool:
    mentions = draft.mentions_of(code)
    return bool(mentions) and all(mention.kind == "symptom" for mention in mentions)


def _is_confirmed(draft: Draft, code: str) -> bool:
    return any(mention.assertion == "present" for mention in draft.mentions_of(code)) and code[0] not in "RVWXYZ"
