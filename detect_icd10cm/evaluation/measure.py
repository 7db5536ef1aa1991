"""Gold and prediction in, all figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.releases import choose_release
from detect_icd10cm.evaluation.pairing import NotePair, pair_notes
from detect_icd10cm.evaluation.predictions import Predictions
from detect_icd10cm.evaluation.results import CodeReport, Decided, Evaluation
from detect_icd10cm.metrics.calibration import Calibration, score_calibration
from detect_icd10cm.metrics.codes import (
    CodeLevels,
    costly_codes,
    score_bands,
    score_chapters,
    score_levels,
    score_seen,
    score_sets,
)
from detect_icd10cm.metrics.indications import score_indications
from detect_icd10cm.metrics.intervals import N_RESAMPLES, Ratio, bootstrap, compare, mean_ratio, prf_ratios
from detect_icd10cm.metrics.mapping import ReleaseMapper
from detect_icd10cm.metrics.mistakes import MistakeGroup, find_mistakes, group_mistakes
from detect_icd10cm.metrics.ranking import average_precisions, score_ranking
from detect_icd10cm.metrics.spans import PRF, Criterion, SpanReport, report_spans
from detect_icd10cm.metrics.table import CodeTable, divide, make_table
from detect_icd10cm.notes.gold.audit import audit_codes
from detect_icd10cm.notes.gold.records import GoldIssue
from detect_icd10cm.types import AnnotatedNote, Indication, Mention

# How reports name what a pair of mentions must have in common.
NAMES: Mapping[Criterion, str] = {
    "mention": "mention",
    "category": "mention + category",
    "code": "mention + code",
    "assertion": "mention + code + assertion",
}


def evaluate(
    gold: Iterable[AnnotatedNote],
    pred: Predictions,
    second: Predictions | None = None,
    *,
    gold_name: str = "gold",
    release: str | None = None,
    gold_release: str | None = None,
    train: Iterable[AnnotatedNote] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Compare one prediction with gold, and a second one with the first.

    Args:
        gold: The labelled notes.
        pred: What was predicted for them.
        second: Another prediction of the same notes.
        gold_name: The gold set's name, for headings.
        release: The code set for the hierarchy and for mapping; the newest installed one by default.
        gold_release: The code set that gold was coded with, to check its codes against. By default that of each note's
            encounter date, and ``release`` for notes without a date.
        train: The labelled notes that were trained on, for codes seen and unseen.
        n_resamples: Draws for intervals and comparisons.
        seed: Their seed.

    Raises:
        NoteError: If gold and prediction do not belong together.
        CodeSetError: If the release is not installed.
    """
    codeset = CodeSet.load(release)
    pairs = pair_notes(gold, pred.results)
    issues, warnings = _audit(pairs, codeset.release, gold_release)
    mapper = ReleaseMapper(codeset)
    found = _compare(pairs, pred, mapper)
    reporter = _CodeReporter(CodeLevels(codeset), None if train is None else count_codes(train))
    mistakes = _mistakes(found, codeset)
    wrong = {mistake.note_id for group in mistakes for mistake in group.mistakes}
    evaluation = Evaluation(
        gold=gold_name,
        pred=pred.name,
        release=codeset.release,
        n_notes=len(pairs),
        n_without_prediction=sum(pair.pred is None for pair in pairs),
        issues=tuple(issues),
        spans=found.spans,
        codes=reporter.report(found.table, found.scored) if found.table else None,
        mapped=reporter.report(found.mapped, found.scored) if found.mapped else None,
        calibration=_calibration(found),
        decided=_decided(pairs) if found.table else None,
        indications=score_indications(_indications(pairs)),
        intervals=bootstrap(_ratios(found), n_resamples, seed),
        mistakes=mistakes,
        warnings=tuple(warnings),
        texts={pair.note_id: pair.gold.note.text for pair in pairs if pair.note_id in wrong},
    )
    if second is None:
        return evaluation
    other = _compare(pair_notes([pair.gold for pair in pairs], second.results), second, mapper)
    one, two = _ratios(found), _ratios(other)
    shared = [name for name in one if name in two]
    comparison = compare({n: one[n] for n in shared}, {n: two[n] for n in shared}, n_resamples, seed)
    return replace(evaluation, second=second.name, comparison=comparison)


def count_codes(notes: Iterable[AnnotatedNote]) -> Counter[str]:
    """Return in how many notes each document code stands."""
    return Counter(code for note in notes for code in set(note.codes))


@dataclass(frozen=True, slots=True)
class _Compared:
    """A prediction beside gold; ``table`` and ``spans`` are None where gold or prediction has no such labels.

    ``mapped`` is the table of all codes mapped to one release, None where that changes none.
    """

    pairs: Sequence[NotePair]
    table: CodeTable | None
    mapped: CodeTable | None
    spans: SpanReport | None
    scored: bool


def _compare(pairs: Sequence[NotePair], pred: Predictions, mapper: ReleaseMapper) -> _Compared:
    scores = {code.score for pair in pairs if pair.pred for code in pair.pred.codes}
    has_spans = pred.has_mentions and any(pair.gold.mentions for pair in pairs)
    table = _make_table(pairs, str) if any(pair.gold.codes for pair in pairs) else None
    mapping_matters = table is not None and any(mapper(code) != code for code in table.codes)
    return _Compared(
        pairs=pairs,
        table=table,
        mapped=_make_table(pairs, mapper) if mapping_matters else None,
        spans=report_spans([_mentions(pair) for pair in pairs]) if has_spans else None,
        # A file of bare codes has the same score throughout, which says nothing.
        scored=len(scores) > 1,
    )


def _mentions(pair: NotePair) -> tuple[Sequence[Mention], Sequence[Mention]]:
    return pair.gold.mentions, pair.pred.mentions if pair.pred else ()


def _make_table(pairs: Sequence[NotePair], spell: Callable[[str], str]) -> CodeTable:
    return make_table(
        [[spell(code) for code in pair.gold.codes] for pair in pairs],
        [[(spell(c.code), c.score) for c in pair.pred.codes] if pair.pred else [] for pair in pairs],
    )


def _indications(pairs: Iterable[NotePair]) -> Iterator[tuple[Mapping[str, Sequence[str]], Sequence[Indication]]]:
    return ((pair.gold.indications, pair.pred.indications if pair.pred else ()) for pair in pairs)


@dataclass(frozen=True, slots=True)
class _CodeReporter:
    levels: CodeLevels
    trained: Mapping[str, int] | None

    def report(self, table: CodeTable, scored: bool) -> CodeReport:
        in_gold = dict(zip(table.codes, table.per_code()[2].tolist(), strict=True))
        trained = self.trained
        return CodeReport(
            sets=score_sets(table),
            ranking=score_ranking(table, scored=scored),
            levels=score_levels(table, self.levels),
            chapters=score_chapters(table, self.levels),
            bands=score_bands(table, in_gold if trained is None else trained),
            bands_from="gold" if trained is None else "training",
            seen=None if trained is None else score_seen(table, trained),
            costly=tuple(costly_codes(table)),
        )


def _calibration(found: _Compared) -> Calibration | None:
    if found.table is None or not found.scored:
        return None
    return score_calibration(found.table, [pair.note_id for pair in found.pairs])


def _decided(pairs: Iterable[NotePair]) -> Decided | None:
    n_accepted = n_correct = n = 0
    for pair in pairs:
        gold = set(pair.gold.codes)
        for code in pair.pred.codes if pair.pred else ():
            n += 1
            n_accepted += code.decision == "accept"
            n_correct += code.decision == "accept" and code.code in gold
    return Decided(n_accepted, n_correct, n) if n_accepted else None


def _ratios(found: _Compared) -> dict[str, Ratio]:
    """Return the figures that intervals and comparisons are given for, by their names in the report."""
    ratios: dict[str, Ratio] = {}
    if found.spans:
        for (rule, criterion), notes in found.spans.notes.items():
            ratios |= prf_ratios(f"{NAMES[criterion]} ({rule})", notes)
    for name, table in (("codes", found.table), ("codes, mapped,", found.mapped)):
        if table:
            ratios |= _code_ratios(name, table, found.scored)
    if any(pair.gold.indications for pair in found.pairs):
        ratios |= prf_ratios("indications", (_sum_indications(*own) for own in _indications(found.pairs)))
    return ratios


def _code_ratios(name: str, table: CodeTable, scored: bool) -> dict[str, Ratio]:
    correct, pred, gold = table.per_note()
    counts = zip(correct.tolist(), pred.tolist(), gold.tolist(), strict=True)
    everywhere = np.ones(table.n_notes)
    return {
        **prf_ratios(name, (PRF(*own) for own in counts)),
        f"{name} example-based F1": mean_ratio(divide(2 * correct, pred + gold, empty=1.0), everywhere),
        f"{name} exact match": mean_ratio((correct == pred) & (correct == gold), everywhere),
        f"{name} MAP": mean_ratio(average_precisions(table, scored=scored), gold > 0),
    }


def _sum_indications(gold: Mapping[str, Sequence[str]], pred: Sequence[Indication]) -> PRF:
    scores = score_indications([(gold, pred)])
    return sum((one for own in scores.values() for one in own.values()), PRF())


def _mistakes(found: _Compared, codeset: CodeSet) -> tuple[MistakeGroup, ...]:
    if found.spans is None:
        return ()
    mistakes = (m for pair in found.pairs for m in find_mistakes(pair.note_id, *_mentions(pair), codeset))
    return tuple(group_mistakes(mistakes, found.spans.scores["overlap"]["assertion"]))


def _audit(pairs: Sequence[NotePair], default: str, gold_release: str | None) -> tuple[list[GoldIssue], list[str]]:
    """Check the gold codes, each note's against the release that it was coded with."""
    by_release: dict[str, list[AnnotatedNote]] = {}
    warnings: dict[str, None] = {}
    for pair in pairs:
        day = pair.gold.note.encounter_date
        name, warning = (gold_release or default, None) if gold_release or day is None else choose_release(day)
        by_release.setdefault(name, []).append(pair.gold)
        if warning:
            warnings[warning] = None
    issues = [issue for name, notes in by_release.items() for issue in audit_codes(notes, CodeSet.load(name))]
    return issues, list(warnings)
