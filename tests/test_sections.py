from __future__ import annotations

import pytest

from detect_icd10cm.text.document import Document
from detect_icd10cm.text.sections import find_sections, section_name

NAMES = [
    ("HISTORY OF PRESENT ILLNESS", "history_of_present_illness"),
    ("HPI", "history_of_present_illness"),
    ("SUBJECTIVE", "history_of_present_illness"),
    ("PMH", "past_medical_history"),
    ("Past Medical History", "past_medical_history"),
    ("PAST SURGICAL HISTORY", "past_surgical_history"),
    ("Family History", "family_history"),
    ("FAMILY MEDICAL HISTORY", "family_history"),
    ("FAMILY AND SOCIAL HISTORY", "social_history"),
    ("SOCIAL AND FAMILY HISTORY", "social_history"),
    ("REVIEW OF SYSTEMS", "review_of_systems"),
    ("ROS", "review_of_systems"),
    ("A/P", "assessment"),
    ("ASSESSMENT AND PLAN", "assessment"),
    ("IMPRESSION", "assessment"),
    ("PREOPERATIVE DIAGNOSES", "diagnosis"),
    ("DISCHARGE INSTRUCTIONS", "instructions"),
    ("ESTIMATED BLOOD LOSS", "procedure"),
    ("Allergies", "allergies"),
    ("Allergic rhinitis", None),
    ("Tobacco use", "social_history"),
    ("Tobacco abuse", None),
    ("Mental status change", None),
    ("Physical deconditioning", None),
    ("Lungs", ""),
    ("HEENT", ""),
    ("Ears, nose and throat", ""),
    ("MUSCULOSKELETAL/EXTREMITIES", ""),
    ("CARDIOVASCULAR SYSTEM", ""),
    ("WHATEVER", None),
]


@pytest.mark.parametrize(("heading", "name"), NAMES)
def test_section_name(heading: str, name: str | None) -> None:
    assert section_name(heading) == name


CUTS = [
    ("PMH: Gout.", [("past_medical_history", "Gout.")]),
    ("Some text. PLAN: rest", [(None, "Some text."), ("plan", "rest")]),
    ("Seen today. Past medical history: gout", [(None, "Seen today."), ("past_medical_history", "gout")]),
    ("PLAN\r\n\r\nRest.\r\n", [("plan", "Rest.")]),
    ("**Assessment:** gout", [("assessment", "gout")]),
    ("## Plan\nrest", [("plan", "rest")]),
    ("Assessment and Plan\nGout", [("assessment", "Gout")]),
    ("Physical therapy\nGout", [(None, "Physical therapy\nGout")]),
    ("2. Family history: gout", [("family_history", "gout")]),
    ("ALLERGIES - none", [("allergies", "none")]),
    ("ROS:\nLungs: clear\nHEENT: normal", [("review_of_systems", "Lungs: clear\nHEENT: normal")]),
    ("FAMILY HISTORY:\nGOUT\nLUPUS", [("family_history", "GOUT\nLUPUS")]),
    ("PLAN: rest\n\nADDENDUM\nText", [("plan", "rest"), (None, "Text")]),
    ("No fever. Assessment: gout", [(None, "No fever."), ("assessment", "gout")]),
    ("He took the following and much more for pain relief medication: aspirin", [(None, None)]),
    ("Gout: stable", [(None, "Gout: stable")]),
    ("", [(None, "")]),
]


@pytest.mark.parametrize(("text", "cuts"), CUTS)
def test_find_sections(text: str, cuts: list[tuple[str | None, str | None]]) -> None:
    sections = find_sections(text)
    assert [section.name for section in sections] == [name for name, _ in cuts]
    for section, (_, body) in zip(sections, cuts, strict=True):
        assert body is None or text[section.body : section.end].strip("* \r\n") == body


HEADED = [
    ("[ALLERGIES]: none", True),
    ("[DRUG ALLERGIES]: none", True),
    ("ALLERGIES: [Sulfa]", False),
    ("## [ILLNESSES]:\n\nNone", True),
    ("[Allergy to penicillin]: hives", False),
    ("HISTORY OF PRESENT [ILLNESS]: Gout.", True),
    ("Seen.\r\rPAST [MEDICAL HISTORY]\rGout", True),
    ("[PAIN] MANAGEMENT CLINIC\n\nGout.", True),
    ("[PAIN] MANAGEMENT:\nGout.", True),
    ("NERVE CLINIC - [POSTOPERATIVE VISIT]\n\nGout.", True),
    ("[DIABETES]: stable", False),
    ("[DIABETES]\n\nStable", False),
    ("POSTOPERATIVE DIAGNOSIS: [DIABETES]", False),
    ("REASON FOR CONSULTATION: [CHEST PAIN]", False),
    ("CONSULT: [CHEST PAIN]", False),
    ("CONSULT FOR [PROSTATE CANCER]\n\nSeen.", False),
    ("Family history of [breast cancer] - mother", False),
    ("[Tobacco use]: one pack", False),
    ("[Gout] is seen.", False),
    ("[PAIN]", False),
]


@pytest.mark.parametrize(("marked", "headed"), HEADED)
def test_in_heading(marked: str, headed: bool) -> None:
    start, end = marked.index("["), marked.index("]") - 1
    assert Document(marked.replace("[", "").replace("]", "")).in_heading(start, end) == headed


def test_a_lone_carriage_return_breaks_a_line() -> None:
    lines = "PMH:\nGout\n\nPLAN:\nRest, and\ndrink.\n"
    document, other = Document(lines), Document(lines.replace("\n", "\r"))
    assert other.tokens == document.tokens
    assert other.sections == document.sections
    assert other.sentences == document.sentences
    assert Document("a\r\r\nb\r\nc").tokens == [("a", 0, 1), ("\n", 3, 4), ("b", 4, 5), ("\n", 6, 7), ("c", 7, 8)]
