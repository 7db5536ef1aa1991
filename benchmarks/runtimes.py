"""What computes the encoder fastest on a CPU: onnxruntime in int8, torch in bfloat16 and in float32, in one run.

python benchmarks/runtimes.py NOTES [--model base] [--limit 40] [--runs 3]

Each reads the same windows, one at a time with a thread a core; they take turns, and the medians are told.
"""

from __future__ import annotations

import argparse
import statistics
from itertools import islice
from pathlib import Path

from encoder_share import keep_windows, seconds

from detect_icd10cm import read_notes
from detect_icd10cm.model.load import BASE_FOLDER, load_model, load_network
from detect_icd10cm.model.runtime import Runtime, TorchRuntime


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--model", type=Path, default=BASE_FOLDER)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    windows = keep_windows(options.model, list(islice(read_notes(options.notes), options.limit)))
    runtimes: dict[str, Runtime] = {
        "onnxruntime, int8": load_model(options.model, "onnx")._runtime,
        "torch, bfloat16": TorchRuntime(load_network(options.model), "cpu"),
        "torch, float32": TorchRuntime(load_network(options.model), "cpu", bfloat16=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in runtimes}
    for _ in range(options.runs):
        for name, runtime in runtimes.items():
            runtime.encode(windows[0])
            taken[name].append(seconds(lambda runtime=runtime: runtime.encode_all(windows)))
    n_tokens = sum(window["input_ids"].size for window in windows)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    slowest = medians["torch, float32"]
    print("| runtime | tokens/s | against torch, float32 |\n|---|---:|---:|")
    for name, median in medians.items():
        print(f"| {name} | {n_tokens / median:,.0f} | {slowest / median:.2f} |")


if __name__ == "__main__":
    main()
