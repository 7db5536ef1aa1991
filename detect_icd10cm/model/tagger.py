"""A small network over hashed word features that scores words as parts of mentions, beside the encoder's span head.

An encoder of few layers learns from few notes which words go together but forgets single words; hashed features of the
words themselves, their neighbours, tags and section remember them, and the encoder's own word vectors stand in for
words that no training note has. The scores of the two are mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detect_icd10cm.model.inputs import Array

REACH = 2  # words on either side that a convolution sees
_LENGTH = 4.0  # of a piece's embedding, so that it weighs as much as the hashed rows


@dataclass(frozen=True, slots=True)
class Tagger:
    """Scores of outside, begin and inside for words.

    Attributes:
        rows: int8 vectors of buckets, shape (buckets, dim), each to be multiplied by its ``scales``.
        static: Projection of the encoder's word vectors, shape (size, dim).
        direct: Scores that a bucket gives by itself, shape (buckets, 3).
        inner: Weights and bias of the two convolutions, weights of shape ((2 * REACH + 1) * width before, width).
        outer: Weights and bias from both convolutions to scores.
    """

    rows: Array
    scales: Array
    static: Array
    direct: Array
    inner: tuple[tuple[Array, Array], tuple[Array, Array]]
    outer: tuple[Array, Array]

    def score(self, features: Array, vectors: Array) -> Array:
        """Return log-probabilities of words, shape (words, 3).

        Args:
            features: Buckets of the words, shape (words, features).
            vectors: Their vectors, shape (words, size); see ``average_pieces``.
        """
        summed = (self.rows[features] * self.scales[features][..., None]).sum(1, dtype=np.float32)
        summed += vectors @ self.static
        direct = self.direct[features].sum(1, dtype=np.float32)
        first = np.maximum(_neighbours(summed) @ self.inner[0][0] + self.inner[0][1], 0)
        second = np.maximum(_neighbours(first) @ self.inner[1][0] + self.inner[1][1], 0)
        scores = np.concatenate([first, second], 1) @ self.outer[0] + self.outer[1] + direct
        scores -= scores.max(1, keepdims=True)
        result: Array = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        return result

    def to_arrays(self) -> dict[str, Any]:
        """Return the network as arrays to be saved."""
        (w0, b0), (w1, b1) = self.inner
        return {
            "rows": self.rows, "scales": self.scales, "static": self.static, "direct": self.direct.astype(np.float16),
            "weight0": w0, "bias0": b0, "weight1": w1, "bias1": b1, "weight2": self.outer[0], "bias2": self.outer[1],
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Tagger:
        """Rebuild a network from ``to_arrays``'s form."""
        layers = [(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(3)]
        direct = arrays["direct"].astype(np.float32)
        return cls(arrays["rows"], arrays["scales"], arrays["static"], direct, (layers[0], layers[1]), layers[2])


def average_pieces(pieces: Array, starts: Array) -> Array:
    """Return the vectors of words: the means of their pieces' embeddings, each brought to the same length.

    Args:
        pieces: Embeddings of a note's pieces, shape (pieces, size).
        starts: First piece of each word, and one past the last piece.
    """
    if len(starts) < 2:
        return np.zeros((0, pieces.shape[1]), np.float32)
    lengths = np.maximum(np.linalg.norm(pieces, axis=1, keepdims=True), 1e-6)
    sums = np.add.reduceat(_LENGTH * pieces / lengths, starts[:-1], axis=0)
    vectors: Array = (sums / np.diff(starts)[:, None]).astype(np.float32)
    return vectors


def _neighbours(values: Array) -> Array:
    """Return each word's values with those of the words around it, shape (words, (2 * REACH + 1) * width)."""
    padded = np.pad(values, ((REACH, REACH), (0, 0)))
    return np.concatenate([padded[k : k + len(values)] for k in range(2 * REACH + 1)], 1)
