"""A note cut up once for all that reads it: tokens, sections, sentences."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property

from detect_icd10cm.text.sections import Section, find_heading, find_sections
from detect_icd10cm.text.sentences import split_sentences
from detect_icd10cm.text.tokens import Token, tokenize

# A line break of its own, not part of "\r\n" (nor of "\r\r\n", a file that was converted twice).
_LONE_RETURN = re.compile(r"\r(?!\r?\n)")


class Document:
    """The parts of one note's text; each is computed when first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _lines(self) -> str:
        """The text with each line break told by a line feed; offsets are the same."""
        return _LONE_RETURN.sub("\n", self.text)

    @cached_property
    def tokens(self) -> list[Token]:
        """Words, punctuation marks and line breaks, in order."""
        return tokenize(self._lines)

    @cached_property
    def words(self) -> frozenset[str]:
        """The distinct tokens in lower case."""
        return frozenset(token.text.lower() for token in self.tokens)

    @cached_property
    def sections(self) -> list[Section]:
        """Sections in order, covering the whole text."""
        return find_sections(self._lines)

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Sentences as (first token, one past the last token)."""
        return split_sentences(self._lines, self.tokens)

    @cached_property
    def _token_starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    @cached_property
    def _section_starts(self) -> list[int]:
        return [section.start for section in self.sections]

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [first for first, _ in self.sentences]

    def token_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the tokens that a character span touches, as (first, one past the last)."""
        first = bisect_right(self._token_starts, start) - 1
        if first < 0 or self.tokens[first].end <= start:
            first += 1
        return first, max(first + 1, bisect_left(self._token_starts, end))

    def section_of(self, position: int) -> Section:
        """Return the section that a character position lies in."""
        return self.sections[max(0, bisect_right(self._section_starts, position) - 1)]

    def section_at(self, position: int) -> str | None:
        """Return the name of the section that a character position lies in."""
        return self.section_of(position).name

    def in_heading(self, start: int, end: int) -> bool:
        """Say whether a character span lies in words that head a part of the note and are no finding.

        So does "ALLERGIES" in "ALLERGIES: none" and "pain" in "PAIN MANAGEMENT CLINIC", but nothing in "DIABETES:",
        "Tobacco use:" or "Allergy to penicillin:".
        """
        section = self.section_of(start)
        first, last = find_heading(self._lines, section)
        return first <= start and end <= last

    def sentence_of(self, token: int) -> tuple[int, int]:
        """Return the sentence that a token belongs to, as (first token, one past the last)."""
        return self.sentences[max(0, bisect_right(self._sentence_starts, token) - 1)]
