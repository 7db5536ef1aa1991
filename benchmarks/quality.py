"""The tables of docs/results.md: what a model finds in labelled notes that it was not made from.

python benchmarks/quality.py DATA [--model lexicon] [--html FOLDER]

DATA is a folder that holds any of

- annotated_notes/dev.jsonl: English notes with mentions, document codes and indications of 64580 in our own format;
  annotated_notes/train.jsonl beside it tells codes seen from unseen ones;
- codiesp/dev: devD.tsv and text_files_en of CodiEsp (CC BY 4.0, https://doi.org/10.5281/zenodo.3837305). Its codes are
  of 2018, so figures are given as they stand and mapped to the release, and its English texts are machine translations.
  Its gold codes negated findings too, so the codes of all mentions, whatever their assertion, are a set of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detect_icd10cm.evaluation import Evaluation, Predictions, evaluate, evaluate_files, predict, write_html
from detect_icd10cm.evaluation.measure import NAMES
from detect_icd10cm.evaluation.results import CodeReport
from detect_icd10cm.metrics.spans import CRITERIA, PRF, RULES
from detect_icd10cm.notes.gold import read_gold
from detect_icd10cm.types import Mention, NoteCode

Row = tuple[str, ...]


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="lexicon")
    parser.add_argument("--html", type=Path, help="write a report of each set into this folder")
    arguments = parser.parse_args()
    sets = dict(measure(arguments.data, arguments.model))
    if not sets:
        parser.error(f"found neither annotated_notes/dev.jsonl nor codiesp/dev in {arguments.data}")
    for name, evaluation in sets.items():
        print(f"\n### {name}: {evaluation.n_notes} notes, model {arguments.model}, release {evaluation.release}\n")
        print_intervals(evaluation)
        print_counts("matched by", span_rows(evaluation))
        print_counts("document codes", code_rows(evaluation))
        print_counts("indication", indication_rows(evaluation))
        print_confidence(evaluation)
        if arguments.html:
            arguments.html.mkdir(parents=True, exist_ok=True)
            write_html(evaluation, arguments.html / f"{name.replace(' ', '_')}.html")


def measure(data: Path, model: str) -> Iterator[tuple[str, Evaluation]]:
    """Yield each set that is there with its name."""
    notes = data / "annotated_notes"
    if (notes / "dev.jsonl").exists():
        train = notes / "train.jsonl"
        yield (
            "annotated notes, dev",
            evaluate_files(notes / "dev.jsonl", model=model, train=train if train.exists() else None),
        )
    codiesp = data / "codiesp" / "dev"
    if (codiesp / "devD.tsv").exists():
        gold = list(read_gold(codiesp / "devD.tsv", texts=codiesp / "text_files_en"))
        predictions = predict(gold, model)
        yield "CodiEsp-D dev, English", evaluate(gold, predictions)
        yield "CodiEsp-D dev, English, every mention's code", evaluate(gold, code_every_mention(predictions))


def code_every_mention(predictions: Predictions) -> Predictions:
    """Return predictions whose document codes are those of all mentions, each with its best score."""
    results = []
    for result in predictions.results:
        best: dict[str, Mention] = {}
        for mention in sorted(result.mentions, key=lambda mention: -mention.score):
            best.setdefault(mention.code, mention)
        codes = tuple(NoteCode(code, m.title, m.score, "review", ()) for code, m in best.items())
        results.append(replace(result, codes=codes))
    return replace(predictions, results=tuple(results))


def print_table(header: Row, rows: Sequence[Row]) -> None:
    """Print a Markdown table, nothing without rows."""
    if rows:
        lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
        print("\n".join(f"| {' | '.join(line)} |" for line in lines), end="\n\n")


def print_intervals(evaluation: Evaluation) -> None:
    """Print the figures with their 95 % bootstrap intervals."""
    rows = [(name, *(f"{x:.3f}" for x in (i.value, i.low, i.high))) for name, i in evaluation.intervals.items()]
    print_table(("figure", "value", "low", "high"), rows)


def print_counts(what: str, named: Iterator[tuple[str, PRF]]) -> None:
    """Print precision, recall and F1 with their counts."""
    rows = [
        (name, f"{c.precision:.3f}", f"{c.recall:.3f}", f"{c.f1:.3f}", str(c.n_correct), str(c.n_pred), str(c.n_gold))
        for name, c in named
    ]
    print_table((what, "P", "R", "F1", "correct", "predicted", "gold"), rows)


def span_rows(evaluation: Evaluation) -> Iterator[tuple[str, PRF]]:
    """Yield mentions by every rule and criterion, by kind and by assertion."""
    spans = evaluation.spans
    if spans:
        yield from ((f"{rule}: {NAMES[c]}", spans.scores[rule][c]) for rule in RULES for c in CRITERIA)
        yield from ((f"kind {kind}: mention + code", counts) for kind, counts in spans.by_kind.items())
        yield from ((f"assertion {name}", counts) for name, counts in spans.by_assertion.items())


def code_rows(evaluation: Evaluation) -> Iterator[tuple[str, PRF]]:
    """Yield document codes at every level, as they stand and mapped, and those seen in training or not."""
    reports: dict[str, CodeReport | None] = {"": evaluation.codes, ", mapped": evaluation.mapped}
    for suffix, report in reports.items():
        if report:
            yield from ((f"{level}{suffix}", scores.sets) for level, scores in report.levels.items())
    if evaluation.codes and evaluation.codes.seen:
        yield from evaluation.codes.seen.items()


def indication_rows(evaluation: Evaluation) -> Iterator[tuple[str, PRF]]:
    """Yield every indication of every procedure."""
    for procedure, own in evaluation.indications.items():
        yield from ((f"{procedure} {name}", counts) for name, counts in own.items())


def print_confidence(evaluation: Evaluation) -> None:
    """Print ranking and calibration."""
    named = {"as they stand": evaluation.codes, f"mapped to {evaluation.release}": evaluation.mapped}
    rows = [
        (name, *(f"{x:.3f}" for x in (r.sets.macro_gold.f1, r.ranking.average_precision, r.ranking.r_precision)))
        for name, r in named.items()
        if r
    ]
    print_table(("document codes", "macro F1 (gold codes)", "MAP", "R-precision"), rows)
    calibration = evaluation.calibration
    if calibration:
        print(f"Expected calibration error {calibration.ece:.3f} over {calibration.n} codes.\n")
        units = (("codes", calibration.codes), ("notes", calibration.notes))
        accepted = [
            (f"{unit} at {a.target:.0%}", f"{a.threshold or 1:.3f}", f"{a.precision:.3f}", f"{a.share:.3f}", str(a.n))
            for unit, targets in units
            for a in targets
            if a.threshold is not None
        ]
        print_table(("accepted unseen", "threshold", "precision", "share", "of"), accepted)


if __name__ == "__main__":
    main()
