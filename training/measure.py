"""How good a model is on labelled notes, and what it proposes for their mentions.

``python -m training.measure dev.jsonl [--model base] [--seen train.jsonl] [--runtime auto]`` prints the figures of a
checkpoint, or of the lexicon model.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import PRF, match_spans, score_spans
from detect_icd10cm.model import BASE, LEXICON
from detect_icd10cm.model.candidates import Own
from detect_icd10cm.model.gazetteer import note_usage
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.load import RuntimeName, find_checkpoint, load_model
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, AnnotatedNote, Mention
from training.calibrate import expected_calibration_error
from training.data import read_training_notes
from training.examples import own_counts, token_spans
from training.joint import METRIC
from training.rank import Choice

_NOTES_AT_ONCE = 8


def detect_notes(
    model: TrainedModel | LexiconModel, notes: Sequence[AnnotatedNote]
) -> Iterator[tuple[AnnotatedNote, tuple[Mention, ...]]]:
    """Yield labelled notes with what a model finds in them, a few detected at a time."""
    for at in range(0, len(notes), _NOTES_AT_ONCE):
        part = notes[at : at + _NOTES_AT_ONCE]
        yield from zip(part, model.detect_batch([Document(note.note.text) for note in part]), strict=True)


def measure(
    model: TrainedModel | LexiconModel, notes: Sequence[AnnotatedNote], seen: Collection[str] | None = None
) -> dict[str, float]:
    """Return the figures of a model on labelled notes.

    F1 of mentions by overlap, by exact span, with category and with code; then, on mentions paired by overlap, how
    often code and assertion are right, and how well the code's score says so.

    Args:
        model: The model.
        notes: Labelled notes.
        seen: The codes that count as seen; those of the model's training notes when None.
    """
    if not notes:
        return {}
    totals = {name: PRF() for name in ("overlap", "exact", "category", "code")}
    pairs: list[tuple[Mention, Mention]] = []
    for note, mentions in detect_notes(model, notes):
        scores = score_spans(note.mentions, mentions)
        totals = {name: total + getattr(scores, name) for name, total in totals.items()}
        pairs += [(note.mentions[g], mentions[p]) for g, p in match_spans(note.mentions, mentions)]
    figures = {f"{name}_f1": total.f1 for name, total in totals.items()}
    if seen is None:
        seen = model.seen_codes if isinstance(model, TrainedModel) else ()
    figures |= _measure_pairs(pairs, seen)
    figures[METRIC] = figures["overlap_f1"] + figures["exact_f1"]
    return figures


def _measure_pairs(pairs: Sequence[tuple[Mention, Mention]], seen: Collection[str]) -> dict[str, float]:
    right = np.array([gold.code == found.code for gold, found in pairs], float)
    known = np.array([gold.code in seen for gold, _ in pairs], bool)
    among = np.array([any(c.code == gold.code for c in found.candidates[:5]) for gold, found in pairs], float)
    asserted = [(gold.assertion, found.assertion) for gold, found in pairs]
    scores = np.array([found.score for _, found in pairs])
    by_assertion = [
        2 * sum(g == f == a for g, f in asserted) / n
        for a in ASSERTIONS
        if (n := sum(g == a for g, _ in asserted) + sum(f == a for _, f in asserted))
    ]
    return {
        "code_accuracy": _mean(right),
        "code_accuracy_seen": _mean(right[known]),
        "code_accuracy_unseen": _mean(right[~known]),
        "top5_accuracy": _mean(among),
        "assertion_accuracy": _mean(np.array([g == f for g, f in asserted], float)),
        "assertion_macro_f1": _mean(np.array(by_assertion)),
        "calibration_error": expected_calibration_error(scores, right),
    }


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0


def held_choices(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> list[Choice]:
    """Return the gold mentions of training notes with their candidates, each note's own share left out."""
    choices = []
    for at in range(0, len(notes), _NOTES_AT_ONCE):
        part = notes[at : at + _NOTES_AT_ONCE]
        documents = [Document(note.note.text) for note in part]
        spans = [token_spans(document, note) for document, note in zip(documents, part, strict=True)]
        shares = [_own_share(model, *item) for item in zip(documents, part, spans, strict=True)]
        for i, linked in enumerate(model.link_batch(documents, spans, shares), at):
            pairs = zip(notes[i].mentions, linked, strict=True)
            choices += [Choice(span.features, span.codes, mention.code, i) for mention, span in pairs]
    return choices


def save_choices(path: Path, choices: Sequence[Choice]) -> None:
    """Write choices to an npz file."""
    sizes = np.array([len(choice.codes) for choice in choices])
    np.savez_compressed(
        path,
        features=np.concatenate([choice.features for choice in choices]),
        sizes=sizes,
        codes=np.array([code for choice in choices for code in choice.codes]),
        gold=np.array([choice.gold for choice in choices]),
        notes=np.array([choice.note for choice in choices]),
    )


def load_choices(path: Path) -> list[Choice]:
    """Read what ``save_choices`` wrote."""
    with np.load(path) as stored:
        ends = np.cumsum(stored["sizes"])[:-1]
        features, codes = np.split(stored["features"], ends), np.split(stored["codes"], ends)
        gold, notes = stored["gold"].tolist(), stored["notes"].tolist()
    return [Choice(f, c.tolist(), g, n) for f, c, g, n in zip(features, codes, gold, notes, strict=True)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of a model on labelled notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path, help="labelled notes")
    parser.add_argument("--model", default=BASE, help="base, lexicon, or the folder of a checkpoint")
    parser.add_argument("--seen", type=Path, help="notes whose codes count as seen, instead of the training notes")
    parser.add_argument("--runtime", choices=get_args(RuntimeName), default="auto")
    options = parser.parse_args(arguments)
    if options.model == LEXICON:
        model: TrainedModel | LexiconModel = LexiconModel(CodeSet.load())
    else:
        model = load_model(find_checkpoint(options.model), options.runtime)
    seen = None
    if options.seen:
        seen = {m.code for note in read_training_notes(options.seen, model.codeset) for m in note.mentions}
    figures = measure(model, list(read_training_notes(options.notes, model.codeset)), seen)
    sys.stdout.write("".join(f"{name:22} {value:.4f}\n" for name, value in figures.items()))


def _own_share(model: TrainedModel, document: Document, note: AnnotatedNote, spans: Sequence[tuple[int, int]]) -> Own:
    usage = note_usage(model.gazetteer.phrases(document), len(document.tokens), spans)
    return Own(own_counts(note), usage, Counter(mention.code for mention in note.mentions))


if __name__ == "__main__":
    main()
