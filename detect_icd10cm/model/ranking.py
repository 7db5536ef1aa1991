"""Which of a mention's candidate codes is right: the ranker's network and its calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detect_icd10cm.model.inputs import Array

MOST = 8.0  # deviations from the mean; a feature further out says no more


@dataclass(frozen=True, slots=True)
class Ranker:
    """A small network that scores candidates; its probabilities are calibrated by a monotone table.

    Attributes:
        layers: Weights and biases, inner layers followed by a rectifier.
        mean: Mean of each feature while training, ``scale`` its deviation.
        temperature: Divides the scores before they are made probabilities.
        steps: Probability of the first code (first row) against the share that was right (second row).
    """

    layers: tuple[tuple[Array, Array], ...]
    mean: Array
    scale: Array
    temperature: float
    steps: Array

    def score(self, features: Array) -> Array:
        """Return a score for each row of features."""
        x = np.clip((features - self.mean) / self.scale, -MOST, MOST)
        for i, (weight, bias) in enumerate(self.layers):
            x = x @ weight + bias
            if i + 1 < len(self.layers):
                x = np.maximum(x, 0.0)
        scores: Array = x[:, 0]
        return scores

    def probabilities(self, scores: Array) -> Array:
        """Return calibrated probabilities of one mention's candidates, in their order."""
        scaled = scores / self.temperature
        shares = np.exp(scaled - scaled.max())
        shares /= shares.sum()
        top = float(shares.max())
        calibrated = float(np.interp(top, self.steps[0], self.steps[1]))
        rest = (1 - calibrated) / (1 - top) if top < 1 - 1e-6 else 0.0  # the others share what is left
        result: Array = np.where(shares == top, calibrated, np.minimum(shares * rest, calibrated))
        return result

    def to_arrays(self) -> dict[str, Any]:
        """Return the ranker as arrays to be saved."""
        arrays: dict[str, Any] = {
            "mean": self.mean, "scale": self.scale, "steps": self.steps,
            "temperature": np.array([self.temperature], np.float32),
        }  # fmt: skip
        for i, (weight, bias) in enumerate(self.layers):
            arrays[f"weight{i}"], arrays[f"bias{i}"] = weight, bias
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Ranker:
        """Rebuild a ranker from ``to_arrays``'s form."""
        n_layers = sum(name.startswith("weight") for name in arrays)
        layers = tuple((arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(n_layers))
        return cls(layers, arrays["mean"], arrays["scale"], float(arrays["temperature"][0]), arrays["steps"])
