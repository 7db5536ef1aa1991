"""How near the whole pipeline comes to its encoder alone: notes a second of both, in one run, on all cores.

python benchmarks/encoder_share.py NOTES [--model base] [--limit 200] [--runs 3] [--workers N]

The encoder alone reads the windows of the notes that the pipeline reads, cut and encoded beforehand: in one process
with a thread a core, and in a process a core with one thread each. The pipeline runs in a process a core, from note to
result, rules included; starts are left out. Of each, the median of the runs; they take turns, so that what else the
machine does meets all. The last line tells the encoder's share of the time of one process with one thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from detect_icd10cm import Detector, Note, ParallelDetector, read_notes
from detect_icd10cm.machine import count_cores, keep_loaded
from detect_icd10cm.model.load import BASE_FOLDER, load_model
from detect_icd10cm.text.document import Document

_WARM_UP = 16


class KeepingRuntime:
    """A runtime that keeps what its encoder is given, and counts its time."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self.given: list[dict[str, Any]] = []
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def encode_all(self, batches: Sequence[dict[str, Any]]) -> Any:
        """Encode, keep the input and count the time."""
        started = time.perf_counter()
        result = self._runtime.encode_all(batches)
        self.seconds += time.perf_counter() - started
        self.given += batches
        return result


def keep_windows(folder: Path, notes: Sequence[Note]) -> list[dict[str, Any]]:
    """Return what the encoder is given for notes."""
    model = load_model(folder)
    model._runtime = keeping = KeepingRuntime(model._runtime)
    for note in notes:
        model.detect(Document(note.text))
    return keeping.given


def encode_windows(folder: Path, notes: Sequence[Note], pipe: Any) -> None:
    """Encode the windows of notes each time a pipe asks for it, and say when that is done."""
    windows = keep_windows(folder, notes)
    runtime = load_model(folder)._runtime
    pipe.send(sum(window["input_ids"].size for window in windows))
    while pipe.recv():
        runtime.encode_all(windows)
        pipe.send(None)


class Encoders:
    """The encoder alone, in processes that share the notes' windows."""

    def __init__(self, folder: Path, notes: Sequence[Note], n_processes: int, n_threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(n_threads)
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        for i in range(n_processes):
            ours, theirs = context.Pipe()
            context.Process(target=encode_windows, args=(folder, notes[i::n_processes], theirs), daemon=True).start()
            self._pipes.append(ours)
        self.n_tokens = sum(pipe.recv() for pipe in self._pipes)
        del os.environ["OMP_NUM_THREADS"]

    def run(self) -> None:
        """Encode all windows once."""
        for pipe in self._pipes:
            pipe.send(True)
        for pipe in self._pipes:
            pipe.recv()

    def end(self) -> None:
        """Let the processes end."""
        for pipe in self._pipes:
            pipe.send(False)


def share_of_one(folder: Path, notes: Sequence[Note], runs: int, pipe: Any) -> None:
    """Send the encoder's share of the time of one process."""
    model = load_model(folder)
    model._runtime = keeping = KeepingRuntime(model._runtime)
    detector = Detector(model, Detector.from_pretrained(folder)._procedures)
    keep_loaded()
    list(detector.stream(notes))
    shares = []
    for _ in range(runs):
        keeping.seconds, started = 0.0, time.perf_counter()
        list(detector.stream(notes))
        shares.append(keeping.seconds / (time.perf_counter() - started))
    pipe.send(statistics.median(shares))


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--model", type=Path, default=BASE_FOLDER)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=count_cores())
    options = parser.parse_args()
    notes = list(islice(read_notes(options.notes), options.limit))
    cores = count_cores()
    threads = Encoders(options.model, notes, 1, cores)
    processes = Encoders(options.model, notes, cores, 1)
    with ParallelDetector(partial(Detector.from_pretrained, options.model), workers=options.workers) as detector:
        list(detector.stream(notes[: _WARM_UP * options.workers]))
        taken = [
            (seconds(threads.run), seconds(processes.run), seconds(lambda: list(detector.stream(notes))))
            for _ in range(options.runs)
        ]
    threads.end()
    processes.end()
    by_threads, by_processes, whole = (statistics.median(times) for times in zip(*taken, strict=True))
    print(f"{len(notes)} notes, {threads.n_tokens:,} tokens, {cores} cores, {options.runs} runs\n")
    print("| what | notes/s | tokens/s | whole pipeline against it |\n|---|---:|---:|---:|")
    for name, time_taken in (
        (f"encoder alone, one process, {cores} threads", by_threads),
        (f"encoder alone, {cores} processes of one thread", by_processes),
        (f"whole pipeline, {options.workers} workers", whole),
    ):
        rates = f"{len(notes) / time_taken:.2f} | {threads.n_tokens / time_taken:,.0f}"
        print(f"| {name} | {rates} | {time_taken / whole:.3f} |")
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=share_of_one, args=(options.model, notes, options.runs, theirs), daemon=True).start()
    print(f"\none process, one thread: the encoder has {ours.recv():.3f} of the time")


if __name__ == "__main__":
    main()
