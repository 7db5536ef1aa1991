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

    def project(self, embeddings: Array) -> Array:
        """Return what the network reads of pieces, shape (pieces, dim), of their embeddings, shape (pieces, size)."""
        projected: Array = even_lengths(embeddings) @ self.static
        return projected

    def score(self, features: Array, projected: Array) -> Array:
        """Return log-probabilities of words, shape (words, 3).

        Args:
            features: Buckets of the words, shape (words, features).
            projected: Means of what ``project`` gives for their pieces, shape (words, dim).
        """
        summed = (self.scales.take(features)[:, None, :] @ self.rows.take(features, 0))[:, 0] + projected
        direct = sum(self.direct.take(column, 0) for column in features.T)
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


def even_lengths(embeddings: Array) -> Array:
    """Return the embeddings of pieces brought to one length, shape (pieces, size)."""
    lengths = np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-6)
    even: Array = (_LENGTH / lengths * embeddings).astype(np.float32)
    return even


def average_pieces(pieces: Array, starts: Array) -> Array:
    """Return the means of the rows of each word's pieces, shape (words, size).

    Args:
        pieces: Rows of a note's pieces, shape (pieces, size).
        starts: First piece of each word, and one past the last piece.
    """
    if len(starts) < 2:
        return np.zeros((0, pieces.shape[1]), np.float32)
    means: Array = np.add.reduceat(pieces, starts[:-1], axis=0) / np.diff(starts).astype(np.float32)[:, None]
    return means


def _neighbours(values: Array) -> Array:
    """Return each word's values with those of the words around it, shape (words, (2 * REACH + 1) * width)."""
    padded = np.pad(values, ((REACH, REACH), (0, 0)))
    return np.concatenate([padded[k : k + len(values)] for k in range(2 * REACH + 1)], 1)
