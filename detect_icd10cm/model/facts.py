"""What the title of a code says: its words, side, residual classes, encounter."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.model.families import without_encounter
from detect_icd10cm.model.gazetteer import word_ids
from detect_icd10cm.types import KINDS

NO_SIDE, RIGHT, LEFT, BILATERAL, SIDE_NOT_STATED = range(5)

_SIDES = {"right": RIGHT, "left": LEFT, "bilateral": BILATERAL, "both": BILATERAL}
_SIDE = re.compile(r"\b(right|left|bilateral|both)\b", re.IGNORECASE)
_UNSPECIFIED_SIDE = re.compile(
    r"\bunspecified (?:side|ear|eye|knee|hip|shoulder|elbow|wrist|hand|finger|thumb|ankle|foot|toe|upper|lower|limb"
    r"|arm|leg|forearm|thigh|breast|kidney|lung|ovary|testis|femur|tibia|fibula|humerus|radius|ulna)\b",
    re.IGNORECASE,
)
_UNSPECIFIED = re.compile(r"\bunspecified\b|\bwithout complications?\b|\buncomplicated\b", re.IGNORECASE)
_OTHER = re.compile(r"\bother\b", re.IGNORECASE)
_FAMILY = ("Z80", "Z81", "Z82", "Z83", "Z84")
_PERSONAL = ("Z85", "Z86", "Z87", "I25.2", "Z92", "Z98")
_SEVENTH_LENGTH = 8  # with the dot


class CodeFacts(NamedTuple):
    """Facts of one code that do not depend on a note."""

    words: tuple[int, ...]
    side: int
    flags: tuple[float, ...]
    kind: int


FLAGS = (
    "unspecified", "other", "family history", "personal history", "status", "cause", "initial", "subsequent", "sequela",
    "has encounter",
)  # fmt: skip


def make_facts(codeset: CodeSet, code: str) -> CodeFacts:
    """Return the facts of a code."""
    title = codeset.title(code)
    plain = without_encounter(title)
    seventh = code[-1] if len(code) == _SEVENTH_LENGTH and plain != title else ""
    flags = (
        bool(_UNSPECIFIED.search(title)),
        bool(_OTHER.search(title)),
        code.startswith(_FAMILY),
        code.startswith(_PERSONAL),
        code[0] == "Z",
        code[0] in "VWXY",
        seventh in ("A", "B", "C"),
        bool(seventh) and seventh not in "ABCS",
        seventh == "S",
        bool(seventh),
    )
    words = tuple(dict.fromkeys(word_ids(plain)))
    return CodeFacts(words, _side_of(plain), tuple(map(float, flags)), KINDS.index(kind_of(code)))


@lru_cache(maxsize=4096)
def side_word(word: str) -> int:
    """Return the side that a word says; 0 for other words."""
    return {"rt": RIGHT, "lt": LEFT, "bilaterally": BILATERAL, "b/l": BILATERAL, **_SIDES}.get(word.lower(), NO_SIDE)


def _side_of(title: str) -> int:
    match = _SIDE.search(title)
    if match:
        return _SIDES[match.group(1).lower()]
    return SIDE_NOT_STATED if _UNSPECIFIED_SIDE.search(title) else NO_SIDE
