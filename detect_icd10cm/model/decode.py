"""From the scores of words to spans."""

from __future__ import annotations

import numpy as np

from detect_icd10cm.model.inputs import Array

OUTSIDE, BEGIN, INSIDE = range(3)
N_LABELS = 3
_IMPOSSIBLE = -1e9


def decode_spans(scores: Array, outside_bias: float = 0.0, inside_bias: float = 0.0) -> list[tuple[int, int]]:
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
