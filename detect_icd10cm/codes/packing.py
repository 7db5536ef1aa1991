"""A release as one read-only SQLite file whose name carries the hash of its own content."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from detect_icd10cm.codes.defaults import find_defaults
from detect_icd10cm.codes.tables import CodeRow, GroupRow, IndexTerm, Layout, ReleaseTables
from detect_icd10cm.errors import CodeSetError

# Raised when the tables below or what is written in them change: packed files of other versions are not read.
SCHEMA = 1
SUFFIX = ".sqlite"

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE grouping (
    kind TEXT, group_id TEXT, title TEXT, chapter TEXT, notes TEXT, PRIMARY KEY (kind, group_id)
);
CREATE TABLE code (
    position INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, billable INTEGER NOT NULL, default_code TEXT,
    block TEXT NOT NULL, chapter TEXT NOT NULL, notes TEXT, seventh TEXT, poa_exempt INTEGER
);
-- All codes and titles in tabular order, a line each: read in a third of the time that rows take.
CREATE TABLE listing (codes TEXT NOT NULL, titles TEXT NOT NULL);
CREATE TABLE term (code TEXT NOT NULL, term TEXT NOT NULL, origin TEXT NOT NULL);
CREATE INDEX term_code ON term (code);
CREATE VIRTUAL TABLE search USING fts5 (
    title, inclusion, indexed, content = '', tokenize = 'porter unicode61 remove_diacritics 2'
);
"""
INCLUSION = "inclusion"
LISTING = "SELECT codes, titles FROM listing"


def install(tables: ReleaseTables, folder: Path, key: str) -> Path:
    """Pack a release into a folder in one atomic step and return the file.

    Processes may do so at the same time: each writes its own file, and the names differ only if the content
    does.

    Args:
        tables: The release.
        folder: Where to; created with access for the user only.
        key: What the release was made from, part of the file's name.

    Raises:
        CodeSetError: If the folder can't be written.
    """
    packing = make_draft(folder, ".packing-")
    try:
        try:
            _write(tables, packing)
        except sqlite3.OperationalError as error:  # the disk is full, or SQLite lacks FTS5
            raise CodeSetError(f"{folder}: release {tables.release} could not be packed ({error})") from None
        target = folder / f"{tables.release}.{key}.{digest(packing)}{SUFFIX}"
        try:
            packing.replace(target)
        except PermissionError:  # Windows: another process has put the same content there and reads it
            if not target.exists():
                raise
    finally:
        packing.unlink(missing_ok=True)
    return target


def make_draft(folder: Path, prefix: str) -> Path:
    """Return a new empty file for the user only, to be moved to its name when it is whole.

    Raises:
        CodeSetError: If the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix=prefix, dir=folder)
    except OSError as error:
        raise CodeSetError(
            f"{folder}: cannot be written ({error.strerror}); set DETECT_ICD10CM_CACHE and "
            "DETECT_ICD10CM_DATA to folders that can"
        ) from None
    os.close(handle)
    return Path(name)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_intact(path: Path) -> bool:
    """Return whether a packed file's content is what its name says."""
    return path.name.removesuffix(SUFFIX).rpartition(".")[2] == digest(path)


def connect(path: Path) -> sqlite3.Connection:
    """Open a packed file for reading; nothing is locked or written beside it."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def read_meta(path: Path) -> dict[str, Any]:
    """Return what a packed file says of itself: ``release``, ``sources``."""
    with closing(connect(path)) as db:
        return {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM meta")}


def read_tables(path: Path) -> ReleaseTables:
    """Read a packed file back into the tables that it was made from."""
    with closing(connect(path)) as db:
        meta = {name: json.loads(value) for name, value in db.execute("SELECT name, value FROM meta")}
        groups = _read_groups(db)
        titles = read_titles(db.execute(LISTING).fetchall())
        inclusions: dict[str, list[str]] = {}
        index_terms = []
        for code, term, origin in db.execute("SELECT code, term, origin FROM term ORDER BY rowid"):
            if origin == INCLUSION:
                inclusions.setdefault(code, []).append(term)
            else:
                index_terms.append(IndexTerm(code, term, origin))
        codes = [
            CodeRow(
                code,
                titles[code],
                bool(billable),
                block,
                chapter,
                inclusions.get(code, []),
                _loads(notes) or {},
                _loads(seventh) or {},
                None if poa_exempt is None else bool(poa_exempt),
            )
            for code, billable, block, chapter, notes, seventh, poa_exempt in db.execute(
                "SELECT code, billable, block, chapter, notes, seventh, poa_exempt FROM code ORDER BY position"
            )
        ]
    return ReleaseTables(meta["release"], codes, groups, index_terms, meta["sources"])


def read_layout(path: Path) -> Layout:
    """Read the chapters and blocks of a packed file, and which of them each category is in."""
    with closing(connect(path)) as db:
        categories = db.execute("SELECT code, block, chapter FROM code WHERE length(code) = 3")
        return Layout(_read_groups(db), {code: (block, chapter) for code, block, chapter in categories})


def _read_groups(db: sqlite3.Connection) -> list[GroupRow]:
    return [
        GroupRow(kind, group_id, title, chapter, _loads(notes) or {})
        for kind, group_id, title, chapter, notes in db.execute("SELECT * FROM grouping ORDER BY rowid")
    ]


def read_titles(rows: list[tuple[str, str]]) -> dict[str, str]:
    """Return the title of each code, in tabular order, from what the query ``LISTING`` gives."""
    ((codes, titles),) = rows
    return dict(zip(codes.split("\n"), titles.split("\n"), strict=True))


def _write(tables: ReleaseTables, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        # The file is private until it is renamed, so neither a journal nor syncing protects anything.
        db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
        meta = {"release": tables.release, "sources": tables.sources}
        db.executemany("INSERT INTO meta VALUES (?, ?)", ((name, json.dumps(value)) for name, value in meta.items()))
        db.executemany(
            "INSERT INTO grouping VALUES (?, ?, ?, ?, ?)",
            ((g.kind, g.group_id, g.title, g.chapter, _dumps(g.notes)) for g in tables.groups),
        )
        db.executemany("INSERT INTO code VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _code_values(tables))
        db.execute(
            "INSERT INTO listing VALUES (?, ?)",
            ("\n".join(row.code for row in tables.codes), "\n".join(row.title for row in tables.codes)),
        )
        db.executemany("INSERT INTO term VALUES (?, ?, ?)", _term_values(tables))
        db.executemany(
            "INSERT INTO search (rowid, title, inclusion, indexed) VALUES (?, ?, ?, ?)",
            _search_values(tables),
        )
        db.execute("INSERT INTO search (search) VALUES ('optimize')")
        db.commit()


def _code_values(tables: ReleaseTables) -> Iterator[tuple[Any, ...]]:
    defaults = find_defaults(tables.codes)
    for position, row in enumerate(tables.codes):
        yield (
            position,
            row.code,
            row.billable,
            defaults.get(row.code),
            row.block,
            row.chapter,
            _dumps(row.notes),
            _dumps(row.seventh_characters),
            row.poa_exempt,
        )


def _term_values(tables: ReleaseTables) -> Iterable[tuple[str, str, str]]:
    for row in tables.codes:
        for term in row.inclusion_terms:
            yield row.code, term, INCLUSION
    for index_term in tables.index_terms:
        yield index_term.code, index_term.term, index_term.origin


def _search_values(tables: ReleaseTables) -> Iterator[tuple[int, str, str, str]]:
    indexed: dict[str, list[str]] = {}
    for term in tables.index_terms:
        indexed.setdefault(term.code, []).append(term.term)
    for position, row in enumerate(tables.codes):
        yield position, row.title, "\n".join(row.inclusion_terms), "\n".join(indexed.get(row.code, ()))


def _dumps(value: dict[str, Any]) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def _loads(text: str | None) -> dict[str, Any] | None:
    return json.loads(text) if text else None
