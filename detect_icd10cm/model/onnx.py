"""Running a checkpoint with onnxruntime: int8 matrix products, no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from detect_icd10cm.model.checkpoint import ENCODER_ONNX, HEADS_ONNX
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.runtime import MentionScores


class OnnxRuntime:
    """Runs the graphs of a checkpoint on a CPU; embeddings are looked up here.

    Args:
        folder: The checkpoint.
        weights: Its weights by name, word embeddings as int8 rows with ``word_scales``.
        word_rows: Word embeddings, int8, shape (vocabulary, size).
        word_scales: Scale of each row.

    A matrix product has as many threads as ``OMP_NUM_THREADS`` says, one a core where it says nothing.
    """

    windows_at_once = 1

    def __init__(self, folder: Path, weights: dict[str, Array], word_rows: Array, word_scales: Array) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0").partition(",")[0] or 0)
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        self._encoder: Any = onnxruntime.InferenceSession(str(folder / ENCODER_ONNX), options, providers)
        self._heads: Any = onnxruntime.InferenceSession(str(folder / HEADS_ONNX), options, providers)
        self._rows, self._scales = word_rows, word_scales.astype(np.float32)[:, None]
        embeddings = "encoder.embeddings."
        types = weights[embeddings + "token_type_embeddings.weight"]
        self._positions = (weights[embeddings + "position_embeddings.weight"] + types[0]).astype(np.float32)
        self._tags = weights["tag_embedding.weight"].astype(np.float32)
        self._sections = weights["section_embedding.weight"].astype(np.float32)
        self._tag_bias = weights["tag_bias.weight"].astype(np.float32)

    def embed(self, ids: Array) -> Array:
        """Return the word embeddings of pieces."""
        embedded: Array = self._rows[ids] * self._scales[ids]
        return embedded

    def encode(self, arrays: dict[str, Array]) -> tuple[Array, Array]:
        """Return hidden states and label scores."""
        ids, tags = arrays["input_ids"], arrays["tags"]
        embedded = self.embed(ids) + self._positions[: ids.shape[1]]
        added = self._tags[tags] + self._sections[arrays["sections"]]
        inputs = {"embedded": embedded, "added": added, "attention_mask": arrays["attention_mask"]}
        hidden, labels = self._encoder.run(None, inputs)
        return hidden, labels + self._tag_bias[tags]

    def score_mentions(self, span: Array, context: Array, rules: Array, sections: Array) -> MentionScores:
        """Return the heads' outputs."""
        inputs = {"span": span, "context": context, "rules": rules, "sections": sections}
        return MentionScores(*self._heads.run(None, inputs))
