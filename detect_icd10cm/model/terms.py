"""The terms of all billable codes as vectors, and which of them a mention's vector is closest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from detect_icd10cm.model.candidates import Similar
from detect_icd10cm.model.inputs import Array

# Codes further down are never right where those above are wrong, and take as much time.
_N_CODES = 16
_ROWS_AT_ONCE = 2048  # what stays in a core's cache


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
        vectors = np.empty(self._terms.shape, np.float32)
        for low in range(0, len(vectors), _ROWS_AT_ONCE):
            rows = slice(low, low + _ROWS_AT_ONCE)
            np.multiply(self._terms[rows], self._scale * self._term_scales[rows, None], out=vectors[rows])
            vectors[rows] += self._categories[self._term_categories[rows]]
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
        terms, similarities, logits = (np.take_along_axis(own, order, 1) for own in (terms, similarities, logits))
        ordered = (self._term_codes[terms], similarities, logits - logits[:, :1])
        return [self._codes_of(*rows) for rows in zip(*(own.tolist() for own in ordered), strict=True)]

    def _codes_of(self, codes: list[int], similarities: list[float], behind: list[float]) -> list[Similar]:
        """Return the codes of terms in order, each by its first."""
        places = dict(zip(reversed(codes), range(len(codes) - 1, -1, -1), strict=True))
        chosen = ((code, places[code]) for code in islice(dict.fromkeys(codes), _N_CODES))
        return [Similar(self._codes[code], similarities[place], behind[place]) for code, place in chosen]
