"""The terms of all billable codes as vectors, and which of them a mention's vector is closest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detect_icd10cm.model.candidates import Similar
from detect_icd10cm.model.inputs import Array

_N_CATEGORIES = 20
_N_CODES = 32


class TermIndex:
    """Finds the codes of the closest terms, by way of the closest categories.

    Args:
        terms: Unit vectors, shape (terms, dim); terms of one category stand together.
        scale: Factor of the similarity in a logit.
        categories: Learned vectors of categories, shape (categories, dim).
        term_categories: Category id of each term, rising.
        term_codes: Code id of each term.
        codes: All billable codes, by their ids.
    """

    def __init__(
        self,
        terms: Array,
        scale: float,
        categories: Array,
        term_categories: Array,
        term_codes: Array,
        codes: Sequence[str],
    ) -> None:
        self._terms = terms
        self._logit_terms = scale * terms + categories[term_categories]
        self._first = np.flatnonzero(np.diff(term_categories, prepend=-1))
        self._ends = np.append(self._first[1:], len(terms))
        self._term_codes = term_codes
        self._codes = codes

    @classmethod
    def from_weights(cls, weights: Mapping[str, Array], codes: Sequence[str]) -> TermIndex:
        """Return the index of a network's terms.

        Args:
            weights: Its weights as floats, terms and their scales as stored.
            codes: All billable codes, by their ids.
        """
        return cls(
            (weights["terms"] * weights["term_scales"][:, None]).astype(np.float32),
            float(np.exp(weights["log_scale"])),
            weights["category_embedding.weight"].astype(np.float32),
            weights["term_categories"],
            weights["term_codes"],
            codes,
        )

    def similar(self, vectors: Array) -> list[list[Similar]]:
        """Return for each unit vector its most similar codes, best first."""
        if len(vectors) == 0:
            return []
        logits = vectors @ self._logit_terms.T  # (mentions, terms)
        best = np.maximum.reduceat(logits, self._first, axis=1)  # (mentions, categories)
        n = min(_N_CATEGORIES, best.shape[1])
        nearest = np.argpartition(-best, n - 1, axis=1)[:, :n]
        return [self._codes_of(v, row, own) for v, row, own in zip(vectors, logits, nearest, strict=True)]

    def _codes_of(self, vector: Array, logits: Array, categories: Array) -> list[Similar]:
        terms = np.concatenate([np.arange(self._first[c], self._ends[c]) for c in categories])
        order = terms[np.argsort(-logits[terms], kind="stable")]
        top = float(logits[order[0]])
        chosen: dict[int, int] = {}
        for term in order.tolist():
            chosen.setdefault(int(self._term_codes[term]), term)
            if len(chosen) == _N_CODES:
                break
        rows = np.fromiter(chosen.values(), np.int64, len(chosen))
        similarities = self._terms[rows] @ vector
        return [
            Similar(self._codes[code], similarity, behind)
            for code, similarity, behind in zip(
                chosen, similarities.tolist(), (logits[rows] - top).tolist(), strict=True
            )
        ]
