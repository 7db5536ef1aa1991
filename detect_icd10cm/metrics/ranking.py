"""Ranked document codes: precision and recall at k, average precision, area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detect_icd10cm.metrics.table import BoolArray, CodeTable, FloatArray, IntArray, divide

TOP = (1, 3, 5, 8, 15)


@dataclass(frozen=True, slots=True)
class TopK:
    """The first k codes of each note, over the notes that have gold codes.

    Attributes:
        k: Codes looked at.
        precision: Mean of correct / k. A note with fewer than k gold codes cannot reach 1.
        recall: Mean of correct / gold codes. A note with more than k gold codes cannot reach 1.
        best_precision: What a perfect ranking would reach.
        best_recall: What a perfect ranking would reach.
    """

    k: int
    precision: float
    recall: float
    best_precision: float
    best_recall: float


@dataclass(frozen=True, slots=True)
class RankScores:
    """Codes ranked by score, ties in the order given.

    Attributes:
        average_precision: Mean over the notes with gold codes (MAP): the precisions at each correct code, summed and
            divided by the number of gold codes; a note without prediction has 0.
        average_precision_predicted: The same over the notes that have a prediction too, as CodiEsp's script averages.
        r_precision: Mean of the precision at as many codes as there are gold ones.
        top: Precision and recall at several k.
        auc_micro: Area under the ROC curve over all notes and all codes that are gold or predicted anywhere, a code
            without score counting as 0; None where every pair is gold, none is, or there are no scores.
        auc_macro: Mean of the codes' areas, over the codes that are gold in some notes and not in others.
        auc_codes: How many codes that are.
    """

    average_precision: float
    average_precision_predicted: float
    r_precision: float
    top: tuple[TopK, ...]
    auc_micro: float | None
    auc_macro: float | None
    auc_codes: int


def score_ranking(table: CodeTable, *, scored: bool = True, top: Sequence[int] = TOP) -> RankScores:
    """Score the rankings of all notes.

    Args:
        table: The notes' codes.
        scored: Whether the scores mean anything; otherwise codes rank as given and there is no area.
        top: The k to look at.
    """
    note, hit, rank = _rank(table, scored)
    _, n_pred, n_gold = table.per_note()
    with_gold = n_gold > 0
    average = average_precisions(table, scored=scored)
    among_gold = np.bincount(note[hit & (rank < n_gold[note])], minlength=table.n_notes)
    macro, auc_codes = _auc_macro(table) if scored else (None, 0)
    return RankScores(
        average_precision=_mean(average[with_gold]),
        average_precision_predicted=_mean(average[with_gold & (n_pred > 0)]),
        r_precision=_mean(divide(among_gold, n_gold)[with_gold]),
        top=tuple(_top(k, note[hit & (rank < k)], n_gold) for k in top),
        auc_micro=_auc_micro(table) if scored else None,
        auc_macro=macro,
        auc_codes=auc_codes,
    )


def average_precisions(table: CodeTable, *, scored: bool = True) -> FloatArray:
    """Return the average precision of each note, 0 where it has no gold codes, shape (notes,)."""
    note, hit, rank = _rank(table, scored)
    hits = np.concatenate(([0], np.cumsum(hit)))
    hits_in_note = hits[1:] - hits[np.searchsorted(note, note)]
    precisions = np.where(hit, hits_in_note / (rank + 1), 0.0)
    return divide(np.bincount(note, weights=precisions, minlength=table.n_notes), table.per_note()[2])


def _rank(table: CodeTable, scored: bool) -> tuple[IntArray, BoolArray, IntArray]:
    """Return note, correctness and rank (from 0) of the predicted rows, in order of note and rank."""
    rows = np.flatnonzero(table.pred)
    score = table.score[rows] if scored else np.zeros(rows.size)
    rows = rows[np.lexsort((table.position[rows], -score, table.note[rows]))]
    note = table.note[rows]
    rank = np.arange(rows.size) - np.searchsorted(note, note)
    return note, table.gold[rows], rank


def _top(k: int, hit_notes: IntArray, n_gold: IntArray) -> TopK:
    with_gold = n_gold > 0
    hits = np.bincount(hit_notes, minlength=n_gold.size)[with_gold]
    gold = n_gold[with_gold]
    reachable = np.minimum(gold, k)
    return TopK(k, _mean(hits / k), _mean(hits / gold), _mean(reachable / k), _mean(reachable / gold))


def _mean(values: FloatArray) -> float:
    # Sorted, so that the sum does not change with the order of the notes.
    return float(np.sum(np.sort(values)) / values.size) if values.size else 0.0


def _auc_micro(table: CodeTable) -> float | None:
    n_pairs = table.n_notes * len(table.codes)
    return _auc(table.score, table.gold, n_pairs - table.note.size)


def _auc_macro(table: CodeTable) -> tuple[float | None, int]:
    order = np.argsort(table.code, kind="stable")
    ends = np.cumsum(np.bincount(table.code, minlength=len(table.codes)))
    areas = []
    for start, end in zip((0, *ends[:-1].tolist()), ends.tolist(), strict=False):
        rows = order[start:end]
        area = _auc(table.score[rows], table.gold[rows], table.n_notes - rows.size)
        if area is not None:
            areas.append(area)
    return (_mean(np.array(areas)), len(areas)) if areas else (None, 0)


def _auc(score: FloatArray, gold: BoolArray, n_silent: int) -> float | None:
    """Return the chance that a gold pair scores above another, ties counting half.

    Args:
        score: Scores of the known pairs.
        gold: Which of them are gold.
        n_silent: Pairs that are neither gold nor predicted; they score 0.
    """
    values, places = np.unique(np.append(score, 0.0), return_inverse=True)
    places = places[:-1]
    positive = np.bincount(places[gold], minlength=values.size)
    negative = np.bincount(places[~gold], minlength=values.size)
    negative[np.searchsorted(values, 0.0)] += n_silent
    n_positive, n_negative = int(positive.sum()), int(negative.sum())
    if not n_positive or not n_negative:
        return None
    below = np.cumsum(negative) - negative
    wins = float(np.sum(positive * (below + negative / 2)))
    return wins / n_positive / n_negative
