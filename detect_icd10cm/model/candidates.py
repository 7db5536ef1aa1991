"""The codes that a mention may mean, each with the evidence for it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.history import family_code, history_code
from detect_icd10cm.model.facts import BILATERAL, LEFT, NO_SIDE, RIGHT, side_word
from detect_icd10cm.model.families import representative
from detect_icd10cm.model.gazetteer import (
    CURRENT,
    FAMILY,
    HISTORICAL,
    INCLUSION,
    LEXICON,
    TITLE,
    Gazetteer,
    Phrase,
    Usage,
)
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, Mention

EVIDENCE = (
    "exact count", "exact share", "exact other count", "exact title", "exact inclusion", "exact lexicon", "part share",
    "part term", "around share", "around term", "similarity", "logit behind best", "reciprocal rank", "sided",
    "personal map", "family map", "category code", "guessed here", "category guessed here", "same words guess",
    "episode", "longer mention", "lexicon code", "lexicon score", "lexicon extent", "lexicon category",
    "lexicon candidate",
)  # fmt: skip
(
    EXACT, SHARE, OTHER, EXACT_TITLE, EXACT_INCLUSION, EXACT_LEXICON, PART, PART_TERM, AROUND, AROUND_TERM, SIMILARITY,
    BEHIND, RANK, SIDED, PERSONAL, RELATIVE, CATEGORY, GUESSED, CATEGORY_GUESSED, SAME_WORDS, EPISODE, LONGER,
    SAID, SAID_SCORE, SAID_EXTENT, SAID_CATEGORY, SAID_CANDIDATE,
) = range(len(EVIDENCE))  # fmt: skip

_STRENGTHS: Callable[[list[float]], tuple[float, ...]] = itemgetter(
    SHARE, OTHER, EXACT_TITLE, EXACT_INCLUSION, EXACT_LEXICON, PART, PART_TERM, SIMILARITY, RANK, SIDED, SAID
)
_MENTION_SOURCES = (CURRENT, HISTORICAL, FAMILY)
_HISTORICAL_ID, _FAMILY_ID = ASSERTIONS.index("historical"), ASSERTIONS.index("family")
_SIDE_NAMES = {RIGHT: "right", LEFT: "left", BILATERAL: "bilateral"}
_SIDE_BEFORE, _SIDE_AFTER = 4, 6
_BREAKS_SIDE = frozenset(".;:\n(")
_MAPPED_FROM = 0.1  # probability of historical or family from which the mapped codes are proposed
_N_PART, _N_DERIVED, _N_CATEGORIES, _N_PER_CATEGORY = 8, 6, 3, 8
_FAR_BEHIND = -12.0
_EPISODE_LENGTH = 8  # of a code whose last letter tells the episode of care, its dot included
_NOTHING_KNOWN = [_FAR_BEHIND if i == BEHIND else 0.0 for i in range(len(EVIDENCE))]


Turn = Callable[[str, CodeSet], str | None]


@dataclass(frozen=True, slots=True)
class Own:
    """A training note's own share in the gazetteer and the priors, to be left out of what is said of it."""

    evidence: Mapping[tuple[int, str, int], int]
    usage: Mapping[int, Usage]
    codes: Mapping[str, int]


class Similar(NamedTuple):
    """A code whose terms are close to a mention's vector: best cosine, and logit less the best code's."""

    code: str
    similarity: float
    behind: float


@dataclass(slots=True)
class Linkable:
    """A mention to be linked: its tokens (end exclusive), key, words, assertion probabilities, similar codes.

    ``side``, ``guess``, ``said`` (what the lexicon model finds there) and ``rows`` are filled in by ``CandidateMaker``.
    """

    first: int
    last: int
    key: int
    words: frozenset[int]
    assertions: Sequence[float]
    similar: Sequence[Similar]
    side: int = NO_SIDE
    guess: str = ""
    said: Mention | None = None
    rows: dict[str, list[float]] = field(default_factory=dict)


class CandidateMaker:
    """Proposes codes for the mentions of a note and writes down the evidence for each in ``EVIDENCE``'s order."""

    def __init__(
        self,
        codeset: CodeSet,
        gazetteer: Gazetteer,
        siblings: Mapping[str, Mapping[str, str]],
        priors: Mapping[str, int],
    ) -> None:
        self._codeset = codeset
        self._gazetteer = gazetteer
        self._siblings = siblings
        self._counts = priors
        self._by_category: dict[str, list[str]] = defaultdict(list)
        for code in sorted(priors, key=lambda code: (-priors[code], code)):
            self._by_category[code[:3]].append(code)

    def fill(
        self,
        document: Document,
        phrases: Sequence[Phrase],
        mentions: Sequence[Linkable],
        said: Sequence[Mention],
        own: Own | None = None,
    ) -> None:
        """Fill in what a note's mentions may mean.

        Args:
            document: The note.
            phrases: Its known phrases.
            mentions: Its mentions.
            said: What the lexicon model finds in it.
            own: The note's own share in what was learned, left out while training.
        """
        starts = [phrase.first for phrase in phrases]
        reach = max((phrase.last - phrase.first for phrase in phrases), default=0)
        for mention in mentions:
            mention.side = find_side(document, mention.first, mention.last)
            self._add_exact(mention, own.evidence if own else None)
            low, high = bisect_right(starts, mention.first - reach), bisect_left(starts, mention.last)
            self._add_phrases(mention, phrases[low:high], own.evidence if own else None)
            self._add_similar(mention)
            mention.said = _overlapped(document, mention, said)
            self._add_said(document, mention)
            mention.guess = self._guess(mention)
        guesses = Counter(mention.guess for mention in mentions if mention.guess)
        categories: Counter[str] = Counter()
        for code, count in guesses.items():
            categories[code[:3]] += count
        by_word: dict[int, list[Linkable]] = defaultdict(list)
        for mention in mentions:
            if mention.guess:
                for word in mention.words:
                    by_word[word].append(mention)
        for mention in mentions:
            self._add_longer(mention, by_word)
            self._add_derived(mention, own.codes if own else {})
            self._add_context(mention, guesses, categories)

    def _row(self, mention: Linkable, code: str) -> list[float]:
        row = mention.rows.get(code)
        if row is None:
            row = mention.rows[code] = _NOTHING_KNOWN.copy()
        return row

    def _add_exact(self, mention: Linkable, own: Mapping[tuple[int, str, int], int] | None) -> None:
        evidence = self._gazetteer.evidence(mention.key, own)
        group = _group(mention.assertions)
        totals: Counter[int] = Counter()
        for (_, source), count in evidence.items():
            totals[source] += count
        for (code, source), count in evidence.items():
            row = self._row(mention, code)
            if source == group:
                row[EXACT] = math.log1p(count)
                row[SHARE] = count / totals[source]
            elif source in _MENTION_SOURCES:
                row[OTHER] = max(row[OTHER], count / (totals[source] + 1))
            else:
                row[{TITLE: EXACT_TITLE, INCLUSION: EXACT_INCLUSION, LEXICON: EXACT_LEXICON}[source]] = 1.0

    def _add_phrases(
        self, mention: Linkable, phrases: Sequence[Phrase], own: Mapping[tuple[int, str, int], int] | None
    ) -> None:
        size = max(1, mention.last - mention.first)
        for phrase in phrases:
            if phrase.last <= mention.first or phrase.key == mention.key:
                continue
            inside = phrase.first >= mention.first and phrase.last <= mention.last
            around = phrase.first <= mention.first and phrase.last >= mention.last
            if not inside and not around:
                continue
            weight = (phrase.last - phrase.first) / size if inside else size / (phrase.last - phrase.first)
            evidence = self._gazetteer.evidence(phrase.key, own)
            total = sum(count for (_, source), count in evidence.items() if source == CURRENT)
            best = sorted(evidence.items(), key=lambda item: -item[1])[:_N_PART]
            for (code, source), count in best:
                if source in (HISTORICAL, FAMILY):
                    continue
                row = self._row(mention, code)
                if source == CURRENT:
                    place, value = (PART if inside else AROUND), weight * count / total
                else:
                    place, value = (PART_TERM if inside else AROUND_TERM), weight
                row[place] = max(row[place], value)

    def _add_similar(self, mention: Linkable) -> None:
        for rank, similar in enumerate(mention.similar):
            row = self._row(mention, similar.code)
            row[SIMILARITY], row[BEHIND], row[RANK] = similar.similarity, similar.behind, 1 / (rank + 1)

    def _add_said(self, document: Document, mention: Linkable) -> None:
        """Add what the lexicon model links these words to."""
        said = mention.said
        if said is None:
            return
        same = _extent(document, mention) == (said.start, said.end)
        row = self._row(mention, said.code)
        row[SAID], row[SAID_SCORE], row[SAID_EXTENT] = 1.0, said.score, float(same)
        for candidate in said.candidates:
            self._row(mention, candidate.code)[SAID_CANDIDATE] = 1.0

    @staticmethod
    def _guess(mention: Linkable) -> str:
        def evidence(item: tuple[str, list[float]]) -> tuple[float, str]:
            code, row = item
            terms = 0.3 * (row[EXACT_TITLE] + row[EXACT_INCLUSION] + row[EXACT_LEXICON])
            said = 0.5 * row[SAID] + 0.5 * row[SAID_EXTENT]
            return (row[EXACT] * row[SHARE] + terms + said + 0.3 * row[PART] + 0.5 * row[RANK] * row[SIMILARITY], code)

        return max(mention.rows.items(), key=evidence)[0] if mention.rows else ""

    def _add_derived(self, mention: Linkable, own_codes: Mapping[str, int]) -> None:
        best = self._best(mention)
        side = _SIDE_NAMES.get(mention.side)
        if side:
            for code in best:
                sided = self._siblings.get(code, {}).get(side)
                if sided:
                    self._derive(mention, sided, code, SIDED)
        self._add_mapped(mention, best, _HISTORICAL_ID, history_code, PERSONAL)
        self._add_mapped(mention, best, _FAMILY_ID, family_code, RELATIVE)
        for category in list(dict.fromkeys(code[:3] for code in best))[:_N_CATEGORIES]:
            known = (c for c in self._by_category.get(category, ()) if self._counts[c] > own_codes.get(c, 0))
            for code in islice(known, _N_PER_CATEGORY):
                self._row(mention, code)[CATEGORY] = 1.0
        if any(len(code) == _EPISODE_LENGTH for code in mention.rows):
            for code in self._best(mention):
                for other in self._episodes(code):
                    self._derive(mention, other, code, EPISODE)

    def _add_longer(self, mention: Linkable, by_word: Mapping[int, Sequence[Linkable]]) -> None:
        """Add what longer mentions with all the words of this one mean: "pain" beside "right arm pain"."""
        for other in min((by_word.get(word, ()) for word in mention.words), key=len, default=()):
            if mention.words < other.words:
                row = self._row(mention, other.guess)
                row[LONGER] += 1.0

    def _add_mapped(self, mention: Linkable, best: Sequence[str], assertion: int, turn: Turn, place: int) -> None:
        """Add what codes turn into where the finding is over or a relative's."""
        if mention.assertions[assertion] < _MAPPED_FROM:
            return
        for rank, code in enumerate(best):
            mapped = turn(code, self._codeset)
            if mapped and mapped != code:
                row = self._row(mention, mapped)
                row[place] = max(row[place], 1 / (rank + 1))

    def _derive(self, mention: Linkable, code: str, origin: str, place: int) -> None:
        """Add a code that inherits the evidence of another."""
        inherited = mention.rows[origin]
        row = self._row(mention, code)
        mention.rows[code] = list(map(max, row, inherited))
        mention.rows[code][place] = 1.0

    def _episodes(self, code: str) -> Iterable[str]:
        if len(code) != _EPISODE_LENGTH or representative(self._codeset, code) != code or code[-1] != "A":
            return ()
        return [other for seventh in "DS" if self._codeset.is_billable(other := code[:-1] + seventh)]

    @staticmethod
    def _best(mention: Linkable) -> list[str]:
        def weakness(row: list[float]) -> float:
            share, other, title, inclusion, lexicon, part, part_term, similarity, rank, sided, said = _STRENGTHS(row)
            strength = 2 * share + title + inclusion + lexicon + part + part_term + 1.5 * rank * similarity
            return -(strength + 0.5 * other + sided + 1.5 * said)

        by_weakness = sorted([(weakness(row), code) for code, row in mention.rows.items()])
        return [code for _, code in by_weakness[:_N_DERIVED]]

    @staticmethod
    def _add_context(mention: Linkable, guesses: Counter[str], categories: Counter[str]) -> None:
        """Add what the other mentions, and the lexicon model here, are taken for."""
        said = mention.said.code[:3] if mention.said else None
        for code, row in mention.rows.items():
            category = code[:3]
            if category == said:
                row[SAID_CATEGORY] = 1.0
            if category in categories:
                row[GUESSED] = math.log1p(guesses[code] - (mention.guess == code))
                same_category = categories[category] - (mention.guess[:3] == category)
                row[CATEGORY_GUESSED] = row[GUESSED] - math.log1p(same_category) if same_category else 0.0
        if mention.guess:
            mention.rows[mention.guess][SAME_WORDS] = 1 / math.sqrt(guesses.total())


def find_side(document: Document, first: int, last: int) -> int:
    """Return the side said in a mention, or else close to it in its sentence."""
    tokens = document.tokens
    inside = {side for token in tokens[first:last] if (side := side_word(token.text))}
    if inside:
        return next(iter(inside)) if len(inside) == 1 else BILATERAL
    low, high = document.sentence_of(first)
    for i in range(first - 1, max(low, first - _SIDE_BEFORE) - 1, -1):
        if side := side_word(tokens[i].text):
            return side
        if tokens[i].text in _BREAKS_SIDE or tokens[i].text == ",":
            break
    for i in range(last, min(high, last + _SIDE_AFTER)):
        if side := side_word(tokens[i].text):
            return side
        if tokens[i].text in _BREAKS_SIDE:
            break
    return NO_SIDE


def _extent(document: Document, mention: Linkable) -> tuple[int, int]:
    return document.tokens[mention.first].start, document.tokens[mention.last - 1].end


def _overlapped(document: Document, mention: Linkable, said: Sequence[Mention]) -> Mention | None:
    """Return the lexicon's mention that shares most characters with a mention, if any does."""
    start, end = _extent(document, mention)
    at = bisect_right(said, start, key=lambda other: other.end)
    best, most = None, 0
    for other in said[at:]:
        if other.start >= end:
            break
        shared = min(end, other.end) - max(start, other.start)
        if shared > most:
            best, most = other, shared
    return best


def _group(assertions: Sequence[float]) -> int:
    """Return the source of mentions of the likeliest assertion."""
    best = max(range(len(assertions)), key=lambda i: assertions[i])
    return {_HISTORICAL_ID: HISTORICAL, _FAMILY_ID: FAMILY}.get(best, CURRENT)
