from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.grading import Grader, content_words


@pytest.fixture(scope="module")
def grader(codeset: CodeSet) -> Grader:
    return Grader(codeset, ["F33", "F32", "L89", "C50"], {"sacral": ["sacrum"], "upper outer": ["uo"]})


@pytest.mark.parametrize(
    ("code", "phrase", "graded"),
    [
        ("L89.90", "stage 2 pressure ulcer of the sacrum", "L89.152"),
        ("L89.159", "sacral pressure ulcer , stage iii", "L89.153"),
        ("L89.159", "sacral pressure ulcer , 2 cm", "L89.159"),
        ("F33.9", "recurrent depression , moderate", "F33.1"),
        ("F33.9", "recurrent depression , severe", "F33.2"),
        ("F32.9", "depression", "F32.9"),  # F32.A says less, not more
        ("C50.911", "breast cancer , uo quadrant", "C50.411"),
        # two fit as well
        ("F33.9", "mild to moderate recurrent depression", "F33.9"),
        # a header that is not sorted
        ("I10", "hypertension , stage 2", "I10"),
    ],
)
def test_grade(grader: Grader, code: str, phrase: str, graded: str) -> None:
    assert grader.grade(code, phrase.split()) == graded
    assert grader.covers(code) is (code != "I10")


def test_a_number_counts_only_behind_what_it_numbers() -> None:
    assert content_words("Stage II ulcers , 2 cm on the left".split()) == {"stage 2", "ulcer", "cm", "left"}
    assert content_words([]) == frozenset()
