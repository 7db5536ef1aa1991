from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.text.document import Document


@pytest.fixture(scope="module")
def model(codeset: CodeSet) -> LexiconModel:
    return LexiconModel(codeset)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # names
        ("Mrs. Odile Strokes-Lund is here.", []),
        ("Mr. Ian B. Cough is here.", []),
        ("Seen by Dr. Gout today.", []),
        ("SURGEON: Ann Gout, M.D.", []),
        ("SURGEON: Ann Gout, MD", []),
        ("Graves-Lund was told.", []),
        # no names
        ("Seen by Dr. Lund. Gout is worse.", ["Gout"]),
        ("Mr. Lund has Crohn's disease.", ["Crohn's disease"]),
        ("Mr. Lund has gout.", ["gout"]),
        ("Graves' disease.", ["Graves' disease"]),
        ("Cough, fever.", ["Cough", "fever"]),
        # headings
        ("PAIN MANAGEMENT CLINIC\n\nHe has gout.", ["gout"]),
        ("SPINAL CORD INJURY UNIT - PROGRESS NOTE\n\nS: Paraplegia.", ["Paraplegia"]),
        ("HAND CLINIC - POSTOPERATIVE VISIT\n\nHe has gout.", ["gout"]),
        ("ILLNESSES: Gout.", ["Gout"]),
        ("PAIN ASSESSMENT: Gout.", ["Gout"]),
        # a heading that is a finding
        ("VISIT FOR ASTHMA:\nNo change.", ["ASTHMA"]),
        ("PAIN ASSESSMENT: GOUT.", ["GOUT"]),
        ("ASTHMA:\nNo change.", ["ASTHMA"]),
    ],
)
def test_names_and_headings_are_no_findings(model: LexiconModel, text: str, found: list[str]) -> None:
    assert [mention.text for mention in model.detect(Document(text))] == found
