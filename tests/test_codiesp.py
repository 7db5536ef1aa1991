"""CodiEsp's own metrics on examples worked by hand from the task's description."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect_icd10cm.evaluation import evaluate_files
from detect_icd10cm.metrics.codiesp import CodiespMap, score_codiesp_evidence, score_codiesp_ranking
from detect_icd10cm.metrics.ranking import score_ranking
from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.metrics.table import make_table

GOLD = {"s1": ["A", "B", "C"], "s2": ["D"], "s3": ["E", "E", "F"]}


@pytest.mark.parametrize(
    ("ranked", "official", "all_cases"),
    [
        # s1: hits at ranks 1 and 3 of 3 gold codes: (1 + 2/3) / 3 = 5/9.
        ({"s1": ["A", "X", "B"]}, 5 / 9, 5 / 27),
        # s2 missed altogether but predicted for: it counts, s3 does not.
        ({"s1": ["A", "X", "B"], "s2": ["X"]}, 5 / 18, 5 / 27),
        # A code in gold twice is one code: hits at 1 and 2 of 2.
        ({"s3": ["F", "E"]}, 1.0, 1 / 3),
        # A code predicted twice keeps its first place and takes up no second one: hits at 1 and 2.
        ({"s3": ["E", "E", "F"]}, 1.0, 1 / 3),
        # Codes in gold only: the sum is still divided by all three.
        ({"s1": ["X", "Y", "C"]}, 1 / 9, 1 / 27),
        # A case that gold lacks is no case of the task.
        ({"s9": ["A"], "s2": ["D"]}, 1.0, 1 / 3),
        ({"s2": []}, 0.0, 0.0),
        ({}, 0.0, 0.0),
        ({"s1": ["A", "B", "C"], "s2": ["D"], "s3": ["E", "F"]}, 1.0, 1.0),
    ],
)
def test_ranking_by_hand(ranked: dict[str, list[str]], official: float, all_cases: float) -> None:
    found = score_codiesp_ranking(GOLD, ranked)
    assert (found.official, found.all_cases) == pytest.approx((official, all_cases))
    assert found.n_cases == 3


def test_codes_that_are_not_on_the_tasks_list_take_up_no_rank() -> None:
    valid = {"A", "B", "C", "D", "E", "F", "X"}
    with_invalid = score_codiesp_ranking(GOLD, {"s1": ["?", "A", "X", "?", "B"], "s2": ["?"]}, valid)
    assert with_invalid == CodiespMap(pytest.approx(5 / 9), pytest.approx(5 / 27), n_predicted=1, n_cases=3)


codes = st.sampled_from("ABCDEF")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sets(codes, min_size=1), st.lists(codes, unique=True)), min_size=1, max_size=8))
def test_ranking_is_the_map_of_the_code_metrics(cases: list[tuple[set[str], list[str]]]) -> None:
    gold = {f"s{i}": sorted(own) for i, (own, _) in enumerate(cases)}
    ranked = {f"s{i}": own for i, (_, own) in enumerate(cases)}
    table = make_table([own for own, _ in cases], [[(code, 1.0) for code in own] for _, own in cases])
    found, expected = score_codiesp_ranking(gold, ranked), score_ranking(table, scored=False)
    assert found.all_cases == pytest.approx(expected.average_precision, abs=1e-9)
    assert found.official == pytest.approx(expected.average_precision_predicted, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "end", "right"),
    [
        (100, 120, True),
        (90, 130, True),  # 10 wider on either side is the limit
        (89, 120, False),
        (100, 131, False),
        (101, 120, False),  # the reference must be held whole
        (100, 119, False),
        (110, 110, False),
    ],
)
def test_tolerance(start: int, end: int, right: bool) -> None:
    assert score_codiesp_evidence([("s", "A", 100, 120)], [("s", "A", start, end)]) == PRF(int(right), 1, 1)


def test_evidence_by_hand() -> None:
    gold = [
        ("s1", "A", 10, 20),
        ("s1", "A", 50, 60),  # a second reference of the same code: one of them is enough
        ("s1", "B", 30, 40),
        ("s1", "C", 70, 80),
        ("s2", "A", 10, 20),
    ]
    pred = [
        ("s1", "A", 0, 5),
        ("s1", "A", 48, 61),  # right, by the second reference
        ("s1", "B", 30, 40),
        ("s1", "B", 30, 40),  # repeated: counts once
        ("s1", "D", 70, 80),  # the place of C, another code
        ("s2", "B", 10, 20),
        ("s3", "A", 10, 20),  # a case that gold lacks: wrong
    ]
    assert score_codiesp_evidence(gold, pred) == PRF(2, 5, 4)
    assert score_codiesp_evidence(gold, pred, valid_codes={"A", "B", "C"}) == PRF(2, 4, 4)
    assert score_codiesp_evidence(gold, []) == PRF(0, 0, 4)
    assert score_codiesp_evidence([], pred) == PRF(0, 5, 0)
    assert score_codiesp_evidence(gold, gold) == PRF(4, 4, 4)


def test_discontinuous_references_reach_from_first_to_last_piece(tmp_path: Path) -> None:
    gold, pred = tmp_path / "gold.tsv", tmp_path / "pred.tsv"
    gold.write_text(
        "s1\tDIAGNOSTICO\tn20.0\tpiedra riñón\t100 120;130 140\n"
        "s1\tPROCEDIMIENTO\tbt41zzz\triñón eco\t300 310;200 210\n"
        "s1\tDIAGNOSTICO\tr52\tdolor\t400 405\n"
    )
    pred.write_text(
        "s1\t100 140\tDIAGNOSTICO\tn20.0\n"
        "s1\t200 310\tPROCEDIMIENTO\tbt41zzz\n"  # as listed, the reference is 300 to 210: none holds it
        "s1\t400 405\tDIAGNOSTICO\tr52\n"
    )
    evaluation = evaluate_files(gold, [pred], n_resamples=5)
    assert evaluation.codiesp == PRF(2, 3, 3)
    assert evaluation.spans is not None
    assert evaluation.spans.scores["codiesp"]["code"] == PRF(2, 2, 2)
    pred.write_text("s1\t100 120\tDIAGNOSTICO\tn20.0\n")
    assert evaluate_files(gold, [pred], n_resamples=5).codiesp == PRF(0, 1, 3)
    assert evaluate_files(gold, [gold], n_resamples=5).codiesp == PRF(3, 3, 3)


def test_rank_files(tmp_path: Path) -> None:
    gold, pred = tmp_path / "gold.tsv", tmp_path / "pred.tsv"
    gold.write_text("s1\tn20.0\ns1\tr52\ns2\ti10\n")
    pred.write_text("s1\tI10\ns1\tn20.0\ns1\tn20.0\n")
    evaluation = evaluate_files(gold, [pred], n_resamples=5)
    assert evaluation.codes is not None
    assert evaluation.codes.sets.micro == PRF(1, 2, 3)
    assert evaluation.codes.ranking.average_precision == pytest.approx(1 / 8)
    assert evaluation.codes.ranking.average_precision_predicted == pytest.approx(1 / 4)
    assert evaluation.codes.ranking.auc_micro is None
    assert (evaluation.spans, evaluation.codiesp, evaluation.calibration) == (None, None, None)
    assert evaluation.n_without_prediction == 1
