"""Results as rows for CSV, TSV and Parquet: a row a mention, each standing for itself.

A note without mentions has one row, whose columns from ``mention`` to ``decision`` are empty, so that every note that
was read is in the file. The columns after ``decision`` are the note's and repeat on each of its rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detect_icd10cm.notes.unfinished import Sink, Start
from detect_icd10cm.types import Decision, Mention, NoteResult, Reject

if TYPE_CHECKING:
    import pandas as pd

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


def to_dataframe(results: Iterable[NoteResult | Reject]) -> pd.DataFrame:
    """Return results as a table, a row a mention, with the columns of CSV; rejects have no row.

    Lists are tuples. A note without mentions has one row, whose columns of a mention are missing.

    Args:
        results: As from ``Detector.stream``; they are held in memory, so of many notes ``write_results`` is the way.
    """
    import pandas as pd

    dtypes = {"string": "string", "integer": "Int64", "number": "Float64", "strings": "object"}
    rows = [row for result in results if isinstance(result, NoteResult) for row in table_rows(result)]
    frame = pd.DataFrame(rows, columns=list(NAMES), dtype="object")
    return frame.astype({name: dtypes[kind] for name, kind in COLUMNS})


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


class Utf8:
    """What a csv.writer writes to."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, text: str) -> int:
        """Write a line as UTF-8."""
        return self._sink.write(text.encode())


class DelimitedWriter:
    """Writes results as CSV or TSV, as RFC 4180 has it: a line ends in CR LF, so that breaks in a cell are quoted."""

    def __init__(self, sink: Sink, start: Start, delimiter: str) -> None:
        self._csv = csv.writer(Utf8(sink), delimiter=delimiter)
        if start.is_new:
            self._csv.writerow(NAMES)

    def write(self, result: NoteResult) -> None:
        """Write the rows of one result."""
        for row in table_rows(result):
            self._csv.writerow([SEPARATOR.join(cell) if isinstance(cell, tuple) else cell for cell in row])

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


class RowSpool:
    """Writes results as segments of Arrow's stream format, of which `write_parquet` makes a Parquet file.

    A Parquet file has its table of contents at the end and can't go on after it was cut; the segments can.
    """

    def __init__(self, sink: Sink, start: Start) -> None:
        self._sink = sink
        self._rows: list[tuple[Any, ...]] = []

    def write(self, result: NoteResult) -> None:
        """Take the rows of one result."""
        self._rows.extend(table_rows(result))

    def flush(self) -> None:
        """Write the rows that were taken as a segment."""
        import pyarrow as pa

        if not self._rows:
            return
        schema = _schema()
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        buffer = pa.BufferOutputStream()
        with pa.ipc.new_stream(buffer, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_batch(pa.record_batch(arrays, schema=schema))
        self._sink.write(buffer.getvalue().to_pybytes())
        self._rows.clear()


def write_parquet(spool: Path, path: Path) -> None:
    """Write the rows of a spool as a Parquet file, in groups of 20,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    waiting = pa.Table.from_batches([], schema)
    size = spool.stat().st_size
    with pa.OSFile(str(spool), "rb") as source, pq.ParquetWriter(path, schema, compression="zstd") as target:
        while source.tell() < size:
            with pa.ipc.open_stream(source) as segment:
                waiting = pa.concat_tables([waiting, segment.read_all()])
            while waiting.num_rows >= _GROUP_ROWS:
                target.write_table(waiting.slice(0, _GROUP_ROWS))
                waiting = waiting.slice(_GROUP_ROWS)
        if waiting.num_rows:
            target.write_table(waiting)


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"string": pa.string(), "integer": pa.int32(), "number": pa.float64(), "strings": pa.list_(pa.string())}
    return pa.schema([(name, kinds[kind]) for name, kind in COLUMNS])
