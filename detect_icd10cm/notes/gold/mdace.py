"""MDACE: evidence spans for codes in MIMIC-III notes, one JSON file a chart.

Shape: https://github.com/3mcloud/MDACE (ACL 2023). The published files have no note text; its own script writes it in
as each note's ``text``. Without it, offsets cannot be checked and mentions have no text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import IssueLog, make_mention, text_of, unique
from detect_icd10cm.types import AnnotatedNote, Note

# Procedure codes (ICD-10-PCS, CPT) and ICD-9 stand beside it and are no codes of ours.
_CODE_SYSTEM = "ICD-10-CM"


def read_mdace(path: Path, log: IssueLog) -> Iterator[AnnotatedNote]:
    """Yield the notes of a chart, or of every chart in a folder and the folders in it, in order of name.

    Annotations of other code systems than ICD-10-CM are passed over. All notes are of hospital stays.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    if not files:
        raise NoteError(f"found no .json file in {path}, expected MDACE charts")
    for file in files:
        try:
            notes = _notes(file)
        except NoteError as error:
            log.broken(None, file.name, error)
            continue
        for number, (chart, record) in enumerate(notes, start=1):
            note_id = text_of(record, "note_id")
            try:
                yield _annotated(chart, record)
            except NoteError as error:
                log.broken(note_id, f"{file.name}, note {number}", error)


def _notes(file: Path) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    try:
        chart = json.loads(file.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NoteError(f"not valid JSON ({type(error).__name__})") from None
    notes = chart.get("notes") if isinstance(chart, dict) else None
    if not isinstance(notes, list) or not all(isinstance(note, dict) for note in notes):
        raise NoteError("found no list 'notes', expected an MDACE chart with hadm_id and notes")
    return [(chart, note) for note in notes]


def _annotated(chart: Mapping[str, Any], record: Mapping[str, Any]) -> AnnotatedNote:
    note_id = text_of(record, "note_id")
    if note_id is None:
        raise NoteError("found no note_id; expected one in every note")
    text = record.get("text") or ""
    annotations = record.get("annotations") or []
    if not isinstance(text, str) or not isinstance(annotations, list):
        raise NoteError("expected 'text' to be a string and 'annotations' a list")
    mentions = tuple(
        make_mention(text, item.get("begin"), item.get("end"), item.get("code"))
        for item in annotations
        if isinstance(item, dict) and item.get("code_system") == _CODE_SYSTEM
    )
    note = Note(
        note_id,
        text,
        encounter_id=text_of(chart, "hadm_id"),
        setting="inpatient",
        note_type=text_of(record, "category"),
    )
    return AnnotatedNote(note, mentions, unique(mention.code for mention in mentions))
