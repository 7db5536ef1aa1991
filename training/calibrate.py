"""Choosing thresholds and making scores probabilities, on notes that were not trained on.

``python -m training.calibrate CHECKPOINT dev.jsonl`` does it again for a checkpoint and prints what it found.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detect_icd10cm.metrics.spans import PRF, score_spans
from detect_icd10cm.model.checkpoint import CONFIG, METRICS, Linker, read_config, save_linker
from detect_icd10cm.model.decode import decode_spans
from detect_icd10cm.model.inputs import Array, Framing
from detect_icd10cm.model.load import load_model
from detect_icd10cm.model.ranking import Ranker
from detect_icd10cm.model.trained import LinkedSpan, TrainedModel, mix_scores
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, AnnotatedNote, Mention
from training.rank import Choice, join_choices


class Thresholds(NamedTuple):
    """What was chosen, and the F1 at it."""

    outside_bias: float
    inside_bias: float
    tagger_share: float
    overlap_f1: float
    exact_f1: float

    @property
    def settings(self) -> dict[str, float]:
        """What a checkpoint's configuration keeps of it."""
        return {name: getattr(self, name) for name in ("outside_bias", "inside_bias", "tagger_share")}


BIASES = tuple(round(0.25 * i, 2) for i in range(-4, 7))
INSIDE_BIASES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
# Coarse, so that the choice turns on the model and not on a handful of mentions.
RULE_WEIGHTS = tuple(float(i) for i in range(9))
PRIOR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHARES = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)
_TEMPERATURES = np.geomspace(0.4, 4.0, 40)
_MIN_PER_STEP = 40


def calibrate_ranker(ranker: Ranker, choices: Sequence[Choice]) -> Ranker:
    """Return a ranker whose first probability is the share that was right of mentions with such a score.

    The temperature minimises the log loss; then the first code's probability goes through a monotone table (isotonic
    regression over bins of like size).
    """
    candidates = join_choices(choices)
    scored = [pair for pair in zip(candidates.split(ranker.score(candidates)), choices, strict=True) if pair[1].codes]
    temperature = min(_TEMPERATURES, key=lambda t: _log_loss(scored, float(t)))
    cooled = dataclasses.replace(ranker, temperature=float(temperature), steps=_IDENTITY)
    first, right = _first_codes(cooled, scored)
    return dataclasses.replace(cooled, steps=_monotone_table(first, right))


_IDENTITY = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)


def expected_calibration_error(scores: Array, right: Array, n_bins: int = 10) -> float:
    """Return the mean distance of score and share of right ones, over bins of equal width weighted by their sizes."""
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    distances = (
        abs(float(scores[bins == b].mean() - right[bins == b].mean())) * int((bins == b).sum()) for b in set(bins)
    )
    return sum(distances) / max(1, len(scores))


def choose_thresholds(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> Thresholds:
    """Return the biases and the word tagger's share with the best sum of overlap and exact F1.

    Share and bias against mentions are chosen first, then that bias again with the one for longer mentions.
    """
    documents = [Document(note.note.text) for note in notes]
    labels = model.label_scores(documents)

    def best(shares: Sequence[float], inside_biases: Sequence[float]) -> Thresholds:
        tried = []
        for share in shares:
            mixed = [head if tagger is None else mix_scores(head, tagger, share) for head, tagger in labels]
            for inside, bias in product(inside_biases, BIASES):
                exact = overlap = PRF()
                for note, document, scores in zip(notes, documents, mixed, strict=True):
                    spans = decode_spans(scores, bias, inside)
                    counted = score_spans(note.mentions, [_bare(document, *span) for span in spans])
                    overlap, exact = overlap + counted.overlap, exact + counted.exact
                tried.append(Thresholds(bias, inside, share, overlap.f1, exact.f1))
        return max(tried, key=lambda t: (t.overlap_f1 + t.exact_f1, -abs(t.outside_bias)))

    has_tagger = bool(labels) and labels[0][1] is not None
    first = best(SHARES if has_tagger else (0.0,), (1.0,))
    return best((first.tagger_share,), INSIDE_BIASES)


def _bare(document: Document, first: int, last: int) -> Mention:
    start, end = document.tokens[first].start, document.tokens[last - 1].end
    return Mention(start, end, document.text[start:end], "diagnosis", "present", "")


def _log_loss(scored: Sequence[tuple[Array, Choice]], temperature: float) -> float:
    total = 0.0
    for scores, choice in scored:
        if choice.gold in choice.codes:
            scaled = scores / temperature
            total += float(
                np.log(np.exp(scaled - scaled.max()).sum()) + scaled.max() - scaled[choice.codes.index(choice.gold)]
            )
    return total


def _first_codes(ranker: Ranker, scored: Sequence[tuple[Array, Choice]]) -> tuple[Array, Array]:
    first, right = [], []
    for scores, choice in scored:
        probabilities = ranker.probabilities(scores, np.array([len(scores)]))
        best = int(scores.argmax())
        first.append(float(probabilities[best]))
        right.append(choice.codes[best] == choice.gold)
    return np.array(first), np.array(right, float)


def _monotone_table(first: Array, right: Array) -> Array:
    """Return probabilities (first row, rising) and the shares right at them (second row, never falling)."""
    order = np.argsort(first, kind="stable")
    n_steps = max(1, len(first) // _MIN_PER_STEP)
    blocks = [
        [float(first[part].mean()), float(right[part].mean()), len(part)] for part in np.array_split(order, n_steps)
    ]
    merged: list[list[float]] = []
    for block in blocks:
        merged.append(block)
        while len(merged) > 1 and merged[-2][1] >= merged[-1][1]:  # pool neighbours that fall
            b, a = merged.pop(), merged.pop()
            n = a[2] + b[2]
            merged.append([(a[0] * a[2] + b[0] * b[2]) / n, (a[1] * a[2] + b[1] * b[2]) / n, n])
    points = [(0.0, 0.0), *((x, y) for x, y, _ in merged), (1.0, max(merged[-1][1], 0.0))]
    return np.array(points, np.float32).T.copy()


def link_gold(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> list[tuple[Mention, LinkedSpan, int]]:
    """Return the gold mentions of notes with what the model says of their spans, and the places of their notes."""
    documents = [Document(note.note.text) for note in notes]
    spans = [[d.token_span(m.start, m.end) for m in note.mentions] for d, note in zip(documents, notes, strict=True)]
    linked = model.link_batch(documents, spans)
    return [
        (mention, span, i)
        for i, (note, own) in enumerate(zip(notes, linked, strict=True))
        for mention, span in zip(note.mentions, own, strict=True)
    ]


def choices_of(linked: Sequence[tuple[Mention, LinkedSpan, int]]) -> list[Choice]:
    """Return mentions as choices between their candidate codes."""
    return [Choice(span.features, span.codes, mention.code, note) for mention, span, note in linked]


def choose_assertion_weights(
    linked: Sequence[tuple[Mention, LinkedSpan, int]], framing: Framing
) -> dict[str, float | list[float]]:
    """Return the rule weight and the assertion biases with the best sum of accuracy and macro F1.

    A network prefers what it saw often: the biases take a share of the logarithms of the assertions' frequencies from
    their logits (logit adjustment, Menon et al. 2021).

    Args:
        linked: Gold mentions with what the model says of them, from ``link_gold``.
        framing: The weights at which it said so.
    """
    logits = np.log(np.maximum(np.array([span.assertions for _, span, _ in linked]), 1e-9))
    rules = np.eye(len(ASSERTIONS))[[span.rule for _, span, _ in linked]]
    logits -= framing.rule_weight * rules
    logits -= framing.assertion_biases or np.zeros(len(ASSERTIONS))
    gold = np.array([ASSERTIONS.index(mention.assertion) for mention, *_ in linked])
    counts = np.bincount(gold, minlength=len(ASSERTIONS)) + 0.5
    rarity = -np.log(counts / counts.sum())

    def figures(weights: tuple[float, float]) -> tuple[float, float, float]:
        weight, share = weights
        found = (logits + weight * rules + share * rarity).argmax(1)
        return float((found == gold).mean()) + _macro_f1(gold, found), -share, -weight

    weight, share = max(product(RULE_WEIGHTS, PRIOR_SHARES), key=figures)
    return {"rule_weight": weight, "assertion_biases": [round(share * bias, 3) for bias in rarity.tolist()]}


def _macro_f1(gold: Array, found: Array) -> float:
    both = np.bincount(gold[gold == found], minlength=len(ASSERTIONS))
    either = np.bincount(gold, minlength=len(ASSERTIONS)) + np.bincount(found, minlength=len(ASSERTIONS))
    return float((2 * both[either > 0] / either[either > 0]).mean())


def calibrate(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> tuple[dict[str, Any], Linker]:
    """Choose thresholds and weights and calibrate the ranker on notes that the model was not trained on.

    Returns:
        The settings for the checkpoint's configuration, and what it knows beside its network.
    """
    settings: dict[str, Any] = choose_thresholds(model, notes).settings
    model = model.with_settings(**settings)
    settings |= choose_assertion_weights(link_gold(model, notes), model.framing)
    model = model.with_settings(**settings)
    ranker = calibrate_ranker(model.linker.ranker, choices_of(link_gold(model, notes)))
    return settings, dataclasses.replace(model.linker, ranker=ranker)


def main(arguments: list[str]) -> None:
    """Calibrate a checkpoint in place; it is run as it will be, so by its graphs on a CPU."""
    from training.data import read_training_notes
    from training.measure import measure
    from training.write import write_record

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("notes", type=Path)
    options = parser.parse_args(arguments)
    model = load_model(options.checkpoint)
    notes = list(read_training_notes(options.notes, model.codeset))
    settings, linker = calibrate(model, notes)
    save_linker(options.checkpoint, linker)
    config = read_config(options.checkpoint) | settings
    (options.checkpoint / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    record = json.loads((options.checkpoint / METRICS).read_text("utf-8"))
    record["dev"] = measure(model.with_settings(**settings).with_linker(linker), notes)
    write_record(options.checkpoint, record)
    sys.stdout.write(json.dumps(settings) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
