"""Measure `detect` on exports of growing size: notes a second, CPU time and memory by workers, and where the time goes.

    python benchmarks/throughput.py NOTES [--sizes 5000 20000 100000] [--workers 1 2] [--model lexicon] [--profile 500]

NOTES is JSON Lines with `text`; an export repeats them under new ids. Each run is the command in a process of its own.
CPU time is that of all its processes and depends less than the clock on what else the machine does; RSS is that of
its largest process. With --profile, so many notes are detected in this process under cProfile, and the time is
shared out to the modules of the package, that of what they call outside of it included.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import detect_icd10cm
from detect_icd10cm import Detector, read_notes, write_results

PACKAGE = f"{Path(detect_icd10cm.__file__).parent}{os.sep}"
PROGRAM = "from detect_icd10cm.cli import main; main()"


def main() -> None:
    """Measure and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[5_000, 20_000, 100_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="lexicon")
    parser.add_argument("--profile", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        export, output = Path(folder, "notes.jsonl"), Path(folder, "out.jsonl")
        print("| notes | workers | s | notes/s | CPU ms a note | RSS, MB |\n|---:|---:|---:|---:|---:|---:|")
        for size in asked.sizes:
            make_export(asked.notes, export, size)
            for workers in asked.workers:
                command = [sys.executable, "-c", PROGRAM, "detect", str(export), "-o", str(output), "-q"]
                wall, cpu, rss = measure([*command, "--model", asked.model, "--workers", str(workers)])
                row = f"| {size:,} | {workers} | {wall:.1f} | {size / wall:.0f} | {1000 * cpu / size:.2f} | {rss:.0f} |"
                print(row, flush=True)
        if asked.profile:
            make_export(asked.notes, export, asked.profile)
            print_shares(profile(asked.model, export, output))


def make_export(notes: Path, export: Path, size: int) -> None:
    """Write so many notes, with ids of their own."""
    texts = [json.loads(line)["text"] for line in notes.read_text("utf-8").splitlines()]
    with export.open("w", encoding="utf-8") as stream:
        for i, text in enumerate(islice(cycle(texts), size)):
            stream.write(json.dumps({"note_id": f"n{i}", "text": text}) + "\n")


def measure(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return seconds, seconds of CPU of all its processes, and MB of the largest."""
    begin = time.monotonic()
    _, status, used = os.wait4(subprocess.Popen(command).pid, 0)
    if status:
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def profile(model: str, export: Path, output: Path) -> Counter[str]:
    """Return the seconds spent in each module, with what it calls outside of the package."""
    detector = Detector.from_pretrained(model)
    write_results(detector.stream(islice(read_notes(export), 20)), output)  # what is loaded when first needed
    profiler = cProfile.Profile()
    profiler.runcall(lambda: write_results(detector.stream(read_notes(export)), output))
    seconds: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if file.startswith(PACKAGE):
            seconds[file.removeprefix(PACKAGE)] += own
            continue
        for (caller, _, _), (_, _, share, _) in callers.items():
            seconds[caller.removeprefix(PACKAGE) if caller.startswith(PACKAGE) else "elsewhere"] += share
    return seconds


def print_shares(seconds: Counter[str]) -> None:
    """Print the share of each room of the package, with its modules that take one percent or more."""
    rooms: dict[str, Counter[str]] = {}
    for module, spent in seconds.items():
        rooms.setdefault(module.partition(os.sep)[0], Counter())[module.rpartition(os.sep)[2]] += spent
    print("| part | share | modules |\n|---|---:|---|")
    for room, modules in sorted(rooms.items(), key=lambda item: -item[1].total()):
        shares = {module: spent / seconds.total() for module, spent in modules.most_common()}
        told = ", ".join(f"{module} {share:.0%}" for module, share in shares.items() if share >= 0.01)
        print(f"| {room} | {modules.total() / seconds.total():.0%} | {told} |")


if __name__ == "__main__":
    main()
