"""From files of gold and prediction to an evaluation."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detect_icd10cm.errors import NoteError
from detect_icd10cm.evaluation.measure import evaluate
from detect_icd10cm.evaluation.pairing import check_gold
from detect_icd10cm.evaluation.predictions import Predictions, read_predictions
from detect_icd10cm.evaluation.results import Evaluation
from detect_icd10cm.evaluation.targets import write_target
from detect_icd10cm.metrics.codiesp import Evidence, score_codiesp_evidence
from detect_icd10cm.metrics.intervals import N_RESAMPLES
from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.notes.gold import GoldIssue, guess_format, read_codiesp_rows, read_gold
from detect_icd10cm.notes.streams import plain_suffix
from detect_icd10cm.types import AnnotatedNote, NoteResult


def evaluate_files(
    gold: str | Path,
    predictions: Sequence[str | Path] = (),
    *,
    model: str | None = None,
    gold_format: str | None = None,
    pred_format: str | None = None,
    texts: str | Path | None = None,
    release: str | None = None,
    gold_release: str | None = None,
    train: str | Path | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Evaluate one file of predictions, or compare two.

    Args:
        gold: The labelled set; see ``read_gold`` for formats.
        predictions: One or two files; see ``read_predictions``.
        model: Name of a model that predicts the gold notes first; its predictions stand before those of files.
        gold_format: Format of gold, where its name does not say it.
        pred_format: Format of the predictions, likewise.
        texts: For CodiEsp, the folder of texts to read in place of the one beside the file.
        release: See ``evaluate``.
        gold_release: See ``evaluate``.
        train: The labelled set that was trained on, for codes seen and unseen.
        n_resamples: Draws for intervals and comparisons.
        seed: Their seed.

    Raises:
        NoteError: If a file is not as expected, gold and prediction do not belong together, or the number of
            predictions is not one or two.
        CodeSetError: If the release is not installed.
        ModelError: If there is no such model.
    """
    if not 1 <= len(predictions) + (model is not None) <= 2:
        raise NoteError(
            f"found {len(predictions)} files of predictions and {'a' if model else 'no'} model; "
            "expected one prediction to evaluate, or two to compare"
        )
    issues: list[GoldIssue] = []
    # Broken notes raise: a figure over the notes that happen to be readable is none.
    notes = list(read_gold(gold, format=gold_format, texts=texts, issues=issues))
    broken = next((issue for issue in issues if issue.kind == "broken"), None)
    if broken:
        raise NoteError(f"{broken.source}: {broken.detail}")
    check_gold(notes)  # before a model is run
    read = [read_predictions(path, format=pred_format) for path in predictions]
    if model is not None:
        read.insert(0, predict(notes, model, release))
    evaluation = evaluate(
        notes,
        *read,
        gold_name=Path(gold).name,
        release=release,
        gold_release=gold_release,
        train=None if train is None else read_gold(train),
        n_resamples=n_resamples,
        seed=seed,
    )
    official = None
    if model is None and (gold_format or guess_format(Path(gold))) == "codiesp":
        official = _score_codiesp(Path(gold), Path(predictions[0]))
    return replace(evaluation, issues=(*issues, *evaluation.issues), codiesp=official)


def predict(notes: Sequence[AnnotatedNote], model: str, release: str | None = None) -> Predictions:
    """Detect findings in labelled notes, without their labels.

    Raises:
        NoteError: If the labelled set has no texts.
        ModelError: If there is no such model.
    """
    from detect_icd10cm.detector import Detector

    if not any(note.note.text for note in notes):
        raise NoteError("the labelled set has no note texts; --model needs them to predict from")
    detector = Detector.from_pretrained(model, release=release)
    results = detector.stream(note.note for note in notes if note.note.text.strip())
    return Predictions(tuple(result for result in results if isinstance(result, NoteResult)), model)


def write_json(evaluation: Evaluation, path: str | Path) -> None:
    """Write all figures as JSON, to standard output for ``-``; no text of a note.

    A file appears whole or not at all, readable by its owner alone.

    Raises:
        NoteError: If it can't be written.
    """
    written = json.dumps(evaluation.to_dict(), indent=1, allow_nan=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(written)
    else:
        write_target(Path(path), written)


def _score_codiesp(gold: Path, pred: Path) -> PRF | None:
    """Score as CodiEsp-X does, where both are files of its shape with references."""
    if plain_suffix(pred) != ".tsv":
        return None
    first, second = _evidence(gold), _evidence(pred)
    return score_codiesp_evidence(first, second) if first and second else None


def _evidence(path: Path) -> list[Evidence]:
    rows = (row for row in read_codiesp_rows(path) if row.spans)
    return [(row.note_id, row.code, row.spans[0][0], row.spans[-1][1]) for row in rows]
