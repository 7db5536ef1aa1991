from __future__ import annotations

import pytest

from detect_icd10cm.text.sentences import split_sentences
from detect_icd10cm.text.tokens import tokenize

CASES = [
    # Prose
    ("No fever. Has cough.", ["No fever.", "Has cough."]),
    ("Seen by Dr. Smith today.", ["Seen by Dr. Smith today."]),
    ("Pneumonia vs. atelectasis.", ["Pneumonia vs. atelectasis."]),
    ("Takes 2.5 mg p.r.n. daily. Well.", ["Takes 2.5 mg p.r.n. daily.", "Well."]),
    ("Takes it b.i.d. She denies pain.", ["Takes it b.i.d.", "She denies pain."]),
    ("No pain.Has cough.", ["No pain.", "Has cough."]),
    ("Pain? Yes! Bad; worse.", ["Pain?", "Yes!", "Bad;", "worse."]),
    ("? stroke or ?TIA", ["? stroke or ?TIA"]),
    # Lines
    ("She has fever\nand cough.", ["She has fever\nand cough."]),
    ("She has fever and\nCough.", ["She has fever and\nCough."]),
    ("Fever: none\nCough: dry", ["Fever: none", "Cough: dry"]),
    ("Fever\n\nand cough", ["Fever", "and cough"]),
    ("Fever\r\nCough", ["Fever", "Cough"]),
    ("1. Fever\n2. Cough", ["1. Fever", "2. Cough"]),
    ("denies:\n- fever\n- cough", ["denies:", "- fever", "- cough"]),
    ("pain\n(severe)", ["pain\n(severe)"]),
    # Lists within a line
    ("A/P: 1) GERD w/o pain 2) RA 3) BPH", ["A/P: 1) GERD w/o pain", "2) RA", "3) BPH"]),
    ("A/P: 1) No fever 3) RA", ["A/P: 1) No fever 3) RA"]),
    ("1) No fever\nThen 2) RA", ["1) No fever", "Then 2) RA"]),
    ("Denies 1) fever, 2) chills or 3) cough", ["Denies 1) fever, 2) chills or 3) cough"]),
    ("Took 1.5 or 2.5 mg", ["Took 1.5 or 2.5 mg"]),
    ("", []),
    (".", ["."]),
    ("No", ["No"]),
]


@pytest.mark.parametrize(("text", "sentences"), CASES)
def test_split_sentences(text: str, sentences: list[str]) -> None:
    tokens = tokenize(text)
    spans = split_sentences(text, tokens)
    found = [text[tokens[first].start : tokens[last - 1].end].strip() for first, last in spans]
    assert [sentence for sentence in found if sentence] == sentences
