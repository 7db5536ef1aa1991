"""CodiEsp in Spanish: fine-tune a checkpoint on the training cases and score codes with their evidence (sub-track X).

python benchmarks/codiesp_spanish.py DATA CHECKPOINT OUTPUT [--config configs/spanish.yaml]

Diagnoses alone are learned and scored. Codes of 2018 are carried to the checkpoint's release, gold and predicted alike.
The score from which a code is predicted is chosen on the training cases that the fine-tuning holds out. A fine-tuned
checkpoint that is already in OUTPUT is measured as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.codiesp import Evidence, score_codiesp_evidence
from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.model.load import load_model
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.notes.gold import read_codiesp_rows
from detect_icd10cm.types import AnnotatedNote, Mention
from training.data import carry_code, read_codiesp_spanish
from training.finetune import finetune, split_notes
from training.measure import detect_notes
from training.settings import read_finetune_settings

THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(16))

Predicted = list[tuple[str, Mention]]


def predict(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> Predicted:
    """Return the mentions found, each with its case."""
    return [(note.note.note_id, mention) for note, found in detect_notes(model, notes) for mention in found]


def evidence(mentions: Iterable[tuple[str, Mention]]) -> list[Evidence]:
    """Return (case, code, start, end) rows."""
    return [(case, m.code, m.start, m.end) for case, m in mentions]


def read_gold_evidence(folder: Path, codeset: CodeSet) -> list[Evidence]:
    """Return a split's diagnoses with the stretch from the first to the last character of their evidence."""
    rows = read_codiesp_rows(folder / f"{folder.name}X.tsv")
    return [(r.note_id, carry_code(r.code, codeset) or r.code, *r.hull) for r in rows if r.label == "diagnosis"]


def main() -> None:
    """Print the threshold, and precision, recall and F1 by the official rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--config", type=Path, default=Path("configs/spanish.yaml"))
    arguments = parser.parse_args()
    settings = read_finetune_settings(arguments.config)
    codeset = load_model(arguments.checkpoint).codeset
    train = list(read_codiesp_spanish(arguments.data / "codiesp" / "train", codeset))
    dev = list(read_codiesp_spanish(arguments.data / "codiesp" / "dev", codeset))
    folder = arguments.output / "checkpoint"
    if not (folder / "metrics.json").exists():
        folder = finetune(settings, train, arguments.output, arguments.checkpoint)
    model = load_model(folder)
    held, _ = split_notes(train, settings)

    gold = [row for name in ("train", "dev") for row in read_gold_evidence(arguments.data / "codiesp" / name, codeset)]

    def score(notes: Sequence[AnnotatedNote], found: Predicted, threshold: float) -> PRF:
        cases = {note.note.note_id for note in notes}
        kept = evidence((case, mention) for case, mention in found if mention.score >= threshold)
        return score_codiesp_evidence([row for row in gold if row[0] in cases], kept)

    found = predict(model, held)
    threshold = max(THRESHOLDS, key=lambda t: score(held, found, t).f1)
    result = score(dev, predict(model, dev), threshold)
    print(f"threshold {threshold}, chosen on {len(held)} training cases held out")
    print(f"{len(dev)} cases: F1 {result.f1:.3f} (precision {result.precision:.3f}, recall {result.recall:.3f})")


if __name__ == "__main__":
    main()
