"""Annotations kept apart from the notes they stand in: offsets and codes in our files, the texts where they come from.

A line is one note: ``{"note_id": ..., "sha256": ..., "mentions": [[start, end, code, assertion, kind], ...]}``, offsets
in characters of the text (end exclusive), ``sha256`` the first 16 hexadecimal digits of the hash of its UTF-8 bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import read_lines
from detect_icd10cm.types import AnnotatedNote, Mention, Note
from training.data import carry_note, read_texts


def read_standoff(path: Path, folder: Path, codeset: CodeSet) -> Iterator[AnnotatedNote]:
    """Yield the annotated notes of a stand-off file, their codes carried to a release.

    Args:
        path: The annotations.
        folder: The data folder with the texts; see ``read_texts``.
        codeset: The release that the model is trained for.

    Raises:
        NoteError: If a note's text is missing or another one than was annotated.
    """
    texts = {note.note_id: note for note in read_texts(folder)}
    for line, record in read_lines(path):
        yield carry_note(_join(json.loads(record), texts, f"{path.name}, line {line}"), codeset)


def to_standoff(annotated: AnnotatedNote) -> dict[str, Any]:
    """Return a note's annotations without its text."""
    return {
        "note_id": annotated.note.note_id,
        "sha256": text_hash(annotated.note.text),
        "mentions": [[m.start, m.end, m.code, m.assertion, m.kind] for m in annotated.mentions],
    }


def write_standoff(path: Path, notes: Iterable[AnnotatedNote]) -> None:
    """Write annotations, one note a line."""
    with path.open("w", encoding="utf-8") as stream:
        for annotated in notes:
            stream.write(json.dumps(to_standoff(annotated), separators=(",", ":")) + "\n")


def text_hash(text: str) -> str:
    """Return the first 16 hexadecimal digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _join(record: Mapping[str, Any], texts: Mapping[str, Note], where: str) -> AnnotatedNote:
    note = texts.get(record["note_id"])
    if note is None:
        raise NoteError(
            f"{where}: found no text of note {record['note_id']}, expected it in the data folder; "
            "docs/training-data.md says where the notes come from"
        )
    if text_hash(note.text) != record["sha256"]:
        raise NoteError(
            f"{where}: the text of note {record['note_id']} has the hash {text_hash(note.text)}, expected "
            f"{record['sha256']}: it is another version than was annotated; take the published one"
        )
    mentions = (
        Mention(start, end, note.text[start:end], kind, assertion, code)
        for start, end, code, assertion, kind in record["mentions"]
    )
    return AnnotatedNote(note, tuple(mentions))
