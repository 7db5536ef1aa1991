"""The document codes of many notes as columns: what all code metrics are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detect_icd10cm.metrics.spans import PRF

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One row for each (note, code) that is gold, predicted or both, in order of note and code.

    Attributes:
        codes: The spelling of each code index, in alphabetical order.
        n_notes: Notes, those without any code included.
        note: Note index, shape (rows,).
        code: Code index, shape (rows,).
        gold: Whether the code is gold, shape (rows,).
        pred: Whether the code is predicted, shape (rows,).
        score: Its score, 0 where it is not predicted, shape (rows,).
        position: Its place in the prediction as given, from 0, shape (rows,).
    """

    codes: tuple[str, ...]
    n_notes: int
    note: IntArray
    code: IntArray
    gold: BoolArray
    pred: BoolArray
    score: FloatArray
    position: IntArray

    def count(self, rows: BoolArray | None = None) -> PRF:
        """Return the counts over the rows that are set; over all without."""
        gold, pred = (self.gold, self.pred) if rows is None else (self.gold & rows, self.pred & rows)
        return PRF(int((gold & pred).sum()), int(pred.sum()), int(gold.sum()))

    def per_note(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return how many codes of each note are correct, predicted and gold, each of shape (notes,)."""
        return self._bin(self.note, self.n_notes)

    def per_code(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return in how many notes each code is correct, predicted and gold, each of shape (codes,)."""
        return self._bin(self.code, len(self.codes))

    def count_groups(self, groups: Sequence[str]) -> dict[str, PRF]:
        """Return the counts of each group of codes.

        Args:
            groups: The group of each code index.
        """
        names = sorted(set(groups))
        ids = np.array([names.index(group) for group in groups] or [0], dtype=np.int64)
        if not names:
            return {}
        correct, pred, gold = self._bin(ids[self.code], len(names))
        return {name: PRF(int(correct[i]), int(pred[i]), int(gold[i])) for i, name in enumerate(names)}

    def _bin(self, index: IntArray, size: int) -> tuple[IntArray, IntArray, IntArray]:
        chosen = (self.gold & self.pred, self.pred, self.gold)
        correct, pred, gold = (np.bincount(index[rows], minlength=size) for rows in chosen)
        return correct, pred, gold


def make_table(gold: Sequence[Iterable[str]], pred: Sequence[Iterable[tuple[str, float]]]) -> CodeTable:
    """Make the table of notes' gold codes and predicted (code, score) pairs; repeated codes count once.

    Of a code predicted twice the better score and the first place count.

    Raises:
        ValueError: If the two do not have one entry for each note.
    """
    if len(gold) != len(pred):
        raise ValueError(f"found {len(gold)} notes in gold and {len(pred)} in pred, expected the same notes")
    rows: list[tuple[int, str, bool, bool, float, int]] = []
    for note, (own_gold, own_pred) in enumerate(zip(gold, pred, strict=True)):
        expected = set(own_gold)
        best: dict[str, tuple[float, int]] = {}
        for position, (code, score) in enumerate(own_pred):
            known = best.get(code)
            best[code] = (score, position) if known is None else (max(score, known[0]), known[1])
        rows += [(note, code, code in expected, True, *found) for code, found in best.items()]
        rows += [(note, code, True, False, 0.0, 0) for code in expected if code not in best]
    return _from_rows(rows, len(gold))


def _from_rows(rows: list[tuple[int, str, bool, bool, float, int]], n_notes: int) -> CodeTable:
    codes = tuple(sorted({row[1] for row in rows}))
    index: Mapping[str, int] = {code: i for i, code in enumerate(codes)}
    note = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    code = np.fromiter((index[row[1]] for row in rows), np.int64, len(rows))
    order = np.lexsort((code, note))
    return CodeTable(
        codes=codes,
        n_notes=n_notes,
        note=note[order],
        code=code[order],
        gold=np.fromiter((row[2] for row in rows), np.bool_, len(rows))[order],
        pred=np.fromiter((row[3] for row in rows), np.bool_, len(rows))[order],
        score=np.fromiter((row[4] for row in rows), np.float64, len(rows))[order],
        position=np.fromiter((row[5] for row in rows), np.int64, len(rows))[order],
    )


def divide(numerator: NDArray[np.generic], denominator: NDArray[np.generic], empty: float = 0.0) -> FloatArray:
    """Divide element by element; ``empty`` where the denominator is 0."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    result: FloatArray = np.full(np.broadcast(top, bottom).shape, empty)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result
