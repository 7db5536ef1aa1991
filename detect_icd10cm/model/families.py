"""Codes that differ in the encounter alone: one representative a family."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from detect_icd10cm.codes.codeset import CodeSet

_ENCOUNTER = re.compile(r", (?:initial|subsequent) encounter\b.*$|, sequela$", re.IGNORECASE)
_SEVENTH_LENGTH = 8  # with the dot
_INITIAL = "A"


def representative(codeset: CodeSet, code: str) -> str:
    """Return the initial-encounter code of a code's family; the code itself where there is none.

    >>> representative(CodeSet.load("2026-04"), "S93.401D")
    'S93.401A'
    """
    if len(code) != _SEVENTH_LENGTH or code[-1] == _INITIAL or not _ENCOUNTER.search(codeset.title(code)):
        return code
    initial = code[:-1] + _INITIAL
    return initial if codeset.is_billable(initial) else code


def without_encounter(title: str) -> str:
    """Return a title without its words for the encounter."""
    return _ENCOUNTER.sub("", title)


def hash_codes(codes: Sequence[str]) -> str:
    """Return a hash of a list of codes, by which a checkpoint knows its code set."""
    return hashlib.sha256("\n".join(codes).encode()).hexdigest()[:16]
