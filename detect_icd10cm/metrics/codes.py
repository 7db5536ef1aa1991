"""Document-level code sets compared: as sets, in groups of codes, and level by level up the hierarchy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.metrics.table import CodeTable, IntArray, divide

Level = Literal["code", "category", "block", "chapter"]
LEVELS: tuple[Level, ...] = get_args(Level)
# Upper ends of the bands that codes are put in by their number of notes.
_BANDS = (0, 1, 5, 20, 100)


def score_codes(gold: Collection[str], pred: Collection[str]) -> PRF:
    """Count one note's codes; the sum over notes gives the micro-averages. Repeated codes count once."""
    gold, pred = set(gold), set(pred)
    return PRF(len(gold & pred), len(pred), len(gold))


@dataclass(frozen=True, slots=True)
class MacroScores:
    """Averages over codes, each code counting the same.

    Attributes:
        n_codes: Codes averaged over.
        precision: Mean of the codes' precisions, 0 for a code never predicted.
        recall: Mean of the codes' recalls, 0 for a code never gold.
        f1: Mean of the codes' F1.
        f1_of_means: Harmonic mean of ``precision`` and ``recall``: the other convention of the field.
    """

    n_codes: int
    precision: float
    recall: float
    f1: float
    f1_of_means: float


@dataclass(frozen=True, slots=True)
class SetScores:
    """Code sets compared without regard to scores.

    Attributes:
        micro: Counts over all notes and codes.
        macro: Over all codes that are gold or predicted in any note.
        macro_gold: Over the codes that are gold in any note.
        example_f1: Mean over notes of a note's F1; 1 for a note that has no code and gets none.
        exact_match: Share of the notes whose set is exactly right.
        n_notes: Notes averaged over.
    """

    micro: PRF
    macro: MacroScores
    macro_gold: MacroScores
    example_f1: float
    exact_match: float
    n_notes: int


def score_sets(table: CodeTable) -> SetScores:
    """Compare the code sets of all notes."""
    correct, pred, gold = table.per_note()
    n_notes = max(table.n_notes, 1)
    example_f1 = divide(2 * correct, pred + gold, empty=1.0)
    exact = (correct == pred) & (correct == gold)
    by_code = table.per_code()
    return SetScores(
        micro=table.count(),
        macro=_macro(*by_code),
        macro_gold=_macro(*(counts[by_code[2] > 0] for counts in by_code)),
        example_f1=float(np.sum(np.sort(example_f1))) / n_notes,
        exact_match=int(exact.sum()) / n_notes,
        n_notes=table.n_notes,
    )


def _macro(correct: IntArray, pred: IntArray, gold: IntArray) -> MacroScores:
    if not correct.size:
        return MacroScores(0, 0.0, 0.0, 0.0, 0.0)
    precision = float(divide(correct, pred).mean())
    recall = float(divide(correct, gold).mean())
    total = precision + recall
    return MacroScores(
        n_codes=int(correct.size),
        precision=precision,
        recall=recall,
        f1=float(divide(2 * correct, pred + gold).mean()),
        f1_of_means=2 * precision * recall / total if total else 0.0,
    )


class CodeLevels:
    """The category, block and chapter of codes; a code whose category the release lacks stands for itself."""

    def __init__(self, codeset: CodeSet) -> None:
        self._codeset = codeset
        self._groups: dict[str, tuple[str, str]] = {}

    def of(self, code: str, level: Level) -> str:
        """Return the ancestor of a code at a level."""
        if level == "code":
            return code
        category = code[:3]
        if level == "category":
            return category
        if category not in self._groups:
            self._groups[category] = (category, category)
            if category in self._codeset:
                entry = self._codeset[category]
                self._groups[category] = (entry.block, entry.chapter)
        return self._groups[category][level == "chapter"]


@dataclass(frozen=True, slots=True)
class LevelScores:
    """One level of the hierarchy: as sets of ancestors, and with how often each stands in a note (CoPHE)."""

    sets: PRF
    counts: PRF


def score_levels(table: CodeTable, levels: CodeLevels) -> dict[Level, LevelScores]:
    """Compare the codes' ancestors at every level.

    ``counts`` keeps how many of a note's codes lie below an ancestor: of 3 predicted and 2 gold ones, 2 are correct
    (count-preserving hierarchical evaluation: Falis et al., EMNLP 2021). Their sum over levels is the metric over the
    hierarchy as a whole.
    """
    scores: dict[Level, LevelScores] = {}
    for level in LEVELS:
        names = sorted({levels.of(code, level) for code in table.codes})
        index = {name: i for i, name in enumerate(names)}
        group = np.array([index[levels.of(code, level)] for code in table.codes], dtype=np.int64)
        keys = table.note * max(len(names), 1) + group[table.code] if table.codes else table.note
        _, places = np.unique(keys, return_inverse=True)
        size = int(places.max()) + 1 if places.size else 0
        gold = np.bincount(places[table.gold], minlength=size)
        pred = np.bincount(places[table.pred], minlength=size)
        scores[level] = LevelScores(
            sets=PRF(int(((gold > 0) & (pred > 0)).sum()), int((pred > 0).sum()), int((gold > 0).sum())),
            counts=PRF(int(np.minimum(gold, pred).sum()), int(pred.sum()), int(gold.sum())),
        )
    return scores


def score_chapters(table: CodeTable, levels: CodeLevels) -> dict[str, PRF]:
    """Count the codes of each chapter, in order of the chapters; codes that the release lacks stand last."""
    named = table.count_groups([levels.of(code, "chapter") for code in table.codes])
    return dict(sorted(named.items(), key=lambda item: (not item[0].isdigit(), item[0].zfill(2))))


def score_bands(table: CodeTable, frequency: Mapping[str, int]) -> dict[str, PRF]:
    """Count the codes by how often each is used; rarest band first.

    Args:
        table: The notes' codes.
        frequency: In how many notes each code is used, in training or in gold.
    """
    named = table.count_groups([_band(frequency.get(code, 0)) for code in table.codes])
    return {name: named[name] for name in map(_band, (*_BANDS, _BANDS[-1] + 1)) if name in named}


def _band(n: int) -> str:
    lower = 0
    for upper in _BANDS:
        if n <= upper:
            return str(upper) if lower == upper else f"{lower}-{upper}"
        lower = upper + 1
    return f">{_BANDS[-1]}"


def score_seen(table: CodeTable, seen: Collection[str]) -> dict[str, PRF]:
    """Count apart the codes that the training notes have and those that they lack."""
    return table.count_groups(["seen" if code in seen else "unseen" for code in table.codes])


def costly_codes(table: CodeTable, limit: int = 20) -> list[tuple[str, int, int]]:
    """Return the codes with most errors as (code, missed, spurious) numbers of notes, worst first."""
    correct, pred, gold = table.per_code()
    missed, spurious = gold - correct, pred - correct
    order: Sequence[int] = np.lexsort((np.arange(len(table.codes)), -(missed + spurious))).tolist()
    worst = [(table.codes[i], int(missed[i]), int(spurious[i])) for i in order[:limit]]
    return [row for row in worst if row[1] + row[2]]
