"""The ranker's numbers for each candidate code of a mention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.model.candidates import EVIDENCE, EXACT, SAID_EXTENT, SAID_SCORE, SHARE, SIMILARITY, Linkable
from detect_icd10cm.model.facts import FLAGS, NO_SIDE, SIDE_NOT_STATED, make_facts
from detect_icd10cm.model.gazetteer import phrase_key, word_id
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
_FIRST_CODES, _MAX_CODES = 1024, 20_000
_SETS_AT_ONCE = 64  # a note of ten thousand mentions takes no more memory than one of some
_N_BLOCKS = 26 * 36  # a letter, and a digit or letter


@dataclass(frozen=True, slots=True)
class Priors:
    """How often codes, categories and words stand in the training notes and titles."""

    codes: Mapping[str, int]
    categories: Mapping[str, int]
    word_weights: Mapping[int, float]
    default_weight: float


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The candidates of a note's mentions, a row each, those of one mention together.

    Attributes:
        codes: Code of each row.
        owners: Mention of each row.
        rows: Row of each code in the code table.
        evidence: What ``CandidateMaker`` wrote down, shape (rows, ``EVIDENCE``).
        sizes: Number of rows of each mention.
    """

    codes: list[str]
    owners: Array
    rows: Array
    evidence: Array
    sizes: Array


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
        if not mentions:
            return []
        candidates = self._collect(mentions)
        table, owners, rows = self._table, candidates.owners, candidates.rows
        asserted = np.array([mention.assertions for mention in mentions], np.float32)
        flags = table.flags[rows]
        words = self._words(document, mentions, candidates)
        parts = (
            candidates.evidence,
            self._counts(candidates, own_codes),
            words[:, :-1],
            _sides(mentions, candidates, table.sides[rows]),
            kinds[owners, table.kinds[rows]][:, None],
            words[:, -1:],
            _shares(document, mentions, candidates, table),
            flags,
            (flags[:, _CROSSED_PLACES, None] * asserted[owners][:, None, :]).reshape(len(rows), -1),
            _of_mentions(document, mentions, kinds, asserted, candidates)[owners],
        )
        features = np.concatenate(parts, 1, dtype=np.float32)
        ends = np.cumsum(candidates.sizes)
        return [
            (candidates.codes[low:high], features[low:high])
            for low, high in zip((ends - candidates.sizes).tolist(), ends.tolist(), strict=True)
        ]

    def _collect(self, mentions: Sequence[Linkable]) -> _Candidates:
        codes = [code for mention in mentions for code in mention.rows]
        self._table.add(set(codes))
        sizes = np.array([len(mention.rows) for mention in mentions])
        numbers = chain.from_iterable(chain.from_iterable(mention.rows.values() for mention in mentions))
        evidence = np.fromiter(numbers, np.float32, len(codes) * len(EVIDENCE)).reshape(-1, len(EVIDENCE))
        return _Candidates(codes, np.repeat(np.arange(len(mentions)), sizes), self._table.rows(codes), evidence, sizes)

    def _counts(self, candidates: _Candidates, own: Mapping[str, int] | None) -> Array:
        """Return how common codes and their categories are in the training notes."""
        counts, categories = self._table.counts[candidates.rows], self._table.category_counts[candidates.rows]
        if own:
            own_categories: Counter[str] = Counter()
            for code, n in own.items():
                own_categories[code[:3]] += n
            counts = np.maximum(0, counts - np.array([own.get(code, 0) for code in candidates.codes]))
            categories = np.maximum(0, categories - np.array([own_categories[code[:3]] for code in candidates.codes]))
        counts, categories = counts.astype(np.float32), categories.astype(np.float32)
        return np.stack([np.log1p(counts), counts > 0, np.log1p(categories), (counts + 0.1) / (categories + 1)], 1)

    def _words(self, document: Document, mentions: Sequence[Linkable], candidates: _Candidates) -> Array:
        """Return which part of the titles' words stands in mention, sentence, note and mentions, and the reverse."""
        table, owners = self._table, candidates.owners
        said = [sum(table.weight(word) for word in mention.words) or 1.0 for mention in mentions]
        tokens = [word_id(token.text) for token in document.tokens]
        within = [document.sentence_of(mention.first) for mention in mentions]
        sentences = list(dict.fromkeys(within))
        places = {sentence: place for place, sentence in enumerate(sentences)}
        sentence_of = np.array([places[sentence] for sentence in within])
        everywhere = [tokens, [word for mention in mentions for word in mention.words]]
        words, weights = table.words[candidates.rows], table.weights[candidates.rows]
        total = np.maximum(weights.sum(1), 1e-6)
        in_mention = table.weigh([mention.words for mention in mentions], owners, words, weights)
        in_sentence = table.weigh([tokens[slice(*s)] for s in sentences], sentence_of[owners], words, weights)
        in_note, in_mentions = ((weights * marked[words]).sum(1) for marked in table.mark(everywhere))
        return np.stack(
            [
                in_mention / total,
                in_sentence / total,
                in_note / total,
                in_mention / np.array(said)[owners],
                in_mentions / total,
            ],
            1,
        )


def _sides(mentions: Sequence[Linkable], candidates: _Candidates, sides: Array) -> Array:
    """Return whether the title's side is the mention's, another, not stated, or not said."""
    own = np.array([mention.side for mention in mentions])[candidates.owners]
    sided = (sides != NO_SIDE) & (sides != SIDE_NOT_STATED)
    said = own != NO_SIDE
    return np.stack(
        [(sides == own) & said, sided & (sides != own) & said, (sides == SIDE_NOT_STATED) & said, sided & ~said], 1
    )


def _shares(document: Document, mentions: Sequence[Linkable], candidates: _Candidates, table: _CodeTable) -> Array:
    """Return the share of each code's chapter and block among the others' guesses, and of its chapter nearby."""
    guessed = np.array([bool(mention.guess) for mention in mentions])
    guesses = [mention.guess or "A00" for mention in mentions]  # any code; such a mention does not count
    chapters, blocks = (np.array([part(code) for code in guesses]) for part in (_chapter_id, _block_id))
    everywhere = np.zeros(len(mentions), np.int64)
    sentences = np.array([document.sentence_of(mention.first)[0] for mention in mentions])
    places = np.unique(sentences, return_inverse=True)[1]
    return np.stack(
        [
            _share(of_code[candidates.rows], own, guessed, among, candidates.owners)
            for of_code, own, among in (
                (table.chapters, chapters, everywhere),
                (table.blocks, blocks, everywhere),
                (table.chapters, chapters, places),
            )
        ],
        1,
    )


def _share(of_code: Array, own: Array, guessed: Array, among: Array, owners: Array) -> Array:
    """Return the share of what codes belong to among the guesses of the other mentions in the same place.

    Args:
        of_code: Chapter or block of each row's code.
        own: That of each mention's guess.
        guessed: Whether each mention has a guess.
        among: Place of each mention; mentions of one place are compared.
        owners: Mention of each row.
    """
    counts = np.zeros((among.max() + 1, _N_BLOCKS))
    np.add.at(counts, (among[guessed], own[guessed]), 1)
    totals = counts.sum(1)[among] - guessed
    same = counts[among[owners], of_code] - (guessed[owners] & (own[owners] == of_code))
    shares: Array = np.where(totals[owners] > 0, same / np.maximum(totals[owners], 1), 0.0)
    return shares


def _of_mentions(
    document: Document, mentions: Sequence[Linkable], kinds: Array, asserted: Array, candidates: _Candidates
) -> Array:
    """Return what is the same for all candidates of a mention, a row for each."""
    healing = float(any(word_id(word) in _HEALING for word in document.words))
    best = np.zeros((len(mentions), len(EVIDENCE)), np.float32)
    filled = candidates.sizes > 0
    best[filled] = np.maximum.reduceat(candidates.evidence, (np.cumsum(candidates.sizes) - candidates.sizes)[filled])
    sections = [section_id(document.section_at(document.tokens[mention.first].start)) for mention in mentions]
    own = (
        best[:, SHARE] > 0, best[:, EXACT], [len(mention.words) for mention in mentions], best[:, SIMILARITY],
        np.log(np.maximum(1, candidates.sizes)), np.full(len(mentions), healing), best[:, SAID_SCORE],
        best[:, SAID_EXTENT],
    )  # fmt: skip
    place = np.eye(N_SECTIONS, dtype=np.float32)[sections]
    shared: Array = np.concatenate([np.stack(own, 1), asserted, kinds, place], 1, dtype=np.float32)
    return shared


class _CodeTable:
    """Facts of codes as arrays, a row each, filled when a code is first met.

    Attributes:
        words: Words of each title, numbered as they are met; 0 fills the rows.
        weights: How telling they are.
        flags: ``FLAGS`` of each code.
        sides: Side that each title says.
        kinds: Kind of each code.
        chapters: Number of each code's first letter, ``blocks`` that of its first two characters.
        counts: How often each stands in the training notes, ``category_counts`` how often its category.
    """

    def __init__(self, codeset: CodeSet, priors: Priors) -> None:
        self._codeset = codeset
        self._priors = priors
        self._clear()

    def _clear(self) -> None:
        self._places: dict[str, int] = {}
        self._words: dict[int, int] = {}
        self.words = np.zeros((_FIRST_CODES, _TITLE_WORDS), np.int32)
        self.weights = np.zeros((_FIRST_CODES, _TITLE_WORDS), np.float32)
        self.flags = np.zeros((_FIRST_CODES, len(FLAGS)), np.float32)
        self.sides, self.kinds, self.chapters, self.blocks, self.counts, self.category_counts = (
            np.zeros(_FIRST_CODES, np.int64) for _ in range(6)
        )

    def _make_room(self, n: int) -> None:
        """Make the arrays twice as long until ``n`` rows fit."""
        while len(self.words) < n:
            for name, array in vars(self).items():
                if isinstance(array, np.ndarray):
                    setattr(self, name, np.concatenate([array, np.zeros_like(array)]))

    def weight(self, word: int) -> float:
        """Return how telling a word is."""
        return self._priors.word_weights.get(word, self._priors.default_weight)

    def rows(self, codes: Sequence[str]) -> Array:
        """Return the rows of codes that were added."""
        return np.fromiter((self._places[code] for code in codes), np.int64, len(codes))

    def mark(self, sets: Sequence[Iterable[int]]) -> Array:
        """Return for each set of words which of the numbered ones are in it, shape (sets, words)."""
        marked = np.zeros((len(sets), len(self._words) + 1), bool)
        known = self._words
        for row, words in zip(marked, sets, strict=True):
            row[[number for word in words if (number := known.get(word))]] = True
        return marked

    def weigh(self, sets: Sequence[Iterable[int]], owners: Array, words: Array, weights: Array) -> Array:
        """Return the weight of each row's words that are in its own set.

        Args:
            sets: Sets of words.
            owners: Set of each row, rising.
            words: Words of each row, shape (rows, words).
            weights: Their weights.
        """
        sums = np.empty(len(owners), np.float32)
        for low in range(0, len(sets), _SETS_AT_ONCE):
            rows = slice(*np.searchsorted(owners, (low, low + _SETS_AT_ONCE)))
            marked = self.mark(sets[low : low + _SETS_AT_ONCE])
            sums[rows] = (weights[rows] * marked[owners[rows, None] - low, words[rows]]).sum(1)
        return sums

    def add(self, codes: set[str]) -> None:
        """Add codes that are not there yet; the table starts anew when it is full."""
        if len(self._places) > _MAX_CODES:
            self._clear()
        new = sorted(code for code in codes if code not in self._places)
        if not new:
            return
        self._make_room(len(self._places) + len(new))
        for code in new:
            self._fill(len(self._places), code)
            self._places[code] = len(self._places)

    def _fill(self, row: int, code: str) -> None:
        fact = make_facts(self._codeset, code)
        kept = fact.words[:_TITLE_WORDS]
        self.words[row, : len(kept)] = [self._words.setdefault(word, len(self._words) + 1) for word in kept]
        self.weights[row, : len(kept)] = [self.weight(word) for word in kept]
        self.flags[row], self.sides[row], self.kinds[row] = fact.flags, fact.side, fact.kind
        self.chapters[row], self.blocks[row] = _chapter_id(code), _block_id(code)
        self.counts[row] = self._priors.codes.get(code, 0)
        self.category_counts[row] = self._priors.categories.get(code[:3], 0)


def _chapter_id(code: str) -> int:
    """Return the number of a code's letter: the chapter, or nearly."""
    return ord(code[0]) - ord("A")


def _block_id(code: str) -> int:
    """Return the number of a code's first two characters, which stand for its block."""
    return 36 * _chapter_id(code) + int(code[1], 36)
