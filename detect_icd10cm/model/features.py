"""The ranker's numbers for each candidate code of a mention."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.model.candidates import EVIDENCE, EXACT, SAID_EXTENT, SAID_SCORE, SHARE, SIMILARITY, Linkable
from detect_icd10cm.model.facts import FLAGS, NO_SIDE, SIDE_NOT_STATED, make_facts
from detect_icd10cm.model.gazetteer import phrase_key, word_ids
from detect_icd10cm.model.inputs import N_SECTIONS, Array, section_id
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, KINDS

_OF_CODE = (
    "log count", "seen", "log category count", "share of category", "title words in mention", "title words in sentence",
    "title words in note", "mention words in title", "side agrees", "side differs", "side not taken", "side not said",
    "probability of kind", "title words in mentions", "share of chapter", "share of block", "share of chapter nearby",
)  # fmt: skip
_CROSSED = ("family history", "personal history", "status")
_OF_MENTION = (
    "has exact", "log exact", "words", "best similarity", "candidates", "healing words", "lexicon finds it",
    "lexicon finds just it",
)  # fmt: skip
FEATURES = (
    *EVIDENCE, *_OF_CODE, *FLAGS, *(f"{flag} x {assertion}" for flag in _CROSSED for assertion in ASSERTIONS),
    *_OF_MENTION, *ASSERTIONS, *KINDS, *(f"section {i}" for i in range(N_SECTIONS)),
)  # fmt: skip
_HEALING = frozenset(
    phrase_key(word)
    for word in "status post followup follow-up healing healed postop postoperative recheck sequela late".split()
)  # fmt: skip
_CROSSED_PLACES = [FLAGS.index(flag) for flag in _CROSSED]
# Words of a title that are looked at; the longest titles have some more.
_TITLE_WORDS = 24
_MAX_CODES = 20_000


@dataclass(frozen=True, slots=True)
class Priors:
    """How often codes, categories and words stand in the training notes and titles."""

    codes: Mapping[str, int]
    categories: Mapping[str, int]
    word_weights: Mapping[int, float]
    default_weight: float


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What all mentions of a note seem to mean: their words, and their guesses' chapters and blocks."""

    words: frozenset[int]
    chapters: Counter[str]
    blocks: Counter[str]
    nearby: Mapping[int, Counter[str]]

    @classmethod
    def of(cls, document: Document, mentions: Sequence[Linkable]) -> _Surroundings:
        guesses = [mention.guess for mention in mentions if mention.guess]
        nearby: dict[int, Counter[str]] = defaultdict(Counter)
        for mention in mentions:
            nearby[document.sentence_of(mention.first)[0]].update(mention.guess[:1])
        words = frozenset(word for mention in mentions for word in mention.words)
        return cls(words, Counter(g[0] for g in guesses), Counter(g[:2] for g in guesses), nearby)

    def shares(self, document: Document, mention: Linkable, codes: Sequence[str]) -> Array:
        """Return the share of each code's chapter and block among the other guesses, and of its chapter nearby."""
        near, own = self.nearby[document.sentence_of(mention.first)[0]], mention.guess
        rows = [
            (
                _share(self.chapters, code[0], own[:1]),
                _share(self.blocks, code[:2], own[:2]),
                _share(near, code[0], own[:1]),
            )
            for code in codes
        ]
        return np.array(rows, np.float32).reshape(-1, 3)


def _share(counts: Counter[str], key: str, own: str) -> float:
    """Return the share of a key among the other mentions' guesses."""
    mine = int(bool(own))
    total = counts.total() - mine
    return (counts[key] - int(own == key)) / total if total > 0 else 0.0


class FeatureMaker:
    """Turns the evidence for candidates into the ranker's numbers."""

    def __init__(self, codeset: CodeSet, priors: Priors) -> None:
        self._table = _CodeTable(codeset, priors)
        self._priors = priors

    def make(
        self,
        document: Document,
        mentions: Sequence[Linkable],
        kinds: Array,
        own_codes: Mapping[str, int] | None = None,
    ) -> list[tuple[list[str], Array]]:
        """Return each mention's candidate codes and their features, shape (candidates, features).

        Args:
            document: The note.
            mentions: Its mentions with ``rows`` filled.
            kinds: Probabilities of kinds, shape (mentions, 4).
            own_codes: Counts of the note's own gold codes, left out of the priors while training.
        """
        note_words = {word for token in document.words for word in word_ids(token)}
        healing = float(bool(note_words & _HEALING))
        surroundings = _Surroundings.of(document, mentions)
        self._table.add({code for mention in mentions for code in mention.rows})
        known = _as_array(note_words), _as_array(surroundings.words)
        made = []
        for mention, kind in zip(mentions, kinds, strict=True):
            codes = list(mention.rows)
            evidence = np.array([mention.rows[code] for code in codes], np.float32).reshape(-1, len(EVIDENCE))
            rows = self._table.rows(codes)
            words = self._words(document, mention, rows, known)
            parts = [
                self._counts(codes, own_codes),
                words[:, :-1],
                self._sides(mention, rows),
                kind[self._table.kinds[rows]][:, None],
                words[:, -1:],
                surroundings.shares(document, mention, codes),
            ]
            of_code = np.concatenate(parts, 1, dtype=np.float32)
            flags = self._table.flags[rows]
            asserted = np.array(mention.assertions, np.float32)
            crossed = (flags[:, _CROSSED_PLACES, None] * asserted).reshape(len(codes), -1)
            shared = np.tile(_of_mention(document, mention, kind, evidence, healing), (len(codes), 1))
            made.append((codes, np.concatenate([evidence, of_code, flags, crossed, shared], 1)))
        return made

    def _counts(self, codes: Sequence[str], own: Mapping[str, int] | None) -> Array:
        """Return how common codes and their categories are in the training notes."""
        own = own or {}
        own_categories: Counter[str] = Counter()
        for code, n in own.items():
            own_categories[code[:3]] += n
        counts = np.array([max(0, self._priors.codes.get(code, 0) - own.get(code, 0)) for code in codes], np.float32)
        categories = np.array(
            [max(0, self._priors.categories.get(code[:3], 0) - own_categories[code[:3]]) for code in codes], np.float32
        )
        return np.stack([np.log1p(counts), counts > 0, np.log1p(categories), (counts + 0.1) / (categories + 1)], 1)

    def _words(self, document: Document, mention: Linkable, rows: Array, known: tuple[Array, Array]) -> Array:
        """Return which part of the titles' words stands in mention, sentence, note and mentions, and the reverse."""
        tokens = document.tokens
        low, high = document.sentence_of(mention.first)
        sentence = word_ids(document.text[tokens[low].start : tokens[high - 1].end])
        words, weights = self._table.words[rows], self._table.weights[rows]
        total = np.maximum(weights.sum(1), 1e-6)
        in_mention, in_sentence, in_note, in_mentions = (
            (weights * np.isin(words, place)).sum(1)
            for place in (_as_array(mention.words), _as_array(sentence), *known)
        )
        said = sum(self._table.weight(word) for word in mention.words) or 1.0
        return np.stack(
            [in_mention / total, in_sentence / total, in_note / total, in_mention / said, in_mentions / total], 1
        )

    def _sides(self, mention: Linkable, rows: Array) -> Array:
        """Return whether the title's side is the mention's, another, not stated, or not said."""
        sides = self._table.sides[rows]
        sided = (sides != NO_SIDE) & (sides != SIDE_NOT_STATED)
        said = mention.side != NO_SIDE
        return np.stack(
            [
                (sides == mention.side) & said,
                sided & (sides != mention.side) & said,
                (sides == SIDE_NOT_STATED) & said,
                sided & (not said),
            ],
            1,
        )


class _CodeTable:
    """Facts of codes as arrays, a row each, filled when a code is first met."""

    def __init__(self, codeset: CodeSet, priors: Priors) -> None:
        self._codeset = codeset
        self._priors = priors
        self._clear()

    def _clear(self) -> None:
        self._places: dict[str, int] = {}
        self.words = np.zeros((0, _TITLE_WORDS), np.int64)
        self.weights = np.zeros((0, _TITLE_WORDS), np.float32)
        self.flags = np.zeros((0, len(FLAGS)), np.float32)
        self.sides = np.zeros(0, np.int64)
        self.kinds = np.zeros(0, np.int64)

    def weight(self, word: int) -> float:
        """Return how telling a word is."""
        return self._priors.word_weights.get(word, self._priors.default_weight)

    def rows(self, codes: Sequence[str]) -> Array:
        """Return the rows of codes that were added."""
        return np.fromiter((self._places[code] for code in codes), np.int64, len(codes))

    def add(self, codes: set[str]) -> None:
        """Add codes that are not there yet; the table starts anew when it is full."""
        if len(self._places) > _MAX_CODES:
            self._clear()
        new = sorted(codes - self._places.keys())
        if not new:
            return
        facts = [make_facts(self._codeset, code) for code in new]
        words = np.zeros((len(new), _TITLE_WORDS), np.int64)
        weights = np.zeros((len(new), _TITLE_WORDS), np.float32)
        for i, fact in enumerate(facts):
            kept = fact.words[:_TITLE_WORDS]
            words[i, : len(kept)] = kept
            weights[i, : len(kept)] = [self.weight(word) for word in kept]
        self._places.update({code: len(self._places) + i for i, code in enumerate(new)})
        self.words = np.concatenate([self.words, words])
        self.weights = np.concatenate([self.weights, weights])
        self.flags = np.concatenate([self.flags, np.array([fact.flags for fact in facts], np.float32)])
        self.sides = np.append(self.sides, [fact.side for fact in facts])
        self.kinds = np.append(self.kinds, [fact.kind for fact in facts])


def _of_mention(document: Document, mention: Linkable, kind: Array, evidence: Array, healing: float) -> Array:
    """Return what is the same for all candidates of a mention."""
    place = np.zeros(N_SECTIONS, np.float32)
    place[section_id(document.section_at(document.tokens[mention.first].start))] = 1.0
    best = evidence.max(0) if len(evidence) else np.zeros(len(EVIDENCE), np.float32)
    own = (
        best[SHARE] > 0, best[EXACT], len(mention.words), best[SIMILARITY], math.log(max(1, len(evidence))), healing,
        best[SAID_SCORE], best[SAID_EXTENT],
    )  # fmt: skip
    shared: Array = np.concatenate([np.array(own, np.float32), mention.assertions, kind, place], dtype=np.float32)
    return shared


def _as_array(words: Collection[int]) -> Array:
    return np.fromiter(words, np.int64, len(words))
