from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect_icd10cm.metrics.calibration import (
    accept_at,
    choosing_half,
    reliability,
    risk_coverage,
    score_calibration,
)
from detect_icd10cm.metrics.table import make_table

EXACT = 1e-9
points = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)
coarse = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.booleans(), st.booleans()), min_size=1, max_size=40
)


def columns(rows: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@settings(deadline=None)
@given(points)
def test_reliability_and_errors_are_those_of_a_plain_loop(rows: list[tuple[float, bool]]) -> None:
    score, correct = columns(rows)
    bins = reliability(score, correct)
    assert sum(b.n for b in bins) == len(rows)
    for b in bins:
        own = [(s, c) for s, c in rows if b.low < s <= b.high or (b.low == 0 and s == 0)]
        assert b.n == len(own)
        assert b.mean_score == pytest.approx(sum(s for s, _ in own) / len(own), abs=EXACT)
        assert b.precision == pytest.approx(sum(c for _, c in own) / len(own), abs=EXACT)


@settings(deadline=None)
@given(points)
def test_brier_score_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    from sklearn.metrics import brier_score_loss

    score, correct = columns(rows)
    codes = [f"A{i:02}" for i in range(len(rows))]
    table = make_table(
        [[code for code, right in zip(codes, correct, strict=True) if right]],
        [list(zip(codes, score.tolist(), strict=True))],
    )
    expected = brier_score_loss(correct, score, labels=[False, True], pos_label=True)
    assert score_calibration(table, ["n"]).brier == pytest.approx(expected, abs=EXACT)


@settings(deadline=None)
@given(coarse)
def test_risk_at_each_coverage_is_that_of_a_plain_loop(rows: list[tuple[float, bool, bool]]) -> None:
    score, correct = columns([(s, c) for s, c, _ in rows])
    coverage, risk, mean_risk = risk_coverage(score, correct)
    thresholds = sorted(set(score.tolist()), reverse=True)
    total = 0.0
    for i, threshold in enumerate(thresholds):
        accepted = [c for s, c, _ in rows if s >= threshold]
        assert coverage[i] == pytest.approx(len(accepted) / len(rows), abs=EXACT)
        assert risk[i] == pytest.approx(1 - sum(accepted) / len(accepted), abs=EXACT)
        total += risk[i] * sum(s == threshold for s, _, _ in rows)
    assert mean_risk == pytest.approx(total / len(rows), abs=EXACT)


@settings(deadline=None)
@given(coarse, st.sampled_from([0.5, 0.75, 0.95, 1.0]))
def test_acceptance_is_that_of_a_plain_loop(rows: list[tuple[float, bool, bool]], target: float) -> None:
    score, correct = columns([(s, c) for s, c, _ in rows])
    chosen_on = np.array([half for _, _, half in rows])
    found = accept_at(score, correct, chosen_on, target)
    mine = [(s, c) for s, c, half in rows if half]
    rest = [(s, c) for s, c, half in rows if not half]
    reaching = []
    for threshold in {s for s, _ in mine}:
        accepted = [c for s, c in mine if s >= threshold]
        if sum(accepted) / len(accepted) >= target:
            reaching.append(threshold)
    threshold = min(reaching, default=None)
    assert found.threshold == threshold
    accepted = [c for s, c in rest if threshold is not None and s >= threshold]
    assert (found.n_accepted, found.n) == (len(accepted), len(rest))
    assert found.share == pytest.approx(len(accepted) / len(rest) if rest else 0.0, abs=EXACT)
    assert found.precision == pytest.approx(sum(accepted) / len(accepted) if accepted else 0.0, abs=EXACT)


def test_what_has_no_score_is_never_accepted() -> None:
    score = np.array([0.9, np.nan, 0.9, np.nan])
    right = np.array([True, True, True, True])
    halves = np.array([True, True, False, False])
    assert accept_at(score, right, halves, 0.95).n_accepted == 1
    assert accept_at(score[1::2], right[:2], halves[1:3], 0.95).threshold is None


def test_halves_depend_on_the_id_alone_and_are_about_equal() -> None:
    ids = [f"note-{i}" for i in range(2000)]
    half = choosing_half(ids)
    assert 900 < half.sum() < 1100
    assert choosing_half(ids[::-1]).tolist() == half.tolist()[::-1]


def test_calibration_by_hand() -> None:
    # Every note: one right code at 0.9 and one wrong one at 0.3, so that 0.9 accepts half of the codes.
    ids = [f"note-{i}" for i in range(200)]
    table = make_table([["I10"]] * 200, [[("I10", 0.9), ("B20", 0.3)]] * 200)
    found = score_calibration(table, ids)
    assert found.n == 400
    assert found.ece == pytest.approx((0.1 + 0.3) / 2)
    assert found.brier == pytest.approx((0.1**2 + 0.3**2) / 2)
    assert (found.coverage, found.risk, found.mean_risk) == ((0.5, 1.0), (0.0, 0.5), 0.25)
    for accepted in found.codes:
        assert (accepted.threshold, accepted.precision, accepted.share) == (0.9, 1.0, 0.5)
    # No note has exactly the gold codes: none can be accepted as a whole.
    assert [accepted.threshold for accepted in found.notes] == [None, None]
    right = score_calibration(make_table([["I10"]] * 200, [[("I10", 0.9)]] * 200), ids)
    assert [(accepted.threshold, accepted.share) for accepted in right.notes] == [(0.9, 1.0), (0.9, 1.0)]


def test_no_prediction_is_nothing_and_no_warning() -> None:
    found = score_calibration(make_table([["I10"]], [[]]), ["a"])
    assert (found.n, found.ece, found.brier, found.bins, found.coverage, found.mean_risk) == (0, 0.0, 0.0, (), (), 0.0)
    assert all(a.threshold is None and a.share == 0.0 for a in (*found.codes, *found.notes))


def test_curves_are_thinned_for_reports_with_their_ends() -> None:
    n = 1000
    codes = [(f"A{i:04}", i / n) for i in range(n)]
    found = score_calibration(make_table([["A0000"]], [codes]), ["a"])
    assert len(found.coverage) == len(found.risk) == 200
    assert (found.coverage[0], found.coverage[-1]) == (1 / n, 1.0)
    assert found.risk[-1] == pytest.approx(1 - 1 / n)
