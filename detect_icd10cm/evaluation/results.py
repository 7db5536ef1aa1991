"""What an evaluation found, as records and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detect_icd10cm.metrics.calibration import Calibration
from detect_icd10cm.metrics.codes import Level, LevelScores, SetScores
from detect_icd10cm.metrics.intervals import Comparison, Interval
from detect_icd10cm.metrics.mistakes import Mistake, MistakeGroup
from detect_icd10cm.metrics.ranking import RankScores
from detect_icd10cm.metrics.spans import PRF, SpanReport
from detect_icd10cm.notes.gold.records import GoldIssue


@dataclass(frozen=True, slots=True)
class CodeReport:
    """Document codes compared.

    Attributes:
        sets: As sets.
        ranking: As rankings.
        levels: At each level of the hierarchy.
        chapters: In each chapter.
        bands: By how often each code stands in training, or in gold where there is no training file.
        bands_from: Which of the two.
        seen: Codes that training has and that it lacks; None without a training file.
        costly: Codes with most errors: code, notes where it is missed, notes where it is spurious.
    """

    sets: SetScores
    ranking: RankScores
    levels: Mapping[Level, LevelScores]
    chapters: Mapping[str, PRF]
    bands: Mapping[str, PRF]
    bands_from: str
    seen: Mapping[str, PRF] | None
    costly: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """Codes that the prediction itself marks ``accept``: how many, how many of them are right, of how many."""

    n_accepted: int
    n_correct: int
    n: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A prediction against gold.

    Attributes:
        gold: Name of the gold set.
        pred: Name of the prediction.
        release: The code set that the hierarchy and the mapping are taken from.
        n_notes: Notes compared.
        n_without_prediction: Gold notes that the prediction lacks; nothing was found in them.
        issues: What is wrong with the gold set.
        spans: Mentions, where both sides have them.
        codes: Document codes as they stand, where gold has them.
        mapped: The same with gold and prediction mapped to ``release``; None where mapping changes no code.
        calibration: The worth of the scores of document codes; None where there are none.
        decided: What the prediction accepts by its own threshold; None where it accepts nothing.
        codiesp: The official CodiEsp-X counts, where both are CodiEsp files with references.
        indications: Procedure -> indication -> counts.
        intervals: Figures with 95 % intervals.
        mistakes: Groups of like mistakes, those that cost most first.
        second: Name of the second prediction.
        comparison: Its figures against the first one's.
        warnings: What the reader of the figures should know.
        texts: The text of each note that has a mistake; not part of ``to_dict``.
    """

    gold: str
    pred: str
    release: str
    n_notes: int
    n_without_prediction: int
    issues: tuple[GoldIssue, ...] = ()
    spans: SpanReport | None = None
    codes: CodeReport | None = None
    mapped: CodeReport | None = None
    calibration: Calibration | None = None
    decided: Decided | None = None
    codiesp: PRF | None = None
    indications: Mapping[str, Mapping[str, PRF]] = dataclasses.field(default_factory=dict)
    intervals: Mapping[str, Interval] = dataclasses.field(default_factory=dict)
    mistakes: tuple[MistakeGroup, ...] = ()
    second: str | None = None
    comparison: Mapping[str, Comparison] | None = None
    warnings: tuple[str, ...] = ()
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values; of mistakes the places only, no text of a note."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "texts"}


def _plain(value: Any) -> Any:
    if isinstance(value, PRF):
        return {
            "precision": value.precision,
            "recall": value.recall,
            "f1": value.f1,
            "n_correct": value.n_correct,
            "n_pred": value.n_pred,
            "n_gold": value.n_gold,
        }
    if isinstance(value, Mistake):
        return {
            "note_id": value.note_id,
            **{
                side: {"start": m.start, "end": m.end, "code": m.code, "assertion": m.assertion, "kind": m.kind}
                for side, m in (("gold", value.gold), ("pred", value.pred))
                if m is not None
            },
        }
    if isinstance(value, SpanReport):
        # The counts of single notes are only for intervals.
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "notes"}
        return {**fields, "assertion_accuracy": value.assertion_accuracy}
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
