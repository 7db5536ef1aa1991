from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect_icd10cm.model.decode import BEGIN, INSIDE, OUTSIDE, best_labels, decode_spans, join_spans, trim_spans


def allowed(labels: tuple[int, ...]) -> bool:
    return all(b != INSIDE or a != OUTSIDE for a, b in itertools.pairwise((OUTSIDE, *labels)))


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), max_size=6))
@settings(max_examples=60, deadline=None)
def test_best_labels_are_those_of_trying_all(rows: list[tuple[float, float, float]]) -> None:
    scores = np.array(rows).reshape(-1, 3)
    labels = best_labels(scores)
    assert allowed(tuple(labels))
    ways = [way for way in itertools.product(range(3), repeat=len(rows)) if allowed(way)]
    best = max(sum(scores[i, label] for i, label in enumerate(way)) for way in ways)
    assert sum(scores[i, label] for i, label in enumerate(labels)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ([], []),
        ([OUTSIDE, OUTSIDE], []),
        ([BEGIN, INSIDE, OUTSIDE, BEGIN], [(0, 2), (3, 4)]),
        ([BEGIN, BEGIN, INSIDE], [(0, 1), (1, 3)]),
    ],
)
def test_spans_of_labels(labels: list[int], spans: list[tuple[int, int]]) -> None:
    scores = np.full((len(labels), 3), -9.0)
    scores[np.arange(len(labels)), labels] = 0.0
    assert decode_spans(scores) == spans


def test_bias_against_mentions_takes_the_weaker_ones_away() -> None:
    scores = np.log(np.array([[0.4, 0.6, 0.0], [0.1, 0.9, 0.0]]) + 1e-9)
    assert decode_spans(scores) == [(0, 1), (1, 2)]
    assert decode_spans(scores, outside_bias=1.0) == [(1, 2)]
    assert decode_spans(scores, outside_bias=9.0) == []


def test_bias_for_longer_mentions_joins_neighbours() -> None:
    scores = np.log(np.array([[0.1, 0.9, 0.0], [0.1, 0.6, 0.3]]) + 1e-9)
    assert decode_spans(scores) == [(0, 1), (1, 2)]
    assert decode_spans(scores, inside_bias=1.0) == [(0, 2)]


@pytest.mark.parametrize(
    ("words", "terms", "joined"),
    [
        ("gout with tophi", [(0, 3)], [(0, 3)]),
        ("gout , tophi", [(0, 3)], [(0, 1), (2, 3)]),
        ("gout with tophi", [(0, 1), (2, 3)], [(0, 1), (2, 3)]),
        ("gout with tophi seen", [(0, 4)], [(0, 1), (2, 3)]),
        ("gout with tophi", [], [(0, 1), (2, 3)]),
    ],
)
def test_spans_of_one_term_are_joined(words: str, terms: list[tuple[int, int]], joined: list[tuple[int, int]]) -> None:
    assert join_spans([(0, 1), (2, 3)], terms, words.split()) == joined


def test_function_words_at_the_ends_are_left_out() -> None:
    words = "The fasciculation of the tongue , in the".split()
    assert trim_spans([(0, 4), (4, 5), (6, 8)], words) == [(1, 2), (4, 5)]
