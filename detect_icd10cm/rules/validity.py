"""Codes that a release no longer has as billable: which of its codes says the same."""

from __future__ import annotations

from typing import NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.tables import find_ancestors

_SEVENTH_LENGTH = 8  # with the dot
_DIVIDED = "{code} is a header in release {release}; {new} says no more than it does (I.B.2, I.B.18)"
_MOVED = "{code} is not in release {release}; {new} says no more than it does (I.B.18)"


class Successor(NamedTuple):
    """A billable code that says what another said, and the line that tells so."""

    code: str
    reason: str


def find_successor(code: str, codeset: CodeSet) -> Successor | None:
    """Return the billable code to report for one that is not; None where no single code says the same.

    A header stands for the code that is meant when nothing more is said (I.A.18, I.B.18): so ``G35``, billable until
    September 2025, for ``G35.D``. A code that is gone stands for what its nearest header means, with its 7th
    character kept where that still exists; three characters alone say too little to be mapped so.
    """
    if code in codeset:
        new = codeset.default_billable(code)
        return Successor(new, _DIVIDED.format(code=code, release=codeset.release, new=new)) if new else None
    header = next((h for h in find_ancestors(code, codeset) if len(h) > 3), None)
    new = codeset.default_billable(header) if header else None
    if new is None:
        return None
    if len(code) == len(new) == _SEVENTH_LENGTH and codeset.is_billable(new[:-1] + code[-1]):
        new = new[:-1] + code[-1]
    return Successor(new, _MOVED.format(code=code, release=codeset.release, new=new))
