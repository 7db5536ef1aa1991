"""Training of the word tagger; minutes on one core."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detect_icd10cm.model.decode import N_LABELS
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.model.tagger import REACH, Tagger, average_pieces, even_lengths
from detect_icd10cm.model.words import N_BUCKETS, word_features
from detect_icd10cm.text.document import Document
from training.examples import Example
from training.settings import TaggerSettings

_VECTOR_DROPOUT = 0.2


class TaggedNote(NamedTuple):
    """A note's word features (words, features), word vectors (words, size) and gold labels (words,)."""

    features: Array
    vectors: Array
    labels: Array


def embeddings_of(model: DetectModel) -> Array:
    """Return the word embeddings of a network's encoder, shape (vocabulary, size)."""
    return _array(model.encoder.get_input_embeddings().weight.float().cpu())


def tag_note(document: Document, example: Example, embeddings: Array) -> TaggedNote:
    """Return what the tagger learns from a note.

    Args:
        document: The note.
        example: The note as the network learns from it.
        embeddings: The encoder's word embeddings, shape (vocabulary, size).
    """
    first = example.note.starts[:-1]
    features = word_features(document, example.note.tags[first], example.note.sections[first])
    vectors = average_pieces(even_lengths(embeddings[example.note.ids]), example.note.starts)
    return TaggedNote(features, vectors.astype(np.float16), example.labels)


class TaggerNetwork(nn.Module):
    """The tagger while it is trained; see ``detect_icd10cm.model.tagger.Tagger``."""

    def __init__(self, settings: TaggerSettings, size: int) -> None:
        super().__init__()
        reach = 2 * REACH + 1
        self.rows = nn.Embedding(N_BUCKETS, settings.dim, sparse=True)
        self.direct = nn.Embedding(N_BUCKETS, N_LABELS, sparse=True)
        nn.init.normal_(self.rows.weight, std=0.02)
        nn.init.zeros_(self.direct.weight)
        self.static = nn.Linear(size, settings.dim, bias=False)
        self.first = nn.Conv1d(settings.dim, settings.width, reach, padding=REACH)
        self.second = nn.Conv1d(settings.width, settings.width, reach, padding=REACH)
        self.outer = nn.Linear(2 * settings.width, N_LABELS)
        self.dropout = nn.Dropout(settings.dropout)
        self.feature_dropout = settings.feature_dropout

    def forward(self, features: Tensor, vectors: Tensor) -> Tensor:
        """Return scores of words, shape (words, 3), from buckets (words, features) and vectors (words, size)."""
        kept = torch.ones(features.shape)
        if self.training:
            kept = (torch.rand(features.shape) > self.feature_dropout) / (1 - self.feature_dropout)
        known = self.static(functional.dropout(vectors, _VECTOR_DROPOUT, self.training))
        summed = self.dropout((self.rows(features) * kept[..., None]).sum(1) + known).T[None]  # (1, dim, words)
        first = self.dropout(functional.relu(self.first(summed)))
        second = self.dropout(functional.relu(self.second(first)))
        direct = (self.direct(features) * kept[..., None]).sum(1)
        scores: Tensor = self.outer(torch.cat([first, second], 1)[0].T) + direct
        return scores

    def start_from(self, tagger: Tagger) -> None:
        """Take over the weights of a trained tagger of the same sizes."""
        with torch.no_grad():
            self.rows.weight.copy_(torch.from_numpy(tagger.rows * tagger.scales[:, None]))
            self.direct.weight.copy_(torch.from_numpy(tagger.direct))
            self.static.weight.copy_(torch.from_numpy(tagger.static).T)
            for layer, (weight, bias) in zip((self.first, self.second), tagger.inner, strict=True):
                layer.weight.copy_(torch.from_numpy(weight).unflatten(0, (2 * REACH + 1, -1)).permute(2, 1, 0))
                layer.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
            self.outer.weight.copy_(torch.from_numpy(tagger.outer[0]).T)
            self.outer.bias.copy_(torch.from_numpy(tagger.outer[1]))

    def freeze(self) -> Tagger:
        """Return the network for detection, its rows as int8."""
        rows = _array(self.rows.weight)
        scales = (np.maximum(np.abs(rows).max(1), 1e-8) / 127).astype(np.float32)
        first, second = (
            (_array(layer.weight.permute(2, 1, 0).flatten(0, 1)), _array(layer.bias))  # type: ignore[arg-type]
            for layer in (self.first, self.second)
        )
        return Tagger(
            rows=np.rint(rows / scales[:, None]).astype(np.int8),
            scales=scales,
            static=_array(self.static.weight.T),
            direct=_array(self.direct.weight),
            inner=(first, second),
            outer=(_array(self.outer.weight.T), _array(self.outer.bias)),
        )


def train_tagger(
    notes: Sequence[TaggedNote],
    settings: TaggerSettings,
    seed: int,
    report: Callable[[int, float], None],
    start: Tagger | None = None,
) -> Tagger:
    """Return a tagger trained on notes, one note a step.

    Args:
        notes: What it learns from.
        settings: Sizes, rates, epochs.
        seed: Seed of all chance.
        report: Called with each epoch and its mean loss.
        start: A trained tagger to go on from, whose sizes then hold.
    """
    with _one_thread():
        return _train_tagger(notes, settings, seed, report, start)


def _train_tagger(
    notes: Sequence[TaggedNote],
    settings: TaggerSettings,
    seed: int,
    report: Callable[[int, float], None],
    start: Tagger | None,
) -> Tagger:
    torch.manual_seed(seed)
    if start is not None:
        settings = dataclasses.replace(settings, dim=start.rows.shape[1], width=len(start.inner[0][1]))
    network = TaggerNetwork(settings, notes[0].vectors.shape[1])
    if start is not None:
        network.start_from(start)
    sparse = [network.rows.weight, network.direct.weight]
    dense = [p for name, p in network.named_parameters() if name.split(".")[0] not in ("rows", "direct")]
    optimizers = (torch.optim.SparseAdam(sparse, lr=settings.learning_rate), torch.optim.Adam(dense, lr=2e-3))
    rates = (settings.learning_rate, 2e-3)
    n_steps, step = settings.epochs * len(notes), 0
    for epoch in range(settings.epochs):
        network.train()
        total = 0.0
        for i in torch.randperm(len(notes)).tolist():
            note = notes[i]
            scores = network(torch.from_numpy(note.features), torch.from_numpy(note.vectors).float())
            loss = functional.cross_entropy(scores, torch.from_numpy(note.labels))
            for optimizer, rate in zip(optimizers, rates, strict=True):
                optimizer.param_groups[0]["lr"] = rate * (1 - step / n_steps)
                optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for optimizer in optimizers:
                optimizer.step()
            step += 1
            total += loss.item()
        report(epoch, total / max(1, len(notes)))
    network.eval()
    return network.freeze()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: steps are so small that several wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().numpy())
