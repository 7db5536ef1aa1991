"""What the training data is worth, without training the model: the figures of docs/training-data.md.

    python benchmarks/training_data.py terms PATH        sources of terms, by nearest-term linking
    python benchmarks/training_data.py synthetic PATH    synthetic notes, by a linear tagger with and without them
    python benchmarks/training_data.py projection PATH   CodiEsp's evidence carried to English

PATH is the data folder. The models here are as simple as can be, so that the data makes the difference; needs
scikit-learn.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import match_spans
from detect_icd10cm.types import ASSERTIONS, AnnotatedNote, Mention
from training.data import read_codiesp_english, read_codiesp_spanish, read_training_notes, without_overlaps
from training.synth import generate_notes
from training.termbank import TermBank
from training.terms import Term, stream_terms

# Each line adds sources to the one above.
_STEPS = (
    ("titles, inclusion terms", ("title", "inclusion")),
    ("+ headers, Includes notes", ("header", "includes")),
    ("+ titles as clinicians say them", ("spoken",)),
    ("+ our synonyms", ("synonym",)),
    ("+ DOID, NCIt", ("doid", "ncit")),
    ("+ abbreviations, neoplasms, causes", ("abbreviation", "neoplasm", "cause")),
    ("+ drugs", ("drug",)),
    ("+ HPO", ("hpo",)),
)
_N_SYNTHETIC = 500
_TOKEN = re.compile(r"\w+|[^\w\s]|\n")
_HEADING = re.compile(r"(?m)^([A-Z][A-Za-z /]{2,40}):")


def measure_terms(folder: Path, codeset: CodeSet) -> None:
    """Print how often the code of the term nearest to a development mention is right, source by source."""
    notes = list(read_training_notes(folder / "annotated_notes" / "dev.jsonl", codeset))
    train = read_training_notes(folder / "annotated_notes" / "train.jsonl", codeset)
    seen = {mention.code for note in train for mention in note.mentions}
    mentions = [m for note in notes for m in note.mentions if m.assertion not in ("historical", "family")]
    unseen = [m for m in mentions if m.code not in seen]
    terms = list(stream_terms(codeset, folder, with_hpo=True))
    chosen: set[str] = set()
    print(f"{len(mentions)} mentions, {len(unseen)} of unseen codes: first, among five")
    for name, sources in _STEPS:
        chosen.update(sources)
        ranked = _nearest_codes([term for term in terms if term.source in chosen], mentions)
        print(f"{name:36}{_hits(ranked, mentions)}   {_hits(ranked, unseen)}", flush=True)


def _nearest_codes(terms: Sequence[Term], mentions: Sequence[Mention]) -> dict[str, list[str]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, min_df=2, dtype=np.float32)
    matrix = vectorizer.fit_transform([term.text.lower() for term in terms]).T
    trust = 0.05 * np.array([term.weight for term in terms], dtype=np.float32)
    texts = sorted({mention.text for mention in mentions})
    ranked = {}
    for text in texts:
        scores = (vectorizer.transform([" ".join(text.lower().split())]) @ matrix).toarray()[0] + trust
        nearest = np.argsort(-scores)[:60]
        ranked[text] = list(dict.fromkeys(terms[i].code for i in nearest))[:5]
    return ranked


def _hits(ranked: dict[str, list[str]], mentions: Sequence[Mention]) -> str:
    first = np.mean([ranked[mention.text][0] == mention.code for mention in mentions])
    five = np.mean([mention.code in ranked[mention.text] for mention in mentions])
    return f"{first:.3f} {five:.3f}"


class Features(NamedTuple):
    """The hashed features and labels of the words of some notes, and of their mentions."""

    words: Any
    tags: Any
    mentions: Any
    assertions: Any


def measure_synthetic(folder: Path, codeset: CodeSet) -> None:
    """Print spans and assertions of a linear tagger on the development notes, with and without synthetic notes."""
    train = list(read_training_notes(folder / "annotated_notes" / "train.jsonl", codeset))
    dev = list(read_training_notes(folder / "annotated_notes" / "dev.jsonl", codeset))
    bank = TermBank(codeset, stream_terms(codeset, folder))
    made = _featurize(list(islice(generate_notes(bank, seed=0), _N_SYNTHETIC)))
    few, every = _featurize(train[:50]), _featurize(train)
    runs = (
        (f"{_N_SYNTHETIC} synthetic", made),
        ("50 notes", few),
        ("50 notes x3 + synthetic", _stack([few] * 3 + [made])),
        (f"{len(train)} notes", every),
        (f"{len(train)} notes x2 + synthetic", _stack([every] * 2 + [made])),
    )
    print(f"{'trained on':28}overlap  exact  assertion  macro-F1")
    for name, features in runs:
        print(f"{name:28}{_score(features, dev)}", flush=True)


def _score(features: Features, dev: Sequence[AnnotatedNote]) -> str:
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import f1_score

    tagger = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=8, tol=None, random_state=0)
    tagger.fit(features.words, features.tags)
    n_gold = n_pred = overlapping = exact = 0
    for note in dev:
        pred = _spans(_tokens(note.note.text), tagger.predict(_featurize([note]).words))
        n_gold, n_pred = n_gold + len(note.mentions), n_pred + len(pred)
        overlapping += len(match_spans(note.mentions, pred))
        exact += len(match_spans(note.mentions, pred, "exact"))
    judge = SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=12, tol=None, random_state=0)
    judge.fit(features.mentions, features.assertions)
    wanted = _featurize(dev)
    said = judge.predict(wanted.mentions)
    accuracy, macro = np.mean(said == wanted.assertions), f1_score(wanted.assertions, said, average="macro")
    total = n_gold + n_pred
    return f"{2 * overlapping / total:7.3f}{2 * exact / total:7.3f}{accuracy:11.3f}{macro:10.3f}"


def _tokens(text: str) -> list[tuple[str, int, int]]:
    return [(match.group().lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _featurize(notes: Sequence[AnnotatedNote]) -> Features:
    from sklearn.feature_extraction import FeatureHasher

    words, tags, mentions, assertions = [], [], [], []
    for note in notes:
        tokens = _tokens(note.note.text)
        forms = [form for form, _, _ in tokens]
        words += [_word_features(forms, i) for i in range(len(forms))]
        tags += _tags(tokens, note.mentions)
        for mention in note.mentions:
            mentions.append(_mention_features(note.note.text, tokens, forms, mention))
            assertions.append(ASSERTIONS.index(mention.assertion))
    hasher = FeatureHasher(2**20, input_type="string")
    return Features(hasher.transform(words), np.array(tags), hasher.transform(mentions), np.array(assertions))


def _word_features(forms: Sequence[str], i: int) -> list[str]:
    near = {d: forms[i + d] if 0 <= i + d < len(forms) else "" for d in range(-3, 4)}
    found = [f"{d}={form}" for d, form in near.items()]
    found += [f"{d}end={near[d][-3:]}" for d in (-1, 0, 1)] + [f"{d}start={near[d][:4]}" for d in (-1, 0, 1)]
    return [*found, f"{near[-1]}|{near[0]}", f"{near[0]}|{near[1]}"]


def _mention_features(
    text: str, tokens: Sequence[tuple[str, int, int]], forms: Sequence[str], mention: Mention
) -> list[str]:
    first = next((i for i, token in enumerate(tokens) if token[1] >= mention.start), len(tokens) - 1)
    after = next((i for i, token in enumerate(tokens) if token[1] >= mention.end), len(tokens))
    before = list(forms[max(0, first - 12) : first])
    cut = max((i + 1 for i, form in enumerate(before) if form in (".", ";", "\n")), default=0)
    headings = _HEADING.findall(text[: mention.start])
    found = [f"before {form}" for form in before[cut:]] + [f"after {form}" for form in forms[after : after + 5]]
    found += [f"own {form}" for form in forms[first:after]] + [
        f"at -{d} {form}" for d, form in enumerate(before[:-4:-1])
    ]
    return [*found, f"under {headings[-1].lower() if headings else ''}"]


def _tags(tokens: Sequence[tuple[str, int, int]], mentions: Sequence[Mention]) -> list[int]:
    """Return 1 for a token that starts a mention, 2 for one inside, else 0."""
    starts = {mention.start for mention in mentions}
    inside = {place for mention in mentions for place in range(mention.start, mention.end)}
    return [1 if start in starts else 2 if start in inside else 0 for _, start, _ in tokens]


def _spans(tokens: Sequence[tuple[str, int, int]], tags: Sequence[int]) -> list[Mention]:
    found: list[tuple[int, int]] = []
    inside = False
    for (_, start, end), tag in zip(tokens, tags, strict=True):
        if tag == 1 or (tag == 2 and not inside):
            found.append((start, end))
        elif tag == 2:
            found[-1] = (found[-1][0], end)
        inside = tag != 0
    return [Mention(start, end, "", "diagnosis", "present", "R69") for start, end in found]


def _stack(parts: Sequence[Features]) -> Features:
    from scipy.sparse import vstack

    columns: Iterator[Any] = zip(*parts, strict=True)
    words, tags, mentions, assertions = columns
    return Features(vstack(words), np.concatenate(tags), vstack(mentions), np.concatenate(assertions))


def measure_projection(folder: Path, codeset: CodeSet) -> None:
    """Print how much of CodiEsp's Spanish evidence is carried to the English training cases."""
    train = folder / "codiesp" / "train"
    spanish = list(read_codiesp_spanish(train, codeset))
    english = list(read_codiesp_english(train, codeset, stream_terms(codeset, folder)))
    for name, notes in (("Spanish", spanish), ("English", english)):
        n_mentions = sum(len(note.mentions) for note in notes)
        n_apart = sum(len(without_overlaps(note.mentions)) for note in notes)
        n_coded = sum(len({mention.code for mention in note.mentions}) for note in notes)
        n_codes = sum(len(note.codes) for note in notes)
        print(f"{name}: {n_mentions} mentions, {n_apart} not overlapping; {n_coded} of {n_codes} codes have one")


MEASURES: dict[str, Callable[[Path, CodeSet], None]] = {
    "terms": measure_terms,
    "synthetic": measure_synthetic,
    "projection": measure_projection,
}


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=MEASURES)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    MEASURES[given.part](given.folder, CodeSet.load())


if __name__ == "__main__":
    main()
