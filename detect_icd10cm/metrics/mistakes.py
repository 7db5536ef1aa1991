"""The errors themselves: each with its cause, grouped, and sorted by what putting a group right would gain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import PRF, match_spans
from detect_icd10cm.types import Mention

Cause = Literal[
    "missed mention",
    "spurious mention",
    "wrong assertion",
    "laterality or 7th character",
    "right category, wrong code",
    "wrong category",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)
_SIDE = re.compile(r"\b(?:right|left|bilateral|both|unspecified)\b(?: side)?")
_WITH_SEVENTH = 8  # "S52.501A"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mention that one side lacks, or a pair that differs in code or assertion."""

    note_id: str
    cause: Cause
    gold: Mention | None
    pred: Mention | None

    @property
    def label(self) -> str:
        """What was taken for what: the group of like mistakes."""
        if self.gold is None or self.pred is None:
            mention = self.gold or self.pred
            return mention.code if mention else ""
        if self.cause == "wrong assertion":
            return f"{self.gold.assertion} taken for {self.pred.assertion}"
        return f"{self.gold.code} taken for {self.pred.code}"


@dataclass(frozen=True, slots=True)
class MistakeGroup:
    """Like mistakes; ``gain`` is what F1 of mention, code and assertion would rise by if none were made."""

    cause: Cause
    label: str
    gain: float
    mistakes: tuple[Mistake, ...]


def find_mistakes(note_id: str, gold: Sequence[Mention], pred: Sequence[Mention], codeset: CodeSet) -> list[Mistake]:
    """Return a note's mistakes in order of place; mentions are paired by overlap."""
    pairs = match_spans(gold, pred)
    mistakes = []
    for g, p in pairs:
        cause = _cause(gold[g], pred[p], codeset)
        if cause:
            mistakes.append(Mistake(note_id, cause, gold[g], pred[p]))
    found = {g for g, _ in pairs}
    known = {p for _, p in pairs}
    mistakes += [Mistake(note_id, "missed mention", m, None) for g, m in enumerate(gold) if g not in found]
    mistakes += [Mistake(note_id, "spurious mention", None, m) for p, m in enumerate(pred) if p not in known]
    return sorted(mistakes, key=_place)


def group_mistakes(mistakes: Iterable[Mistake], counts: PRF) -> list[MistakeGroup]:
    """Group like mistakes, those that cost most first.

    Args:
        mistakes: The mistakes of all notes.
        counts: The counts of mention, code and assertion by overlap over the same notes.
    """
    groups: dict[tuple[Cause, str], list[Mistake]] = {}
    for mistake in mistakes:
        groups.setdefault((mistake.cause, mistake.label), []).append(mistake)
    made = [
        MistakeGroup(cause, label, gain_of(cause, len(own), counts), tuple(own))
        for (cause, label), own in groups.items()
    ]
    return sorted(made, key=lambda group: (-group.gain, CAUSES.index(group.cause), group.label))


def gain_of(cause: Cause, n: int, counts: PRF) -> float:
    """Return what F1 rises by if n mistakes of a cause were put right."""
    if cause == "spurious mention":
        better = PRF(counts.n_correct, counts.n_pred - n, counts.n_gold)
    else:
        added = n if cause == "missed mention" else 0
        better = PRF(counts.n_correct + n, counts.n_pred + added, counts.n_gold)
    return better.f1 - counts.f1


def _cause(gold: Mention, pred: Mention, codeset: CodeSet) -> Cause | None:
    if gold.code == pred.code:
        return None if gold.assertion == pred.assertion else "wrong assertion"
    # History and family codes are Z codes: there the code is wrong because the assertion is.
    if gold.assertion != pred.assertion and "Z" in (gold.code[:1], pred.code[:1]):
        return "wrong assertion"
    if gold.code[:3] != pred.code[:3]:
        return "wrong category"
    if len(gold.code) == len(pred.code) == _WITH_SEVENTH and gold.code[:-1] == pred.code[:-1]:
        return "laterality or 7th character"
    if gold.code in codeset and pred.code in codeset:
        titles = [_SIDE.sub("*", codeset.title(code).lower()) for code in (gold.code, pred.code)]
        if titles[0] == titles[1]:
            return "laterality or 7th character"
    return "right category, wrong code"


def _place(mistake: Mistake) -> tuple[int, int]:
    mention = mistake.gold or mistake.pred
    return (mention.start, mention.end) if mention else (0, 0)
