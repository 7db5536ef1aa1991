"""From one record of a file to a note, or to the reason why it is none."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, cast

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.streams import MAX_TEXT, Source
from detect_icd10cm.types import SETTINGS, Note, Reject, Setting

FIELDS = ("note_id", "text", "patient_id", "encounter_id", "encounter_date", "setting", "note_type")
REQUIRED = ("note_id", "text")

# Longer identifiers are cells of another column that slipped: they could be the note's text.
_MAX_ID = 256
# What may be shown of a first row that should have held column names: in a file without them it holds a note.
_MAX_COLUMN_NAME = 40
_COLUMN_NAME = re.compile(r"[^\W\d][\w.-]*(?: [\w.-]+){0,2}")
_IN_MEMORY = 2**16


class Row(NamedTuple):
    """One record of a file: where it stands, and the values of a note's fields as the file has them."""

    place: str
    values: Mapping[str, Any]


class BadNoteError(NoteError):
    """A record is no note; the words say why and never quote it."""


class NoteBuilder:
    """Makes notes of the records of one source, and knows which ids it has seen."""

    def __init__(self) -> None:
        self._seen = _SeenIds()

    def build(self, row: Row) -> Note | Reject:
        """Return a record as a note, or as a reject where one of its values is not as expected."""
        values, note_id = row.values, None
        try:
            note_id = _to_id("note_id", values.get("note_id"))
            if note_id is None:
                raise BadNoteError("note_id is missing")
            note = Note(
                note_id=note_id,
                text=_to_text(values.get("text")),
                patient_id=_to_id("patient_id", values.get("patient_id")),
                encounter_id=_to_id("encounter_id", values.get("encounter_id")),
                encounter_date=_to_date(values.get("encounter_date")),
                setting=_to_setting(values.get("setting")),
                note_type=_to_id("note_type", values.get("note_type")),
            )
        except BadNoteError as error:
            return Reject(note_id, row.place, str(error))
        if not self._seen.add(note_id):
            return Reject(note_id, row.place, "note_id was read before, expected another one for each note")
        return note


class _SeenIds:
    """A set of strings that takes 8 bytes for each: their hashes, the newest in a set, the others in sorted runs.

    Among ten million ids, the chance that any new one is taken for a seen one is about 3 in a million; it would
    be rejected, not lost.
    """

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._runs: list[Any] = []

    def add(self, value: str) -> bool:
        """Add a string; False if it was there already."""
        key = hash(value)
        if key in self._recent or any(_in_run(key, run) for run in self._runs):
            return False
        self._recent.add(key)
        if len(self._recent) >= _IN_MEMORY:
            self._spill()
        return True

    def _spill(self) -> None:
        import numpy as np

        run = np.sort(np.frombuffer(array("q", self._recent), dtype=np.int64))
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.sort(np.concatenate((self._runs.pop(), run)), kind="stable")
        self._runs.append(run)
        self._recent.clear()


def _in_run(key: int, run: Any) -> bool:
    at = int(run.searchsorted(key))
    return at < len(run) and int(run[at]) == key


def resolve_columns(columns: Mapping[str, str] | None) -> tuple[dict[str, str], frozenset[str]]:
    """Return the column of each field, and the fields whose column was named by the user.

    Raises:
        NoteError: If a field is named that a note does not have.
    """
    renamed = dict(columns or {})
    unknown = [field for field in renamed if field not in FIELDS]
    if unknown:
        raise NoteError(f"found columns for {', '.join(unknown)}, expected some of: {', '.join(FIELDS)}")
    return {field: renamed.get(field, field) for field in FIELDS}, frozenset(renamed)


def locate_columns(source: Source, names: list[str]) -> dict[str, int]:
    """Return where each field of a note stands among a file's columns; optional ones may be missing.

    Raises:
        NoteError: If a required column, or one that the user named, is missing or stands there twice.
    """
    wanted = {f: c for f, c in source.columns.items() if c in names or f in REQUIRED or f in source.renamed}
    for field, column in wanted.items():
        if column not in names:
            raise NoteError(
                f"{source.name}: found no column {column!r}, there are: {_listed(names)}; name the column of {field}: "
                f"columns={{{field!r}: NAME}}, on the command line --column {field}=NAME"
            )
        if names.count(column) > 1:
            raise NoteError(f"{source.name}: found {names.count(column)} columns {column!r}, expected one")
    return {field: names.index(column) for field, column in wanted.items()}


def _listed(names: Collection[str]) -> str:
    """Return column names for a message; none of them if one could be text of a note in a file that has no header."""
    if all(len(name) <= _MAX_COLUMN_NAME and _COLUMN_NAME.fullmatch(name) for name in names):
        return ", ".join(map(repr, names))
    return f"{len(names)} that are not shown, since they do not all read like names (has the file a header?)"


def _to_text(value: Any) -> str:
    if value is None:
        raise BadNoteError("text is missing")
    if not isinstance(value, str):
        raise BadNoteError(f"text is a {type(value).__name__}, expected a string")
    if not value.strip():
        raise BadNoteError("text is empty")
    if len(value) > MAX_TEXT:
        raise BadNoteError(f"text has {len(value):,} characters, expected at most {MAX_TEXT:,}")
    _check_characters("text", value)
    return value


def _to_id(field: str, value: Any) -> str | None:
    """Return an identifier or other short value as a string; None where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with gaps comes as floats
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadNoteError(f"{field} is a {type(value).__name__}, expected a string or a whole number")
    if isinstance(value, int) and abs(value) >= 10**_MAX_ID:
        raise BadNoteError(f"{field} is longer than {_MAX_ID} characters")
    text = str(value).strip()
    if len(text) > _MAX_ID:
        raise BadNoteError(f"{field} is longer than {_MAX_ID} characters")
    _check_characters(field, text)
    if min(text, default=" ") < " ":
        raise BadNoteError(f"{field} holds line breaks or other control characters")
    return text or None


def _check_characters(field: str, value: str) -> None:
    if "\0" in value:
        raise BadNoteError(f"{field} holds NUL bytes")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadNoteError(
                f"{field} holds bytes or characters that are not valid in the file's encoding; "
                "if it has another one, name it: encoding=, on the command line --encoding"
            ) from None


def _to_date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = _to_id("encounter_date", value)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise BadNoteError("encounter_date is not a date, expected YYYY-MM-DD") from None


def _to_setting(value: Any) -> Setting | None:
    text = _to_id("setting", value)
    if text is None:
        return None
    if text.lower() not in SETTINGS:
        raise BadNoteError(f"setting is unknown, expected one of: {', '.join(SETTINGS)}")
    return cast(Setting, text.lower())
