"""Our own labelled notes: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import IssueLog, make_mention, one_of, read_lines, spell_code, text_of
from detect_icd10cm.types import SETTINGS, AnnotatedNote, Mention, Note

# "indications_64580": [...] is short for "indications": {"64580": [...]}.
_INDICATIONS = "indications"


def read_jsonl(path: Path, log: IssueLog) -> Iterator[AnnotatedNote]:
    """Yield the labelled notes of a JSON Lines file.

    Each line has ``note_id`` and ``text``; optional are ``setting``, ``encounter_date``, ``mentions`` (``start``,
    ``end``, ``text``, ``code``, ``assertion``, ``kind``), ``codes`` and ``indications`` (or ``indications_64580``).
    Where ``codes`` is missing, the note has no document labels; nothing is derived from the mentions.
    """
    for number, line in read_lines(path):
        note_id = None
        try:
            record = _parse(line)
            note_id = text_of(record, "note_id")
            yield _annotated(record)
        except NoteError as error:
            log.broken(note_id, f"{path.name}, line {number}", error)


def _parse(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise NoteError(f"not valid JSON at character {error.pos}") from None
    if not isinstance(record, dict):
        raise NoteError(f"found a JSON {type(record).__name__}, expected an object")
    return record


def _annotated(record: Mapping[str, Any]) -> AnnotatedNote:
    note_id, text = text_of(record, "note_id"), record.get("text")
    if note_id is None:
        raise NoteError("found no note_id; expected one in every record")
    if not isinstance(text, str):
        raise NoteError("found no text; expected the note's text as a string")
    setting = record.get("setting")
    return AnnotatedNote(
        note=Note(
            note_id=note_id,
            text=text,
            patient_id=text_of(record, "patient_id"),
            encounter_id=text_of(record, "encounter_id"),
            encounter_date=_day(record.get("encounter_date")),
            setting=None if setting is None else one_of(setting, SETTINGS, "setting"),
            note_type=text_of(record, "note_type"),
        ),
        mentions=tuple(_mention(text, item) for item in _list(record, "mentions")),
        codes=tuple(_code(item) for item in _list(record, "codes")),
        indications=_indications(record),
    )


def _mention(text: str, item: object) -> Mention:
    if not isinstance(item, dict):
        raise NoteError(f"found a mention that is a {type(item).__name__}, expected an object")
    quote = item.get("text")
    return make_mention(
        text,
        item.get("start"),
        item.get("end"),
        item.get("code"),
        quote=quote if isinstance(quote, str) else None,
        assertion=item.get("assertion"),
        kind=item.get("kind"),
    )


def _code(item: object) -> str:
    code = item.get("code") if isinstance(item, dict) else item
    if not isinstance(code, str) or not code.strip():
        raise NoteError("found a document code that is no text, expected one such as 'E11.9'")
    return spell_code(code)


def _indications(record: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    written = record.get(_INDICATIONS) or {}
    if not isinstance(written, dict):
        raise NoteError('indications: expected an object such as {"64580": ["pain"]}')
    supported = {str(procedure): names for procedure, names in written.items()}
    for key, names in record.items():
        if key.startswith(f"{_INDICATIONS}_"):
            supported[key.removeprefix(f"{_INDICATIONS}_")] = names
    for names in supported.values():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise NoteError("indications: expected a list of their names for each procedure")
    return {procedure: tuple(names) for procedure, names in supported.items()}


def _list(record: Mapping[str, Any], key: str) -> list[object]:
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise NoteError(f"{key}: found a {type(value).__name__}, expected a list")
    return value


def _day(value: object) -> date | None:
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise NoteError("encounter_date: expected a date such as 2026-04-30") from None
