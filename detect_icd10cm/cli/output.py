"""Where the results of `detect` go: a file, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Protocol

import typer

from detect_icd10cm.cli.terminal import stdout_console
from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.unfinished import Start
from detect_icd10cm.notes.write import WriteSummary, open_output
from detect_icd10cm.notes.writers import PARQUET, WRITERS
from detect_icd10cm.types import NoteResult, Reject

TABLE = "table"


class Target(Protocol):
    """Takes results and rejects; `detect_icd10cm.notes.write.Output` is one, and says what each of these means."""

    n_read: int

    @property
    def is_whole(self) -> bool: ...  # noqa: D102
    @property
    def can_stop(self) -> bool: ...  # noqa: D102
    @property
    def summary(self) -> WriteSummary: ...  # noqa: D102
    def write(self, result: NoteResult | Reject) -> None: ...  # noqa: D102


class _Printer:
    """Writes results to standard output, and tells of rejects on standard error."""

    is_whole = can_stop = False

    def __init__(self, write: Callable[[NoteResult], None]) -> None:
        self._write = write
        self.n_read = self._n_mentions = self._n_rejects = 0

    @property
    def summary(self) -> WriteSummary:
        return WriteSummary(Path("-"), None, self.n_read - self._n_rejects, self._n_mentions, self._n_rejects)

    def write(self, result: NoteResult | Reject) -> None:
        self.n_read += 1
        if isinstance(result, Reject):
            self._n_rejects += 1
            typer.echo(f"{result.source}: {result.reason}", err=True)
        else:
            self._n_mentions += len(result.mentions)
            self._write(result)


def open_target(
    source: str, output: str | None, format: str | None, identity: Mapping[str, str] | None, restart: bool
) -> AbstractContextManager[Target]:
    """Return where results go; whatever speaks against it is met here, before any work."""
    if output is None:
        return _stdout_target(source, format)
    if Path(output).exists() and Path(source).exists() and Path(output).samefile(source):
        raise NoteError(f"{output}: found the input as the output, expected another file")
    return open_output(output, format, identity=identity, restart=restart)


@contextmanager
def _stdout_target(source: str, format: str | None) -> Iterator[Target]:
    if format is None:
        is_text = source == "-" or Path(source).suffix.lower() == ".txt"
        format = TABLE if is_text and sys.stdout.isatty() else "jsonl"
    if format == TABLE:
        from detect_icd10cm.display import show_result

        console = stdout_console()
        yield _Printer(lambda result: show_result(console, result))
    elif format in WRITERS and format != PARQUET:
        writer = WRITERS[format](sys.stdout.buffer, Start(date.today()))
        yield _Printer(writer.write)
        writer.flush()
        sys.stdout.buffer.flush()
    else:
        known = ", ".join(name for name in WRITERS if name != PARQUET)
        raise NoteError(
            f"found output format {format!r} for standard output, expected one of: {TABLE}, {known}; "
            "parquet needs a file: -o OUT.parquet"
        )


def closing_line(done: WriteSummary, output: str | None, seconds: float) -> str:
    """Return what is said at the end."""
    line = f"{_count(done.n_notes, 'note')}, {_count(done.n_mentions, 'mention')} in {seconds:.1f} s"
    if output:
        line += f", written to {output}"
    if done.n_rejects:
        line += f"; {done.n_rejects:,} failed, listed {f'in {output}.rejects.jsonl' if output else 'above'}"
    return line


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
