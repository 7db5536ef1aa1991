"""CSV and TSV of codes: ``note_id, code``, or ``note_id, start, end, code`` with spans."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import IssueLog, make_mention, open_text, spell_code, text_of, unique
from detect_icd10cm.notes.streams import plain_suffix
from detect_icd10cm.types import AnnotatedNote, Mention, Note

Row = tuple[int, Mapping[str, str]]


def read_table(path: Path, log: IssueLog, texts: Mapping[str, str] | None = None) -> Iterator[AnnotatedNote]:
    """Yield the notes of a table with a header; rows of a note need not stand together.

    With ``start`` and ``end`` (and optional ``text``, ``assertion``, ``kind``) each row is a mention, and the codes of
    the present ones are the note's; without, each row is a document code. A row with an empty code only names a note
    that has none.

    Args:
        path: The file.
        log: Where broken rows and notes are reported.
        texts: The text of each note by its id, to check offsets against.

    Raises:
        NoteError: If the header lacks a column.
    """
    rows: dict[str, list[Row]] = {}
    spans = False
    for number, row in read_rows(path):
        spans = "start" in row
        note_id = text_of(row, "note_id")
        if note_id is None:
            log.broken(None, f"{path.name}, line {number}", NoteError("found no note_id"))
        else:
            rows.setdefault(note_id, []).append((number, row))
    for note_id, own in rows.items():
        note = Note(note_id, (texts or {}).get(note_id, ""))
        own = [(number, row) for number, row in own if text_of(row, "code")]
        try:
            if spans:
                mentions = tuple(_mention(note.text, number, row) for number, row in own)
                present = unique(mention.code for mention in mentions if mention.assertion == "present")
                yield AnnotatedNote(note, mentions, present)
            else:
                yield AnnotatedNote(note, codes=tuple(spell_code(row["code"]) for _, row in own))
        except NoteError as error:
            log.broken(note_id, path.name, error)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield a table's rows with the number of their last line; a ``.tsv`` is split at tabs, others at commas.

    Raises:
        NoteError: If the header lacks a column that is needed, or a row has another number of fields.
    """
    try:
        with open_text(path, newline="") as file:
            reader = csv.reader(file, delimiter="\t" if plain_suffix(path) == ".tsv" else ",")
            header = [name.strip().lower() for name in next(reader, [])]
            _check_header(header, path)
            for fields in reader:
                if not fields:
                    continue
                if len(fields) != len(header):
                    where = f"{path.name}, line {reader.line_num}"
                    raise NoteError(f"{where}: found {len(fields)} fields, the header has {len(header)}")
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error:
        raise NoteError(f"{path.name} cannot be read as CSV; is a field too long, or a quote not closed?") from None


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in ("note_id", "code") if name not in header]
    if ("start" in header) != ("end" in header):
        missing += [name for name in ("start", "end") if name not in header]
    if missing:
        raise NoteError(
            f"{path.name}: the header has no column {' and no column '.join(missing)}; "
            "expected note_id,code or note_id,start,end,code"
        )


def _mention(text: str, number: int, row: Mapping[str, str]) -> Mention:
    try:
        start, end = int(row["start"]), int(row["end"])
    except ValueError:
        raise NoteError(f"line {number}: start and end must be whole numbers") from None
    try:
        return make_mention(
            text,
            start,
            end,
            row["code"],
            quote=row.get("text") or None,
            assertion=row.get("assertion") or None,
            kind=row.get("kind") or None,
        )
    except NoteError as error:
        raise NoteError(f"line {number}: {error}") from None
