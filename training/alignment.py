"""Sentences and words of a text and its machine translation, put side by side without any outside model.

Sentences keep their order in a translation, so that they are aligned by dynamic programming over one-to-one,
one-to-two, two-to-one and skipped sentences (Gale and Church 1993), here on the words in common rather than on length
alone: clinical Spanish and English share numbers, drug names and most of their Greek and Latin. From the aligned
sentences a table of word pairs is learned (IBM model 1, Brown et al. 1993) in both directions.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+(?=\s+[A-ZÁÉÍÓÚÑ¿¡(\d])|(?=\n)|$)", re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_BEADS = ((1, 1), (1, 0), (0, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
_SKIP_COST = 0.35
_MERGE_COST = 0.12
_FUNCTION_WORDS = frozenset(
    """a an and are as at be been by for from had has have he her his in into is it its no not of on or she that
    the their there this to was were which who with after before during due between
    al ante con como cual de del desde durante el ella en entre era es esta este fue ha habia la las lo los mas
    muy no o para pero por que se sin sobre su sus tras un una unas uno unos y ya""".split()
)
_SPELLINGS = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        ("ph", "f"), ("^pn", "n"), ("^ps", "s"), ("th", "t"), ("rh", "r"), ("sch", "esc"), ("ch", "c"), ("qu", "c"),
        ("k", "c"), ("y", "i"), ("h", ""), ("cion", "tion"), ("^s(?=[ptc])", "es"), (r"([a-z])\1", r"\1"), ("w", "v"),
        ("z", "c"),
    )
)  # fmt: skip
_SKELETON = 5


class Sentence(NamedTuple):
    """A sentence's characters in its text, end exclusive, and its content words."""

    start: int
    end: int
    words: tuple[Word, ...]


class Word(NamedTuple):
    """A content word, lower case without accents and plural, with its characters in the text."""

    form: str
    start: int
    end: int


def split_sentences(text: str) -> list[Sentence]:
    """Return the sentences of a text that have content words, in order; a line break always ends one."""
    spans = (match.span() for match in _SENTENCE.finditer(text))
    found = (Sentence(start, end, tuple(content_words(text, start, end))) for start, end in spans)
    # The translations number their blank lines: "1." is no sentence.
    return [sentence for sentence in found if any(not word.form.isdigit() for word in sentence.words)]


def content_words(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """Return the words of a stretch of text but for function words."""
    words = (
        Word(fold(match.group()), match.start(), match.end())
        for match in _WORD.finditer(text, start, len(text) if end is None else end)
    )
    return [word for word in words if word.form not in _FUNCTION_WORDS]


@lru_cache(maxsize=200_000)
def fold(word: str) -> str:
    """Return a word in lower case, without accents and without the ending of a plural."""
    bare = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(c))
    return bare[:-1] if len(bare) > 3 and bare.endswith("s") and not bare.endswith(("ss", "sis", "us")) else bare


@lru_cache(maxsize=200_000)
def skeleton(word: str) -> str:
    """Return the start of a word in the spelling that Spanish and English medical words share.

    >>> skeleton("litiasis") == skeleton("lithiasis"), skeleton("neumonia") == skeleton("pneumonia")
    (True, True)
    """
    for pattern, said in _SPELLINGS:
        word = pattern.sub(said, word)
    return word if word.isdigit() else word[:_SKELETON]


def align_sentences(source: Sequence[Sentence], target: Sequence[Sentence]) -> list[tuple[range, range]]:
    """Return which sentences of a text and of its translation belong together, as ranges of their positions."""
    keys = [frozenset(skeleton(word.form) for word in sentence.words) for sentence in target]
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for i in range(len(source) + 1):
        for j in range(len(target) + 1):
            if (i, j) not in best:
                continue
            for m, n in _BEADS:
                if i + m <= len(source) and j + n <= len(target):
                    gain = _bead_gain(source[i : i + m], target[j : j + n], keys[j : j + n])
                    score = best[i, j][0] + gain
                    if score > best.get((i + m, j + n), (-math.inf,))[0]:
                        best[i + m, j + n] = (score, (i, j))
    beads, at = [], (len(source), len(target))
    while at != (0, 0):
        before = best[at][1]
        beads.append((range(before[0], at[0]), range(before[1], at[1])))
        at = before
    return [bead for bead in reversed(beads) if bead[0] and bead[1]]


def _bead_gain(source: Sequence[Sentence], target: Sequence[Sentence], keys: Sequence[frozenset[str]]) -> float:
    if not source or not target:
        return -_SKIP_COST
    shared = frozenset().union(*keys)
    hits = sum(skeleton(word.form) in shared for sentence in source for word in sentence.words)
    n_words = max(sum(len(sentence.words) for sentence in side) for side in (source, target))
    return hits / n_words * (len(source) + len(target)) / 2 - _MERGE_COST * (len(source) + len(target) - 2)


class WordPairs:
    """How likely words are each other's translation: IBM model 1 in both directions, geometric mean."""

    def __init__(self, bitext: Sequence[tuple[Sequence[str], Sequence[str]]], rounds: int = 6) -> None:
        forth = _train(bitext, rounds)
        back = _train([(target, source) for source, target in bitext], rounds)
        self._table: dict[str, dict[str, float]] = {
            word: {other: math.sqrt(p * back[other].get(word, 0.0)) for other, p in row.items() if p > 0.01}
            for word, row in forth.items()
        }

    def score(self, source: str, target: str) -> float:
        """Return how likely two words are each other's translation, in [0, 1]; like spelling counts as well."""
        learned = self._table.get(source, {}).get(target, 0.0)
        return max(learned, _cognate(source, target))


@lru_cache(maxsize=500_000)
def _cognate(source: str, target: str) -> float:
    """Return the likeness of two spellings in [0, 0.9]: 0 unless they begin alike."""
    if source == target:
        return 0.9
    if len(source) < 4 or len(target) < 4 or skeleton(source)[:4] != skeleton(target)[:4]:
        return 0.0
    left, right = _trigrams(source), _trigrams(target)
    return 0.3 + 0.6 * 2 * len(left & right) / (len(left) + len(right))


@lru_cache(maxsize=100_000)
def _trigrams(word: str) -> frozenset[str]:
    for pattern, said in _SPELLINGS:
        word = pattern.sub(said, word)
    return frozenset(word[i : i + 3] for i in range(max(1, len(word) - 2)))


def _train(bitext: Sequence[tuple[Sequence[str], Sequence[str]]], rounds: int) -> dict[str, dict[str, float]]:
    """Return p(target word | source word) after some rounds of expectation maximisation."""
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for source, target in bitext:
        for word in source:
            for other in target:
                table[word][other] = 1.0 + 20 * _cognate(word, other)
    for _ in range(rounds):
        counts: dict[str, dict[str, float]] = {word: defaultdict(float) for word in table}
        for source, target in bitext:
            for other in target:
                total = sum(table[word].get(other, 0.0) for word in source)
                for word in source if total else ():
                    counts[word][other] += table[word].get(other, 0.0) / total
        table = {
            word: {other: n / total for other, n in row.items() if n / total > 1e-4}
            for word, row in counts.items()
            if (total := sum(row.values()))
        }
    return table
