"""Writing results: each file appears whole or not at all, readable by its owner alone."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, cast

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.conditions import make_conditions
from detect_icd10cm.notes.streams import COMPRESSED, plain_suffix
from detect_icd10cm.notes.table import DelimitedWriter, ParquetWriter
from detect_icd10cm.types import NoteResult, Reject


@dataclass(frozen=True, slots=True)
class WriteSummary:
    """What was written where; ``rejects_path`` is None where no note was rejected."""

    path: Path
    rejects_path: Path | None
    n_notes: int
    n_mentions: int
    n_rejects: int


class ResultWriter(Protocol):
    """Writes results to an open stream in one format."""

    def write(self, result: NoteResult) -> None:
        """Write one result."""

    def finish(self) -> None:
        """Write what is held back; the stream stays open."""


class JsonLinesWriter:
    """Writes results as JSON objects, one a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, result: NoteResult) -> None:
        """Write one result."""
        self._stream.write(to_json(result))

    def finish(self) -> None:
        """Do nothing: nothing is held back."""


class ConditionWriter(JsonLinesWriter):
    """Writes results as FHIR Conditions, one a line; a note without any leaves no line."""

    def write(self, result: NoteResult) -> None:
        """Write the Conditions of one result."""
        for condition in make_conditions(result):
            self._stream.write(to_json(condition))


WRITERS: dict[str, Callable[[BinaryIO], ResultWriter]] = {
    "jsonl": JsonLinesWriter,
    "csv": lambda stream: DelimitedWriter(stream, ","),
    "tsv": lambda stream: DelimitedWriter(stream, "\t"),
    "parquet": ParquetWriter,
    "ndjson": ConditionWriter,
}


def write_results(results: Iterable[NoteResult | Reject], path: str | Path, format: str | None = None) -> WriteSummary:
    """Write results to a file, and the rejects among them to ``PATH.rejects.jsonl``, which is removed without any.

    Both are written under temporary names and moved into place when whole; if anything fails, what was there
    before stays.

    Args:
        results: As from ``Detector.stream``.
        path: The file; compressed where it ends in ``.gz`` or ``.zst``.
        format: ``jsonl``, ``csv``, ``tsv``, ``parquet``, or ``ndjson`` for FHIR Conditions; taken from the suffix
            when None.

    Raises:
        NoteError: If the format is unknown or the file can't be written; before the first result is asked for.
    """
    with open_output(path, format) as output:
        for result in results:
            output.write(result)
    return output.summary


def to_json(record: Any) -> bytes:
    """Return a record, in the form of its ``to_dict``, as one line of UTF-8."""
    return json.dumps(record, default=_as_dict, ensure_ascii=False, allow_nan=False).encode() + b"\n"


class Output:
    """A file of results being written; made by ``open_output``."""

    def __init__(self, path: Path, format: str) -> None:
        self._path = path
        self._rejects_path = path.with_name(f"{path.name}.rejects.jsonl")
        self._results = _NewFile(path)
        self._rejects: _NewFile | None = None
        try:
            self._writer = WRITERS[format](self._results.stream)
        except BaseException:
            self._results.discard()
            raise
        self._n_notes = self._n_mentions = self._n_rejects = 0

    def write(self, result: NoteResult | Reject) -> None:
        """Write one result, or list one reject."""
        with _naming(self._path):
            if isinstance(result, NoteResult):
                self._writer.write(result)
                self._n_notes += 1
                self._n_mentions += len(result.mentions)
            else:
                if self._rejects is None:
                    self._rejects = _NewFile(self._rejects_path)
                self._rejects.stream.write(to_json(result))
                self._n_rejects += 1

    @property
    def summary(self) -> WriteSummary:
        """What has been written so far."""
        rejects_path = self._rejects_path if self._n_rejects else None
        return WriteSummary(self._path, rejects_path, self._n_notes, self._n_mentions, self._n_rejects)

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with _naming(self._path):
                    self._finish()
            else:
                with suppress(Exception):  # what failed first is to be told
                    self._writer.finish()
        finally:
            for file in (self._results, self._rejects):
                if file:
                    file.discard()

    def _finish(self) -> None:
        self._writer.finish()
        self._results.close()
        if self._rejects:
            self._rejects.close()
            self._rejects.move()
        self._results.move()  # last: where it stands, all is whole
        if not self._rejects:
            self._rejects_path.unlink(missing_ok=True)


def open_output(path: str | Path, format: str | None = None) -> Output:
    """Return a file to write results to, within a ``with`` block that moves it into place when all is written.

    Raises:
        NoteError: If the format is unknown or the file can't be written; at once, so that no work is lost.
    """
    path = Path(path)
    format = format or plain_suffix(path).removeprefix(".")
    if format not in WRITERS:
        raise NoteError(
            f"{path.name}: found output format {format!r}, expected one of: {', '.join(WRITERS)}; give the file such a "
            "suffix, or name the format: format=, on the command line --to"
        )
    if format == "parquet" and path.suffix.lower() in COMPRESSED:
        raise NoteError(f"{path.name}: Parquet compresses its own parts; leave {path.suffix} away")
    with _naming(path):
        path = path.resolve()  # a link is followed, not replaced
        if path.exists() and not path.is_file():
            raise NoteError(f"{path}: found a folder or a device, expected the name of a file to write")
        if path.exists() and not os.access(path, os.W_OK):
            raise NoteError(f"{path}: the file is read-only; choose another name")
        return Output(path, format)


class _NewFile:
    """A file under a temporary name beside its final one, readable and writable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)  # mode 0600
        self._part = Path(name)
        self._open = ExitStack()
        self._raw = self._open.enter_context(os.fdopen(handle, "wb"))
        self.stream = self._open.enter_context(_compressed(self._raw, path.suffix.lower()))

    def close(self) -> None:
        """Bring all to the disk."""
        self._open.close()
        with self._part.open("rb+") as written:
            os.fsync(written.fileno())

    def move(self) -> None:
        """Give the file its final name."""
        self._part.replace(self._path)

    def discard(self) -> None:
        """Remove the file if it has not been moved."""
        with suppress(OSError):
            self._open.close()
        self._part.unlink(missing_ok=True)


@contextmanager
def _compressed(raw: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    if suffix == ".gz":
        # Neither name nor time: the same results make the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
            yield cast(BinaryIO, stream)
    elif suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(pa.PythonFile(raw, mode="w"), "zstd") as stream:
            yield stream
    else:
        yield raw


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into ours, which names the file."""
    try:
        yield
    except OSError as error:
        raise NoteError(
            f"{path}: could not be written: {error.strerror or type(error).__name__}; "
            "what was there before is unchanged"
        ) from error


def _as_dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _names(record.__class__)}


@cache
def _names(record: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))
