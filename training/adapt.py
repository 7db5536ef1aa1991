"""Contrastive training of an encoder on terms: two names of one thing end up close, names of others apart."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.model.families import representative, without_encounter
from training.ontologies import read_doid, read_ncit
from training.settings import AdaptSettings
from training.terms import Term, term_key

_MAX_PIECES = 20
_MAX_CHARACTERS = 70  # of a term that is trained on; longer ones are read, but slow to learn from
_SAME_CATEGORY = 4  # pairs of one category in a batch: the hard ones
# Injuries, poisonings and external causes have two thirds of the codes but few of the mentions.
_CHAPTER_WEIGHTS = {**dict.fromkeys("ST", 0.5), **dict.fromkeys("VWXY", 0.25)}
_SHARE_OF_CODES = 0.6
# Sources kept first where a code has more terms than the code head takes.
_SOURCE_RANKS = {"synonym": 0, "title": 1, "spoken": 3}
_RARE_CHAPTERS = "STVWXY"
_RARE_TERMS = 2

Groups = dict[str, list[str]]


def choose_terms(terms: Iterable[Term], codeset: CodeSet, most: int) -> list[tuple[str, str]]:
    """Return the (term, code) pairs that stand in the code head, in tabular order; every code family has one at least.

    Args:
        terms: All terms with their codes.
        codeset: The release.
        most: Most terms of a code; codes of injuries and external causes have two.
    """
    by_code: dict[str, dict[Any, Term]] = defaultdict(dict)
    for term in terms:
        text = without_encounter(term.text)
        if representative(codeset, term.code) == term.code:
            by_code[term.code].setdefault(term_key(text), term._replace(text=text))
    chosen = []
    for code in codeset.billable_codes():
        if representative(codeset, code) != code:
            continue
        own = sorted(by_code.get(code, {}).values(), key=lambda t: (_SOURCE_RANKS.get(t.source, 2), -t.weight))
        limit = min(most, _RARE_TERMS) if code[0] in _RARE_CHAPTERS else most
        texts = [term.text for term in own[:limit]] or [without_encounter(codeset.title(code))]
        chosen += [(text, code) for text in texts]
    return chosen


def group_terms(terms: Iterable[Term], folder: Path | None) -> tuple[dict[str, Groups], Groups]:
    """Return groups of terms of one meaning: by category and code, and those of concepts without a code.

    Args:
        terms: Terms with their codes.
        folder: The data folder with ``lexicons/``.
    """
    by_category: dict[str, Groups] = defaultdict(lambda: defaultdict(list))
    for term in terms:
        text = without_encounter(term.text)
        if len(text) <= _MAX_CHARACTERS and term.source != "drug":
            group = by_category[term.code[:3]][term.code]
            if text not in group:
                group.append(text)
    paired = {
        category: kept
        for category, groups in by_category.items()
        if (kept := {code: texts for code, texts in groups.items() if len(texts) > 1})
    }
    concepts: Groups = {}
    if folder is not None:
        files = ((read_doid, "doid_lexicon.tsv"), (read_ncit, "ncit2018_terms_via_mondo_icd10cm.tsv"))
        for read, name in files:
            for i, concept in enumerate(read(folder / "lexicons" / name)):
                texts = [text for text in concept.terms if len(text) <= _MAX_CHARACTERS]
                if len(texts) > 1:
                    concepts[f"{name} {i}"] = texts
    return paired, concepts


def adapt_encoder(
    embed: Callable[[Sequence[str]], Tensor],
    modules: Sequence[nn.Module],
    groups: tuple[dict[str, Groups], Groups],
    settings: AdaptSettings,
    rng: random.Random,
    report: Callable[[int, float], None],
) -> None:
    """Train an encoder and its projection on pairs of terms, in place.

    Args:
        embed: Gives the unit vectors of terms, shape (terms, dim), with gradients.
        modules: What is trained.
        groups: From ``group_terms``.
        settings: Steps, pairs a step, learning rate, temperature.
        rng: Source of chance.
        report: Called with the step and its loss.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.01)
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            warm = min((step + 1) / (0.1 * settings.steps), 1.0)
            group["lr"] = settings.learning_rate * warm * (1 - step / settings.steps)
        chosen = _sample_groups(groups, settings.pairs, rng)
        pairs = [rng.sample(texts, 2) for texts in chosen]
        left = [pair[0].lower() if rng.random() < 0.5 else pair[0] for pair in pairs]
        right = [pair[1] for pair in pairs]
        vectors = embed([*left, *right])
        scores = vectors[: len(left)] @ vectors[len(left) :].T / settings.temperature
        scores = scores.masked_fill(_same_meaning(chosen, left, right).to(scores.device), -1e4)
        target = torch.arange(len(left), device=scores.device)
        loss = (functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        report(step, loss.item())


def make_embedder(
    encoder: nn.Module, tokenizer: Any, projection: nn.Module, precision: str
) -> Callable[[Sequence[str]], Tensor]:
    """Return a function from terms to unit vectors: the projected mean of their pieces; it computes where both are."""
    device = next(projection.parameters()).device
    at_once = 64 if device.type == "cpu" else 512  # a CPU gains more from less padding than from larger products

    def embed(texts: Sequence[str]) -> Tensor:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = [order[at : at + at_once] for at in range(0, len(order), at_once)]
        vectors = torch.cat([embed_part([texts[i] for i in part]) for part in parts])
        return vectors[torch.tensor(order, device=vectors.device).argsort()]

    def embed_part(texts: Sequence[str]) -> Tensor:
        batch = tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=_MAX_PIECES,
            return_tensors="pt",
            return_special_tokens_mask=True,
        ).to(device)
        special = batch.pop("special_tokens_mask")
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            hidden = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        kept = (batch["attention_mask"] * (1 - special))[..., None].float()
        mean = (hidden.float() * kept).sum(1) / kept.sum(1).clamp(min=1)
        return functional.normalize(projection(mean), dim=-1)

    return embed


def _sample_groups(groups: tuple[dict[str, Groups], Groups], n: int, rng: random.Random) -> list[list[str]]:
    by_category, concepts = groups
    categories = list(by_category)
    weights = [min(len(by_category[c]), 12) ** 0.5 * _CHAPTER_WEIGHTS.get(c[0], 1.0) for c in categories]
    chosen: dict[str, list[str]] = {}
    n_codes = round(n * _SHARE_OF_CODES) if concepts else n
    for category in rng.choices(categories, weights, k=n_codes // _SAME_CATEGORY + 1):
        own = by_category[category]
        for code in rng.sample(sorted(own), min(_SAME_CATEGORY, len(own))):
            chosen[code] = own[code]
    for name in rng.sample(sorted(concepts), min(max(0, n - len(chosen)), len(concepts))):
        chosen[name] = concepts[name]
    return list(chosen.values())[:n]


def _same_meaning(groups: Sequence[Sequence[str]], left: Sequence[str], right: Sequence[str]) -> Tensor:
    """Mark the pairs of different groups that share a term: they are no negatives."""
    sets = [{text.lower() for text in group} for group in groups]
    n = len(groups)
    marks = [
        [i != j and (right[j].lower() in sets[i] or left[i].lower() in sets[j]) for j in range(n)] for i in range(n)
    ]
    return torch.tensor(marks)
