"""Fitting the ranker: held-out mentions with their candidates in, two small networks out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from detect_icd10cm.model.features import FEATURES
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.ranking import Candidates, Layers, Ranker, describe_company, normalize
from training.settings import RankSettings

_N_PARTS = 4  # of the notes; what a draft says of one part, others have taught it


class Choice(NamedTuple):
    """A mention's candidates: their features (candidates, features), their codes, the right one, the mention's note."""

    features: Array
    codes: list[str]
    gold: str
    note: int


def join_choices(choices: Sequence[Choice]) -> Candidates:
    """Return the candidates of several mentions in one table."""
    features, codes = [choice.features for choice in choices], [choice.codes for choice in choices]
    return Candidates.join(features, codes, [choice.note for choice in choices])


def fit_ranker(choices: Sequence[Choice], settings: RankSettings, seed: int) -> Ranker:
    """Return a ranker that gives the right code the highest score; mentions without it among theirs teach nothing.

    It is the mean of several, trained from other seeds. The draft of the ranking that they read is made, while
    training, by networks that have not seen the note; the one that is kept has seen all.

    Its probabilities are not calibrated yet.
    """
    table = _Table(choices)
    if not len(table.usable):
        return untrained_ranker()
    mean, scale = _spread(table.candidates.features)
    alone = normalize(table.candidates.features, mean, scale)
    draft = _freeze([_fit_member(table, alone, table.usable, settings, seed)])
    company = describe_company(table.candidates, _draft_unseen(table, alone, settings, seed))
    company_mean, company_scale = _spread(company)
    features = np.concatenate([alone, normalize(company, company_mean, company_scale)], 1)
    layers = _freeze([_fit_member(table, features, table.usable, settings, seed + i) for i in range(settings.members)])
    mean, scale = np.concatenate([mean, company_mean]), np.concatenate([scale, company_scale])
    return Ranker(layers, draft, mean.astype(np.float32), scale.astype(np.float32), 1.0, _identity())


class _Table:
    """Choices as one table of candidates.

    Attributes:
        candidates: The candidates as they stand.
        usable: The mentions with the right code among their candidates.
        ends: One past the last row of each mention.
        gold: Place of the right code among a mention's candidates.
    """

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.candidates = join_choices(choices)
        self.ends = np.cumsum(self.candidates.sizes)
        self.gold = np.array([c.codes.index(c.gold) if c.gold in c.codes else -1 for c in choices])
        self.usable = np.flatnonzero(self.gold >= 0)

    def rows(self, mentions: Array) -> tuple[Array, Array, Array]:
        """Return the rows of some mentions, the place of the mention of each, and which rows are right."""
        sizes = self.candidates.sizes[mentions]
        starts = np.cumsum(sizes) - sizes
        owners = np.repeat(np.arange(len(mentions)), sizes)
        rows = np.arange(len(owners)) + (self.ends[mentions] - sizes - starts)[owners]
        return rows, owners, starts + self.gold[mentions]


def _draft_unseen(table: _Table, features: Array, settings: RankSettings, seed: int) -> Array:
    """Return a score for each row, given by a network trained on other notes."""
    scores = np.zeros(len(features), np.float32)
    order = np.unique(table.candidates.notes, return_inverse=True)[1]
    parts = order % min(_N_PARTS, int(order.max()) + 1)
    for part in range(int(parts.max()) + 1):
        others = table.usable[parts[table.usable] != part]
        if len(others):
            network = _fit_member(table, features, others, settings, seed)
            rows = np.repeat(parts, table.candidates.sizes) == part
            with torch.no_grad():
                read = torch.from_numpy(features[rows]).to(network[0].weight.device)  # type: ignore[arg-type]
                scores[rows] = network(read)[:, 0].cpu().numpy()
    return scores


def _fit_member(table: _Table, features: Array, mentions: Array, settings: RankSettings, seed: int) -> nn.Sequential:
    """Return a network trained on some mentions, reading these features of their candidates."""
    torch.manual_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    read = torch.from_numpy(features).to(device)
    network = nn.Sequential(
        nn.Linear(features.shape[1], settings.width),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.width, 1),
    ).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    n_steps = settings.epochs * (-(-len(mentions) // settings.mentions))
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, n_steps)
    for _ in range(settings.epochs):
        for batch in torch.randperm(len(mentions)).split(settings.mentions):
            rows, owners, right = (torch.from_numpy(a).to(device) for a in table.rows(mentions[batch.numpy()]))
            scores = network(read[rows])[:, 0]
            loss = (_log_sums(scores, owners, len(batch)) - scores[right]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
    return network.eval()


def _log_sums(scores: Tensor, owners: Tensor, n_owners: int) -> Tensor:
    """Return the logarithm of the sum of the raised scores of each mention."""
    lowest = torch.full((n_owners,), -torch.inf, device=scores.device)
    highest = lowest.scatter_reduce(0, owners, scores.detach(), "amax")
    raised = (scores - highest[owners]).exp()
    return torch.zeros(n_owners, device=scores.device).index_add(0, owners, raised).log() + highest


def _freeze(members: Sequence[nn.Sequential]) -> Layers:
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
    return Ranker(layers, (), np.zeros(n, np.float32), np.ones(n, np.float32), 1.0, _identity())


def _spread(features: Array) -> tuple[Array, Array]:
    """Return mean and deviation of each feature; a deviation near zero stands as one."""
    mean, scale = features.mean(0), features.std(0)
    scale[scale < 1e-3] = 1.0
    return mean, scale


def _identity() -> Array:
    return np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy())
