"""From the scores of words to spans."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from detect_icd10cm.model.inputs import Array

Span = tuple[int, int]

OUTSIDE, BEGIN, INSIDE = range(3)
N_LABELS = 3
_IMPOSSIBLE = -1e9
# What no finding begins or ends with.
_EDGES = frozenset("a an and as at both by for from her his in of on or the their to with".split())
_JOINING = frozenset({"with", "without", "due", "to"})


def decode_spans(scores: Array, outside_bias: float = 0.0, inside_bias: float = 0.0) -> list[Span]:
    """Return the most probable spans of a note as (first word, one past the last).

    Args:
        scores: Log-probabilities or logits of outside, begin and inside, shape (words, 3).
        outside_bias: Added to the score of outside; more of it gives fewer spans.
        inside_bias: Added to the score of inside; more of it gives longer spans.
    """
    labels = best_labels(scores + np.array([outside_bias, 0.0, inside_bias]))
    spans, start = [], None
    for i, label in enumerate([*labels, OUTSIDE]):
        if label != INSIDE and start is not None:
            spans.append((start, i))
            start = None
        if label == BEGIN:
            start = i
    return spans


def trim_spans(spans: Iterable[Span], words: Sequence[str]) -> list[Span]:
    """Return spans without function words at their ends: "fasciculation" for "fasciculation of the".

    Args:
        spans: Spans of words (end exclusive).
        words: The note's words.
    """
    trimmed = []
    for first, last in spans:
        while first < last and words[last - 1].lower() in _EDGES:
            last -= 1
        while first < last and words[first].lower() in _EDGES:
            first += 1
        if first < last:
            trimmed.append((first, last))
    return trimmed


def join_spans(spans: Sequence[Span], terms: Iterable[Span], words: Sequence[str]) -> list[Span]:
    """Return spans with those that make up one term together joined: "myasthenia gravis" "with" "acute exacerbation".

    Args:
        spans: Spans of words (end exclusive) in order, none overlapping.
        terms: Words of terms that mean one finding, in order.
        words: The note's words; what stands between spans that are joined are words such as "with" and nothing else.
    """
    joined = list(spans)
    for first, last in terms:
        low = bisect_left(joined, (first, 0))
        high = bisect_left(joined, (last, 0))
        inside = joined[low:high]
        between = [words[end:start] for (_, end), (start, _) in pairwise(inside)]
        whole = len(inside) > 1 and inside[0][0] == first and inside[-1][1] == last
        if whole and all(gap and _JOINING.issuperset(gap) for gap in between):
            joined[low:high] = [(first, last)]
    return joined


def best_labels(scores: Array) -> list[int]:
    """Return the best sequence of labels in which inside never follows outside nor stands first (Viterbi)."""
    if len(scores) == 0:
        return []
    outside, begin, inside = scores[:, OUTSIDE].tolist(), scores[:, BEGIN].tolist(), scores[:, INSIDE].tolist()
    o, b, i = outside[0], begin[0], _IMPOSSIBLE
    back: list[tuple[int, int]] = []  # the best label before outside or begin, and before inside
    for k in range(1, len(outside)):
        any_from = OUTSIDE if o >= b and o >= i else BEGIN if b >= i else INSIDE
        inside_from = BEGIN if b >= i else INSIDE
        best, best_in = max(o, b, i), max(b, i)
        back.append((any_from, inside_from))
        o, b, i = best + outside[k], best + begin[k], best_in + inside[k]
    label = OUTSIDE if o >= b and o >= i else BEGIN if b >= i else INSIDE
    labels = [label]
    for any_from, inside_from in reversed(back):
        label = inside_from if label == INSIDE else any_from
        labels.append(label)
    return labels[::-1]
