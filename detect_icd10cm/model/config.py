"""The settings of a trained model, saved as its ``config.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, PretrainedConfig
from transformers.models.bert.configuration_bert import BertConfig

from detect_icd10cm.model.inputs import N_SECTIONS
from detect_icd10cm.model.tags import N_TAGS


class DetectConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Configuration of ``DetectModel``.

    Args:
        encoder: Configuration of the encoder, of any type that ``AutoModel`` knows.
        name: Name of the model, which results carry.
        release: Code set release whose codes the model gives, such as ``"2026-04"``.
        codes_hash: Hash of that release's list of billable codes.
        n_terms: Rows of the matrix of term vectors.
        n_categories: Categories (first three characters) of the code set.
        term_dim: Length of mention and term vectors.
        hidden_dim: Width of the layer between a span and its heads.
        newline_id: Piece that stands for a line break.
        cls_id: Piece before a window.
        sep_id: Piece behind a window.
        pad_id: Piece that fills a batch.
        window: Longest window in pieces, without the two around it.
        margin: Pieces read on either side of a window's core.
        outside_bias: Added to the score of no mention.
        inside_bias: Added to the score of a mention that goes on.
        tagger_share: Weight of the word tagger's scores; the span head has the rest.
        rule_weight: Added to the logit of the assertion that the cue rules give.
        assertion_biases: Added to the logits of the assertions; none when empty.
        dropout: Share of units dropped in the heads while training.
        frozen_layers: Layers left as they are; the next one reads tags and sections too.
    """

    model_type = "detect-icd10cm"

    def __init__(
        self,
        encoder: dict[str, Any] | PretrainedConfig | None = None,
        name: str = "",
        release: str = "",
        codes_hash: str = "",
        n_terms: int = 1,
        n_categories: int = 1,
        term_dim: int = 128,
        hidden_dim: int = 256,
        newline_id: int = 1,
        cls_id: int = 101,
        sep_id: int = 102,
        pad_id: int = 0,
        window: int = 254,
        margin: int = 32,
        outside_bias: float = 0.0,
        inside_bias: float = 0.0,
        tagger_share: float = 0.0,
        rule_weight: float = 3.0,
        assertion_biases: Sequence[float] = (),
        dropout: float = 0.1,
        frozen_layers: int = 0,
        **kwargs: Any,
    ) -> None:
        if isinstance(encoder, dict):
            settings = {key: value for key, value in encoder.items() if key != "trust_remote_code"}
            encoder = AutoConfig.for_model(**settings)
        self.encoder = encoder or BertConfig()
        self.name = name
        self.release = release
        self.codes_hash = codes_hash
        self.n_terms = n_terms
        self.n_categories = n_categories
        self.term_dim = term_dim
        self.hidden_dim = hidden_dim
        self.newline_id = newline_id
        self.cls_id = cls_id
        self.sep_id = sep_id
        self.pad_id = pad_id
        self.window = window
        self.margin = margin
        self.outside_bias = outside_bias
        self.inside_bias = inside_bias
        self.tagger_share = tagger_share
        self.rule_weight = rule_weight
        self.assertion_biases = list(assertion_biases)
        self.dropout = dropout
        self.frozen_layers = frozen_layers
        self.n_tags = N_TAGS
        self.n_sections = N_SECTIONS
        super().__init__(**kwargs)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, those of the encoder nested, as saved."""
        settings = super().to_dict()
        settings["encoder"] = self.encoder.to_dict()
        return settings


AutoConfig.register(DetectConfig.model_type, DetectConfig)
