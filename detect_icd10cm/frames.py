"""Detection of a table's notes, a batch at a time: what Spark, Ray Data and `datasets` call in their own processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from detect_icd10cm.detector import Detector
from detect_icd10cm.notes.records import NoteBuilder, Row, locate_columns, resolve_columns
from detect_icd10cm.notes.streams import Source
from detect_icd10cm.types import NoteResult, Reject

if TYPE_CHECKING:
    import pyarrow as pa


def detect_table(table: pa.Table, *, columns: Mapping[str, str] | None = None, **options: Any) -> pa.Table:
    """Return a row for each row of a table of notes, in order, with the columns of ``result_schema``.

    The detector is loaded at the first call in a process and serves all that follow with the same options.

    Args:
        table: A note a row.
        columns: Columns that are called otherwise, as for ``read_notes``.
        options: As for ``Detector.from_pretrained``.

    Raises:
        NoteError: If a column is missing; of a row that is no note, ``reason`` says why.

    >>> import pyarrow as pa
    >>> notes = pa.table({"note_id": ["1", "2"], "text": ["Gout.", None]})
    >>> detect_table(notes, model="lexicon").select(["note_id", "reason"]).to_pylist()
    [{'note_id': '1', 'reason': None}, {'note_id': '2', 'reason': 'text is missing'}]
    """
    import pyarrow as pa

    places = find_columns(table.column_names, columns)
    records = table.select(list(places.values())).rename_columns(list(places)).to_pylist()
    # A builder for each: what ids other batches hold is not known here, so that none is compared.
    notes = [NoteBuilder().build(Row("", record)) for record in records]
    rows = [_to_row(result) for result in _load(**options).stream(notes)]
    return pa.Table.from_pylist(rows, schema=result_schema())


def find_columns(names: list[str], columns: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return which of a table's columns holds which field of a note.

    Raises:
        NoteError: If a required column, or one that was named, is missing.
    """
    table = Source(None, "utf-8", *resolve_columns(columns))
    table.name = "the table"
    return {field: names[place] for field, place in locate_columns(table, names).items()}


@lru_cache(maxsize=1)
def result_schema() -> pa.Schema:
    """Return the columns of results: the fields of ``NoteResult``, nested as they are, then ``reason``.

    ``reason`` is null for a note that was processed; of another, it is all that there is beside ``note_id``.
    """
    import pyarrow as pa

    return pa.schema([*_to_arrow(NoteResult), pa.field("reason", pa.string())])


def _to_arrow(kind: Any) -> pa.DataType:
    """Return the type of Arrow for one of the records' types."""
    import pyarrow as pa

    plain = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    if kind in plain:
        return plain[kind]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return pa.struct([(field.name, _to_arrow(hints[field.name])) for field in dataclasses.fields(kind)])
    if get_origin(kind) is Literal:
        return pa.string()
    if get_origin(kind) is tuple:
        return pa.list_(_to_arrow(get_args(kind)[0]))
    (only,) = (part for part in get_args(kind) if part is not NoneType)
    return _to_arrow(only)


def _to_row(result: NoteResult | Reject) -> dict[str, Any]:
    if isinstance(result, Reject):
        return {"note_id": result.note_id, "reason": result.reason}
    return result.to_dict()


@lru_cache(maxsize=2)
def _load(**options: Any) -> Detector:
    return Detector.from_pretrained(**options)
