"""Running the network: torch where training or a GPU asks for it, onnxruntime on CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from detect_icd10cm.model.inputs import Array, EncodedNote, Framing, Window, pad_windows

if TYPE_CHECKING:
    from detect_icd10cm.model.modeling import DetectModel

# Pieces read at once on a GPU. On a CPU one window fills the cores, and a window read alone gives the same result in
# any company: int8 products are scaled by all that is read at once, padding too.
_GPU_TOKENS = 16_384
_FRAME = 2  # pieces that go before and behind a window
# Terms looked at by mention; a mention's candidates are the codes of some of them.
NEAREST_TERMS = 64


class MentionScores(NamedTuple):
    """Logits of assertions (mentions, 6) and kinds (mentions, 4), and unit vectors (mentions, term_dim)."""

    assertions: Array
    kinds: Array
    vectors: Array


class Runtime(Protocol):
    """What computes the network's parts.

    Attributes:
        batch_tokens: Pieces to read in one call, padding included; 0 for one window, of whatever length.
        n_pieces: Size of the encoder's vocabulary.
    """

    batch_tokens: int
    n_pieces: int

    def embed(self, ids: Array) -> Array:
        """Return the word embeddings of pieces, shape (pieces, size)."""

    def encode(self, arrays: dict[str, Array]) -> tuple[Array, Array]:
        """Return hidden states (windows, pieces, size) and label scores (windows, pieces, 3) of padded windows."""

    def encode_all(self, batches: Sequence[dict[str, Array]]) -> list[tuple[Array, Array]]:
        """Return what ``encode`` gives for each batch of windows."""

    def score_mentions(self, span: Array, context: Array, rules: Array, sections: Array) -> MentionScores:
        """Return the heads' outputs for pooled mentions; see ``DetectModel.score_mentions``."""

    def nearest_terms(self, vectors: Array) -> Array:
        """Return the terms of the highest logits, in any order, shape (mentions, ``NEAREST_TERMS``).

        Products may be rounded, so that the last few are not always the right ones. Where there are fewer terms, the
        rows are shorter.
        """


class TorchRuntime:
    """Runs the network with torch.

    Args:
        model: The network, taken over.
        device: ``"cpu"`` or ``"cuda"``; the GPU where there is one when None.
        batch_tokens: Pieces to read in one call on a GPU.
        bfloat16: Whether to compute in bfloat16; float32 else.
    """

    def __init__(
        self,
        model: DetectModel,
        device: str | None = None,
        batch_tokens: int | None = None,
        *,
        bfloat16: bool = True,
    ) -> None:
        import torch

        self._torch = torch
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model.eval()  # type: ignore[no-untyped-call]
        network: Any = model
        self._model: DetectModel = network.to(device, torch.bfloat16 if bfloat16 else torch.float32)
        self._device = device
        self.batch_tokens = (batch_tokens or _GPU_TOKENS) if device == "cuda" else 0
        self.n_pieces = int(self._model.encoder.get_input_embeddings().num_embeddings)
        with torch.inference_mode():
            terms = self._model.float_terms() * self._model.log_scale.exp().float()
            terms += self._model.category_embedding.weight[self._model.term_categories].float()
        self._logit_terms = terms.to(self._model.dtype)

    def embed(self, ids: Array) -> Array:
        """Return the word embeddings of pieces."""
        with self._torch.inference_mode():
            rows = self._model.encoder.get_input_embeddings()(self._torch.from_numpy(ids).to(self._device))
        embedded: Array = rows.float().cpu().numpy()
        return embedded

    def encode(self, arrays: dict[str, Array]) -> tuple[Array, Array]:
        """Return hidden states and label scores."""
        torch = self._torch
        tensors = {name: torch.from_numpy(array).to(self._device) for name, array in arrays.items()}
        with torch.inference_mode():
            hidden = self._model.encode(**tensors)
            labels = self._model.score_labels(hidden, tensors["tags"])
        return hidden.float().cpu().numpy(), labels.float().cpu().numpy()

    def encode_all(self, batches: Sequence[dict[str, Array]]) -> list[tuple[Array, Array]]:
        """Return hidden states and label scores of each batch."""
        return [self.encode(arrays) for arrays in batches]

    def score_mentions(self, span: Array, context: Array, rules: Array, sections: Array) -> MentionScores:
        """Return the heads' outputs."""
        torch = self._torch
        dtype = self._model.dtype
        with torch.inference_mode():
            scores = self._model.score_mentions(
                torch.from_numpy(span).to(self._device, dtype),
                torch.from_numpy(context).to(self._device, dtype),
                torch.from_numpy(rules).to(self._device),
                torch.from_numpy(sections).to(self._device),
            )
        return MentionScores(*(part.float().cpu().numpy() for part in scores))

    def nearest_terms(self, vectors: Array) -> Array:
        """Return the terms of the highest logits."""
        torch = self._torch
        with torch.inference_mode():
            logits = torch.from_numpy(vectors).to(self._device, self._model.dtype) @ self._logit_terms.T
            found = logits.topk(min(NEAREST_TERMS, logits.shape[1]), sorted=False).indices
        nearest: Array = found.cpu().numpy()
        return nearest


class ReadNote(NamedTuple):
    """A note as read: hidden states of its pieces (pieces, size), label scores of its words (words, 3)."""

    hidden: Array
    labels: Array


def read_notes(
    runtime: Runtime, notes: Sequence[tuple[EncodedNote, Sequence[Window]]], framing: Framing
) -> list[ReadNote]:
    """Read notes window by window, windows of like length together, and keep each window's core."""
    windows = [(n, note, window) for n, (note, own) in enumerate(notes) for window in own]
    order = sorted(range(len(windows)), key=lambda i: windows[i][2].end - windows[i][2].start)
    cores: list[tuple[Array, Array]] = [(np.zeros(0), np.zeros(0))] * len(windows)
    batches = list(_batches(order, [window.end - window.start for *_, window in windows], runtime.batch_tokens))
    encoded = runtime.encode_all([pad_windows([windows[i][1:] for i in batch], framing) for batch in batches])
    for batch, (hidden, labels) in zip(batches, encoded, strict=True):
        for row, i in enumerate(batch):
            window = windows[i][2]
            low, high = 1 + window.core_start - window.start, 1 + window.core_end - window.start
            cores[i] = hidden[row, low:high], labels[row, low:high]
    read, at = [], 0
    for note, own in notes:
        parts = cores[at : at + len(own)]
        at += len(own)
        hidden = np.concatenate([part for part, _ in parts]) if parts else np.zeros((0, 0), np.float32)
        labels = np.concatenate([part for _, part in parts]) if parts else np.zeros((0, 3), np.float32)
        read.append(ReadNote(hidden, labels[note.starts[:-1]]))
    return read


def _batches(order: Sequence[int], sizes: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Yield windows to be read at once: as many as fill ``tokens`` when padded to the longest, at least one."""
    batch: list[int] = []
    for i in order:  # sizes rise
        if batch and (len(batch) + 1) * (sizes[i] + _FRAME) > tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def pool_spans(hidden: Array, spans: Array) -> tuple[Array, Array]:
    """Return first, last and mean of each span, shape (spans, 3 * size), and the mean of its sentence, (spans, size).

    Args:
        hidden: Hidden states of a note's pieces, shape (pieces, size).
        spans: Rows of (first, end, first of the sentence, end of the sentence).
    """
    first, end = spans[:, 0], spans[:, 1]
    sentences, places = np.unique(spans[:, 2:], axis=0, return_inverse=True)
    around = _means(hidden, sentences)[places]
    return np.concatenate([hidden[first], hidden[end - 1], _means(hidden, spans[:, :2])], 1), around


def _means(rows: Array, stretches: Array) -> Array:
    """Return the means of stretches of rows (first, end); they are few and short, so that a loop over them is quick."""
    sums = np.stack([np.add.reduce(rows[first:end], 0) for first, end in stretches.tolist()])
    means: Array = sums / (stretches[:, 1] - stretches[:, 0]).astype(np.float32)[:, None]
    return means
