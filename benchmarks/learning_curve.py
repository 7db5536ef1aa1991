"""What fine-tuning on few notes gains: a checkpoint that never saw a clinical note, on more and more annotated ones.

python benchmarks/learning_curve.py DATA [--sizes 50 100 200]

The start is trained on made-up notes (``configs/start.yaml``), then fine-tuned on the first notes of a shuffled
``annotated_notes/train.jsonl`` with ``configs/finetune.yaml``; each is measured on ``annotated_notes/dev.jsonl``, which
has no part in it. What is in ``runs/`` already is not made again.
"""

from __future__ import annotations

import argparse
import json
import random
from itertools import islice
from pathlib import Path

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.model.load import load_model
from training.data import read_training_notes
from training.finetune import finetune
from training.measure import measure
from training.settings import read_finetune_settings, read_settings
from training.synth import generate_notes, to_record
from training.termbank import TermBank
from training.terms import stream_terms
from training.train import train

ROOT = Path(__file__).parents[1]
SYNTHETIC, RUNS = 600, ROOT / "runs"
SHOWN = ("overlap_f1", "exact_f1", "category_f1", "code_f1", "assertion_accuracy")


def make_start(codeset: CodeSet) -> Path:
    """Return the checkpoint to start from."""
    folder = RUNS / "start" / "checkpoint"
    if not (folder / "metrics.json").exists():
        RUNS.mkdir(exist_ok=True)
        notes = islice(generate_notes(TermBank(codeset, stream_terms(codeset)), seed=0), SYNTHETIC)
        lines = (json.dumps(to_record(note), ensure_ascii=False) + "\n" for note in notes)
        (RUNS / "synthetic.jsonl").write_text("".join(lines), "utf-8")
        config = ROOT / "configs" / "start.yaml"
        train(read_settings(config), config)
    return folder


def main() -> None:
    """Print a row of Markdown for each number of notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    options = parser.parse_args()
    codeset = CodeSet.load()
    start = make_start(codeset)
    settings = read_finetune_settings(ROOT / "configs" / "finetune.yaml")
    notes = list(read_training_notes(options.data / "annotated_notes" / "train.jsonl", codeset))
    dev = list(read_training_notes(options.data / "annotated_notes" / "dev.jsonl", codeset))
    random.Random(0).shuffle(notes)  # noqa: S311 - no secret
    print(f"| notes | {' | '.join(SHOWN)} |")
    for n in (0, *options.sizes):
        folder = RUNS / f"curve-{n}" / "checkpoint" if n else start
        if not (folder / "metrics.json").exists():
            finetune(settings, notes[:n], folder.parent, start)
        figures = measure(load_model(folder), dev)
        print(f"| {n} | {' | '.join(f'{figures[name]:.3f}' for name in SHOWN)} |", flush=True)


if __name__ == "__main__":
    main()
