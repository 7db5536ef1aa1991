"""Which of a mention's candidate codes is right: the ranker's networks and its calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from detect_icd10cm.model.features import FEATURES
from detect_icd10cm.model.inputs import Array

MOST = 8.0  # deviations from the mean; a feature further out says no more
# What the note's other mentions seem to mean, by a draft of the ranking.
COMPANY = ("log draft share", "log code elsewhere", "log subcategory elsewhere", "log category elsewhere")
# A code's letters as bytes, the last of which don't count: in the whole code, its first five letters, its category.
_DROPPED_BYTES = (0, 3, 5)
_CODE_BYTES = 8
_LEAST_SHARE = 1e-4
_LEAST_LEFT = 1e-6  # of the probability that all candidates share; below it the first has all
Layers = tuple[tuple[Array, Array], ...]


class Candidates(NamedTuple):
    """The candidate codes of some notes' mentions, a row each, those of one mention together.

    Attributes:
        features: Shape (rows, ``FEATURES``).
        codes: Code of each row.
        sizes: Rows of each mention.
        notes: Note of each mention, as any whole number.
    """

    features: Array
    codes: Sequence[str]
    sizes: Array
    notes: Array

    @classmethod
    def join(cls, features: Sequence[Array], codes: Sequence[Sequence[str]], notes: Sequence[int]) -> Candidates:
        """Return the candidates of several mentions, of each its features, its codes and its note."""
        return cls(
            np.concatenate(features) if features else np.zeros((0, len(FEATURES)), np.float32),
            [code for own in codes for code in own],
            np.array([len(own) for own in codes], np.int64),
            np.array(notes, np.int64),
        )

    def split(self, scores: Array) -> list[Array]:
        """Return the rows of each mention."""
        return np.split(scores, np.cumsum(self.sizes)[:-1]) if len(self.sizes) else []


@dataclass(frozen=True, slots=True)
class Ranker:
    """A small network that scores candidates; its probabilities are calibrated by a monotone table.

    A smaller one drafts: it scores the candidates of each mention alone. What it says of the note's other mentions is
    part of what the network reads.

    Attributes:
        layers: Weights and biases, inner layers followed by a rectifier.
        draft: Those of the network that drafts; without any, mentions are scored alone.
        mean: Mean of each feature while training, ``scale`` its deviation; those of ``COMPANY`` come last.
        temperature: Divides the scores before they are made probabilities.
        steps: Probability of the first code (first row) against the share that was right (second row).
    """

    layers: Layers
    draft: Layers
    mean: Array
    scale: Array
    temperature: float
    steps: Array

    def score(self, candidates: Candidates) -> Array:
        """Return a score for each row of candidates."""
        n_alone = candidates.features.shape[1]
        x = normalize(candidates.features, self.mean[:n_alone], self.scale[:n_alone])
        if self.draft:
            company = describe_company(candidates, _run(self.draft, x))
            x = np.concatenate([x, normalize(company, self.mean[n_alone:], self.scale[n_alone:])], 1)
        return _run(self.layers, x)

    def probabilities(self, scores: Array, sizes: Array) -> Array:
        """Return calibrated probabilities of candidates.

        Args:
            scores: Score of each row, those of one mention together.
            sizes: Rows of each mention.
        """
        owners = np.repeat(np.arange(len(sizes)), sizes)
        shares = _softmax(scores / self.temperature, owners, len(sizes))
        top = np.zeros(len(sizes))
        np.maximum.at(top, owners, shares)
        calibrated = np.interp(top, self.steps[0], self.steps[1])
        left = 1 - top
        rest = np.where(left > _LEAST_LEFT, (1 - calibrated) / np.maximum(left, _LEAST_LEFT), 0.0)
        others = np.minimum(shares * rest[owners], calibrated[owners])  # they share what is left
        result: Array = np.where(shares == top[owners], calibrated[owners], others)
        return result

    def to_arrays(self) -> dict[str, Any]:
        """Return the ranker as arrays to be saved."""
        arrays: dict[str, Any] = {
            "mean": self.mean, "scale": self.scale, "steps": self.steps,
            "temperature": np.array([self.temperature], np.float32),
        }  # fmt: skip
        for prefix, layers in (("", self.layers), ("draft.", self.draft)):
            for i, (weight, bias) in enumerate(layers):
                arrays[f"{prefix}weight{i}"], arrays[f"{prefix}bias{i}"] = weight, bias
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Ranker:
        """Rebuild a ranker from ``to_arrays``'s form."""
        layers, draft = _read_layers(arrays, ""), _read_layers(arrays, "draft.")
        return cls(layers, draft, arrays["mean"], arrays["scale"], float(arrays["temperature"][0]), arrays["steps"])


def describe_company(candidates: Candidates, scores: Array) -> Array:
    """Return for each row its own share in a draft, and how much of it the note's other mentions give to its code.

    Shares of other mentions are summed for the code, for its first five letters and for its category.

    Args:
        candidates: The candidates of whole notes.
        scores: The draft's score of each row.

    Returns:
        Logarithms, shape (rows, ``COMPANY``).
    """
    owners = np.repeat(np.arange(len(candidates.sizes)), candidates.sizes)
    shares = _softmax(scores, owners, len(candidates.sizes))
    parts = [np.log(shares + _LEAST_SHARE)]
    letters = np.array(candidates.codes, f"S{_CODE_BYTES}").view(">u8").astype(np.uint64)
    codes, places = np.unique(letters, return_inverse=True)
    notes = candidates.notes[owners]
    for dropped in _DROPPED_BYTES:
        kinds = np.unique(codes >> np.uint64(8 * dropped), return_inverse=True)[1][places]
        elsewhere = _sum_by(notes, kinds, shares) - _sum_by(owners, kinds, shares)
        parts.append(np.log1p(np.maximum(elsewhere, 0.0)))
    company: Array = np.stack(parts, 1).astype(np.float32)
    return company


def _softmax(scores: Array, owners: Array, n_owners: int) -> Array:
    """Return each row's share of its mention."""
    highest = np.full(n_owners, -np.inf)
    np.maximum.at(highest, owners, scores)
    raised = np.exp(scores - highest[owners])
    shares: Array = raised / np.bincount(owners, raised, n_owners)[owners]
    return shares


def _sum_by(groups: Array, kinds: Array, values: Array) -> Array:
    """Return for each row the sum over all rows of its group and kind."""
    if not len(values):
        return values
    cells = np.unique(groups * (int(kinds.max()) + 1) + kinds, return_inverse=True)[1]
    sums: Array = np.bincount(cells, values)[cells]
    return sums


def normalize(features: Array, mean: Array, scale: Array) -> Array:
    """Return features in deviations from their means, none further out than ``MOST``."""
    normal: Array = features - mean
    normal /= scale
    return np.clip(normal, -MOST, MOST, out=normal)


def _read_layers(arrays: Mapping[str, Array], prefix: str) -> Layers:
    n_layers = sum(name.startswith(f"{prefix}weight") for name in arrays)
    return tuple((arrays[f"{prefix}weight{i}"], arrays[f"{prefix}bias{i}"]) for i in range(n_layers))


def _run(layers: Layers, x: Array) -> Array:
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight
        x += bias
        if i + 1 < len(layers):
            np.maximum(x, 0.0, out=x)
    scores: Array = x[:, 0]
    return scores
