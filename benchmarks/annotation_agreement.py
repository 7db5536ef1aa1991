"""How far our annotations agree with the given ones, on notes that were annotated twice.

python benchmarks/annotation_agreement.py DATA

24 notes of ``annotated_notes/train.jsonl`` lay unmarked among those that were annotated for ``training/annotations``;
what was written for them stands in ``agreement.jsonl`` there and is not trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import PRF, match_spans, score_spans
from training.data import read_training_notes
from training.standoff import read_standoff

OURS = Path(__file__).parents[1] / "training" / "annotations" / "agreement.jsonl"


def main() -> None:
    """Print F1 between the two annotations, and how often matched mentions have the same assertion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    codeset = CodeSet.load()
    given = {note.note.note_id: note for note in read_training_notes(data / "annotated_notes" / "train.jsonl", codeset)}
    totals = dict.fromkeys(("overlap", "exact", "category", "code"), PRF())
    same: list[bool] = []
    ours = list(read_standoff(OURS, data, codeset))
    for note in ours:
        gold = given[note.note.note_id].mentions
        scores = score_spans(gold, note.mentions)
        totals = {name: total + getattr(scores, name) for name, total in totals.items()}
        pairs = match_spans(gold, note.mentions)
        same += [gold[g].assertion == note.mentions[p].assertion for g, p in pairs]
    print(f"{len(ours)} notes, {sum(len(note.mentions) for note in ours)} mentions")
    print(" ".join(f"{name} {total.f1:.3f}" for name, total in totals.items()))
    print(f"assertion {sum(same) / len(same):.3f} of {len(same)} matched mentions")


if __name__ == "__main__":
    main()
