"""Evidence spans carried from a Spanish case to its English machine translation.

For each Spanish reference the English words of the aligned sentence are scored by how likely they translate a word of
the reference rather than another word of the sentence, and the stretch with the best sum is taken. Two things that
the corpus and the code set know add to a stretch: that it is a term of the reference's code, and that the same Spanish
phrase has often been carried to the same English one. Each projected mention has a confidence; what falls short of
``MIN_CONFIDENCE`` is not projected.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.types import AnnotatedNote, Mention, Note
from training.alignment import Sentence, Word, WordPairs, align_sentences, split_sentences
from training.terms import Term, term_key

MIN_CONFIDENCE = 0.6
_EXTRA_WORDS = 3
_MIN_LINK = 0.1
_FREE_LINK = 0.3
# Below this a reference is taken to have a word that no English word was found for.
_COMPLETE = 0.85
_CERTAIN = 0.95
_UNLINKED_COST = 0.12
_TERM_BONUS = 0.4
_CATEGORY_BONUS = 0.15
_HABIT_BONUS = 0.5


class Reference(NamedTuple):
    """A piece of Spanish evidence: its characters and the code it stands for."""

    start: int
    end: int
    code: str


@dataclass(slots=True)
class Bitext:
    """A case in both languages with its evidence; ``beads`` are the sentences that belong together."""

    note_id: str
    source: str
    target: str
    references: Sequence[Reference]
    codes: tuple[str, ...] = ()
    source_sentences: list[Sentence] = dataclasses.field(default_factory=list)
    target_sentences: list[Sentence] = dataclasses.field(default_factory=list)
    beads: list[tuple[range, range]] = dataclasses.field(default_factory=list)

    def align(self) -> None:
        """Split both texts into sentences and align these."""
        self.source_sentences = split_sentences(self.source)
        self.target_sentences = split_sentences(self.target)
        self.beads = align_sentences(self.source_sentences, self.target_sentences)

    def bead_of(self, reference: Reference) -> tuple[list[Word], list[Word]] | None:
        """Return the words of the aligned sentences around a reference, Spanish and English."""
        for source, target in self.beads:
            sentences = self.source_sentences[source.start : source.stop]
            if any(s.start <= reference.start < s.end for s in sentences):
                others = self.target_sentences[target.start : target.stop]
                return [w for s in sentences for w in s.words], [w for s in others for w in s.words]
        return None


class Projection(NamedTuple):
    """Where a reference went in the English text, and how sure that is."""

    start: int
    end: int
    confidence: float


class Projector:
    """Carries references over; made for a whole corpus, whose word pairs and habits it learns.

    Args:
        cases: All cases, aligned.
        terms: What codes are called in English.
    """

    def __init__(self, cases: Sequence[Bitext], terms: Iterable[Term]) -> None:
        self._pairs = WordPairs([pair for case in cases for pair in _word_lists(case)])
        self._terms: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for term in terms:
            self._terms[term_key(term.text)].add(term.code)
        self._habits: dict[str, Counter[tuple[str, ...]]] = {}
        self._habits = self._learn_habits(cases)

    def project(self, case: Bitext, reference: Reference) -> Projection | None:
        """Return where a reference stands in the English text; None where no stretch carries it."""
        bead = case.bead_of(reference)
        if bead is None:
            return None
        source, target = bead
        wanted = [word for word in source if reference.start <= word.start < reference.end]
        if not wanted or not target:
            return None
        links = _Links(self._pairs, wanted, [word for word in source if word not in wanted], target)
        habits = self._habits.get(_phrase(case.source, reference), Counter())
        best: tuple[float, Projection] | None = None
        for first in range(len(target)):
            for last in range(first, min(len(target), first + len(wanted) + _EXTRA_WORDS)):
                if links.gains[first] < _MIN_LINK and links.gains[last] < _MIN_LINK and not habits:
                    continue
                start, end = target[first].start, target[last].end
                key = term_key(case.target[start:end])
                known = self._known(key, reference.code)
                habit = habits[key] / habits.total() if habits else 0.0
                score = links.score(first, last) + known + _HABIT_BONUS * habit
                if best is None or score > best[0]:
                    sure = max(links.confidence(first, last), _CERTAIN * (known == _TERM_BONUS), min(habit, 0.9))
                    best = score, Projection(start, end, round(min(sure, _CERTAIN), 3))
        return self._completed(best[1], case.target, links, target) if best and best[1].confidence > 0 else None

    def _completed(self, found: Projection, text: str, links: _Links, target: list[Word]) -> Projection:
        """Return a stretch with the noun that follows it, where a word of the reference is left for that noun.

        "Osteoporotic vertebral [compressions]": the noun is often the word that the table does not know.
        """
        after = next((j for j, word in enumerate(target) if word.start >= found.end), None)
        if after is None or found.confidence >= _COMPLETE or not links.is_free(after):
            return found
        return found._replace(end=target[after].end) if text[found.end : target[after].start] == " " else found

    def _known(self, key: tuple[str, ...], code: str) -> float:
        codes = self._terms.get(key, ())
        return _TERM_BONUS if code in codes else _CATEGORY_BONUS if any(c[:3] == code[:3] for c in codes) else 0.0

    def _learn_habits(self, cases: Sequence[Bitext]) -> dict[str, Counter[tuple[str, ...]]]:
        habits: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for case in cases:
            for reference in case.references:
                found = self.project(case, reference)
                if found and found.confidence >= MIN_CONFIDENCE:
                    habits[_phrase(case.source, reference)][term_key(case.target[found.start : found.end])] += 1
        return {phrase: counts for phrase, counts in habits.items() if counts.total() > 1}


class _Links:
    """The links between the words of a reference and those of the English sentence."""

    def __init__(self, pairs: WordPairs, wanted: list[Word], rest: list[Word], target: list[Word]) -> None:
        self._table = [[pairs.score(word.form, other.form) for other in target] for word in wanted]
        self.gains = [max(row[j] for row in self._table) for j in range(len(target))]
        self._rivals = [max((pairs.score(word.form, o.form) for word in rest), default=0.0) for o in target]

    def score(self, first: int, last: int) -> float:
        """Return how well a stretch carries the reference: its words found, less what belongs elsewhere."""
        found = sum(max(row[first : last + 1]) for row in self._table)
        return found - sum(self._stray(j) for j in range(first, last + 1))

    def confidence(self, first: int, last: int) -> float:
        """Return the share of the reference's words found times the share of the stretch's words that are its own."""
        found = sum(min(1.0, 1.6 * max(row[first : last + 1])) for row in self._table) / len(self._table)
        own = [self.gains[j] >= _MIN_LINK and self.gains[j] >= self._rivals[j] for j in range(first, last + 1)]
        return found * sum(own) / len(own)

    def is_free(self, j: int) -> bool:
        """Return whether an English word translates no word of the sentence outside the reference."""
        return self._rivals[j] < _FREE_LINK

    def _stray(self, j: int) -> float:
        if self.gains[j] < _MIN_LINK and self._rivals[j] < _MIN_LINK:
            return _UNLINKED_COST
        return max(0.0, self._rivals[j] - self.gains[j])


def project_cases(cases: Sequence[Bitext], terms: Iterable[Term], *, whole: bool = True) -> Iterator[AnnotatedNote]:
    """Yield the English cases with the mentions carried over, each with its confidence as score.

    Assertions are unknown (``assertion_score`` 0). References that could not be carried leave their code in the
    note's codes.

    Args:
        cases: The cases of a corpus.
        terms: What codes are called in English.
        whole: Whether to keep the English lines in which a reference is lost. Without them the notes are shorter, and
            what bears no mention in them can be taken to have none.
    """
    for case in cases:
        case.align()
    projector = Projector(cases, terms)
    for case in cases:
        mentions, lost = [], []
        for reference in case.references:
            found = projector.project(case, reference)
            if found and found.confidence >= MIN_CONFIDENCE:
                mentions.append(_mention(case.target, found, reference.code))
            else:
                lost.append(reference)
        note = AnnotatedNote(Note(case.note_id, case.target), _merge(mentions), case.codes)
        yield note if whole else _without_lines(note, _lost_lines(case, lost))


def _mention(text: str, found: Projection, code: str) -> Mention:
    return Mention(
        start=found.start,
        end=found.end,
        text=text[found.start : found.end],
        kind=kind_of(code),
        assertion="present",
        code=code,
        assertion_score=0.0,
        score=found.confidence,
    )


def _merge(mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    """Return each span and code once, with the best confidence, in order of place."""
    best: dict[tuple[int, int, str], Mention] = {}
    for mention in mentions:
        key = (mention.start, mention.end, mention.code)
        if key not in best or best[key].score < mention.score:
            best[key] = mention
    return tuple(best[key] for key in sorted(best))


def _lost_lines(case: Bitext, lost: Iterable[Reference]) -> list[tuple[int, int]]:
    """Return the English sentences in which a lost reference may stand: all of them where it has no place."""
    spans = []
    for reference in lost:
        bead = case.bead_of(reference)
        words = bead[1] if bead else []
        spans += [(s.start, s.end) for s in case.target_sentences if any(s.start <= w.start < s.end for w in words)]
    return spans


def _without_lines(annotated: AnnotatedNote, cut: Iterable[tuple[int, int]]) -> AnnotatedNote:
    """Return a note without some stretches of its text, the offsets of the mentions moved."""
    text, mentions = annotated.note.text, list(annotated.mentions)
    for start, end in sorted(set(cut), reverse=True):
        end += text[end : end + 1] == "\n"
        text = text[:start] + text[end:]
        mentions = [
            dataclasses.replace(m, start=m.start - moved, end=m.end - moved)
            for m in mentions
            if m.end <= start or m.start >= end
            for moved in [end - start if m.start >= end else 0]
        ]
    note = dataclasses.replace(annotated.note, text=text)
    return dataclasses.replace(annotated, note=note, mentions=tuple(mentions))


def _word_lists(case: Bitext) -> Iterator[tuple[list[str], list[str]]]:
    for source, target in case.beads:
        yield (
            [word.form for i in source for word in case.source_sentences[i].words],
            [word.form for j in target for word in case.target_sentences[j].words],
        )


def _phrase(text: str, reference: Reference) -> str:
    return " ".join(text[reference.start : reference.end].lower().split())
