"""One release of ICD-10-CM as plain tables: what the readers fill, the packer stores and imports change."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

# The notes of the Tabular List that apply to all codes below the place where they stand; the words are the
# fields of ``CodeEntry``.
INHERITED_NOTES = ("includes", "excludes1", "excludes2", "code_first", "use_additional", "code_also")

Notes = dict[str, list[str]]
CATEGORY_LENGTH = 3


@dataclass(slots=True)
class CodeRow:
    """One code or header with what is written at its own place; inherited notes are not repeated."""

    code: str
    title: str
    billable: bool
    block: str = ""
    chapter: str = ""
    inclusion_terms: list[str] = field(default_factory=list)
    notes: Notes = field(default_factory=dict)
    seventh_characters: dict[str, str] = field(default_factory=dict)
    poa_exempt: bool | None = None


@dataclass(slots=True)
class GroupRow:
    """A chapter or a block: its id (``"4"``, ``"E08-E13"``), title and notes."""

    kind: str
    group_id: str
    title: str
    chapter: str
    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexTerm:
    """A term of an official index; ``origin`` is the kind of file: index, external_cause, neoplasm, drug."""

    code: str
    term: str
    origin: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The chapters and blocks of a release, and the block and chapter of each category."""

    groups: list[GroupRow]
    places: dict[str, tuple[str, str]]

    def place(self, code: str) -> tuple[str, str]:
        """Return the block and chapter of a code: its category's, else the narrowest block around that."""
        category = code[:CATEGORY_LENGTH]
        if category not in self.places:
            around = [group for group in self.groups if group.kind == "block" and covers(group.group_id, category)]
            around.sort(key=lambda group: group.group_id[-CATEGORY_LENGTH:])
            nearest = max(around, key=lambda group: group.group_id[:CATEGORY_LENGTH], default=None)
            self.places[category] = (nearest.group_id, nearest.chapter) if nearest else ("", "")
        return self.places[category]


@dataclass(slots=True)
class ReleaseTables:
    """All of one release; ``codes`` stand in tabular order, each header before its children."""

    release: str
    codes: list[CodeRow]
    groups: list[GroupRow] = field(default_factory=list)
    index_terms: list[IndexTerm] = field(default_factory=list)
    sources: list[dict[str, str]] = field(default_factory=list)

    def layout(self) -> Layout:
        """Return the chapters and blocks, and which of them each category is in."""
        categories = (row for row in self.codes if len(row.code) == CATEGORY_LENGTH)
        return Layout(self.groups, {row.code: (row.block, row.chapter) for row in categories})

    def by_code(self) -> dict[str, CodeRow]:
        """Return the rows by code."""
        return {row.code: row for row in self.codes}


def with_dot(code: str) -> str:
    """Return a code of an official file, published without a dot, with its dot."""
    return code if len(code) <= 3 else f"{code[:3]}.{code[3:]}"


def find_ancestors(code: str, known: Container[str]) -> tuple[str, ...]:
    """Return the known codes that a code starts with, longest first: the headers above it, its category last.

    So are codes placed in the Tabular List itself. Placeholders need no care: ``T14.8XXA`` has no ``T14.8XX``
    above it.

    Args:
        code: A code with its dot.
        known: The codes of the release.
    """
    sizes = (*range(len(code) - 1, 4, -1), 3) if len(code) > 3 else ()
    return tuple([code[:size] for size in sizes if code[:size] in known])


def covers(block: str, category: str) -> bool:
    """Return whether a category falls in a block such as ``"E08-E13"`` or ``"B99"``."""
    first, _, last = block.partition("-")
    return first <= category <= (last or first)
