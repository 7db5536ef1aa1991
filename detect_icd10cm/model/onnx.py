"""Running a checkpoint with onnxruntime: int8 matrix products, no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from detect_icd10cm.machine import count_cores
from detect_icd10cm.model.checkpoint import ENCODER_ONNX, HEADS_ONNX, SCALE, TERMS_ONNX
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.runtime import NEAREST_TERMS, MentionScores

# Neighbours among the terms, mostly of one category, are compared by the best of them, and only the best groups' terms
# with each other.
TERMS_TOGETHER = 32
_BEST_GROUPS = 32
_MENTIONS_AT_ONCE = 32  # products of one mention with all terms take a third of a megabyte
ZERO = 128  # what stands for zero in the whole numbers of a mention's vector
LAYERS = "encoder.encoder.layer."  # what a network's names of its layers begin with


class OnnxRuntime:
    """Runs the graphs of a checkpoint on a CPU; embeddings are looked up here.

    Args:
        folder: The checkpoint.
        layers: The matrices that its encoder's graph leaves out; see ``layer_matrices``.
        weights: Its weights by name, word embeddings as int8 rows with ``word_scales``.
        word_rows: Word embeddings, int8, shape (vocabulary, size).
        word_scales: Scale of each row.
        terms: Vectors of the terms, their products with a mention's vector being logits, shape (terms, dim).

    There are as many threads as ``OMP_NUM_THREADS`` says, one a core where it says nothing. Each reads windows of its
    own: two threads that share a window's products wait for each other a quarter of the time.
    """

    batch_tokens = 0

    def __init__(
        self,
        folder: Path,
        layers: Mapping[str, Array],
        weights: Mapping[str, Array],
        word_rows: Array,
        word_scales: Array,
        terms: Array,
    ) -> None:
        n_threads = int(os.environ.get("OMP_NUM_THREADS", "0").partition(",")[0] or 0) or count_cores()
        self._threads = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
        self._n_terms = len(terms)
        self._given: list[Any] = []
        self._encoder = self._load(folder / ENCODER_ONNX, layers)
        self._heads = self._load(folder / HEADS_ONNX)
        self._terms = self._load(folder / TERMS_ONNX, {"terms": _term_table(terms)})
        self._rows, self._scales = word_rows, word_scales.astype(np.float32)[:, None]
        self.n_pieces = len(word_rows)
        embeddings = "encoder.embeddings."
        types = weights[embeddings + "token_type_embeddings.weight"]
        self._positions = (weights[embeddings + "position_embeddings.weight"] + types[0]).astype(np.float32)
        self._tags = weights["tag_embedding.weight"].astype(np.float32)
        self._sections = weights["section_embedding.weight"].astype(np.float32)
        self._tag_bias = weights["tag_bias.weight"].astype(np.float32)

    def _load(self, graph: Path, left_out: Mapping[str, Array] | None = None) -> Any:
        """Return a session that runs a graph in one thread, given what the graph leaves out."""
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if left_out:
            given = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in left_out.values()]
            options.add_external_initializers(list(left_out), given)
            self._given += given  # the session reads them from here, so that they are kept as long as it is
        return onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])

    def embed(self, ids: Array) -> Array:
        """Return the word embeddings of pieces."""
        embedded: Array = self._rows[ids] * self._scales[ids]
        return embedded

    def encode(self, arrays: dict[str, Array]) -> tuple[Array, Array]:
        """Return hidden states and label scores of one window, which has no padding."""
        ids, tags = arrays["input_ids"], arrays["tags"]
        embedded = self.embed(ids) + self._positions[: ids.shape[1]]
        added = self._tags[tags] + self._sections[arrays["sections"]]
        hidden, labels = self._encoder.run(None, {"embedded": embedded, "added": added})
        return hidden, labels + self._tag_bias[tags]

    def encode_all(self, batches: Sequence[dict[str, Array]]) -> list[tuple[Array, Array]]:
        """Return hidden states and label scores of windows, several at a time."""
        return list(map(self.encode, batches) if self._threads is None else self._threads.map(self.encode, batches))

    def score_mentions(self, span: Array, context: Array, rules: Array, sections: Array) -> MentionScores:
        """Return the heads' outputs."""
        inputs = {"span": span, "context": context, "rules": rules, "sections": sections}
        return MentionScores(*self._heads.run(None, inputs))

    def nearest_terms(self, vectors: Array) -> Array:
        """Return the terms of the highest logits; products are those of whole numbers."""
        if not len(vectors):
            return np.zeros((0, 0), np.int64)
        # Each mention by its own scale: its neighbours change nothing.
        rounded = np.rint(vectors * (127 / np.abs(vectors).max(1, keepdims=True)) + ZERO).astype(np.uint8)
        parts = range(0, len(rounded), _MENTIONS_AT_ONCE)
        return np.concatenate([self._nearest(rounded[at : at + _MENTIONS_AT_ONCE]) for at in parts])

    def _nearest(self, rounded: Array) -> Array:
        (logits,) = self._terms.run(None, {"vectors": rounded})
        blocks = logits.reshape(len(rounded), TERMS_TOGETHER, -1)
        groups = _largest(blocks.max(1), _BEST_GROUPS)
        members = np.take_along_axis(blocks, groups[:, None, :], 2).reshape(len(rounded), -1)
        place, group = np.divmod(_largest(members, NEAREST_TERMS), groups.shape[1])
        found: Array = TERMS_TOGETHER * np.take_along_axis(groups, group, 1) + place
        return np.minimum(found, self._n_terms - 1)


def layer_matrices(packed: Mapping[str, Array]) -> dict[str, Array]:
    """Return the int8 matrices of the encoder's layers by name, as products take them: shape (size before, size).

    The network's weights, as a checkpoint stores them, are what the graph multiplies with, so it leaves them out.
    """
    names = [name for name in packed if name.startswith(LAYERS) and name + SCALE in packed]
    return {name: np.ascontiguousarray(packed[name].T) for name in names}


def _term_table(terms: Array) -> Array:
    """Return terms as whole numbers of one scale, shape (dim, terms): the first of each group, the second of each ...

    The last term is repeated until the groups are full.
    """
    n_groups = -(-len(terms) // TERMS_TOGETHER)
    table = np.empty((terms.shape[1], TERMS_TOGETHER, n_groups), np.int8)
    scale = 127 / max(terms.max(), -terms.min())
    for place in range(TERMS_TOGETHER):
        rows = np.minimum(np.arange(place, n_groups * TERMS_TOGETHER, TERMS_TOGETHER), len(terms) - 1)
        table[:, place] = np.rint(terms[rows] * scale).T
    return table.reshape(terms.shape[1], -1)


def _largest(values: Array, n: int) -> Array:
    """Return the places of the ``n`` largest values of each row, in any order."""
    n = min(n, values.shape[1])
    places: Array = np.argpartition(values, -n, axis=1)[:, -n:]
    return places
