from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.laterality import Siblings, find_sided_siblings


@pytest.fixture(scope="module")
def siblings(codeset: CodeSet) -> Siblings:
    return find_sided_siblings(codeset)


@pytest.mark.parametrize(
    ("code", "sides"),
    [
        ("M25.569", {"right": "M25.561", "left": "M25.562"}),
        ("M25.561", {"right": "M25.561", "left": "M25.562"}),
        ("S72.009A", {"right": "S72.001A", "left": "S72.002A"}),
        ("S72.001D", {"right": "S72.001D", "left": "S72.002D"}),
        ("H92.09", {"right": "H92.01", "left": "H92.02", "bilateral": "H92.03"}),
        ("G56.00", {"right": "G56.01", "left": "G56.02", "bilateral": "G56.03"}),
        ("N83.209", {"right": "N83.201", "left": "N83.202"}),
    ],
)
def test_siblings_differ_only_in_the_side(siblings: Siblings, code: str, sides: dict[str, str]) -> None:
    assert siblings[code] == sides


@pytest.mark.parametrize("code", ["I10", "R51.9", "J18.9"])
def test_codes_without_sides(siblings: Siblings, code: str) -> None:
    assert code not in siblings


def test_all_siblings_are_billable_and_of_one_category(siblings: Siblings, codeset: CodeSet) -> None:
    for code, sides in siblings.items():
        for other in sides.values():
            assert codeset.is_billable(other)
            assert other[:3] == code[:3]
