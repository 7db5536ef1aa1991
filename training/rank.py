"""Fitting the ranker: held-out mentions with their candidates in, a small network out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detect_icd10cm.model.features import FEATURES
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.ranking import MOST, Ranker
from training.settings import RankSettings

_HOPELESS = -1e9


class Choice(NamedTuple):
    """A mention's candidates: their features (candidates, features), their codes and the right one."""

    features: Array
    codes: list[str]
    gold: str


def fit_ranker(choices: Sequence[Choice], settings: RankSettings, seed: int) -> Ranker:
    """Return a ranker that gives the right code the highest score; mentions without it among theirs teach nothing.

    It is the mean of several, trained from other seeds.

    Its probabilities are not calibrated yet.
    """
    usable = [choice for choice in choices if choice.gold in choice.codes]
    if not usable:
        return untrained_ranker()
    rows = np.concatenate([choice.features for choice in usable])
    mean, scale = rows.mean(0), rows.std(0)
    scale[scale < 1e-3] = 1.0
    features, padding = _pad([np.clip((choice.features - mean) / scale, -MOST, MOST) for choice in usable])
    gold = torch.tensor([choice.codes.index(choice.gold) for choice in usable])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    table = (features.to(device), padding.to(device), gold.to(device))
    members = [_fit_member(*table, settings, seed + i) for i in range(settings.members)]
    return Ranker(_join(members), mean.astype(np.float32), scale.astype(np.float32), 1.0, _identity())


def _fit_member(
    features: torch.Tensor, padding: torch.Tensor, gold: torch.Tensor, settings: RankSettings, seed: int
) -> nn.Sequential:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(len(FEATURES), settings.width), nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(settings.width, 1)
    ).to(features.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    n_steps = settings.epochs * (-(-len(gold) // settings.mentions))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, n_steps)
    for _ in range(settings.epochs):
        for batch in torch.randperm(len(gold)).to(gold.device).split(settings.mentions):
            scores = network(features[batch]).squeeze(-1) + padding[batch]
            loss = functional.cross_entropy(scores, gold[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
    return network


def _join(members: Sequence[nn.Sequential]) -> tuple[tuple[Array, Array], ...]:
    """Return one wider network that gives the mean of several."""
    inner = [(_array(member[0].weight.T), _array(member[0].bias)) for member in members]  # type: ignore[union-attr]
    outer = [(_array(member[3].weight.T), _array(member[3].bias)) for member in members]  # type: ignore[union-attr]
    n = len(members)
    return (
        (np.concatenate([weight for weight, _ in inner], 1), np.concatenate([bias for _, bias in inner])),
        (np.concatenate([weight for weight, _ in outer]) / n, np.mean([bias for _, bias in outer], 0)),
    )


def untrained_ranker() -> Ranker:
    """Return a ranker that scores all alike."""
    n = len(FEATURES)
    layers = ((np.zeros((n, 1), np.float32), np.zeros(1, np.float32)),)
    return Ranker(layers, np.zeros(n, np.float32), np.ones(n, np.float32), 1.0, _identity())


def _identity() -> Array:
    return np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)


def _array(tensor: torch.Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def _pad(features: Sequence[Array]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(rows) for rows in features)
    padded = torch.zeros(len(features), longest, features[0].shape[1])
    padding = torch.full((len(features), longest), _HOPELESS)
    for i, rows in enumerate(features):
        padded[i, : len(rows)] = torch.from_numpy(rows)
        padding[i, : len(rows)] = 0.0
    return padded, padding
