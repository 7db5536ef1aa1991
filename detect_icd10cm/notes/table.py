"""Results as rows for CSV, TSV and Parquet: a row a mention, each standing for itself.

A note without mentions has one row, whose columns from ``mention`` to ``decision`` are empty, so that every note that
was read is in the file. The columns after ``decision`` are the note's and repeat on each of its rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO

from detect_icd10cm.types import Decision, Mention, NoteResult

# Name and kind of each column. `mention` counts a note's mentions from 0, as `NoteCode.mentions` does; `decision` is
# that of the document code which the mention is evidence for; indications are written as `64580:pain`.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("note_id", "string"),
    ("patient_id", "string"),
    ("encounter_id", "string"),
    ("setting", "string"),
    ("release", "string"),
    ("model", "string"),
    ("mention", "integer"),
    ("start", "integer"),
    ("end", "integer"),
    ("text", "string"),
    ("section", "string"),
    ("kind", "string"),
    ("assertion", "string"),
    ("assertion_score", "number"),
    ("code", "string"),
    ("title", "string"),
    ("score", "number"),
    ("decision", "string"),
    ("accepted_codes", "strings"),
    ("review_codes", "strings"),
    ("supported_indications", "strings"),
    ("possible_indications", "strings"),
    ("warnings", "strings"),
)
NAMES = tuple(name for name, _ in COLUMNS)
# What separates the parts of a cell in CSV; no code, indication or warning holds it.
SEPARATOR = " | "

_NO_MENTION = (None,) * (NAMES.index("decision") - NAMES.index("mention") + 1)
_GROUP_ROWS = 20_000


def table_rows(result: NoteResult) -> Iterator[tuple[Any, ...]]:
    """Yield a result's rows, with a value or None for each of ``COLUMNS``; lists are tuples."""
    head = (
        result.note_id,
        result.patient_id,
        result.encounter_id,
        result.setting,
        result.release,
        result.model,
    )
    tail = (
        tuple(code.code for code in result.codes if code.decision == "accept"),
        tuple(code.code for code in result.codes if code.decision == "review"),
        _indications(result, "supported"),
        _indications(result, "possible"),
        result.warnings,
    )
    decisions: dict[int, Decision] = {}
    for code in result.codes:
        for index in code.mentions:
            if decisions.get(index) != "accept":
                decisions[index] = code.decision
    for index, mention in enumerate(result.mentions):
        yield (*head, index, *_mention_values(mention), decisions.get(index), *tail)
    if not result.mentions:
        yield (*head, *_NO_MENTION, *tail)


def _mention_values(mention: Mention) -> tuple[Any, ...]:
    return (
        mention.start,
        mention.end,
        mention.text,
        mention.section,
        mention.kind,
        mention.assertion,
        mention.assertion_score,
        mention.code,
        mention.title,
        mention.score,
    )


def _indications(result: NoteResult, status: str) -> tuple[str, ...]:
    return tuple(f"{found.procedure}:{found.indication}" for found in result.indications if found.status == status)


class _Utf8:
    """What a csv.writer writes to; a TextIOWrapper would close the stream, which belongs to whoever opened it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


class DelimitedWriter:
    """Writes results as CSV or TSV, as RFC 4180 has it: a line ends in CR LF, so that breaks in a cell are quoted."""

    def __init__(self, stream: BinaryIO, delimiter: str) -> None:
        self._csv = csv.writer(_Utf8(stream), delimiter=delimiter)
        self._csv.writerow(NAMES)

    def write(self, result: NoteResult) -> None:
        """Write the rows of one result."""
        for row in table_rows(result):
            self._csv.writerow([SEPARATOR.join(cell) if isinstance(cell, tuple) else cell for cell in row])

    def finish(self) -> None:
        """Do nothing: nothing is held back."""


class ParquetWriter:
    """Writes results as Parquet, in row groups of some 20,000 mentions."""

    def __init__(self, stream: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"string": pa.string(), "integer": pa.int32(), "number": pa.float64(), "strings": pa.list_(pa.string())}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS])
        self._file = pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def write(self, result: NoteResult) -> None:
        """Write the rows of one result, or hold them back until a group is full."""
        self._rows.extend(table_rows(result))
        if len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        """Write what is held back and the end of the file; the stream stays open."""
        try:
            self._flush()
            self._file.close()
        finally:
            self._file.is_open = False  # or it would try again when it is collected, on a stream that is closed

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
            self._file.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._rows.clear()
