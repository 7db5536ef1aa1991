"""A network in training made a detector, to measure it and to write down what it proposes."""

from __future__ import annotations

from tokenizers import Tokenizer

from detect_icd10cm.model.checkpoint import Linker
from detect_icd10cm.model.inputs import Pieces
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.model.runtime import TorchRuntime
from detect_icd10cm.model.terms import TermIndex
from detect_icd10cm.model.trained import ModelParts, TrainedModel
from training.examples import framing_of


def wrap_network(
    model: DetectModel, lexicon: LexiconModel, linker: Linker, tokenizer: Tokenizer, name: str
) -> TrainedModel:
    """Return a network ready to detect with, run by torch, which takes it over and changes its number format."""
    codeset = lexicon.codeset
    weights = {
        key: tensor.detach().float().cpu().numpy() for key, tensor in model.state_dict().items() if key in _TERMS
    }
    ids = {key: getattr(model, key).cpu().numpy() for key in ("term_codes", "term_categories")}
    index = TermIndex.from_weights({**weights, **ids}, codeset.billable_codes())
    pieces = Pieces(tokenizer, model.config.newline_id)
    parts = ModelParts(pieces, index, linker, lexicon)
    return TrainedModel(name, codeset, framing_of(model.config), TorchRuntime(model), parts)


_TERMS = frozenset({"terms", "term_scales", "log_scale", "category_embedding.weight"})
