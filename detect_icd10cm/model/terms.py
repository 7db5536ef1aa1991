"""The terms of all billable codes as vectors, and which of them a mention's vector is closest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detect_icd10cm.model.candidates import Similar
from detect_icd10cm.model.inputs import Array

_N_CATEGORIES = 20
_N_CODES = 32


class TermIndex:
    """Ranks the codes of the terms that a runtime finds close to mentions.

    Args:
        terms: Vectors of terms, int8 rows, shape (terms, dim).
        term_scales: What makes each row a unit vector.
        scale: Factor of the similarity in a logit.
        categories: Learned vectors of categories, shape (categories, dim).
        term_categories: Category id of each term.
        term_codes: Code id of each term.
        codes: All billable codes, by their ids.
    """

    def __init__(
        self,
        terms: Array,
        term_scales: Array,
        scale: float,
        categories: Array,
        term_categories: Array,
        term_codes: Array,
        codes: Sequence[str],
    ) -> None:
        self._terms = terms
        self._term_scales = term_scales
        self._scale = scale
        self._categories = categories
        self._term_categories = term_categories
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
            weights["terms"],
            weights["term_scales"].astype(np.float32),
            float(np.exp(weights["log_scale"])),
            weights["category_embedding.weight"].astype(np.float32),
            weights["term_categories"],
            weights["term_codes"],
            codes,
        )

    def logit_vectors(self) -> Array:
        """Return the vectors whose products with a mention's are the terms' logits, shape (terms, dim)."""
        scales = self._scale * self._term_scales
        vectors: Array = self._terms * scales[:, None] + self._categories[self._term_categories]
        return vectors

    def similar(self, vectors: Array, nearest: Array) -> list[list[Similar]]:
        """Return for each mention its most similar codes, best first.

        Args:
            vectors: Unit vectors of the mentions, shape (mentions, dim).
            nearest: The terms close to each, shape (mentions, n); see ``Runtime.nearest_terms``.
        """
        terms = np.sort(nearest, 1)
        similarities = (self._terms[terms] @ vectors[:, :, None])[:, :, 0] * self._term_scales[terms]
        family = np.take_along_axis(vectors @ self._categories.T, self._term_categories[terms], 1)
        logits = self._scale * similarities + family
        order = np.argsort(-logits, axis=1, kind="stable")
        ordered = [np.take_along_axis(values, order, 1) for values in (terms, similarities, logits)]
        return [self._codes_of(*rows) for rows in zip(*ordered, strict=True)]

    def _codes_of(self, terms: Array, similarities: Array, logits: Array) -> list[Similar]:
        """Return the codes of terms, best first: those of the best categories, each with its best term."""
        code_ids, categories = self._term_codes[terms].tolist(), self._term_categories[terms].tolist()
        behind = (logits - logits[0]).tolist()
        chosen: dict[int, Similar] = {}
        closest: set[int] = set()
        for code, category, similarity, distance in zip(
            code_ids, categories, similarities.tolist(), behind, strict=True
        ):
            if code in chosen or (len(closest) == _N_CATEGORIES and category not in closest):
                continue
            closest.add(category)
            chosen[code] = Similar(self._codes[code], similarity, distance)
            if len(chosen) == _N_CODES:
                break
        return list(chosen.values())
