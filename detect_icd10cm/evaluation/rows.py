"""An evaluation as titled tables of text: what the terminal and the HTML report both show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from detect_icd10cm.evaluation.measure import NAMES
from detect_icd10cm.evaluation.results import CodeReport, Decided, Evaluation
from detect_icd10cm.metrics.calibration import Acceptance, Calibration
from detect_icd10cm.metrics.codes import MacroScores
from detect_icd10cm.metrics.mistakes import CAUSES, gain_of
from detect_icd10cm.metrics.spans import CRITERIA, NO_PARTNER, PRF, RULES, SpanReport
from detect_icd10cm.types import ASSERTIONS

_PRF_HEADER = ("precision", "recall", "F1", "correct", "predicted", "gold")


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table whose first column is text and whose others are figures; ``note`` says how to read it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def make_tables(evaluation: Evaluation) -> Iterator[TextTable]:
    """Yield all tables of an evaluation, the figures that matter most first."""
    if evaluation.comparison:
        yield _comparison(evaluation)
    if evaluation.intervals:
        yield _intervals(evaluation)
    if evaluation.spans:
        yield from _spans(evaluation.spans)
    if evaluation.codiesp:
        note = "A code with a reference that holds a gold one, at most 10 characters wider on either side."
        yield _prf_table("CodiEsp-X, official", {"all codes": evaluation.codiesp}, note)
    if evaluation.codes:
        yield from _codes(evaluation.codes, "as they stand")
    if evaluation.mapped:
        yield from _codes(evaluation.mapped, f"mapped to {evaluation.release}", short=True)
    if evaluation.calibration:
        yield from _confidence(evaluation.calibration, evaluation.decided)
    yield from _rest(evaluation)


def _rest(evaluation: Evaluation) -> Iterator[TextTable]:
    if evaluation.indications:
        named = {
            f"{procedure} {name}": counts
            for procedure, own in evaluation.indications.items()
            for name, counts in own.items()
        }
        yield _prf_table("Procedure indications", named, "Supported, per procedure and indication.")
    if evaluation.mistakes and evaluation.spans:
        yield _causes(evaluation)
    if evaluation.issues:
        counts = Counter(issue.kind for issue in evaluation.issues)
        rows = tuple((kind, str(n)) for kind, n in sorted(counts.items()))
        yield TextTable("Issues of the gold set", ("issue", "n"), rows, "Reported, not dropped: all codes are scored.")


def show(value: float | None) -> str:
    """Return a figure as shown everywhere: three decimals, a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def _prf_table(title: str, named: Mapping[str, PRF], note: str = "") -> TextTable:
    rows = tuple(
        (name, show(c.precision), show(c.recall), show(c.f1), str(c.n_correct), str(c.n_pred), str(c.n_gold))
        for name, c in named.items()
        if c.n_pred or c.n_gold
    )
    return TextTable(title, ("", *_PRF_HEADER), rows, note)


def _intervals(evaluation: Evaluation) -> TextTable:
    rows = tuple((name, *map(show, (i.value, i.low, i.high))) for name, i in evaluation.intervals.items())
    return TextTable("Figures with 95 % intervals", ("", "value", "low", "high"), rows, "Bootstrap over notes.")


def _comparison(evaluation: Evaluation) -> TextTable:
    rows = tuple(
        (name, *map(show, (c.first, c.second)), f"{c.difference:+.3f}", f"{c.low:+.3f}", f"{c.high:+.3f}", show(c.p))
        for name, c in (evaluation.comparison or {}).items()
    )
    return TextTable(
        f"{evaluation.second} against {evaluation.pred}",
        ("", "first", "second", "difference", "low", "high", "p"),
        rows,
        "Difference with its 95 % paired bootstrap interval; p of a paired permutation test over notes.",
    )


def _spans(report: SpanReport) -> Iterator[TextTable]:
    titles = {
        "exact": ("Mentions, exact spans", "The same start and end."),
        "overlap": ("Mentions, overlapping spans", "At least one character in common."),
        "codiesp": ("Mentions, 10-character rule", "The predicted span holds the gold one, at most 10 wider a side."),
    }
    for rule in RULES:
        title, note = titles[rule]
        yield _prf_table(title, {NAMES[c]: report.scores[rule][c] for c in CRITERIA}, f"{note} Paired one to one.")
    yield _prf_table("Mentions by kind", report.by_kind, "Overlapping, the same kind and code.")
    yield _prf_table(
        "Mentions by assertion",
        report.by_assertion,
        f"Overlapping, the same assertion. Accuracy on overlapping pairs: {show(report.assertion_accuracy)}.",
    )
    labels = [*ASSERTIONS, NO_PARTNER]
    rows = tuple((g, *(str(report.confusion[g][p]) for p in labels)) for g in labels)
    note = f"Rows gold, columns predicted; {NO_PARTNER}: missed or spurious."
    yield TextTable("Assertions confused", ("gold", *labels), rows, note)


def _codes(report: CodeReport, how: str, *, short: bool = False) -> Iterator[TextTable]:
    sets = report.sets
    yield _prf_table(f"Document codes, {how}", {"micro": sets.micro})
    yield TextTable(
        f"Document codes, averages ({how})",
        ("", "precision", "recall", "F1", "F1 of means", "over"),
        (
            ("macro, codes in gold or predicted", *_macro(sets.macro)),
            ("macro, codes in gold", *_macro(sets.macro_gold)),
            ("example-based", "-", "-", show(sets.example_f1), "-", f"{sets.n_notes} notes"),
            ("exact match ratio", "-", "-", show(sets.exact_match), "-", f"{sets.n_notes} notes"),
        ),
        "F1 is the mean of the codes' own; F1 of means is that of mean precision and mean recall.",
    )
    levels = {f"{level}, sets": scores.sets for level, scores in report.levels.items()}
    levels |= {f"{level}, counts": scores.counts for level, scores in report.levels.items()}
    levels["all levels, counts"] = sum((scores.counts for scores in report.levels.values()), PRF())
    note = "Counts keep how many codes of a note lie below an ancestor (CoPHE)."
    yield _prf_table(f"Document codes up the hierarchy ({how})", levels, note)
    if short:
        return
    yield _ranking(report)
    chapters = {f"chapter {name}": counts for name, counts in report.chapters.items()}
    yield _prf_table("Document codes by chapter", chapters)
    yield _prf_table(f"Document codes by frequency in {report.bands_from}", report.bands, "Notes that have the code.")
    if report.seen is not None:
        yield _prf_table("Document codes seen in training or not", report.seen)
    costly = tuple((code, str(missed), str(spurious)) for code, missed, spurious in report.costly)
    yield TextTable("Document codes with most errors", ("code", "missed", "spurious"), costly, "Numbers of notes.")


def _macro(scores: MacroScores) -> tuple[str, ...]:
    figures = (scores.precision, scores.recall, scores.f1, scores.f1_of_means)
    return (*map(show, figures), f"{scores.n_codes} codes")


def _ranking(report: CodeReport) -> TextTable:
    ranking = report.ranking
    rows = [
        ("MAP", show(ranking.average_precision), "1.000"),
        ("MAP, notes with a prediction (CodiEsp)", show(ranking.average_precision_predicted), "1.000"),
        ("R-precision", show(ranking.r_precision), "1.000"),
    ]
    for top in ranking.top:
        rows.append((f"P@{top.k}", show(top.precision), show(top.best_precision)))
        rows.append((f"R@{top.k}", show(top.recall), show(top.best_recall)))
    rows.append(("AUC, micro", show(ranking.auc_micro), "1.000"))
    rows.append((f"AUC, macro over {ranking.auc_codes} codes", show(ranking.auc_macro), "1.000"))
    note = "Over notes that have gold codes; best: what a perfect ranking reaches."
    return TextTable("Document codes ranked", ("", "value", "best"), tuple(rows), note)


def _confidence(calibration: Calibration, decided: Decided | None) -> Iterator[TextTable]:
    yield TextTable(
        "Accepted unseen",
        ("", "threshold", "precision", "share", "accepted", "of"),
        (*_accepted("codes", calibration.codes), *_accepted("notes", calibration.notes), *_decided(decided)),
        "Threshold chosen on one half of the notes, all else measured on the other. A note is accepted by its least "
        "sure code and right where its code set is exactly gold.",
    )
    yield _reliability(calibration)


def _accepted(name: str, targets: Sequence[Acceptance]) -> Iterable[tuple[str, ...]]:
    for a in targets:
        reached = show(a.precision) if a.n_accepted else "-"
        yield f"{name} at {a.target:.0%}", show(a.threshold), reached, show(a.share), str(a.n_accepted), str(a.n)


def _decided(decided: Decided | None) -> Iterable[tuple[str, ...]]:
    if decided:
        precision, share = decided.n_correct / decided.n_accepted, decided.n_accepted / decided.n
        own = (show(precision), show(share), str(decided.n_accepted), str(decided.n))
        yield ("codes, as the prediction decides", "-", *own)


def _reliability(calibration: Calibration) -> TextTable:
    rows = tuple(
        (f"{b.low:.1f}-{b.high:.1f}", show(b.mean_score), show(b.precision), str(b.n)) for b in calibration.bins
    )
    note = (
        f"Expected calibration error {show(calibration.ece)}, Brier score {show(calibration.brier)}, mean risk "
        f"{show(calibration.mean_risk)}, over {calibration.n} codes."
    )
    return TextTable("Score and precision", ("score", "mean score", "precision", "codes"), rows, note)


def _causes(evaluation: Evaluation) -> TextTable:
    counts = evaluation.spans.scores["overlap"]["assertion"] if evaluation.spans else PRF()
    n = Counter[str]()
    for group in evaluation.mistakes:
        n[group.cause] += len(group.mistakes)
    gains = sorted(((gain_of(cause, n[cause], counts), cause) for cause in CAUSES if n[cause]), reverse=True)
    return TextTable(
        "Errors by cause",
        ("cause", "errors", "gain"),
        tuple((cause, str(n[cause]), f"{gain:+.3f}") for gain, cause in gains),
        "Gain: what F1 of mention + code + assertion (overlap) would rise by without them.",
    )
