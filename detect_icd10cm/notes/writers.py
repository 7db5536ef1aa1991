"""Results as bytes, a class a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import cache
from typing import Any, Protocol

from detect_icd10cm.notes.comprehend import to_inference
from detect_icd10cm.notes.conditions import make_conditions
from detect_icd10cm.notes.omop import OmopWriter
from detect_icd10cm.notes.table import DelimitedWriter, RowSpool
from detect_icd10cm.notes.unfinished import Sink, Start
from detect_icd10cm.types import NoteResult

PARQUET = "parquet"


class ResultWriter(Protocol):
    """Writes results in one format."""

    def write(self, result: NoteResult) -> None:
        """Write one result."""

    def flush(self) -> None:
        """Write what is held back."""


class JsonLinesWriter:
    """Writes JSON objects, one a line.

    Args:
        sink: Where to.
        records: Gives the objects of one result.
    """

    def __init__(self, sink: Sink, records: Callable[[NoteResult], Iterable[Any]]) -> None:
        self._sink = sink
        self._records = records

    def write(self, result: NoteResult) -> None:
        """Write the objects of one result."""
        for record in self._records(result):
            self._sink.write(to_json(record))

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


WRITERS: dict[str, Callable[[Sink, Start], ResultWriter]] = {
    "jsonl": lambda sink, start: JsonLinesWriter(sink, lambda result: (result,)),
    "csv": lambda sink, start: DelimitedWriter(sink, start, ","),
    "tsv": lambda sink, start: DelimitedWriter(sink, start, "\t"),
    PARQUET: RowSpool,
    "ndjson": lambda sink, start: JsonLinesWriter(sink, make_conditions),
    "omop": OmopWriter,
    "comprehend": lambda sink, start: JsonLinesWriter(sink, lambda result: (to_inference(result),)),
}


def to_json(record: Any) -> bytes:
    """Return a record, in the form of its ``to_dict``, as one line of UTF-8."""
    return json.dumps(record, default=_as_dict, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _as_dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _names(record.__class__)}


@cache
def _names(record: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))
