"""The trained model: finds mentions, asserts them and links them to codes, many notes at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.lexicon import Match
from detect_icd10cm.model.candidates import CandidateMaker, Linkable, Own, Similar
from detect_icd10cm.model.checkpoint import Linker
from detect_icd10cm.model.decode import decode_spans, join_spans, trim_spans
from detect_icd10cm.model.features import FeatureMaker
from detect_icd10cm.model.gazetteer import Gazetteer, Phrase, guess_code, word_id
from detect_icd10cm.model.inputs import Array, EncodedNote, Framing, Pieces, encode_note, make_windows, section_id
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.ranking import Candidates
from detect_icd10cm.model.runtime import ReadNote, Runtime, pool_spans, read_notes
from detect_icd10cm.model.tagger import Tagger, average_pieces
from detect_icd10cm.model.tags import mark_terms
from detect_icd10cm.model.terms import TermIndex
from detect_icd10cm.model.words import word_features
from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, KINDS, Candidate, Mention

_N_CANDIDATES = 5
# Enough to fill what a GPU reads at once; a CPU reads one window at a time, and the rest costs less a note.
_NOTES_FOR_CPU, _NOTES_FOR_GPU = 8, 64
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ModelParts:
    """What a model needs beside its network."""

    pieces: Pieces
    terms: TermIndex
    linker: Linker
    lexicon: LexiconModel


@dataclass(slots=True)
class LinkedSpan:
    """A span of words with what the cue rules say, the heads' probabilities, its candidate codes and their features."""

    span: Span
    rule: int
    assertions: Array
    kinds: Array
    codes: list[str]
    features: Array


class _Known(NamedTuple):
    """The phrases that a note has, and the terms of the lexicon that stand for findings in it."""

    phrases: Sequence[Phrase]
    terms: Sequence[Match]

    @property
    def extents(self) -> list[Span]:
        """The words of each term."""
        return [(term.first, term.last) for term in self.terms]


class _Scores(NamedTuple):
    """What rules and heads say of a note's spans: assertion ids, assertion and kind probabilities, similar codes.

    Links to codes are learned from and made with the head's own probabilities of assertions; ``assertions`` are those
    with the weight of the rules and the biases.
    """

    rules: Array
    head: Array
    assertions: Array
    kinds: Array
    similar: Sequence[Sequence[Similar]]


class TrainedModel:
    """Finds, asserts and links the mentions of notes.

    Attributes:
        name: The name that results carry.
        codeset: The release whose codes it gives.
        notes_at_once: Notes worth reading together.
    """

    def __init__(self, name: str, codeset: CodeSet, framing: Framing, runtime: Runtime, parts: ModelParts) -> None:
        self.name = name
        self.codeset = codeset
        self._framing = framing
        self._runtime = runtime
        self._parts = parts
        self._rules = AssertionRules.load()
        linker = parts.linker
        self._candidates = CandidateMaker(codeset, linker.gazetteer, linker.siblings, linker.priors.codes)
        self._features = FeatureMaker(codeset, linker.priors)
        self._projected = np.zeros((0, 0), np.float32)
        self._is_projected = np.zeros(runtime.n_pieces, bool)
        self.notes_at_once = _NOTES_FOR_GPU if runtime.batch_tokens else _NOTES_FOR_CPU

    @property
    def linker(self) -> Linker:
        """What the model knows beside its network."""
        return self._parts.linker

    def with_linker(self, linker: Linker) -> TrainedModel:
        """Return the same network with other phrases, counts and ranker."""
        parts = dataclasses.replace(self._parts, linker=linker)
        return TrainedModel(self.name, self.codeset, self._framing, self._runtime, parts)

    def with_settings(self, **settings: Any) -> TrainedModel:
        """Return the same model with other windows, thresholds or weights: fields of ``Framing``."""
        framing = dataclasses.replace(self._framing, **settings)
        return TrainedModel(self.name, self.codeset, framing, self._runtime, self._parts)

    @property
    def framing(self) -> Framing:
        """How it cuts notes, and its thresholds and weights."""
        return self._framing

    @property
    def gazetteer(self) -> Gazetteer:
        """The phrases that the model knows."""
        return self._parts.linker.gazetteer

    @property
    def seen_codes(self) -> Collection[str]:
        """The codes that training notes have."""
        return self._parts.linker.priors.codes.keys()

    def detect(self, document: Document) -> tuple[Mention, ...]:
        """Return a note's mentions in order of place; none overlap."""
        return self.detect_batch([document])[0]

    def detect_batch(self, documents: Sequence[Document]) -> list[tuple[Mention, ...]]:
        """Return the mentions of several notes; each note's are those that ``detect`` gives."""
        linked = self.link_batch(documents)
        ranked = self._rank(linked)
        return [
            tuple(self._mention(document, span, next(ranked)) for span in spans)
            for document, spans in zip(documents, linked, strict=True)
        ]

    def _rank(self, linked: Sequence[Sequence[LinkedSpan]]) -> Iterator[tuple[Candidate, ...]]:
        """Yield the best candidates of each span of all notes, the best first; the ranker runs once for all."""
        spans = [span for own in linked for span in own]
        notes = [i for i, own in enumerate(linked) for _ in own]
        candidates = Candidates.join([span.features for span in spans], [span.codes for span in spans], notes)
        ranker = self._parts.linker.ranker
        scores = ranker.score(candidates)
        probabilities = ranker.probabilities(scores, candidates.sizes).tolist()
        order = np.lexsort((-scores, np.repeat(np.arange(len(spans)), candidates.sizes))).tolist()
        first = 0
        for span in spans:
            best = order[first : first + min(len(span.codes), _N_CANDIDATES)]
            codes = [(candidates.codes[row], probabilities[row]) for row in best]
            yield tuple(Candidate(code, self.codeset.title(code), round(score, 4)) for code, score in codes)
            first += len(span.codes)

    def link_batch(
        self,
        documents: Sequence[Document],
        spans: Sequence[Sequence[Span]] | None = None,
        own: Sequence[Own | None] | None = None,
    ) -> list[list[LinkedSpan]]:
        """Return what is known of the spans of notes before their codes are ranked.

        Args:
            documents: The notes.
            spans: Spans in words (end exclusive) of each note; found where None.
            own: Each note's own share in what was learned, while training.
        """
        shares = own or [None] * len(documents)
        known = [self._look_up(document) for document in documents]
        notes, read = self._read(documents, known, shares)
        if spans is None:
            mixed = self._mix(documents, notes, read)
            spans = [self._decode(*item) for item in zip(documents, known, mixed, strict=True)]
        scored = self._score(documents, notes, read, spans, shares)
        return [
            self._link(document, own_known, note_spans, note_scores, share)
            for document, own_known, note_spans, note_scores, share in zip(
                documents, known, spans, scored, shares, strict=True
            )
        ]

    def _decode(self, document: Document, known: _Known, scores: Array) -> list[Span]:
        words = [token.text for token in document.tokens]
        spans = decode_spans(scores, self._framing.outside_bias, self._framing.inside_bias)
        return join_spans(trim_spans(spans, words), known.extents, words)

    def label_scores(self, documents: Sequence[Document]) -> list[tuple[Array, Array | None]]:
        """Return the log-probabilities of outside, begin and inside of each note's words, shape (words, 3).

        The first are the span head's, the second the word tagger's, None where the model has none.
        """
        known = [self._look_up(document) for document in documents]
        notes, read = self._read(documents, known, [None] * len(documents))
        return [
            (log_softmax(reading.labels), self._tag(document, note))
            for document, note, reading in zip(documents, notes, read, strict=True)
        ]

    def _mix(
        self, documents: Sequence[Document], notes: Sequence[EncodedNote], read: Sequence[ReadNote]
    ) -> list[Array]:
        mixed = []
        for document, note, reading in zip(documents, notes, read, strict=True):
            scores = log_softmax(reading.labels)
            tagged = self._tag(document, note) if self._framing.tagger_share else None
            mixed.append(scores if tagged is None else mix_scores(scores, tagged, self._framing.tagger_share))
        return mixed

    def _tag(self, document: Document, note: EncodedNote) -> Array | None:
        tagger = self._parts.linker.tagger
        first = note.starts[:-1]
        if tagger is None:
            return None
        projected = average_pieces(self._project(tagger, note.ids), note.starts)
        return tagger.score(word_features(document, note.tags[first], note.sections[first]), projected)

    def _project(self, tagger: Tagger, ids: Array) -> Array:
        """Return what the tagger reads of pieces, which is the same in every note and computed once."""
        new = np.unique(ids[~self._is_projected[ids]])
        if len(new):
            if not self._projected.size:
                self._projected = np.zeros((self._runtime.n_pieces, tagger.static.shape[1]), np.float32)
            self._projected[new] = tagger.project(self._runtime.embed(new))
            self._is_projected[new] = True
        return self._projected[ids]

    def _read(
        self, documents: Sequence[Document], known: Sequence[_Known], own: Sequence[Own | None]
    ) -> tuple[list[EncodedNote], list[ReadNote]]:
        notes = [self._encode(*item) for item in zip(documents, known, own, strict=True)]
        windows = [
            make_windows(note, document.sentences, self._framing.window, self._framing.margin)
            for note, document in zip(notes, documents, strict=True)
        ]
        return notes, read_notes(self._runtime, list(zip(notes, windows, strict=True)), self._framing)

    def _look_up(self, document: Document) -> _Known:
        return _Known(self.gazetteer.phrases(document), self._parts.lexicon.find(document))

    def _encode(self, document: Document, known: _Known, own: Own | None) -> EncodedNote:
        left_out = (own.evidence, own.usage) if own else (None, None)
        tags = self.gazetteer.tags(known.phrases, len(document.tokens), *left_out)
        return encode_note(document, mark_terms(tags, known.terms), self._parts.pieces)

    def _score(
        self, documents: Sequence[Document], notes: Sequence[EncodedNote], read: Sequence[ReadNote],
        spans: Sequence[Sequence[Span]], own: Sequence[Own | None],
    ) -> list[_Scores]:  # fmt: skip
        """Return what the heads say of each note's spans; they run once for all."""
        pooled, rules, sections = [], [], []
        for document, note, reading, note_spans, share in zip(documents, notes, read, spans, own, strict=True):
            if not note_spans:
                continue
            rows = [(*note.span(*span), *note.span(*document.sentence_of(span[0]))) for span in note_spans]
            pooled.append(pool_spans(reading.hidden, np.array(rows)))
            rules += self._ask_rules(document, note_spans, share)
            sections += [section_id(document.section_at(document.tokens[first].start)) for first, _ in note_spans]
        sizes = np.cumsum([0, *(len(note_spans) for note_spans in spans)])
        if not pooled:
            empty = np.zeros((0, 0), np.float32)
            return [_Scores(empty, empty, empty, empty, [])] * len(documents)
        span, context = (np.concatenate(parts) for parts in zip(*pooled, strict=True))
        scores = self._runtime.score_mentions(span, context, np.array(rules), np.array(sections))
        weighed = scores.assertions + self._framing.rule_weight * np.eye(len(ASSERTIONS), dtype=np.float32)[rules]
        if self._framing.assertion_biases:
            weighed += np.array(self._framing.assertion_biases, np.float32)
        head, assertions, kinds = (np.exp(log_softmax(part)) for part in (scores.assertions, weighed, scores.kinds))
        similar = self._parts.terms.similar(scores.vectors, self._runtime.nearest_terms(scores.vectors))
        parts: list[Any] = [np.array(rules), head, assertions, kinds, similar]
        return [_Scores(*(part[low:high] for part in parts)) for low, high in pairwise(sizes)]

    def _ask_rules(self, document: Document, spans: Sequence[Span], own: Own | None) -> list[int]:
        known = own.evidence if own else None
        asked = []
        for first, last in spans:
            start, end = _characters(document, first, last)
            evidence = self._parts.linker.gazetteer.evidence(sum(_words_of(document, first, last)), known)
            asked.append((start, end, guess_code(evidence)))
        return [ASSERTIONS.index(said.assertion) for said in self._rules.assert_spans(document, asked)]

    def _link(
        self, document: Document, known: _Known, spans: Sequence[Span], scores: _Scores,
        own: Own | None,
    ) -> list[LinkedSpan]:  # fmt: skip
        if not spans:
            return []
        mentions = []
        for i, (first, last) in enumerate(spans):
            words = _words_of(document, first, last)
            mentions.append(
                Linkable(first, last, sum(words), frozenset(words), scores.head[i].tolist(), scores.similar[i])
            )
        said = self._parts.lexicon.link(document, known.terms)
        self._candidates.fill(document, known.phrases, mentions, said, own)
        made = self._features.make(document, mentions, scores.kinds, own.codes if own else None)
        return [
            LinkedSpan(span, int(scores.rules[i]), scores.assertions[i], scores.kinds[i], codes, features)
            for i, (span, (codes, features)) in enumerate(zip(spans, made, strict=True))
        ]

    @staticmethod
    def _mention(document: Document, linked: LinkedSpan, candidates: tuple[Candidate, ...]) -> Mention:
        start, end = _characters(document, *linked.span)
        assertion = int(linked.assertions.argmax())
        best = candidates[0]
        return Mention(
            start=start,
            end=end,
            text=document.text[start:end],
            kind=KINDS[int(linked.kinds.argmax())],
            assertion=ASSERTIONS[assertion],
            assertion_score=round(float(linked.assertions[assertion]), 4),
            code=best.code,
            title=best.title,
            score=best.score,
            section=document.section_at(start),
            candidates=candidates,
        )


def _characters(document: Document, first: int, last: int) -> Span:
    return document.tokens[first].start, document.tokens[last - 1].end


def _words_of(document: Document, first: int, last: int) -> list[int]:
    """Return the ids of a span's words, function words and marks left out."""
    return [word for token in document.tokens[first:last] if (word := word_id(token.text)) > 0]


def mix_scores(head: Array, tagger: Array, share: float) -> Array:
    """Return the weighted mean of two sets of log-probabilities; ``share`` is the second's weight."""
    mixed: Array = (1 - share) * head + share * tagger
    return mixed


def log_softmax(scores: Array) -> Array:
    """Return log-probabilities over the last axis."""
    if not scores.size:
        return scores
    shifted: Array = scores - scores.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted
