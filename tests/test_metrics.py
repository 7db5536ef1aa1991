from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.codes import (
    CodeLevels,
    Level,
    costly_codes,
    score_bands,
    score_chapters,
    score_codes,
    score_levels,
    score_seen,
    score_sets,
)
from detect_icd10cm.metrics.indications import score_indications
from detect_icd10cm.metrics.intervals import Ratio, bootstrap, compare, mean_ratio, prf_ratios
from detect_icd10cm.metrics.mapping import SUCCESSORS, ReleaseMapper
from detect_icd10cm.metrics.mistakes import CAUSES, find_mistakes, gain_of, group_mistakes
from detect_icd10cm.metrics.ranking import average_precisions, score_ranking
from detect_icd10cm.metrics.spans import CRITERIA, PRF, RULES, match_spans, report_spans, score_spans
from detect_icd10cm.metrics.table import CodeTable, make_table
from detect_icd10cm.types import ASSERTIONS, KINDS, Assertion, Indication, Kind, Mention

CODES = ("A00.0", "A00.1", "A01.00", "B20", "I10", "I11.0", "Z79.4")
EXACT = 1e-9


def mention(
    start: int, end: int, code: str = "I10", assertion: Assertion = "present", kind: Kind = "diagnosis"
) -> Mention:
    return Mention(start, end, "", kind, assertion, code)


# ---- document codes ------------------------------------------------------------------------------------------------

Notes = list[tuple[set[str], list[tuple[str, float]]]]
scores = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5, 0.9, 1.0])
gold_sets = st.sets(st.sampled_from(CODES))
predictions = st.dictionaries(st.sampled_from(CODES), scores).map(lambda d: list(d.items()))
many_notes = st.lists(st.tuples(gold_sets, predictions), min_size=1, max_size=12)


def table_of(notes: Sequence[tuple[set[str], list[tuple[str, float]]]]) -> CodeTable:
    return make_table([gold for gold, _ in notes], [pred for _, pred in notes])


def matrices(notes: Notes, codes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gold = np.array([[code in own for code in codes] for own, _ in notes], int)  # shape (notes, codes)
    pred = np.array([[code in dict(own) for code in codes] for _, own in notes], int)
    score = np.array([[dict(own).get(code, 0.0) for code in codes] for _, own in notes], float)
    return gold, pred, score


@settings(deadline=None, max_examples=50)
@given(many_notes)
def test_set_scores_are_those_of_scikit_learn(notes: Notes) -> None:
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    table = table_of(notes)
    found = score_sets(table)
    if not table.codes:
        assert (found.micro, found.macro.n_codes, found.exact_match, found.example_f1) == (PRF(), 0, 1.0, 1.0)
        return
    gold, pred, _ = matrices(notes, table.codes)
    # A column that is always right keeps scikit-learn from taking a single code for a yes-or-no question.
    padded = [np.column_stack([own, np.zeros(len(notes), int)]) for own in (gold, pred)]
    labels = list(range(len(table.codes)))
    micro = precision_recall_fscore_support(*padded, labels=labels, average="micro", zero_division=0)
    assert [found.micro.precision, found.micro.recall, found.micro.f1] == pytest.approx(micro[:3], abs=EXACT)
    macro = precision_recall_fscore_support(*padded, labels=labels, average="macro", zero_division=0)
    assert [found.macro.precision, found.macro.recall, found.macro.f1] == pytest.approx(macro[:3], abs=EXACT)
    assert found.macro.n_codes == len(table.codes)
    samples = precision_recall_fscore_support(*padded, average="samples", zero_division=1)
    assert found.example_f1 == pytest.approx(samples[2], abs=EXACT)
    assert found.exact_match == pytest.approx(accuracy_score(gold, pred), abs=EXACT)
    per_code = precision_recall_fscore_support(*padded, labels=labels, average=None, zero_division=0)
    in_gold = gold.sum(0) > 0
    assert found.macro_gold.n_codes == in_gold.sum()
    if in_gold.any():
        assert found.macro_gold.f1 == pytest.approx(per_code[2][in_gold].mean(), abs=EXACT)
    p, r = per_code[0].mean(), per_code[1].mean()
    assert found.macro.f1_of_means == pytest.approx(2 * p * r / (p + r) if p + r else 0, abs=EXACT)


@settings(deadline=None, max_examples=50)
@given(many_notes)
def test_example_f1_is_a_plain_mean_over_notes(notes: Notes) -> None:
    own = [score_codes(gold, [code for code, _ in pred]) for gold, pred in notes]
    expected = [1.0 if counts == PRF() else counts.f1 for counts in own]
    assert score_sets(table_of(notes)).example_f1 == pytest.approx(sum(expected) / len(expected), abs=EXACT)


@settings(deadline=None, max_examples=50)
@given(many_notes)
def test_rankings_are_those_of_a_plain_loop(notes: Notes) -> None:
    found = score_ranking(table_of(notes), top=(1, 3))
    with_gold = [(gold, [c for c, _ in sorted(pred, key=lambda own: -own[1])]) for gold, pred in notes if gold]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else 0.0

    def average_precision(gold: set[str], ranked: list[str]) -> float:
        hits = [i for i, code in enumerate(ranked, 1) if code in gold]
        return sum(n / rank for n, rank in enumerate(hits, 1)) / len(gold)

    assert found.average_precision == pytest.approx(mean([average_precision(*own) for own in with_gold]), abs=EXACT)
    predicted = [average_precision(*own) for own in with_gold if own[1]]
    assert found.average_precision_predicted == pytest.approx(mean(predicted), abs=EXACT)
    r_precision = [len(gold & set(ranked[: len(gold)])) / len(gold) for gold, ranked in with_gold]
    assert found.r_precision == pytest.approx(mean(r_precision), abs=EXACT)
    for top in found.top:
        hits = [len(gold & set(ranked[: top.k])) for gold, ranked in with_gold]
        sizes = [len(gold) for gold, _ in with_gold]
        assert top.precision == pytest.approx(mean([hit / top.k for hit in hits]), abs=EXACT)
        assert top.recall == pytest.approx(mean([h / n for h, n in zip(hits, sizes, strict=True)]), abs=EXACT)
        assert top.best_precision == pytest.approx(mean([min(n, top.k) / top.k for n in sizes]), abs=EXACT)
        assert top.best_recall == pytest.approx(mean([min(n, top.k) / n for n in sizes]), abs=EXACT)


@settings(deadline=None, max_examples=50)
@given(many_notes)
def test_areas_are_those_of_scikit_learn(notes: Notes) -> None:
    from sklearn.metrics import roc_auc_score

    table = table_of(notes)
    found = score_ranking(table)
    gold, _, score = matrices(notes, table.codes)
    if gold.size and 0 < gold.sum() < gold.size:
        assert found.auc_micro == pytest.approx(roc_auc_score(gold.ravel(), score.ravel()), abs=EXACT)
    else:
        assert found.auc_micro is None
    columns = [i for i in range(len(table.codes)) if 0 < gold[:, i].sum() < len(notes)]
    assert found.auc_codes == len(columns)
    if columns:
        expected = np.mean([roc_auc_score(gold[:, i], score[:, i]) for i in columns])
        assert found.auc_macro == pytest.approx(expected, abs=EXACT)


def test_equal_scores_rank_in_the_order_given_and_unscored_ones_throughout() -> None:
    notes: Notes = [({"B20"}, [("I10", 0.5), ("B20", 0.5)]), ({"I10"}, [("B20", 0.1), ("I10", 0.9)])]
    assert average_precisions(table_of(notes)).tolist() == [0.5, 1.0]
    assert average_precisions(table_of(notes), scored=False).tolist() == [0.5, 0.5]
    unscored = score_ranking(table_of(notes), scored=False)
    assert (unscored.auc_micro, unscored.auc_macro, unscored.auc_codes) == (None, None, 0)


def test_repeated_codes_count_once_at_their_better_score_and_first_place() -> None:
    table = make_table([["I10", "I10"]], [[("I10", 0.2), ("B20", 0.5), ("I10", 0.7)]])
    assert table.count() == PRF(1, 2, 1)
    assert average_precisions(table).tolist() == [1.0]
    assert average_precisions(table, scored=False).tolist() == [1.0]


@settings(deadline=None, max_examples=50)
@given(many_notes)
def test_levels_count_like_a_plain_loop(notes: Notes) -> None:
    levels = CodeLevels(CodeSet.load())
    found = score_levels(table_of(notes), levels)

    def expected(level: Level, keep_counts: bool) -> PRF:
        total = PRF()
        for gold, pred in notes:
            one = Counter(levels.of(code, level) for code in gold)
            other = Counter(levels.of(code, level) for code, _ in pred)
            if not keep_counts:
                one, other = Counter(set(one)), Counter(set(other))
            total += PRF((one & other).total(), other.total(), one.total())
        return total

    for level, own in found.items():
        assert own.sets == expected(level, keep_counts=False)
        assert own.counts == expected(level, keep_counts=True)


def test_levels_by_hand(codeset: CodeSet) -> None:
    # Two codes of one category and one of its block against three of another block of the same chapter.
    table = make_table(
        [["E11.9", "E11.65", "E13.9"]], [[("E11.9", 1.0), ("E11.8", 1.0), ("E10.9", 1.0), ("E66.9", 1.0)]]
    )
    found = score_levels(table, CodeLevels(codeset))
    assert found["code"].sets == PRF(1, 4, 3)
    assert found["category"].sets == PRF(1, 3, 2)
    assert found["category"].counts == PRF(2, 4, 3)
    assert found["block"].sets == PRF(1, 2, 1)
    assert found["block"].counts == PRF(3, 4, 3)
    assert found["chapter"].counts == PRF(3, 4, 3)


def test_codes_of_no_release_keep_to_themselves(codeset: CodeSet) -> None:
    levels = CodeLevels(codeset)
    assert levels.of("QQ9.9", "chapter") == "QQ9"
    assert levels.of("I10", "chapter") == "9"


def test_groups_of_codes(codeset: CodeSet) -> None:
    notes: Notes = [({"I10", "E11.9"}, [("I10", 1.0), ("Z79.4", 1.0)]), ({"I10"}, [])]
    table = table_of(notes)
    assert score_chapters(table, CodeLevels(codeset)) == {"4": PRF(0, 0, 1), "9": PRF(1, 1, 2), "21": PRF(0, 1, 0)}
    assert score_seen(table, {"I10"}) == {"seen": PRF(1, 1, 2), "unseen": PRF(0, 1, 1)}
    bands = score_bands(table, {"I10": 101, "E11.9": 3})
    assert bands == {"0": PRF(0, 1, 0), "2-5": PRF(0, 0, 1), ">100": PRF(1, 1, 2)}
    assert costly_codes(table) == [("E11.9", 1, 0), ("I10", 1, 0), ("Z79.4", 0, 1)]
    assert list(score_bands(table, {"I10": 20, "E11.9": 100, "Z79.4": 1})) == ["1", "6-20", "21-100"]


@settings(deadline=None, max_examples=50)
@given(many_notes, st.randoms(use_true_random=False))
def test_order_of_notes_and_codes_changes_nothing(notes: Notes, rng: random.Random) -> None:
    shuffled = [(gold, rng.sample(pred, len(pred))) for gold, pred in rng.sample(notes, len(notes))]
    assert score_sets(table_of(shuffled)) == score_sets(table_of(notes))
    # Equal scores rank as given, so the areas only must not change.
    one, other = score_ranking(table_of(notes)), score_ranking(table_of(shuffled))
    assert (one.auc_micro, one.auc_macro) == (other.auc_micro, other.auc_macro)


def test_gold_as_prediction_is_perfect_and_no_prediction_is_nothing(codeset: CodeSet) -> None:
    gold = [{"I10", "E11.9"}, {"Z79.4"}, set(CODES)]
    perfect = make_table(gold, [[(code, 1.0) for code in own] for own in gold])
    sets, ranking = score_sets(perfect), score_ranking(perfect)
    assert (sets.micro.f1, sets.macro.f1, sets.macro_gold.f1_of_means, sets.example_f1, sets.exact_match) == (1.0,) * 5
    assert (ranking.average_precision, ranking.average_precision_predicted, ranking.r_precision) == (1.0, 1.0, 1.0)
    assert (ranking.auc_micro, ranking.auc_macro) == (1.0, 1.0)
    assert all((top.precision, top.recall) == (top.best_precision, top.best_recall) for top in ranking.top)
    assert all(own.sets.f1 == own.counts.f1 == 1.0 for own in score_levels(perfect, CodeLevels(codeset)).values())

    nothing = make_table(gold, [[] for _ in gold])
    sets, ranking = score_sets(nothing), score_ranking(nothing)
    assert (sets.micro.f1, sets.macro.f1, sets.macro_gold.f1_of_means, sets.example_f1, sets.exact_match) == (0.0,) * 5
    assert (ranking.average_precision, ranking.average_precision_predicted, ranking.r_precision) == (0.0, 0.0, 0.0)
    assert all((top.precision, top.recall) == (0.0, 0.0) for top in ranking.top)
    assert ranking.auc_micro == 0.5
    with pytest.raises(ValueError, match="found 1 notes in gold and 0 in pred"):
        make_table([["I10"]], [])


# ---- mentions ------------------------------------------------------------------------------------------------------

spans = st.tuples(st.integers(0, 40), st.integers(1, 15)).map(lambda own: (own[0], own[0] + own[1]))
mentions = st.builds(
    lambda span, code, assertion, kind: mention(*span, code, assertion, kind),
    spans,
    st.sampled_from(CODES[:3]),
    st.sampled_from(ASSERTIONS[:3]),
    st.sampled_from(KINDS[:2]),
)
mention_lists = st.lists(mentions, max_size=8)


def flat_mentions(draw_edges: list[int], labels: list[str]) -> list[Mention]:
    """Mentions side by side, none overlapping: between the edges, in turn."""
    edges = sorted(set(draw_edges))
    return [mention(low, high, code) for (low, high), code in zip(pairwise(edges), labels, strict=False)]


flat_lists = st.builds(
    flat_mentions, st.lists(st.integers(0, 30), max_size=10), st.lists(st.sampled_from(CODES[:3]), max_size=10)
)


@settings(deadline=None, max_examples=50)
@given(mention_lists, mention_lists, st.randoms(use_true_random=False))
def test_matching_is_one_to_one_fits_the_rule_and_ignores_order(
    gold: list[Mention], pred: list[Mention], rng: random.Random
) -> None:
    for rule in RULES:
        pairs = match_spans(gold, pred, rule)
        assert len({g for g, _ in pairs}) == len({p for _, p in pairs}) == len(pairs)
        for g, p in pairs:
            one, other = gold[g], pred[p]
            assert max(one.start, other.start) < min(one.end, other.end)
            if rule == "exact":
                assert (one.start, one.end) == (other.start, other.end)
            if rule == "codiesp":
                assert 0 <= one.start - other.start <= 10
                assert 0 <= other.end - one.end <= 10
        # What is left unpaired could not have been paired with each other.
        for g in set(range(len(gold))) - {g for g, _ in pairs}:
            rest = [pred[p] for p in set(range(len(pred))) - {p for _, p in pairs}]
            assert not match_spans([gold[g]], rest, rule)
    shuffled = [(rng.sample(gold, len(gold)), rng.sample(pred, len(pred)))]
    assert report_spans(shuffled).scores == report_spans([(gold, pred)]).scores
    assert report_spans(shuffled).confusion == report_spans([(gold, pred)]).confusion


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(flat_lists, flat_lists), min_size=1, max_size=4))
def test_exact_spans_are_those_of_nervaluate(notes: list[tuple[list[Mention], list[Mention]]]) -> None:
    from nervaluate import Evaluator

    if not any(gold for gold, _ in notes) or not any(pred for _, pred in notes):
        return
    records = [
        # Their ends are inclusive.
        [[{"label": m.code, "start": m.start, "end": m.end - 1} for m in own[side]] for own in notes]
        for side in (0, 1)
    ]
    overall = Evaluator(*records, tags=list(CODES[:3]), loader="dict").evaluate()["overall"]
    exact = report_spans(notes).scores["exact"]
    for criterion, theirs in (("mention", overall["exact"]), ("code", overall["strict"])):
        ours = exact[criterion]  # type: ignore[index]
        assert ours.n_correct == theirs.correct
        assert [ours.precision, ours.recall, ours.f1] == pytest.approx(
            [theirs.precision, theirs.recall, theirs.f1], abs=EXACT
        )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(flat_lists, flat_lists), min_size=1, max_size=4))
def test_exact_spans_with_codes_are_those_of_seqeval(notes: list[tuple[list[Mention], list[Mention]]]) -> None:
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    def tags(own: list[Mention]) -> list[str]:
        row = ["O"] * 31
        for m in own:
            row[m.start : m.end] = [f"B-{m.code}"] + [f"I-{m.code}"] * (m.end - m.start - 1)
        return row

    gold, pred = ([tags(own[side]) for own in notes] for side in (0, 1))
    if not any(own for own, _ in notes) and not any(own for _, own in notes):
        return
    theirs = precision_recall_fscore_support(gold, pred, average="micro", scheme=IOB2, zero_division=0)
    ours = report_spans(notes).scores["exact"]["code"]
    assert [ours.precision, ours.recall, ours.f1] == pytest.approx(theirs[:3], abs=EXACT)


@settings(deadline=None, max_examples=50)
@given(st.lists(mention_lists, min_size=1, max_size=3))
def test_gold_mentions_as_prediction_are_perfect(notes: list[list[Mention]]) -> None:
    report = report_spans([(own, own) for own in notes])
    n = sum(map(len, notes))
    assert all(report.scores[rule][criterion] == PRF(n, n, n) for rule in RULES for criterion in CRITERIA)
    nothing = report_spans([(own, []) for own in notes])
    assert all(nothing.scores[rule][c] == PRF(0, 0, n) for rule in RULES for c in CRITERIA)
    assert nothing.assertion_accuracy == 0.0


def test_rules_and_criteria_by_hand() -> None:
    gold = [mention(10, 20, "I10"), mention(30, 40, "E11.9", "absent"), mention(60, 70, "R05.9", kind="symptom")]
    pred = [mention(8, 20, "I10"), mention(30, 40, "E11.65"), mention(45, 71, "R05.9", kind="symptom"), mention(90, 95)]
    report = report_spans([(gold, pred)])
    n = {rule: [report.scores[rule][c].n_correct for c in CRITERIA] for rule in RULES}
    assert n == {"exact": [1, 1, 0, 0], "overlap": [3, 3, 2, 2], "codiesp": [2, 2, 1, 1]}
    assert report.scores["overlap"]["mention"] == PRF(3, 4, 3)
    assert report.by_kind["symptom"] == PRF(1, 1, 1)
    assert report.by_kind["diagnosis"] == PRF(1, 3, 2)
    assert report.by_assertion["present"] == PRF(2, 4, 2)
    assert report.confusion["absent"]["present"] == 1
    assert report.confusion["none"]["present"] == 1
    assert report.assertion_accuracy == pytest.approx(2 / 3)
    seed = score_spans(gold, pred)
    assert (seed.overlap, seed.exact, seed.code, seed.assertion) == (
        PRF(3, 4, 3),
        PRF(1, 4, 3),
        PRF(2, 4, 3),
        PRF(2, 3, 3),
    )


def test_of_equal_overlaps_the_tighter_pair_then_the_right_code_is_taken() -> None:
    gold = [mention(10, 15)]
    assert match_spans(gold, [mention(0, 30), mention(9, 16)]) == [(0, 1)]
    assert match_spans(gold, [mention(10, 15, "B20"), mention(10, 15)]) == [(0, 1)]
    assert match_spans([mention(0, 10), mention(0, 4)], [mention(0, 4)]) == [(1, 0)]


# ---- indications, intervals, mapping, mistakes ---------------------------------------------------------------------


def test_indications() -> None:
    def found(name: str, status: str = "supported", procedure: str = "64580") -> Indication:
        return Indication(procedure, name, status)  # type: ignore[arg-type]

    scores = score_indications(
        [
            ({"64580": ("pain", "neuromuscular")}, [found("pain"), found("rehabilitation"), found("pain", "possible")]),
            ({"64580": ()}, [found("pain", "contradicted"), found("pain", procedure="64555")]),
            ({}, [found("pain")]),
        ]
    )
    assert scores == {"64580": {"neuromuscular": PRF(0, 0, 1), "pain": PRF(1, 1, 1), "rehabilitation": PRF(0, 1, 0)}}


def test_bootstrap_intervals_cover_like_the_binomial_ones() -> None:
    rng = np.random.default_rng(1)
    right = rng.random(2000) < 0.7
    ratios = {"accuracy": mean_ratio(right, np.ones(2000))}
    one = bootstrap(ratios, 2000, seed=5)["accuracy"]
    assert one == bootstrap(ratios, 2000, seed=5)["accuracy"]
    assert one != bootstrap(ratios, 2000, seed=6)["accuracy"]
    deviation = (one.value * (1 - one.value) / 2000) ** 0.5
    assert one.value == right.mean()
    assert [one.low, one.high] == pytest.approx([one.value - 1.96 * deviation, one.value + 1.96 * deviation], abs=0.003)
    assert bootstrap({}) == {}


def test_bootstrap_is_a_plain_resampling() -> None:
    notes = [PRF(1, 2, 3), PRF(0, 1, 0), PRF(4, 4, 5), PRF(0, 0, 0)]
    found = bootstrap(prf_ratios("x", notes), 50, seed=3)
    rng = np.random.default_rng(3)
    draws = [sum((notes[i] for i in rng.integers(0, 4, 4)), PRF()) for _ in range(50)]
    # Where the notes drawn define no figure, the draw says nothing of it.
    defined = {
        "precision": [draw.precision for draw in draws if draw.n_pred],
        "recall": [draw.recall for draw in draws if draw.n_gold],
        "F1": [draw.f1 for draw in draws if draw.n_pred + draw.n_gold],
    }
    total = sum(notes, PRF())
    for (name, values), value in zip(defined.items(), (total.precision, total.recall, total.f1), strict=True):
        interval = found[f"x {name}"]
        assert interval.value == pytest.approx(value, abs=EXACT)
        assert [interval.low, interval.high] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=EXACT)


def test_comparison() -> None:
    first = prf_ratios("x", [PRF(1, 2, 2)] * 30)
    better = prf_ratios("x", [PRF(2, 2, 2)] * 30)
    same = compare(first, first, 200)["x F1"]
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    gain = compare(first, better, 200)["x F1"]
    assert (gain.first, gain.second, gain.difference, gain.low, gain.high) == (0.5, 1.0, 0.5, 0.5, 0.5)
    assert gain.p == 1 / 201
    back = compare(better, first, 200)["x F1"]
    assert (back.difference, back.p) == (-0.5, gain.p)
    with pytest.raises(ValueError, match="expected the same"):
        compare(first, {})
    with pytest.raises(ValueError, match="found 30 and 1 notes"):
        compare(first, prf_ratios("x", [PRF()]))
    assert compare({}, {}) == {}


def test_permutation_p_is_that_of_all_swaps() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 2, 8).astype(float) for _ in range(2))
    ones = np.ones(8)
    found = compare({"x": Ratio(first, ones)}, {"x": Ratio(second, ones)}, 5_000)["x"]
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    all_swaps = np.abs((second - first) @ signs) / 8
    exact_p = float(np.mean(all_swaps >= abs(second.mean() - first.mean()) - EXACT))
    assert found.p == pytest.approx(exact_p, abs=0.025)


def test_codes_of_another_year_are_mapped(codeset: CodeSet) -> None:
    mapper = ReleaseMapper(codeset)
    mapped = {code: mapper(code) for code in ("E11.9", "E11", "W19.XXX", "T81.4XX", "A04.7", "QQ9.9", "BT41ZZZ")}
    assert mapped == {
        "E11.9": "E11.9",
        "E11": "E11.9",
        "W19.XXX": "W19.XXXA",
        "T81.4XX": "T81.40XA",
        "A04.7": "A04.72",
        "QQ9.9": "QQ9.9",
        "BT41ZZZ": "BT41ZZZ",
    }
    for header, successor in SUCCESSORS.items():
        assert not codeset.is_billable(header)
        assert codeset.default_billable(header) is None
        assert codeset.is_billable(successor)
        assert successor.startswith(header)


def test_mistakes_by_cause(codeset: CodeSet) -> None:
    gold = [
        mention(0, 5, "I10"),
        mention(10, 15, "M17.11"),
        mention(20, 25, "S52.501A"),
        mention(30, 35, "E11.9"),
        mention(40, 45, "I10", "absent"),
        mention(50, 55, "Z86.73", "historical"),
        mention(60, 65, "I10"),
        mention(80, 85, "I50.9"),
    ]
    pred = [
        mention(0, 5, "E11.9"),
        mention(10, 15, "M17.12"),
        mention(20, 25, "S52.501D"),
        mention(30, 35, "E11.65"),
        mention(40, 45, "I10"),
        mention(50, 55, "I63.9"),
        mention(70, 75, "I10"),
        mention(80, 85, "I50.9"),
    ]
    mistakes = find_mistakes("n", gold, pred, codeset)
    assert [mistake.cause for mistake in mistakes] == [
        "wrong category",
        "laterality or 7th character",
        "laterality or 7th character",
        "right category, wrong code",
        "wrong assertion",
        "wrong assertion",
        "missed mention",
        "spurious mention",
    ]
    assert {mistake.cause for mistake in mistakes} == set(CAUSES)
    counts = report_spans([(gold, pred)]).scores["overlap"]["assertion"]
    assert counts == PRF(1, 8, 8)
    groups = group_mistakes(mistakes, counts)
    assert [group.gain for group in groups] == sorted((group.gain for group in groups), reverse=True)
    assert sum(len(group.mistakes) for group in groups) == len(mistakes)
    assert groups[-1].label == "I10"
    assert groups[-1].cause == "spurious mention"
    assert gain_of("wrong category", 1, counts) == pytest.approx(1 / 8)
    assert gain_of("missed mention", 1, counts) == pytest.approx(4 / 17 - 1 / 8)
    assert gain_of("spurious mention", 1, counts) == pytest.approx(2 / 15 - 1 / 8)
    labels = {group.label for group in groups}
    assert {"absent taken for present", "historical taken for present", "I10"} <= labels
