"""From annotated notes to what the network is trained on: windows of pieces with labels, in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from detect_icd10cm.model import gazetteer as gazetteers
from detect_icd10cm.model.config import DetectConfig
from detect_icd10cm.model.decode import BEGIN, INSIDE
from detect_icd10cm.model.families import representative
from detect_icd10cm.model.gazetteer import Gazetteer, Usage, guess_code, note_usage, phrase_key
from detect_icd10cm.model.inputs import (
    Array,
    EncodedNote,
    Framing,
    Pieces,
    Window,
    encode_note,
    make_windows,
    pad_windows,
)
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.modeling import IGNORED
from detect_icd10cm.model.tags import mark_terms
from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, KINDS, AnnotatedNote, Mention

Counts = Counter[tuple[int, str, int]]


@dataclass(frozen=True, slots=True)
class Example:
    """A note as arrays; words and spans are counted in its pieces, labels run over words, the rest over mentions."""

    note: EncodedNote
    windows: list[Window]
    labels: Array
    spans: Array
    rules: Array
    assertions: Array
    kinds: Array
    codes: Array


def mention_source(mention: Mention) -> int:
    """Return the kind of evidence that a training mention is."""
    sources = {"historical": gazetteers.HISTORICAL, "family": gazetteers.FAMILY}
    return sources.get(mention.assertion, gazetteers.CURRENT)


def own_counts(note: AnnotatedNote) -> Counts:
    """Return what a note itself gives to the gazetteer."""
    return Counter((phrase_key(m.text), m.code, mention_source(m)) for m in note.mentions)


def own_usage(document: Document, note: AnnotatedNote, gazetteer: Gazetteer) -> dict[int, Usage]:
    """Return the note's share in the gazetteer's counts of uses."""
    return note_usage(gazetteer.phrases(document), len(document.tokens), token_spans(document, note))


def token_spans(document: Document, note: AnnotatedNote) -> list[tuple[int, int]]:
    """Return a note's mentions as tokens, end exclusive."""
    return [document.token_span(mention.start, mention.end) for mention in note.mentions]


class ExampleMaker:
    """Turns notes into examples with one lexicon, gazetteer, tokenizer and configuration."""

    def __init__(self, lexicon: LexiconModel, gazetteer: Gazetteer, pieces: Pieces, config: DetectConfig) -> None:
        self._codeset = codeset = lexicon.codeset
        self._lexicon = lexicon
        self._gazetteer = gazetteer
        self._pieces = pieces
        self._config = config
        self._code_ids = {code: i for i, code in enumerate(codeset.billable_codes())}
        self._rules = AssertionRules.load()

    def from_note(self, note: AnnotatedNote, *, own: bool) -> Example:
        """Make an example of an annotated note.

        Args:
            note: The note.
            own: Whether the gazetteer learned from this note, whose share is then left out.
        """
        document = Document(note.note.text)
        phrases = self._gazetteer.phrases(document)
        n_tokens = len(document.tokens)
        counts = own_counts(note) if own else None
        usage = note_usage(phrases, n_tokens, token_spans(document, note)) if own else None
        tags = mark_terms(self._gazetteer.tags(phrases, n_tokens, counts, usage), self._lexicon.find(document))
        guesses = [guess_code(self._gazetteer.evidence(phrase_key(m.text), counts)) for m in note.mentions]
        spans = [(m.start, m.end, guess) for m, guess in zip(note.mentions, guesses, strict=True)]
        rules = [ASSERTIONS.index(said.assertion) for said in self._rules.assert_spans(document, spans)]
        labels = np.zeros(n_tokens, np.int64)
        words = token_spans(document, note)
        for first, last in words:
            labels[first] = BEGIN
            labels[first + 1 : last] = INSIDE
        return self._example(
            document, tags, words, labels, rules,
            [ASSERTIONS.index(m.assertion) if m.assertion_score else IGNORED for m in note.mentions],
            [KINDS.index(m.kind) for m in note.mentions],
            [self._code_id(m.code) for m in note.mentions],
        )  # fmt: skip

    def from_terms(self, terms: Sequence[tuple[str, str]]) -> Example:
        """Make an example of a list of (term, code): the code head alone learns from it."""
        text = "\n".join(term for term, _ in terms)
        document = Document(text)
        tags = self._gazetteer.tags(self._gazetteer.phrases(document), len(document.tokens))
        tags = mark_terms(tags, self._lexicon.find(document))
        words, at = [], 0
        for term, _ in terms:
            words.append(document.token_span(at, at + len(term)))
            at += len(term) + 1
        n = len(terms)
        labels = np.full(len(document.tokens), IGNORED)
        codes = [self._code_id(code) for _, code in terms]
        return self._example(document, tags, words, labels, [0] * n, [IGNORED] * n, [IGNORED] * n, codes)

    def _code_id(self, code: str) -> int:
        return self._code_ids[representative(self._codeset, code)] if code in self._code_ids else IGNORED

    def _example(
        self, document: Document, tags: Sequence[int], words: Sequence[tuple[int, int]], labels: Array,
        rules: Sequence[int], assertions: Sequence[int], kinds: Sequence[int], codes: Sequence[int],
    ) -> Example:  # fmt: skip
        encoded = encode_note(document, tags, self._pieces)
        spans = [(*encoded.span(a, b), *encoded.span(*document.sentence_of(a))) for a, b in words]
        return Example(
            note=encoded,
            windows=make_windows(encoded, document.sentences, self._config.window, self._config.margin),
            labels=labels,
            spans=np.array(spans, np.int64).reshape(-1, 4),
            rules=np.array(rules, np.int64),
            assertions=np.array(assertions, np.int64),
            kinds=np.array(kinds, np.int64),
            codes=np.array(codes, np.int64),
        )


def collate(examples: Sequence[Example], config: DetectConfig) -> dict[str, torch.Tensor]:
    """Join examples to one batch, as ``DetectModel.forward`` takes it."""
    windows = [(example.note, window) for example in examples for window in example.windows]
    arrays = pad_windows(windows, framing_of(config))
    length = arrays["input_ids"].shape[1]
    core = [
        i * length + 1 + np.arange(w.core_start - w.start, w.core_end - w.start) for i, (_, w) in enumerate(windows)
    ]
    offsets = np.cumsum([0, *(len(example.note.ids) for example in examples)])
    arrays["core"] = np.concatenate(core)
    arrays["words"] = np.concatenate([e.note.starts[:-1] + o for e, o in zip(examples, offsets[:-1], strict=True)])
    arrays["spans"] = np.concatenate([e.spans + o for e, o in zip(examples, offsets[:-1], strict=True)])
    for name in ("rules", "labels", "assertions", "kinds", "codes"):
        arrays[name] = np.concatenate([getattr(example, name) for example in examples])
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def framing_of(config: DetectConfig) -> Framing:
    """Return the part of a configuration that says how notes are cut."""
    return Framing(**{name: getattr(config, name) for name in Framing.__dataclass_fields__})
