"""How sure a figure is: bootstrap intervals over notes, and two predictions compared on the same notes.

Every figure here is a ratio of sums over notes: precision, recall and F1 of counts, and means of a note's own figure.
Notes are drawn, not codes or mentions, since those of one note are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.metrics.table import FloatArray, divide

N_RESAMPLES = 1000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure as sum(numerator) / sum(denominator) over notes, each of shape (notes,)."""

    numerator: FloatArray
    denominator: FloatArray

    @property
    def value(self) -> float:
        """The figure on the notes themselves; 0 where the denominator is 0."""
        total = float(np.sum(self.denominator))
        return float(np.sum(self.numerator)) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval (percentiles)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of two predictions on the same notes.

    Attributes:
        first: The figure of the first prediction.
        second: That of the second.
        difference: Second minus first.
        low: Lower end of the 95 % paired bootstrap interval of the difference.
        high: Upper end.
        p: Two-sided p of a paired permutation test: how often swapping the two predictions note by note at random
            makes a difference at least as large.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def prf_ratios(name: str, notes: Iterable[PRF]) -> dict[str, Ratio]:
    """Return precision, recall and F1 over notes as ``<name> precision`` and so on."""
    counts = np.array([(c.n_correct, c.n_pred, c.n_gold) for c in notes], np.float64).reshape(-1, 3)
    correct, pred, gold = counts.T
    return {
        f"{name} precision": Ratio(correct, pred),
        f"{name} recall": Ratio(correct, gold),
        f"{name} F1": Ratio(2 * correct, pred + gold),
    }


def mean_ratio(values: ArrayLike, over: ArrayLike) -> Ratio:
    """Return the mean of a note's own figure over the notes that are set."""
    chosen = np.asarray(over, np.float64)
    return Ratio(np.asarray(values, np.float64) * chosen, chosen)


def bootstrap(ratios: Mapping[str, Ratio], n_resamples: int = N_RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Return each figure's interval over notes drawn with replacement.

    The same draws serve all figures; the same seed and notes give the same intervals. A draw in which a figure is not
    defined, such as the recall of what none of its notes has, is left out of that figure's interval.
    """
    if not ratios:
        return {}
    top, bottom = _stack(ratios)
    drawn = np.array([divide(w @ top, w @ bottom, empty=np.nan) for w in _draws(len(top), n_resamples, seed)])
    intervals = {}
    for (name, ratio), figures in zip(ratios.items(), drawn.T, strict=True):
        defined = figures[~np.isnan(figures)]
        low, high = _percentiles(defined) if defined.size else (ratio.value, ratio.value)
        intervals[name] = Interval(ratio.value, float(low), float(high))
    return intervals


def compare(
    first: Mapping[str, Ratio], second: Mapping[str, Ratio], n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Compare two predictions' figures on the same notes, in the same order.

    Raises:
        ValueError: If the two do not hold the same figures of the same number of notes.
    """
    if list(first) != list(second):
        raise ValueError(f"found figures {list(first)} and {list(second)}, expected the same")
    if not first:
        return {}
    (top_a, bottom_a), (top_b, bottom_b) = _stack(first), _stack(second)
    if top_a.shape != top_b.shape:
        raise ValueError(f"found {len(top_a)} and {len(top_b)} notes, expected the same")
    drawn = np.array(
        [
            divide(w @ top_b, w @ bottom_b) - divide(w @ top_a, w @ bottom_a)
            for w in _draws(len(top_a), n_resamples, seed)
        ]
    )
    low, high = _percentiles(drawn)
    values = np.array([ratio.value for ratio in second.values()]) - [ratio.value for ratio in first.values()]
    extreme = np.zeros(len(first))
    rng = np.random.default_rng(seed)
    for _ in range(n_resamples):
        swap = rng.integers(0, 2, len(top_a)).astype(np.float64)
        top, bottom = swap @ (top_b - top_a), swap @ (bottom_b - bottom_a)
        swapped_a = divide(top_a.sum(0) + top, bottom_a.sum(0) + bottom)
        swapped_b = divide(top_b.sum(0) - top, bottom_b.sum(0) - bottom)
        # A hair of tolerance: sums in another order must not make an equal difference less than itself.
        extreme += np.abs(swapped_b - swapped_a) >= np.abs(values) - 1e-12
    p = (extreme + 1) / (n_resamples + 1)
    return {
        name: Comparison(one.value, second[name].value, *map(float, figures))
        for (name, one), *figures in zip(first.items(), values, low, high, p, strict=True)
    }


def _stack(ratios: Mapping[str, Ratio]) -> tuple[FloatArray, FloatArray]:
    """Return numerators and denominators, each of shape (notes, figures)."""
    top = np.stack([ratio.numerator for ratio in ratios.values()], axis=1)
    return top, np.stack([ratio.denominator for ratio in ratios.values()], axis=1)


def _draws(n_notes: int, n_resamples: int, seed: int) -> Iterable[FloatArray]:
    """Yield, for each resample, how often each note is drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(n_resamples):
        yield np.bincount(rng.integers(0, n_notes, n_notes), minlength=n_notes).astype(np.float64)


def _percentiles(drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both ends of the interval, of each column."""
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return low, high
