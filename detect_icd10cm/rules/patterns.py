"""Groups of ICD-10-CM codes as rules files write them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from detect_icd10cm.errors import RulesError

T = TypeVar("T")

_CATEGORY = r"[A-Z]\d[0-9A-Z]"
_PATTERN = re.compile(
    rf"(?P<first>{_CATEGORY}(?:\.[0-9A-Z]{{1,4}})?)(?:-(?P<last>{_CATEGORY}))?(?P<below>-|\*(?P<seventh>[A-Z])?)?"
)
# Lengths of "G35", "G35.D", "G12.21" and so on; no code stops at the dot.
_LENGTHS = (3, 5, 6, 7, 8)
_WITH_SEVENTH = 8
# Codes whose items are kept once found; far more than notes of a kind hold.
_MAX_FOUND = 1 << 14


@dataclass(frozen=True, slots=True)
class CodePattern:
    """A group of codes.

    ``G35.D`` is that code alone, ``G12.2-`` or ``G12.2*`` it and all below, ``G80-G83`` or ``A00-B99`` all of these
    categories, and ``S44*S`` or ``S40-S49*S`` those below that have S for their seventh character.
    """

    text: str
    prefixes: tuple[str, ...]
    exact: bool
    seventh: str | None

    @classmethod
    def parse(cls, text: str) -> CodePattern:
        """Read a pattern.

        Raises:
            RulesError: If it has none of the forms above.
        """
        match = _PATTERN.fullmatch(text)
        first, last, below, seventh = match.group("first", "last", "below", "seventh") if match else ("",) * 4
        prefixes = _expand(first, last) if last else (first,)
        if not match or not prefixes or (last and below == "-"):
            raise RulesError(
                f"found code pattern {text!r}, expected one such as 'G35.D', 'G12.2-', 'G80-G83' or 'S44*S'"
            )
        return cls(text, prefixes, exact=not (last or below), seventh=seventh)

    def matches(self, code: str) -> bool:
        """Return whether a code, spelled as usual, belongs to the group."""
        if self.exact:
            return code == self.text
        if self.seventh and not (len(code) == _WITH_SEVENTH and code[-1] == self.seventh):
            return False
        return code.startswith(self.prefixes)


class PatternIndex(Generic[T]):
    """Finds what stands behind the patterns of a code with a few look-ups, however many patterns there are."""

    def __init__(self, items: Iterable[tuple[CodePattern, T]]) -> None:
        self._by_prefix: dict[str, list[tuple[CodePattern, T]]] = defaultdict(list)
        self._found: dict[str, tuple[T, ...]] = {}
        for pattern, item in items:
            for prefix in pattern.prefixes:
                self._by_prefix[prefix].append((pattern, item))

    def find(self, code: str) -> tuple[T, ...]:
        """Return the items of all patterns that a code belongs to."""
        found = self._found.get(code)
        if found is None:
            if len(self._found) >= _MAX_FOUND:
                self._found.clear()
            found = self._found[code] = tuple(self._look_up(code))
        return found

    def _look_up(self, code: str) -> Iterator[T]:
        for length in _LENGTHS:
            if length > len(code):
                break
            for pattern, item in self._by_prefix.get(code[:length], ()):
                if pattern.matches(code):
                    yield item


class CodeGroup(tuple[CodePattern, ...]):
    """Some patterns, taken together: what belongs to one of them belongs to the group."""

    _index: PatternIndex[CodePattern]

    def __new__(cls, patterns: Iterable[CodePattern] = ()) -> CodeGroup:
        """Return a group of these patterns."""
        group = super().__new__(cls, patterns)
        group._index = PatternIndex((pattern, pattern) for pattern in group)
        return group

    @classmethod
    def parse(cls, *texts: str) -> CodeGroup:
        """Read several patterns.

        Raises:
            RulesError: If one of them is none.
        """
        return cls(map(CodePattern.parse, texts))

    def matches(self, code: str) -> bool:
        """Return whether a code, spelled as usual, belongs to the group."""
        return bool(self._index.find(code))


def _expand(first: str, last: str) -> tuple[str, ...]:
    """Return the categories from first to last; none where they don't rise.

    Categories such as C4A stand somewhere within their ten; they count as in wherever part of it does.
    """
    if len(first) != len(last) or not (first[1:] + last[1:]).isdigit() or first > last:
        return ()
    numbered = [f"{chr(letter)}{n:02d}" for letter in range(ord(first[0]), ord(last[0]) + 1) for n in range(100)]
    found = [category for category in numbered if first <= category <= last]
    lettered = dict.fromkeys(category[:2] + letter for category in found for letter in "AB")
    return (*found, *lettered)
