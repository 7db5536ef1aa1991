"""Mentions compared by their spans."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from detect_icd10cm.types import ASSERTIONS, KINDS, Mention

Rule = Literal["exact", "overlap", "codiesp"]
Criterion = Literal["mention", "category", "code", "assertion"]
RULES: tuple[Rule, ...] = get_args(Rule)
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
# Characters that a predicted span may stand out on either side: CodiEsp-X, https://temu.bsc.es/codiesp/.
CODIESP_TOLERANCE = 10
# The row and column of mentions that have no partner.
NO_PARTNER = "none"


@dataclass(frozen=True, slots=True)
class PRF:
    """Precision, recall and F1 from counts; 0 where a denominator is 0."""

    n_correct: int = 0
    n_pred: int = 0
    n_gold: int = 0

    @property
    def precision(self) -> float:
        """Share of the predicted that is correct."""
        return self.n_correct / self.n_pred if self.n_pred else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return self.n_correct / self.n_gold if self.n_gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.n_pred + self.n_gold
        return 2 * self.n_correct / total if total else 0.0

    def __add__(self, other: PRF) -> PRF:
        return PRF(self.n_correct + other.n_correct, self.n_pred + other.n_pred, self.n_gold + other.n_gold)


def match_spans(gold: Sequence[Mention], pred: Sequence[Mention], rule: Rule = "overlap") -> list[tuple[int, int]]:
    """Pair gold and predicted mentions one to one, largest overlap first.

    Of equal overlaps the tighter pair comes first, then equal codes, then equal assertions; what is left is decided
    by the mentions' own fields, so that the pairs do not depend on the order of either list.

    Args:
        gold: A note's gold mentions.
        pred: Its predicted mentions.
        rule: What may be paired: ``overlap`` (a character in common), ``exact`` (the same span), ``codiesp`` (the
            predicted span holds the gold one and stands out at most 10 characters on either side).

    Returns:
        (gold index, predicted index) pairs, in order of the gold index.
    """
    fits = _FITS[rule]
    order = sorted(range(len(gold)), key=lambda g: gold[g].start)
    starts = [gold[g].start for g in order]
    longest = max((mention.end - mention.start for mention in gold), default=0)
    found = []
    for p, mention in enumerate(pred):
        for position in range(bisect_left(starts, mention.start - longest), len(order)):
            if starts[position] >= mention.end:
                break
            g = order[position]
            other = gold[g]
            if other.end > mention.start and fits(other, mention):
                found.append((_preference(other, mention), g, p))
    found.sort()
    pairs, used_gold, used_pred = [], set(), set()
    for _, g, p in found:
        if g not in used_gold and p not in used_pred:
            used_gold.add(g)
            used_pred.add(p)
            pairs.append((g, p))
    return sorted(pairs)


def _overlaps(gold: Mention, pred: Mention) -> bool:
    return True  # only overlapping mentions are asked about


def _same_span(gold: Mention, pred: Mention) -> bool:
    return gold.start == pred.start and gold.end == pred.end


def _within_tolerance(gold: Mention, pred: Mention) -> bool:
    return 0 <= gold.start - pred.start <= CODIESP_TOLERANCE and 0 <= pred.end - gold.end <= CODIESP_TOLERANCE


_FITS: Mapping[Rule, Callable[[Mention, Mention], bool]] = {
    "overlap": _overlaps,
    "exact": _same_span,
    "codiesp": _within_tolerance,
}


def _preference(gold: Mention, pred: Mention) -> tuple[object, ...]:
    """Return the sort key of a pair; the best is least."""
    size = min(gold.end, pred.end) - max(gold.start, pred.start)
    extent = max(gold.end, pred.end) - min(gold.start, pred.start)
    return (
        -size,
        extent,
        gold.code != pred.code,
        gold.assertion != pred.assertion,
        gold.kind != pred.kind,
        *(gold.start, gold.end, gold.code, gold.assertion, gold.kind),
        *(pred.start, pred.end, pred.code, pred.assertion, pred.kind),
    )


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Counts over notes: mentions by overlap and by exact span, with category, with code, and assertions right."""

    overlap: PRF = PRF()
    exact: PRF = PRF()
    category: PRF = PRF()
    code: PRF = PRF()
    assertion: PRF = PRF()

    def __add__(self, other: SpanScores) -> SpanScores:
        return SpanScores(
            self.overlap + other.overlap,
            self.exact + other.exact,
            self.category + other.category,
            self.code + other.code,
            self.assertion + other.assertion,
        )


def score_spans(gold: Sequence[Mention], pred: Sequence[Mention]) -> SpanScores:
    """Compare one note's mentions, paired one to one by overlap.

    ``code`` counts a pair as correct where the full code is equal, ``category`` where the first three characters
    are. ``assertion`` is over the pairs alone: its precision is the assertion accuracy on matched mentions.
    """
    pairs = [(gold[g], pred[p]) for g, p in match_spans(gold, pred)]
    n_pred, n_gold = len(pred), len(gold)
    return SpanScores(
        overlap=PRF(len(pairs), n_pred, n_gold),
        exact=PRF(sum((g.start, g.end) == (p.start, p.end) for g, p in pairs), n_pred, n_gold),
        category=PRF(sum(g.code[:3] == p.code[:3] for g, p in pairs), n_pred, n_gold),
        code=PRF(sum(g.code == p.code for g, p in pairs), n_pred, n_gold),
        assertion=PRF(sum(g.assertion == p.assertion for g, p in pairs), len(pairs), len(pairs)),
    )


@dataclass(slots=True)
class SpanReport:
    """All that is counted over the mentions of many notes.

    Attributes:
        scores: Rule -> criterion -> counts. Each criterion asks for the one before as well, but that ``code`` does not
            ask for an equal assertion and ``assertion`` asks for the equal code.
        by_kind: Kind -> counts of overlapping mentions of that kind with the right code.
        by_assertion: Assertion -> counts of overlapping mentions that have it on both sides.
        confusion: Gold assertion -> predicted assertion -> overlapping pairs; ``none`` where there is no partner.
        notes: For each note and each of ``NOTE_COUNTS``, the counts that intervals are drawn from.
    """

    scores: dict[Rule, dict[Criterion, PRF]]
    by_kind: dict[str, PRF]
    by_assertion: dict[str, PRF]
    confusion: dict[str, dict[str, int]]
    notes: dict[tuple[Rule, Criterion], list[PRF]] = field(default_factory=dict)

    @property
    def assertion_accuracy(self) -> float:
        """Share of the overlapping pairs that have the same assertion."""
        pairs = sum(n for g, row in self.confusion.items() for p, n in row.items() if NO_PARTNER not in (g, p))
        return sum(self.confusion[a][a] for a in ASSERTIONS) / pairs if pairs else 0.0


# What intervals and comparisons are given for.
NOTE_COUNTS: tuple[tuple[Rule, Criterion], ...] = (
    ("overlap", "mention"),
    ("exact", "mention"),
    ("overlap", "code"),
    ("overlap", "assertion"),
)


def report_spans(notes: Sequence[tuple[Sequence[Mention], Sequence[Mention]]]) -> SpanReport:
    """Compare the (gold, predicted) mentions of many notes by every rule and criterion."""
    correct: Counter[tuple[str, str]] = Counter()
    kinds, assertions, confusion = _Tally(), _Tally(), Counter[tuple[str, str]]()
    n_pred = n_gold = 0
    per_note: dict[tuple[Rule, Criterion], list[PRF]] = {key: [] for key in NOTE_COUNTS}
    for gold, pred in notes:
        n_pred += len(pred)
        n_gold += len(gold)
        for rule in RULES:
            pairs = match_spans(gold, pred, rule)
            met = _count_criteria([(gold[g], pred[p]) for g, p in pairs])
            for criterion, n in met.items():
                correct[rule, criterion] += n
                if (rule, criterion) in per_note:
                    per_note[rule, criterion].append(PRF(n, len(pred), len(gold)))
            if rule == "overlap":
                _tally(gold, pred, pairs, kinds, assertions, confusion)
    labels = (*ASSERTIONS, NO_PARTNER)
    return SpanReport(
        scores={rule: {c: PRF(correct[rule, c], n_pred, n_gold) for c in CRITERIA} for rule in RULES},
        by_kind={kind: kinds.prf(kind) for kind in KINDS},
        by_assertion={assertion: assertions.prf(assertion) for assertion in ASSERTIONS},
        confusion={g: {p: confusion[g, p] for p in labels} for g in labels},
        notes=per_note,
    )


def _count_criteria(pairs: Sequence[tuple[Mention, Mention]]) -> dict[Criterion, int]:
    same_code = [(g, p) for g, p in pairs if g.code == p.code]
    return {
        "mention": len(pairs),
        "category": sum(g.code[:3] == p.code[:3] for g, p in pairs),
        "code": len(same_code),
        "assertion": sum(g.assertion == p.assertion for g, p in same_code),
    }


class _Tally:
    """Counts by label."""

    def __init__(self) -> None:
        self.correct: Counter[str] = Counter()
        self.pred: Counter[str] = Counter()
        self.gold: Counter[str] = Counter()

    def prf(self, label: str) -> PRF:
        return PRF(self.correct[label], self.pred[label], self.gold[label])


def _tally(
    gold: Sequence[Mention],
    pred: Sequence[Mention],
    pairs: Sequence[tuple[int, int]],
    kinds: _Tally,
    assertions: _Tally,
    confusion: Counter[tuple[str, str]],
) -> None:
    kinds.gold.update(mention.kind for mention in gold)
    kinds.pred.update(mention.kind for mention in pred)
    assertions.gold.update(mention.assertion for mention in gold)
    assertions.pred.update(mention.assertion for mention in pred)
    for g, p in pairs:
        one, other = gold[g], pred[p]
        confusion[one.assertion, other.assertion] += 1
        assertions.correct[one.assertion] += one.assertion == other.assertion
        kinds.correct[one.kind] += one.kind == other.kind and one.code == other.code
    alone = set(range(len(gold))) - {g for g, _ in pairs}
    confusion.update((gold[g].assertion, NO_PARTNER) for g in alone)
    spurious = set(range(len(pred))) - {p for _, p in pairs}
    confusion.update((NO_PARTNER, pred[p].assertion) for p in spurious)
