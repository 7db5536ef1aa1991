"""Parquet, in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.records import Row, locate_columns
from detect_icd10cm.notes.streams import MARKING, Source
from detect_icd10cm.types import Reject

# Notes decoded at a time; some MiB of text.
_BATCH_ROWS = 256


class _Unreadable:
    """Stands for a value that can't be turned into a Python object, such as a date after the year 9999."""


def read_parquet(source: Source) -> Iterator[Row | Reject | None]:
    """Yield None once the columns are checked, then the rows; only the columns of a note's fields are read.

    Raises:
        NoteError: If the file is not Parquet or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source.path, pre_buffer=False)
        columns_there = file.schema_arrow.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise NoteError(f"{source.name}: not a Parquet file, or cut short; write or copy it again") from error
    with file:
        names = {field: source.columns[field] for field in locate_columns(source, columns_there)}
        n_done = 0
        source.total, source.done = file.metadata.num_rows, lambda: n_done
        yield None
        for group in range(file.num_row_groups):
            end = n_done + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=sorted(set(names.values()))):
                    columns = {field: _values(batch.column(name)) for field, name in names.items()}
                    for i in range(batch.num_rows):
                        n_done += 1
                        yield Row(f"{source.name}, row {n_done}", {field: columns[field][i] for field in columns})
            except (pa.ArrowException, OSError):
                pass  # the rows that are missing are told now
            for number in range(n_done + 1, end + 1):
                yield Reject(None, f"{source.name}, row {number}", "this part of the file is damaged")
            n_done = end


def _values(column: Any) -> list[Any]:
    """Return a column as Python objects; strings are decoded by us, since a file may hold what is not UTF-8."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.large_binary())
    elif pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)  # Python's own dates have no nanoseconds
    return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        return _Unreadable()
    return value.decode("utf-8", MARKING) if isinstance(value, bytes) else value
