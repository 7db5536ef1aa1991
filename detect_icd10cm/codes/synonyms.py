"""Our own terms for codes, and the conditions under which an ambiguous one counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from detect_icd10cm.errors import RulesError
from detect_icd10cm.packaged import packaged_file, read_yaml
from detect_icd10cm.text.document import Document
from detect_icd10cm.text.sections import SECTIONS

# Words on either side of a term that are near it.
_NEAR = 4
_KEYS = {"terms", "ignore", "same_words", "guards"}
_CONDITIONS = {"if_note_has", "if_near", "if_section", "unless_near"}
_TERM_KEYS = _CONDITIONS | {"term", "guard"}


class Guard(NamedTuple):
    """What must hold for a term to count.

    Attributes:
        spelling: The term as written where it has a capital letter, else None.
        if_note_has: One of these words stands in the note.
        if_near: One of these words stands near the term, or
        if_section: the term stands in one of these sections.
        unless_near: None of these words stands near the term.
    """

    spelling: str | None = None
    if_note_has: tuple[str, ...] = ()
    if_near: tuple[str, ...] = ()
    if_section: tuple[str, ...] = ()
    unless_near: tuple[str, ...] = ()

    def allows(self, document: Document, first: int, last: int) -> bool:
        """Say whether the term at tokens ``first`` to ``last`` (exclusive) of a note counts."""
        tokens = document.tokens
        if self.spelling and document.text[tokens[first].start : tokens[last - 1].end] != self.spelling:
            return False
        if self.if_note_has and document.words.isdisjoint(self.if_note_has):
            return False
        if not (self.unless_near or self.if_near or self.if_section):
            return True
        near = {token.text.lower() for token in tokens[max(0, first - _NEAR) : first] + tokens[last : last + _NEAR]}
        if not near.isdisjoint(self.unless_near):
            return False
        wanted = bool(self.if_near or self.if_section)
        return (
            not wanted
            or not near.isdisjoint(self.if_near)
            or document.section_at(tokens[first].start) in self.if_section
        )


@dataclass(frozen=True, slots=True)
class Synonym:
    """One term and the billable code it means."""

    term: str
    code: str
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Synonyms:
    """A synonyms file: our terms, code set terms that mean nothing in running text, and words that mean the same."""

    terms: tuple[Synonym, ...]
    ignored: tuple[str, ...]
    same_words: Mapping[str, list[str]]


def synonyms_file() -> Traversable:
    """Return the packaged ``synonyms.yaml``."""
    return packaged_file("codes", "synonyms.yaml")


@cache
def load_synonyms() -> Synonyms:
    """Load the packaged ``synonyms.yaml``."""
    return read_synonyms(synonyms_file())


def read_synonyms(path: Traversable) -> Synonyms:
    """Read a synonyms file; its head says what an entry may hold.

    Raises:
        RulesError: If a key, a guard's name or a section is unknown, or an entry is no term.
    """
    data = read_yaml(path)
    if not isinstance(data, dict) or set(data) != _KEYS:
        raise RulesError(f"{path.name}: expected the keys {sorted(_KEYS)}, found {sorted(data)}")
    reader = _EntryReader(path.name, data["guards"])
    terms = [synonym for code, items in data["terms"].items() for item in items for synonym in reader.read(code, item)]
    return Synonyms(tuple(terms), tuple(data["ignore"]), data["same_words"])


class _EntryReader:
    def __init__(self, file: str, guards: Mapping[str, Mapping[str, Any]]) -> None:
        self._file = file
        self._guards = guards
        for name, conditions in guards.items():
            if not isinstance(conditions, dict) or set(conditions) - _CONDITIONS:
                raise RulesError(f"{file}: guard {name}: found {conditions!r}, expected {sorted(_CONDITIONS)}")

    def read(self, code: str, item: Any) -> Iterator[Synonym]:
        """Yield the terms of one entry."""
        entry = {"term": item} if isinstance(item, str) else item
        if not isinstance(entry, dict) or set(entry) - _TERM_KEYS or not _is_text(entry.get("term")):
            raise RulesError(
                f"{self._file}: {code}: found {item!r}, expected a term or {{{', '.join(sorted(_TERM_KEYS))}}}; "
                "quote yes, no, on, off and numbers"
            )
        if entry.get("guard", None) not in (None, *self._guards):
            raise RulesError(f"{self._file}: {code}: no guard {entry['guard']!r}; expected one of {[*self._guards]}")
        named = self._guards.get(entry.get("guard", ""), {})
        conditions = {
            key: tuple(word.lower() for word in [*named.get(key, ()), *entry.get(key, ())]) for key in _CONDITIONS
        }
        unknown = set(conditions["if_section"]) - SECTIONS
        if unknown:
            raise RulesError(f"{self._file}: {code}: unknown sections {sorted(unknown)}; expected {sorted(SECTIONS)}")
        for term in [entry["term"]] if isinstance(entry["term"], str) else entry["term"]:
            guard = Guard(spelling=term if term != term.lower() else None, **conditions)
            yield Synonym(term, code, guard if guard != Guard() else None)


def _is_text(term: Any) -> bool:
    return isinstance(term, str) or (isinstance(term, list) and all(isinstance(part, str) for part in term))
