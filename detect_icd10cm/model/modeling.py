"""The network: an encoder with a span head, an assertion head, a kind head and a code head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.utils.generic import ModelOutput

from detect_icd10cm.model.checkpoint import NETWORK, SCALE, is_quantized, read_config, read_packed, unpack
from detect_icd10cm.model.config import DetectConfig
from detect_icd10cm.model.decode import N_LABELS
from detect_icd10cm.types import ASSERTIONS, KINDS

IGNORED = -100
_RULE_DIM = 16
_WINDOWS_AT_ONCE = 6
_WEIGHTS = {"labels": 1.0, "assertions": 0.5, "kinds": 0.1, "codes": 0.3}


@dataclass
class DetectOutput(ModelOutput):
    """Loss of a training step, in all and by head."""

    loss: Tensor | None = None
    losses: dict[str, float] | None = None


class DetectModel(PreTrainedModel):
    """Scores words as parts of mentions, and mentions by assertion, kind and code.

    The code head compares a mention's vector with those of the terms of all billable codes, which stand in the
    buffer ``terms`` as int8, and adds what it has learned of the term's category: a code that no training note has
    is reached through its words and its family.
    """

    config_class = DetectConfig
    base_model_prefix = "detect"
    terms: Tensor
    term_scales: Tensor
    term_codes: Tensor
    term_categories: Tensor

    def __init__(self, config: DetectConfig) -> None:
        super().__init__(config)
        self.encoder: Any = AutoModel.from_config(config.encoder)  # type: ignore[no-untyped-call]
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None  # never used
        self._added: Tensor | None = None
        self.layers()[config.frozen_layers].register_forward_pre_hook(self._add_to_input, with_kwargs=True)
        size, width, dim = config.encoder.hidden_size, config.hidden_dim, config.term_dim
        self.tag_embedding = nn.Embedding(config.n_tags, size)
        self.section_embedding = nn.Embedding(config.n_sections, size)
        self.dropout = nn.Dropout(config.dropout)
        self.label_head = nn.Linear(size, N_LABELS)
        self.tag_bias = nn.Embedding(config.n_tags, N_LABELS)
        self.span = nn.Linear(3 * size, width)
        self.context = nn.Linear(size, width)
        self.rule_embedding = nn.Embedding(len(ASSERTIONS), _RULE_DIM)
        self.place_embedding = nn.Embedding(config.n_sections, _RULE_DIM)
        self.assertion = nn.Linear(2 * width + 2 * _RULE_DIM, width)
        self.assertion_head = nn.Linear(width + _RULE_DIM, len(ASSERTIONS))
        self.kind_head = nn.Linear(width, len(KINDS))
        self.term_projection = nn.Linear(size, dim, bias=False)
        self.mention_projection = nn.Linear(2 * width, dim)
        self.category_embedding = nn.Embedding(config.n_categories, dim)
        self.log_scale = nn.Parameter(torch.tensor(3.0))
        self.register_buffer("terms", torch.zeros(config.n_terms, dim, dtype=torch.int8))
        self.register_buffer("term_scales", torch.zeros(config.n_terms))
        self.register_buffer("term_codes", torch.zeros(config.n_terms, dtype=torch.int32))
        self.register_buffer("term_categories", torch.zeros(config.n_terms, dtype=torch.int32))
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> DetectModel:
        """Return a saved model; the int8 rows of a packaged or trained checkpoint are made floats again."""
        folder = Path(str(pretrained_model_name_or_path))
        if (folder / NETWORK).is_file() and is_quantized(folder):
            return cls.restore(folder)
        model: DetectModel = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        return model

    @classmethod
    def restore(cls, folder: Path) -> DetectModel:
        """Return the network of a checkpoint in float32, ready to predict.

        Raises:
            ModelError: If the folder is no checkpoint.
        """
        model = cls(DetectConfig(**read_config(folder)))
        packed = read_packed(folder)
        names = [name for name in packed if not name.endswith(SCALE)]
        model.load_state_dict({name: torch.from_numpy(np.array(unpack(packed, name), order="C")) for name in names})
        model.eval()  # type: ignore[no-untyped-call]
        return model

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        # What is added to a pretrained encoder's input, and to the words' own similarity, starts at nothing.
        if module in (self.tag_embedding, self.section_embedding, self.category_embedding, self.tag_bias):
            nn.init.zeros_(module.weight)

    def set_terms(self, vectors: Tensor, codes: Tensor, categories: Tensor) -> None:
        """Fill the code head with the unit vectors of terms.

        Args:
            vectors: Term vectors, shape (terms, term_dim).
            codes: Code id of each term.
            categories: Category id of each term.
        """
        scales = vectors.abs().amax(1).clamp(min=1e-6) / 127
        self.terms.copy_((vectors / scales[:, None]).round())
        self.term_scales.copy_(scales)
        self.term_codes.copy_(codes)
        self.term_categories.copy_(categories)

    def encode(self, input_ids: Tensor, attention_mask: Tensor, tags: Tensor, sections: Tensor) -> Tensor:
        """Return the encoder's last hidden states, shape (windows, pieces, size); all arguments (windows, pieces)."""
        self._added = self.tag_embedding(tags) + self.section_embedding(sections)
        try:
            hidden: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        finally:
            self._added = None
        return hidden

    def _add_to_input(self, layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        """Add tags and sections to what the first layer above the frozen ones reads."""
        if self._added is None:
            return inputs, named
        if inputs:
            return (inputs[0] + self._added, *inputs[1:]), named
        return inputs, {**named, "hidden_states": named["hidden_states"] + self._added}

    def layers(self) -> nn.ModuleList:
        """Return the encoder's layers."""
        n = self.config.encoder.num_hidden_layers
        return next(m for m in self.encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == n)

    def freeze(self, *, thawed: bool = False) -> None:
        """Leave out of training all that stands below the layer that reads the tags.

        Args:
            thawed: Whether to train all layers and leave out the embeddings alone.
        """
        trained: set[nn.Parameter] = set()
        for layer in self.layers()[0 if thawed else self.config.frozen_layers :]:
            trained |= set(layer.parameters())
        for parameter in self.encoder.parameters():
            parameter.requires_grad_(parameter in trained)

    def _encode_by_length(self, *inputs: Tensor) -> Tensor:
        """Return what ``encode`` does; a CPU reads windows of like length together and loses little time to padding."""
        if inputs[0].is_cuda:
            return self.encode(*inputs)
        length = inputs[0].shape[1]
        sizes = inputs[1].sum(1)
        order = sizes.argsort()
        parts = []
        for rows in torch.split(order, _WINDOWS_AT_ONCE):
            longest = int(sizes[rows].max())
            hidden = self.encode(*(values[rows, :longest] for values in inputs))
            parts.append(functional.pad(hidden, (0, 0, 0, length - longest)))
        return torch.cat(parts)[order.argsort()]

    def score_labels(self, words: Tensor, tags: Tensor) -> Tensor:
        """Return scores of outside, begin and inside, shape (words, 3), from first pieces, shape (words, size)."""
        scores: Tensor = self.label_head(self.dropout(words)) + self.tag_bias(tags)
        return scores

    def score_mentions(
        self, span: Tensor, context: Tensor, rules: Tensor, sections: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of assertions and kinds, and unit mention vectors.

        Args:
            span: First piece, last piece and mean of the mentions, shape (mentions, 3 * size).
            context: Mean of the sentences around them, shape (mentions, size).
            rules: What the cue rules say of each, as an assertion id.
            sections: Section id of each.
        """
        size = context.shape[-1]
        inner = self.dropout(functional.gelu(self.span(span)))  # (mentions, width)
        outer = self.dropout(functional.gelu(self.context(context)))
        both = torch.cat([inner, outer], -1)
        rule = self.rule_embedding(rules)
        asserted = torch.cat([both, rule, self.place_embedding(sections)], -1)
        asserted = self.dropout(functional.gelu(self.assertion(asserted)))
        assertions = self.assertion_head(torch.cat([asserted, rule], -1))
        vectors = self.term_projection(span[:, 2 * size :]) + self.mention_projection(both)
        return assertions, self.kind_head(inner), functional.normalize(vectors.float(), dim=-1)

    def score_terms(self, vectors: Tensor, terms: Tensor) -> Tensor:
        """Return logits of all terms, shape (mentions, terms), for unit mention vectors and float term vectors."""
        categories = vectors @ self.category_embedding.weight.T  # (mentions, categories)
        return self.log_scale.exp() * (vectors @ terms.T) + categories[:, self.term_categories]

    def float_terms(self) -> Tensor:
        """Return the term vectors as floats, shape (terms, term_dim)."""
        return self.terms.float() * self.term_scales[:, None]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        tags: Tensor,
        sections: Tensor,
        core: Tensor,
        words: Tensor,
        spans: Tensor,
        rules: Tensor,
        labels: Tensor | None = None,
        assertions: Tensor | None = None,
        kinds: Tensor | None = None,
        codes: Tensor | None = None,
    ) -> DetectOutput:
        """Return the loss of a batch of notes.

        Args:
            input_ids: Pieces, shape (windows, pieces), as are the next three.
            attention_mask: 1 for pieces, 0 for what fills the batch.
            tags: Tags of known phrases.
            sections: Section ids.
            core: Places of the pieces kept, in the order of the notes, in the flattened windows.
            words: First piece of each word, counted in ``core``.
            spans: Mentions as (first piece, end, first of the sentence, end of it), counted in ``core``.
            rules: What the cue rules say of each mention, as an assertion id.
            labels: Gold label of each word; -100 gives no loss, as below.
            assertions: Gold assertion id of each mention.
            kinds: Gold kind id of each mention.
            codes: Gold code id of each mention.
        """
        hidden = self._encode_by_length(input_ids, attention_mask, tags, sections)
        flat = hidden.flatten(0, 1)[core]  # (kept pieces, size)
        losses: dict[str, Tensor] = {}
        if labels is not None and len(labels):
            scores = self.score_labels(flat[words], tags.flatten()[core][words])
            losses["labels"] = _cross_entropy(scores, labels)
        if assertions is not None and kinds is not None and codes is not None and len(spans):
            span, context = pool_spans(flat, spans)
            places = sections.flatten()[core][spans[:, 0]]
            asserted, kind, vectors = self.score_mentions(span, context, rules, places)
            losses["assertions"] = _cross_entropy(asserted, assertions)
            losses["kinds"] = _cross_entropy(kind, kinds)
            losses["codes"] = self._code_loss(vectors, codes)
        loss = sum((_WEIGHTS[name] * value for name, value in losses.items()), torch.zeros(()))
        return DetectOutput(loss=loss, losses={name: value.item() for name, value in losses.items()})

    def _code_loss(self, vectors: Tensor, codes: Tensor) -> Tensor:
        kept = codes != IGNORED
        if not kept.any():
            return vectors.sum() * 0
        logits = self.score_terms(vectors[kept], self.float_terms()).float()
        gold = self.term_codes[None, :] == codes[kept][:, None]  # (mentions, terms)
        right = logits.masked_fill(~gold, -torch.inf).logsumexp(-1)
        known = gold.any(-1)
        return (logits.logsumexp(-1) - right)[known].sum() / known.sum().clamp(min=1)


def pool_spans(flat: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
    """Return first, last and mean of each span, shape (spans, 3 * size), and the mean of its sentence, (spans, size).

    Args:
        flat: Hidden states of pieces, shape (pieces, size).
        spans: Rows of (first, end, first of the sentence, end of the sentence).
    """
    sums = functional.pad(flat.float().cumsum(0), (0, 0, 1, 0))

    def mean(start: Tensor, end: Tensor) -> Tensor:
        return ((sums[end] - sums[start]) / (end - start)[:, None]).to(flat.dtype)

    first, end, sentence, sentence_end = spans.unbind(1)
    span = torch.cat([flat[first], flat[end - 1], mean(first, end)], -1)
    return span, mean(sentence, sentence_end)


def _cross_entropy(logits: Tensor, gold: Tensor) -> Tensor:
    kept = (gold != IGNORED).sum().clamp(min=1)
    return functional.cross_entropy(logits.float(), gold, ignore_index=IGNORED, reduction="sum") / kept


AutoModel.register(DetectConfig, DetectModel)
