"""What scores are worth: calibration, risk by coverage, and the share that can be accepted unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detect_icd10cm.metrics.table import BoolArray, CodeTable, FloatArray, divide

TARGETS = (0.95, 0.98)
_CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions whose score lies in (low, high]; the first bin holds 0 as well."""

    low: float
    high: float
    n: int
    mean_score: float
    precision: float


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What can be accepted unseen at a target precision.

    The threshold is chosen on one half of the notes as the lowest that reaches the target there; all other figures
    are those of the other half.

    Attributes:
        target: The precision asked for.
        threshold: The score from which is accepted; None where no threshold reaches the target.
        precision: The precision reached on the other half, 0 where nothing is accepted.
        share: Accepted of all.
        n_accepted: How many are accepted.
        n: How many there are.
    """

    target: float
    threshold: float | None
    precision: float
    share: float
    n_accepted: int
    n: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The worth of scores.

    Attributes:
        n: Predictions looked at.
        ece: Expected calibration error over ten bins of equal width: how far precision is from score, on average.
        brier: Mean squared distance of score and correctness.
        bins: The reliability diagram.
        coverage: Shares accepted, growing, as the threshold falls; at most 200 points.
        risk: The share of wrong ones among the accepted, at each coverage.
        mean_risk: Mean of the risk over all predictions as each enters (area under the curve).
        codes: Codes accepted unseen at each target.
        notes: Notes accepted unseen at each target: a note's score is that of its least sure code, and it is correct
            where its code set is exactly the gold one. Notes without any code are never accepted.
    """

    n: int
    ece: float
    brier: float
    bins: tuple[Bin, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    mean_risk: float
    codes: tuple[Acceptance, ...]
    notes: tuple[Acceptance, ...]


def score_calibration(table: CodeTable, note_ids: Sequence[str], n_bins: int = 10) -> Calibration:
    """Compare the scores of all predicted codes with their correctness."""
    score, correct, note = table.score[table.pred], table.gold[table.pred], table.note[table.pred]
    coverage, risk, mean_risk = risk_coverage(score, correct)
    chosen_on = choosing_half(note_ids)
    note_score, note_correct = _score_notes(table)
    bins = reliability(score, correct, n_bins)
    return Calibration(
        n=int(score.size),
        ece=sum(b.n * abs(b.mean_score - b.precision) for b in bins) / score.size if score.size else 0.0,
        brier=float(np.mean((score - correct) ** 2)) if score.size else 0.0,
        bins=bins,
        coverage=_thinned(coverage),
        risk=_thinned(risk),
        mean_risk=mean_risk,
        codes=tuple(accept_at(score, correct, chosen_on[note], target) for target in TARGETS),
        notes=tuple(accept_at(note_score, note_correct, chosen_on, target) for target in TARGETS),
    )


def reliability(score: FloatArray, correct: BoolArray, n_bins: int = 10) -> tuple[Bin, ...]:
    """Return the bins of equal width that hold any prediction."""
    edges = np.arange(n_bins + 1) / n_bins
    place = np.clip(np.searchsorted(edges, score, side="left") - 1, 0, n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    mean_score = divide(np.bincount(place, weights=score, minlength=n_bins), n)
    precision = divide(np.bincount(place, weights=correct, minlength=n_bins), n)
    return tuple(
        Bin(float(edges[i]), float(edges[i + 1]), int(n[i]), float(mean_score[i]), float(precision[i]))
        for i in np.flatnonzero(n)
    )


def risk_coverage(score: FloatArray, correct: BoolArray) -> tuple[FloatArray, FloatArray, float]:
    """Return coverage and risk at each distinct score, from the highest down, and the mean risk.

    Equal scores enter together, so the order of the predictions changes nothing.
    """
    if not score.size:
        return np.zeros(0), np.zeros(0), 0.0
    values, places = np.unique(-score, return_inverse=True)
    entering = np.bincount(places, minlength=values.size)
    accepted = np.cumsum(entering)
    wrong = np.cumsum(np.bincount(places[~correct], minlength=values.size))
    risk = wrong / accepted
    return accepted / score.size, risk, float(np.sum(risk * entering) / score.size)


def accept_at(score: FloatArray, correct: BoolArray, chosen_on: BoolArray, target: float) -> Acceptance:
    """Choose a threshold for a target precision on one half and report what it does on the other.

    Args:
        score: Scores, a NaN for what can never be accepted.
        correct: Whether each is right.
        chosen_on: Which of them the threshold is chosen on.
        target: The precision asked for.
    """
    threshold = _lowest_threshold(score[chosen_on], correct[chosen_on], target)
    rest_score, rest_correct = score[~chosen_on], correct[~chosen_on]
    accepted = rest_score >= (np.inf if threshold is None else threshold)  # False for NaN
    n_accepted, n_right, n = int(accepted.sum()), int((accepted & rest_correct).sum()), int(rest_score.size)
    return Acceptance(
        target=target,
        threshold=threshold,
        precision=n_right / n_accepted if n_accepted else 0.0,
        share=n_accepted / n if n else 0.0,
        n_accepted=n_accepted,
        n=n,
    )


def _lowest_threshold(score: FloatArray, correct: BoolArray, target: float) -> float | None:
    known = ~np.isnan(score)
    values, places = np.unique(-score[known], return_inverse=True)
    if not values.size:
        return None
    accepted = np.cumsum(np.bincount(places, minlength=values.size))
    right = np.cumsum(np.bincount(places[correct[known]], minlength=values.size))
    reaching = np.flatnonzero(right / accepted >= target)
    return float(-values[reaching[-1]]) if reaching.size else None


def choosing_half(note_ids: Sequence[str]) -> BoolArray:
    """Return which notes thresholds are chosen on: about half, by a hash of the id, so ever the same ones."""
    bits = (hashlib.sha256(note_id.encode()).digest()[0] & 1 for note_id in note_ids)
    return np.fromiter((bit == 0 for bit in bits), np.bool_, len(note_ids))


def _score_notes(table: CodeTable) -> tuple[FloatArray, BoolArray]:
    correct, pred, gold = table.per_note()
    least = np.full(table.n_notes, np.inf)
    np.minimum.at(least, table.note[table.pred], table.score[table.pred])
    least[pred == 0] = np.nan
    return least, (correct == pred) & (correct == gold)


def _thinned(curve: FloatArray) -> tuple[float, ...]:
    """Return at most 200 points of a curve, its ends included."""
    step = max((curve.size - 1) / (_CURVE_POINTS - 1), 1.0)
    return tuple(float(curve[round(i * step)]) for i in range(min(curve.size, _CURVE_POINTS)))
