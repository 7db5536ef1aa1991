"""The instructional notes of the Tabular List, read once a code: which other codes each of them speaks of."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from detect_icd10cm.codes.codeset import CodeSet

Kind = Literal["excludes1", "code_first", "use_additional", "code_also"]

_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_CODE = r"[A-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?"
_REFERENCE = re.compile(rf"(?P<first>{_CODE})(?:\.?-?\s*-\s*(?P<last>{_CODE}))?")
# "with open fracture 7th character", "with 7th character B", "with seventh character A".
_SEVENTH = re.compile(r"\bwith (?P<open>open fracture )?(?:7th|seventh) character ?(?P<character>[A-Z])?\b")
_OPEN_FRACTURE = "BCEFHJMNQR"
_SEVENTH_LENGTH = 8  # with the dot
# "underlying disease, such as:", but not "underlying disease, if known".
_MUST_PRECEDE = re.compile(r"(?:the )?(?:underlying|infection\b)(?!.*\bif (?:known|applicable))")
_MAX_NOTES = 1 << 16


class Reference(NamedTuple):
    """Codes from first to last that a note speaks of, with all below them, and the note's words.

    With ``seventh``, only those that have one of these for their seventh character.
    """

    first: str
    last: str
    note: str
    seventh: str = ""

    def matches(self, code: str) -> bool:
        """Return whether the note speaks of a code."""
        if self.seventh and not (len(code) == _SEVENTH_LENGTH and code[-1] in self.seventh):
            return False
        return self.first <= code[: len(self.first)] and code[: len(self.last)] <= self.last


@lru_cache(maxsize=_MAX_NOTES)
def find_references(codeset: CodeSet, code: str, kind: Kind) -> tuple[Reference, ...]:
    """Return the codes that the notes of one kind at a code, or above it, name in brackets.

    Args:
        codeset: The release.
        code: A code of it.
        kind: The notes to read.
    """
    notes: tuple[str, ...] = getattr(codeset[code], kind)
    return tuple(
        Reference(match["first"], match["last"] or match["first"], note, _find_seventh(inner[0]))
        for note in notes
        for inner in _BRACKETS.finditer(note)
        for match in _REFERENCE.finditer(inner[1] or inner[2] or "")
    )


def _find_seventh(bracket: str) -> str:
    """Return the seventh characters that the words in brackets ask for; none where they ask for no certain one."""
    match = _SEVENTH.search(bracket)
    if match is None:
        return ""
    return _OPEN_FRACTURE if match["open"] else match["character"] or ""


def find_note(codeset: CodeSet, code: str, kind: Kind, other: str) -> str | None:
    """Return the words of the note of one kind at a code that speaks of another one, or None."""
    return next((ref.note for ref in find_references(codeset, code, kind) if ref.matches(other)), None)


@lru_cache(maxsize=_MAX_NOTES)
def needs_cause(codeset: CodeSet, code: str) -> bool:
    """Return whether a code may not stand without one of its cause ahead, by its title or a "code first" note."""
    notes = codeset[code].code_first
    return is_manifestation(codeset, code) or any(map(_MUST_PRECEDE.match, notes))


@lru_cache(maxsize=_MAX_NOTES)
def is_manifestation(codeset: CodeSet, code: str) -> bool:
    """Return whether a code's title makes it the second of a pair, never the first listed (I.A.13)."""
    return "diseases classified elsewhere" in codeset.title(code)
