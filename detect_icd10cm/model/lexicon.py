"""The baseline that needs no training: terms of the lexicon, context rules, rule-based linking."""

from __future__ import annotations

from collections.abc import Sequence

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.compiled import load_lexicon
from detect_icd10cm.codes.lexicon import Match
from detect_icd10cm.codes.linking import Linker
from detect_icd10cm.codes.screening import is_finding
from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention


class LexiconModel:
    """Finds mentions by lexicon, asserts them by cue words and links them by what the note says.

    Attributes:
        name: The name that results carry.
        codeset: The release whose codes it gives.
        lexicon: The terms it finds.
        notes_at_once: Notes worth reading together; nothing is gained by it here.
    """

    name = "lexicon"
    notes_at_once = 8

    def __init__(self, codeset: CodeSet) -> None:
        self.codeset = codeset
        self.lexicon, siblings = load_lexicon(codeset)
        self._assertion = AssertionRules.load()
        self._linker = Linker(codeset, siblings)

    def find(self, document: Document) -> list[Match]:
        """Return the terms in a note that stand for findings, in order of place."""
        return [match for match in self.lexicon.find(document) if is_finding(document, match)]

    def detect(self, document: Document) -> tuple[Mention, ...]:
        """Return a note's mentions in order of place, one for each term that ``find`` gives; none overlap."""
        return self.link(document, self.find(document))

    def link(self, document: Document, matches: Sequence[Match]) -> tuple[Mention, ...]:
        """Return the mentions of terms that ``find`` gave: asserted, and with codes."""
        tokens = document.tokens
        spans = [(tokens[m.first].start, tokens[m.last - 1].end, m.meanings[0].code) for m in matches]
        asserted = self._assertion.assert_spans(document, spans)
        return self._linker.link(document, matches, asserted)

    def detect_batch(self, documents: Sequence[Document]) -> list[tuple[Mention, ...]]:
        """Return the mentions of several notes."""
        return [self.detect(document) for document in documents]
