"""How much of the time of a trained checkpoint is its encoder's: end to end against encoder alone, in one run.

python benchmarks/encoder_share.py NOTES [--model base] [--limit 60] [--runs 3]

The whole pipeline reads the notes, rules included; the calls of the encoder in it are timed. The median of the runs is
told: a share of 0.8 says that all else takes a quarter of the encoder's time. OMP_NUM_THREADS=1 gives the share on one
core, which is what each of several workers has.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

from detect_icd10cm import Detector, read_notes
from detect_icd10cm.model.load import BASE_FOLDER, load_model
from detect_icd10cm.rules.procedures import load_procedures


class TimedRuntime:
    """A runtime whose encoder's time is counted."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def encode(self, arrays: Any) -> Any:
        """Encode, and count the time."""
        started = time.perf_counter()
        result = self._runtime.encode(arrays)
        self.seconds += time.perf_counter() - started
        return result


def main() -> None:
    """Print notes a second and the encoder's share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--model", type=Path, default=BASE_FOLDER)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    notes = list(islice(read_notes(options.notes), options.limit))
    model = load_model(options.model)
    timed = TimedRuntime(model._runtime)
    model._runtime = timed
    detector = Detector(model, load_procedures())
    list(detector.stream(notes[:4]))
    shares, speeds = [], []
    for _ in range(options.runs):
        timed.seconds, started = 0.0, time.perf_counter()
        list(detector.stream(notes))
        total = time.perf_counter() - started
        shares.append(timed.seconds / total)
        speeds.append(len(notes) / total)
    speed, share = statistics.median(speeds), statistics.median(shares)
    print(f"{len(notes)} notes, {speed:.2f} notes/s, encoder {share:.3f} of the time")


if __name__ == "__main__":
    main()
