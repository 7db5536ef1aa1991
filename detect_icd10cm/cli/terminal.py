"""What the verbs share: exit codes, the console, and what is shown on standard error while they work."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from detect_icd10cm.notes.streams import Source
    from detect_icd10cm.types import NoteResult, Reject

    Results = Iterator[NoteResult | Reject]

EXIT_SOME_FAILED = 1
EXIT_WRONG_USAGE = 2


def stdout_console() -> Console:
    """Return the console for tables on standard output."""
    from rich.console import Console

    return Console(highlight=False)


def loading(words: str = "Loading", *, quiet: bool = False) -> AbstractContextManager[object]:
    """Show, where someone is watching, why nothing happens yet; with an empty cache, that it is being filled."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    from detect_icd10cm.codes.releases import cache_folder

    folder = cache_folder()
    is_first = not (folder.is_dir() and any(folder.iterdir()))
    if is_first:
        words = "Preparing the code set, this once; it takes 10 to 20 seconds"
    return Console(stderr=True).status(words)


class StopRequest:
    """Whether the user or the system has asked the program to end, and by which signal."""

    signal: int | None = None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Take the first SIGINT or SIGTERM for a request, to be met at the next good moment; the second one ends all."""
    request = StopRequest()

    def take(number: int, frame: object) -> None:
        if request.signal is not None:
            raise KeyboardInterrupt
        request.signal = number

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is done, so that what it opens is known to whoever closes it."""
    with stop_requests() as request:
        yield
    if request.signal is not None:
        signal.raise_signal(request.signal)


@contextmanager
def progress(results: Results, source: Source, limit: int | None, n_done: int) -> Iterator[Results]:
    """Show on standard error how many notes have gone through, how fast, and the time left.

    Args:
        results: What the notes still to do give.
        source: Where the notes come from.
        limit: How many there are at most, with those done.
        n_done: How many an earlier run has done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[n_notes]:,} notes, {task.fields[speed]:.0f} notes/s, left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=source.total if limit is None else limit, n_notes=n_done, speed=0.0)
        start = time.monotonic()

        def counted() -> Results:
            for n_notes, result in enumerate(results, start=n_done + 1):
                yield result
                speed = (n_notes - n_done) / max(time.monotonic() - start, 1e-9)
                completed = source.done() if limit is None else n_notes
                bar.update(task, completed=completed, n_notes=n_notes, speed=speed)

        yield counted()
