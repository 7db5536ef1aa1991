"""ICD-10-CM as published: one release of the code set, and how codes are spelled."""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from detect_icd10cm.codes import packing, releases
from detect_icd10cm.codes.releases import Release, choose_release, installed_releases, parse_release
from detect_icd10cm.codes.tables import INHERITED_NOTES, find_ancestors
from detect_icd10cm.errors import CodeSetError, ReleaseWarning

__all__ = [
    "CodeEntry",
    "CodeSet",
    "Release",
    "choose_release",
    "installed_releases",
    "normalize_code",
    "parse_release",
]

# A letter, then two characters of which one at least is a digit ("QA0" exists), then up to four; a dot needs
# a sequel.
_CODE = re.compile(r"([A-Z](?:[0-9][0-9A-Z]|[A-Z][0-9]))(?:\.(?=.))?([0-9A-Z]{0,4})")
_LONGEST_CODE = 8
_NO_CHARACTERS: Mapping[str, str] = {}
# Entries kept once asked for; far more than one note needs, far fewer than the set holds.
_MAX_ENTRIES = 4096
_WORD = re.compile(r"\w+")


def normalize_code(code: str) -> str:
    """Return a code in the spelling used throughout: upper case, a dot after the third character.

    Whether the code exists is not asked. A placeholder X is a character like any other.

    >>> normalize_code("e119"), normalize_code("t14.8xxa"), normalize_code(" i10 ")
    ('E11.9', 'T14.8XXA', 'I10')

    Raises:
        CodeSetError: If the text can't be an ICD-10-CM code.
    """
    match = _CODE.fullmatch("".join(code.split()).upper()) if code.isascii() else None
    if match is None:
        # Whatever is longer than a code is not repeated: it could be text of a note.
        found = repr(code) if len(code) <= _LONGEST_CODE else f"a text of {len(code)} characters"
        raise CodeSetError(f"found {found}, expected an ICD-10-CM code such as 'E11.9' or 'E119'")
    return f"{match[1]}.{match[2]}" if match[2] else match[1]


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One code or header of a release, with all that the Tabular List says of it.

    Notes stand nearest first: those of the code itself, then those of the codes above it, its block and its
    chapter, which apply to it as well. Inclusion terms are the code's own.
    """

    code: str
    title: str
    billable: bool
    parent: str | None
    children: tuple[str, ...]
    category: str
    block: str
    chapter: str
    inclusion_terms: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    excludes1: tuple[str, ...] = ()
    excludes2: tuple[str, ...] = ()
    code_first: tuple[str, ...] = ()
    use_additional: tuple[str, ...] = ()
    code_also: tuple[str, ...] = ()
    seventh_characters: Mapping[str, str] = field(default_factory=lambda: _NO_CHARACTERS)
    index_terms: tuple[str, ...] = ()
    poa_exempt: bool | None = None


class CodeSet:
    """One release of ICD-10-CM; made by ``load`` or ``on``.

    It may be read by many threads, survives a fork, and pickles as the name of its release. Wherever a code
    is taken, any spelling that ``normalize_code`` takes will do; iteration and ``len`` count headers too.
    """

    def __init__(self, path: Path) -> None:
        self._file = _PackedFile(path)
        self.release: str = path.name.partition(".")[0]
        self._entries: dict[str, CodeEntry] = {}

    @classmethod
    def load(cls, release: str | None = None) -> CodeSet:
        """Return an installed release, the newest by default; it is packed into the cache on first use.

        Args:
            release: Its name such as ``"2026-04"``, or a fiscal year such as ``"FY2027"``.

        Raises:
            CodeSetError: If the release is not installed, or was imported and its file is damaged.
        """
        path = releases.locate(release)
        return _open(path, path.stat().st_mtime_ns)

    @classmethod
    def on(cls, day: date) -> CodeSet:
        """Return the release in force on a day; or the nearest installed one with a ``ReleaseWarning``.

        Raises:
            CodeSetError: If no release is installed.
        """
        release, warning = choose_release(day)
        if warning:
            warnings.warn(warning, ReleaseWarning, stacklevel=2)
        return cls.load(release)

    def __reduce__(self) -> tuple[Callable[[str], CodeSet], tuple[str]]:
        return CodeSet.load, (self.release,)

    def __repr__(self) -> str:
        return f"CodeSet({self.release!r})"

    def __len__(self) -> int:
        return len(self._titles)

    def __iter__(self) -> Iterator[str]:
        return iter(self._titles)

    def __contains__(self, code: object) -> bool:
        if code in self._titles:
            return True
        if not isinstance(code, str):
            return False
        try:
            return normalize_code(code) in self._titles
        except CodeSetError:
            return False

    def __getitem__(self, code: str) -> CodeEntry:
        entry = self._entries.get(code)
        if entry is None:
            if len(self._entries) >= _MAX_ENTRIES:
                self._entries.clear()
            entry = self._entries[code] = self._make_entry(self._known(code))
        return entry

    def title(self, code: str) -> str:
        """Return the official long title of a code or header.

        Raises:
            CodeSetError: If the release has no such code.
        """
        return self._titles.get(code) or self._titles[self._known(code)]

    def is_billable(self, code: str) -> bool:
        """Return whether a code is billable: complete and no header; False for unknown ones."""
        return code in self and self._known(code) not in self._headers

    def parent(self, code: str) -> str | None:
        """Return the code right above; None for a category.

        Raises:
            CodeSetError: If the release has no such code.
        """
        return next(iter(self.ancestors(code)), None)

    def children(self, code: str) -> tuple[str, ...]:
        """Return the codes right below, in tabular order.

        Raises:
            CodeSetError: If the release has no such code.
        """
        header = self._known(code)
        if header not in self._headers:
            return ()
        below = self._file.fetch(
            "SELECT code FROM code WHERE code > ? AND code < ? ORDER BY position", (header, f"{header}~")
        )
        return tuple(child for (child,) in below if find_ancestors(child, self._titles)[0] == header)

    def ancestors(self, code: str) -> tuple[str, ...]:
        """Return the codes above, nearest first, the category last.

        Raises:
            CodeSetError: If the release has no such code.
        """
        return find_ancestors(self._known(code), self._titles)

    def billable_codes(self) -> tuple[str, ...]:
        """Return the billable codes in tabular order."""
        return self._billable

    def default_billable(self, code: str) -> str | None:
        """Return the billable code that is meant when a note says no more than this code does.

        A billable code means itself; a header its unspecified, uncomplicated, initial-encounter descendant
        (see ``defaults.find_defaults``), or None where there is no such.

        Raises:
            CodeSetError: If the release has no such code.
        """
        known = self._known(code)
        return self._headers.get(known, known)

    def terms(self) -> Iterator[tuple[str, str, str]]:
        """Yield each published term with its code and source: ``"title"``, ``"inclusion"`` or ``"index"``.

        Titles come first, in tabular order. Codes need not be billable.
        """
        for code, title in self._titles.items():
            yield title, code, "title"
        for code, term, origin in self._file.fetch("SELECT code, term, origin FROM term ORDER BY rowid"):
            yield term, code, packing.INCLUSION if origin == packing.INCLUSION else "index"

    def search(self, words: str, limit: int = 20) -> list[CodeEntry]:
        """Return the codes whose title, inclusion terms or index terms hold the words, best first.

        Where no code holds all of them, codes that hold some are returned. A code's spelling finds the code
        itself.
        """
        found = [self[words]] if words in self else []
        tokens = [f'"{word}"' for word in _WORD.findall(words)]
        if not tokens:
            return found
        # Weights of title, inclusion terms and index terms; among equals the header, then tabular order.
        limit = max(limit, 0)  # SQLite takes a negative one for none
        query = (
            "SELECT code.code FROM search JOIN code ON code.position = search.rowid WHERE search MATCH ? "
            "ORDER BY bm25(search, 4.0, 2.0, 1.0), code.position LIMIT ?"
        )
        for joint in (" ", " OR "):
            rows = self._file.fetch(query, (joint.join(tokens), limit))
            if rows:
                break
        found += [self[code] for (code,) in rows if all(code != entry.code for entry in found)]
        return found[:limit]

    @cached_property
    def _titles(self) -> dict[str, str]:
        return packing.read_titles(self._file.fetch(packing.LISTING))

    @cached_property
    def _headers(self) -> dict[str, str | None]:
        """The billable code that each header means."""
        return dict(self._file.fetch("SELECT code, default_code FROM code WHERE NOT billable"))

    @cached_property
    def _billable(self) -> tuple[str, ...]:
        headers = self._headers
        return tuple(code for code in self._titles if code not in headers)

    def _known(self, code: str) -> str:
        if code in self._titles:
            return code
        known = normalize_code(code)
        if known not in self._titles:
            raise CodeSetError(f"found code {known}, which release {self.release} does not have")
        return known

    def _make_entry(self, code: str) -> CodeEntry:
        lineage = (code, *self.ancestors(code))
        marks = ", ".join("?" * len(lineage))
        rows = self._file.fetch(
            f"SELECT code, block, chapter, notes, seventh, poa_exempt FROM code WHERE code IN ({marks})",  # noqa: S608
            lineage,
        )
        by_code = {row[0]: row[1:] for row in rows}
        block, chapter, _, _, poa_exempt = by_code[code]
        group = "SELECT notes FROM grouping WHERE kind = ? AND group_id = ?"
        written = [by_code[member][2] for member in lineage]
        written += [row[0] for row in self._file.fetch(group, ("block", block))]
        written += [row[0] for row in self._file.fetch(group, ("chapter", chapter))]
        notes = [json.loads(text) for text in written if text]
        seventh = next((by_code[member][3] for member in lineage if by_code[member][3]), None)
        terms = self._file.fetch("SELECT term, origin FROM term WHERE code = ? ORDER BY rowid", (code,))
        return CodeEntry(
            code=code,
            title=self._titles[code],
            billable=code not in self._headers,
            parent=next(iter(lineage[1:]), None),
            children=self.children(code),
            category=code[:3],
            block=block,
            chapter=chapter,
            inclusion_terms=tuple(term for term, origin in terms if origin == packing.INCLUSION),
            seventh_characters=json.loads(seventh) if seventh else _NO_CHARACTERS,
            index_terms=tuple(term for term, origin in terms if origin != packing.INCLUSION),
            poa_exempt=None if poa_exempt is None else bool(poa_exempt),
            **{name: tuple(text for own in notes for text in own.get(name, ())) for name in INHERITED_NOTES},
        )


class _PackedFile:
    """A packed release open for reading, one thread at a time; a forked process connects anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connect()

    def fetch(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Return all rows of a query."""
        if self._process != os.getpid():
            self._connect()
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _connect(self) -> None:
        # A lock held by another thread at the fork stays locked in the child: it needs one of its own too.
        self._lock = threading.Lock()
        self._connection = packing.connect(self._path)
        self._process = os.getpid()
        weakref.finalize(self, self._connection.close)


@lru_cache(maxsize=8)
def _open(path: Path, changed: int) -> CodeSet:
    """Return the one code set of a file, as long as its time of change (ns) stays."""
    return CodeSet(path)
