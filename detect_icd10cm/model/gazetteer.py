"""Phrases with the codes they have meant: training mentions with counts, terms of the code set and of lexicons.

A phrase is compared as the bag of its normalised words without function words, so that "pain in the left knee" and
"left knee pain" are one. A bag's key is the sum of its words' 62-bit ids; with some 10^5 phrases the chance of any
two bags sharing a key is about 10^-8. The table is saved with the checkpoint as plain arrays.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from detect_icd10cm.text.document import Document
from detect_icd10cm.text.tokens import normalize_word, tokenize

# Where an evidence comes from: a training mention by whether the finding is over or a relative's; a published term.
CURRENT, HISTORICAL, FAMILY, TITLE, INCLUSION, LEXICON = range(6)
_MENTION_SOURCES = (CURRENT, HISTORICAL, FAMILY)

_MAX_WORDS = 8
_MAX_SKIPPED = 3
_SKIPPED = frozenset(
    "a an and as at by due for from her his in into its my of on other our over the their to with your nos this".split()
)
_SKIPPED_MARKS = frozenset(",-/'’\"")

# Tags of a word: outside any known phrase, or first or later word of one by how often training notes annotate it.
SELDOM, SOMETIMES, MOSTLY, UNSEEN = range(4)
N_PHRASE_TAGS = 9

Evidence = Mapping[tuple[str, int], float]


class Phrase(NamedTuple):
    """A known phrase in a note: its tokens (end exclusive), its key and its number of words."""

    first: int
    last: int
    key: int
    n_words: int


class Usage(NamedTuple):
    """How often a phrase stands in the training notes, and how often as a mention of just that extent."""

    found: int
    annotated: int


class Gazetteer:
    """A table of phrases; made by ``GazetteerBuilder.build`` or ``from_arrays``.

    Attributes:
        codes: The codes that evidence refers to.
    """

    def __init__(
        self, codes: Sequence[str], words: Iterable[int], rows: Mapping[int, tuple[tuple[int, int, int], ...]],
        usage: Mapping[int, Usage],
    ) -> None:  # fmt: skip
        self.codes = tuple(codes)
        self._words = frozenset(words)
        self._rows = rows
        self._usage = usage

    def __len__(self) -> int:
        return len(self._rows)

    def evidence(self, key: int, own: Mapping[tuple[int, str, int], int] | None = None) -> dict[tuple[str, int], int]:
        """Return the counts of a phrase's meanings by (code, source).

        Args:
            key: The phrase's key.
            own: Counts of (key, code, source) to leave out: those of the note itself, while training.
        """
        found = {}
        for code_id, source, count in self._rows.get(key, ()):
            code = self.codes[code_id]
            left = count - own.get((key, code, source), 0) if own else count
            if left > 0:
                found[code, source] = left
        return found

    def phrases(self, document: Document) -> list[Phrase]:
        """Return every known phrase of a note, overlapping ones too, in order of their first token."""
        rows = self._rows
        places, words, gaps = self._known_words(document)
        found = []
        for i, (first, key) in enumerate(zip(places, words, strict=True)):
            if key in rows:
                found.append(Phrase(first, first + 1, key, 1))
            skipped = 0
            for j in range(i + 1, min(i + _MAX_WORDS, len(places))):
                skipped += gaps[j]
                if skipped > _MAX_SKIPPED:
                    break
                key += words[j]
                if key in rows:
                    found.append(Phrase(first, places[j] + 1, key, j - i + 1))
        return found

    def _known_words(self, document: Document) -> tuple[list[int], list[int], list[int]]:
        """Return place and id of each word that is part of some phrase, and how many tokens are skipped before it.

        More than may be skipped are told where a phrase can't go on: behind a word or mark that none has.
        """
        known = self._words
        places, words, gaps, gap = [], [], [], 0
        for place, token in enumerate(document.tokens):
            word = word_id(token.text)
            if word in known:
                places.append(place)
                words.append(word)
                gaps.append(gap)
                gap = 0
            else:
                gap += 1 if word == 0 else _MAX_SKIPPED + 1
        return places, words, gaps

    def tags(
        self,
        phrases: Sequence[Phrase],
        n_tokens: int,
        own: Mapping[tuple[int, str, int], int] | None = None,
        own_usage: Mapping[int, Usage] | None = None,
    ) -> list[int]:
        """Return the tag of each token of a note: 0 outside, else ``1 + 2 * bucket`` (first word) or one more."""
        tags = [0] * n_tokens
        for phrase in longest(phrases, n_tokens):
            bucket = self._bucket(phrase.key, own, own_usage)
            if bucket is not None:
                tags[phrase.first] = 1 + 2 * bucket
                for i in range(phrase.first + 1, phrase.last):
                    tags[i] = 2 + 2 * bucket
        return tags

    def _bucket(
        self, key: int, own: Mapping[tuple[int, str, int], int] | None, own_usage: Mapping[int, Usage] | None
    ) -> int | None:
        if own and not self.evidence(key, own):
            return None  # known from this very note alone
        found, annotated = self._usage.get(key, (0, 0))
        if own_usage and key in own_usage:
            found, annotated = found - own_usage[key].found, annotated - own_usage[key].annotated
        if found <= 0:
            return UNSEEN
        rate = (annotated + 0.5) / (found + 1)
        return SELDOM if rate < 0.25 else SOMETIMES if rate < 0.75 else MOSTLY

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the table as arrays to be saved."""
        keys = sorted(self._rows)
        rows = [row for key in keys for row in self._rows[key]]
        usage = [self._usage.get(key, Usage(0, 0)) for key in keys]
        return {
            "keys": np.array(keys, np.int64),
            "sizes": _narrow([len(self._rows[key]) for key in keys]),
            "code_ids": _narrow([row[0] for row in rows]),
            "sources": _narrow([row[1] for row in rows]),
            "counts": _narrow([row[2] for row in rows]),
            "words": np.array(sorted(self._words), np.int64),
            "found": _narrow([u.found for u in usage]),
            "annotated": _narrow([u.annotated for u in usage]),
        }

    @classmethod
    def from_arrays(cls, codes: Sequence[str], arrays: Mapping[str, np.ndarray[Any, Any]]) -> Gazetteer:
        """Rebuild a table from ``to_arrays``'s form."""
        evidence = list(
            zip(arrays["code_ids"].tolist(), arrays["sources"].tolist(), arrays["counts"].tolist(), strict=True)
        )
        rows, at = {}, 0
        keys = arrays["keys"].tolist()
        for key, size in zip(keys, arrays["sizes"].tolist(), strict=True):
            rows[key] = tuple(evidence[at : at + size])
            at += size
        counts = zip(keys, arrays["found"].tolist(), arrays["annotated"].tolist(), strict=True)
        usage = {key: Usage(found, annotated) for key, found, annotated in counts if found}
        return cls(codes, arrays["words"].tolist(), rows, usage)


class GazetteerBuilder:
    """Collects phrases and counts, then makes the table."""

    def __init__(self, codes: Sequence[str]) -> None:
        self._code_ids = {code: i for i, code in enumerate(codes)}
        self._counts: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
        self._words: set[int] = set()
        self._usage: dict[int, Usage] = {}

    @classmethod
    def of(cls, gazetteer: Gazetteer) -> GazetteerBuilder:
        """Return a builder that starts with all of a table."""
        builder = cls(gazetteer.codes)
        arrays = gazetteer.to_arrays()
        builder._words.update(arrays["words"].tolist())
        at = 0
        evidence = zip(arrays["code_ids"].tolist(), arrays["sources"].tolist(), arrays["counts"].tolist(), strict=True)
        rows = list(evidence)
        for i, (key, size) in enumerate(zip(arrays["keys"].tolist(), arrays["sizes"].tolist(), strict=True)):
            builder._counts[key].update({(code, source): count for code, source, count in rows[at : at + size]})
            builder._usage[key] = Usage(int(arrays["found"][i]), int(arrays["annotated"][i]))
            at += size
        return builder

    def add(self, phrase: str, code: str, source: int) -> None:
        """Count one meaning of a phrase; one of no or too many words, or a term of one short word, is left out."""
        ids = word_ids(phrase)
        thin = source not in _MENTION_SOURCES and len(ids) == 1 and len(phrase.strip()) < 4
        if ids and len(ids) <= _MAX_WORDS and not thin and code in self._code_ids:
            self._words.update(ids)
            self._counts[sum(ids)][self._code_ids[code], source] += 1

    def add_usage(self, usage: Mapping[int, Usage]) -> None:
        """Add a note's uses of phrases."""
        for key, (found, annotated) in usage.items():
            before = self._usage.get(key, Usage(0, 0))
            self._usage[key] = Usage(before.found + found, before.annotated + annotated)

    def build(self) -> Gazetteer:
        """Return the table of all that was added."""
        rows = {
            key: tuple((code, source, count) for (code, source), count in sorted(counts.items()))
            for key, counts in self._counts.items()
        }
        return Gazetteer(list(self._code_ids), self._words, rows, self._usage)


def _narrow(counts: Sequence[int]) -> np.ndarray[Any, Any]:
    """Return counts in the smallest type that holds them: a checkpoint stays in git for ever."""
    return np.array(counts, np.min_scalar_type(max(counts, default=0)))


def longest(phrases: Sequence[Phrase], n_tokens: int) -> list[Phrase]:
    """Return phrases that do not overlap, the longest first where they compete, in order of place."""
    taken = bytearray(n_tokens)
    chosen = []
    for phrase in sorted(phrases, key=lambda phrase: (-phrase.n_words, phrase.first)):
        if not any(taken[phrase.first : phrase.last]):
            taken[phrase.first : phrase.last] = b"\x01" * (phrase.last - phrase.first)
            chosen.append(phrase)
    chosen.sort()
    return chosen


def note_usage(phrases: Sequence[Phrase], n_tokens: int, spans: Iterable[tuple[int, int]]) -> dict[int, Usage]:
    """Return a note's uses of phrases, counted on the longest ones.

    Args:
        phrases: All known phrases of the note.
        n_tokens: Its number of tokens.
        spans: Its annotated mentions as tokens, end exclusive.
    """
    annotated = set(spans)
    usage: dict[int, Usage] = {}
    for phrase in longest(phrases, n_tokens):
        before = usage.get(phrase.key, Usage(0, 0))
        usage[phrase.key] = Usage(before.found + 1, before.annotated + ((phrase.first, phrase.last) in annotated))
    return usage


def guess_code(evidence: Mapping[tuple[str, int], int]) -> str:
    """Return the code that a phrase most often meant, an empty string for a phrase of no meaning."""
    if not evidence:
        return ""
    return max(evidence.items(), key=lambda item: (item[0][1] == CURRENT, item[1], item[0]))[0][0]


def phrase_key(text: str) -> int:
    """Return the key of a phrase; 0 for one without words."""
    return sum(word_ids(text))


def word_ids(text: str) -> list[int]:
    """Return the ids of a phrase's words, function words and marks left out."""
    return [word for token in tokenize(text) if (word := word_id(token.text)) > 0]


@lru_cache(maxsize=100_000)
def word_id(word: str) -> int:
    """Return a word's id; 0 for what is skipped inside a phrase, -1 for other marks."""
    if word in _SKIPPED_MARKS or word.lower() in _SKIPPED:
        return 0
    if not word[0].isalnum():
        return -1
    digest = hashlib.blake2b(normalize_word(word).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 5 | 1  # sums of eight stay within 62 bits
