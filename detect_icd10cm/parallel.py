"""Detection in several processes: order kept, and a process that dies loses no note but the one that killed it.

Each process has a thread here that hands it batches and waits for the results. What goes to and fro are the records
themselves, over pipes that no other process can open; a pipe that breaks says that its process is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from operator import attrgetter
from queue import LifoQueue
from threading import Lock
from typing import Self

from detect_icd10cm.detector import Detector
from detect_icd10cm.errors import DetectError
from detect_icd10cm.machine import count_cores, keep_loaded
from detect_icd10cm.types import (
    Candidate,
    CoverageFlag,
    Indication,
    Mention,
    NamedProcedure,
    Note,
    NoteCode,
    NoteResult,
    Reject,
)

# Notes handed over at once: a multiple of what a detector takes at a time, so that the same ones come together.
_BATCH_NOTES = 16
# Batches of each process that may be on their way: enough for one long note not to keep the others waiting.
_AHEAD = 4

# How often a process that dies while it loads is started before that is an error.
_STARTS = 3
# How long a process that has closed its pipe may take to end, in seconds.
_GRACE = 5.0

# What numpy, torch and our onnxruntime sessions take their number of threads from.
_THREADS = "OMP_NUM_THREADS"

# Started anew, not forked: a fork of a process with threads may hang. The same on every system.
_SPAWN = multiprocessing.get_context("spawn")
_STARTING = Lock()


class ParallelDetector:
    """Detects notes in several processes, each with a detector of its own; used as a ``with`` block.

    A process that dies, as for want of memory, is replaced and its notes are tried again one by one: the note that
    ends a process by itself comes as a ``Reject``. So does one that takes longer than ``timeout``.

    A program that uses it must be importable: its own work stands under ``if __name__ == "__main__":``.
    """

    def __init__(
        self,
        load: Callable[[], Detector] = Detector.from_pretrained,
        *,
        workers: int | None = None,
        timeout: float | None = None,
    ) -> None:
        """Start the first process; the others follow when there is work for them.

        Args:
            load: Makes the detector of a process, such as ``partial(Detector.from_pretrained, "my-model")``.
            workers: How many processes; one a core when None.
            timeout: Seconds that a note may take by itself; no limit when None. What a note's date asks for is loaded
                within them, so that some ten seconds are the least that makes sense.

        Raises:
            DetectError: If there is to be no worker, or the detector can't be loaded.
        """
        n_workers = count_cores() if workers is None else workers
        if n_workers < 1:
            raise DetectError(f"found {workers} workers, expected at least one")
        n_threads = max(1, count_cores() // n_workers)
        self._workers = [_Worker(load, timeout, n_threads) for _ in range(n_workers)]
        self._workers[0].start()  # alone, so that an empty cache is filled once
        self._idle: LifoQueue[_Worker] = LifoQueue()  # those last at work first: others start when none is idle
        for worker in reversed(self._workers):
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(len(self._workers))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.join()

    def stream(self, notes: Iterable[Note | Reject]) -> Iterator[NoteResult | Reject]:
        """Detect notes, in order, as ``Detector.stream`` does; no more are read ahead than keep the processes busy."""
        remaining = iter(notes)
        begun: deque[Future[list[NoteResult | Reject]]] = deque()
        try:
            while batch := list(islice(remaining, _BATCH_NOTES)):
                begun.append(self._threads.submit(self._detect, batch))
                while begun and (begun[0].done() or len(begun) >= _AHEAD * len(self._workers)):
                    yield from begun.popleft().result()
            while begun:
                yield from begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()

    def _detect(self, batch: Sequence[Note | Reject]) -> list[NoteResult | Reject]:
        worker = self._idle.get()
        try:
            return worker.detect(batch)
        finally:
            self._idle.put(worker)


def _hand_over_by_fields(record: type) -> None:
    """Let the pipes carry a record as the values it is made of; by itself, one with slots takes three times as long."""
    values = attrgetter(*(field.name for field in fields(record)))
    ForkingPickler.register(record, lambda one: (record, values(one)))


for _record in (Candidate, CoverageFlag, Indication, Mention, NamedProcedure, Note, NoteCode, NoteResult, Reject):
    _hand_over_by_fields(_record)


class _LostError(Exception):
    """A process is gone with the notes that it was given; the words say why."""


class _Worker:
    """A process with a detector in it, and its successors."""

    def __init__(self, load: Callable[[], Detector], timeout: float | None, n_threads: int) -> None:
        self._load, self._timeout, self._n_threads = load, timeout, n_threads
        self._process: multiprocessing.context.SpawnProcess | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Start a process and wait until its detector is loaded."""
        for _ in range(_STARTS):
            self._launch()
            try:
                error = self._pipe.recv()
            except (EOFError, OSError):
                ended = self._bury()
                continue
            if error is not None:
                self._bury()
                raise error
            return
        raise DetectError(f"a worker {ended} while it loaded, {_STARTS} times in turn; try fewer workers")

    def _launch(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        with _STARTING, theirs:
            if self._is_stopped:
                raise CancelledError
            process = _SPAWN.Process(target=_serve, args=(theirs, self._load), daemon=True)
            try:
                with _interrupts_held(), _thread_limit(self._n_threads):
                    process.start()
            except OSError as error:
                self._pipe.close()
                raise DetectError(f"a worker could not be started: {error.strerror}; try fewer workers") from error
            self._process = process

    def stop(self) -> None:
        """Kill the process, which holds nothing that is worth keeping; it gets no successor."""
        with _STARTING:
            self._is_stopped = True
            if (process := self._process) is not None:
                process.kill()

    def join(self) -> None:
        """Wait for the end of the process."""
        if self._process is not None:
            self._bury()

    def detect(self, batch: Sequence[Note | Reject]) -> list[NoteResult | Reject]:
        """Return what the notes give; those of a process that is lost are tried again, each by itself."""
        try:
            return self._ask(batch)
        except _LostError:
            return [self._detect_alone(note) for note in batch]

    def _detect_alone(self, note: Note | Reject) -> NoteResult | Reject:
        if isinstance(note, Reject):
            return note
        try:
            return self._ask([note])[0]
        except _LostError as error:
            return Reject(note.note_id, f"note {note.note_id}", f"could not be processed: {error}")

    def _ask(self, batch: Sequence[Note | Reject]) -> list[NoteResult | Reject]:
        if self._process is None:
            self.start()
        try:
            self._pipe.send(batch)
            if self._pipe.poll(self._timeout):
                results: list[NoteResult | Reject] = self._pipe.recv()
                return results
        except (EOFError, OSError):
            raise _LostError(f"its process {self._bury()}") from None
        self._bury(grace=0)
        raise _LostError(f"it takes longer than {self._timeout:g} seconds")

    def _bury(self, grace: float = _GRACE) -> str:
        """Make sure that the process is gone, and return how it ended."""
        process, self._process = self._process, None
        assert process is not None  # noqa: S101 - only what was started can be lost
        self._pipe.close()
        process.join(grace)
        process.kill()
        process.join()
        code = process.exitcode
        if code is None or code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was killed by {name}{'; memory may have run out' if name == 'SIGKILL' else ''}"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep SIGINT, which a terminal sends to all, from a process that is started until it has learned to ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _thread_limit(n_threads: int) -> Iterator[None]:
    """Let a process that is started use so many threads for its arithmetic, where nothing is said already."""
    if _THREADS in os.environ:
        yield
        return
    os.environ[_THREADS] = str(n_threads)
    try:
        yield
    finally:
        del os.environ[_THREADS]


def _serve(pipe: Connection, load: Callable[[], Detector]) -> None:
    """Detect what comes through a pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal it comes to all; the first process decides
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        detector = load()
    except DetectError as error:
        pipe.send(error)
        return
    keep_loaded()
    with suppress(EOFError, OSError):  # the other end is gone
        pipe.send(None)
        while True:
            pipe.send(list(detector.stream(pipe.recv())))
