"""Assertion of findings: does the patient have it, by the cue words around it and the section it stands in.

The idea is ConText (Harkema et al., J Biomed Inform 2009;42:839-851): a cue before or behind a finding in its sentence
decides, and reaches until a word that ends its reach. Cues and ends are data, in ``assertion_cues.yaml``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from detect_icd10cm.text.cues import Cue, CueBook, EndKind, Force, normalize_words
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Assertion

# Where several cues reach a finding, the first of these decides.
_PRECEDENCE: tuple[Assertion, ...] = ("hypothetical", "family", "absent", "possible", "historical")
# Under these headings a condition that heals stands for a past one, as after "history of".
_PAST_SECTIONS = frozenset({"past_medical_history", "past_surgical_history"})
# What a section says of a finding that no cue reaches.
_SECTION_SAYS: dict[str, Assertion] = {"family_history": "family", "instructions": "hypothetical"}

# A leaflet speaks to its reader ("you") of no patient in particular; a letter to a patient tells what was.
_TO_READER = frozenset({"you", "your"})
_LEAFLET_ADDRESSES = 2
# What stands in front of the last member of a list.
_LAST_MEMBER = frozenset({",", "and"})
_OF_PATIENT = frozenset("he him his her she patient patient's patient’s pt mr mrs ms was were had".split())


class Asserted(NamedTuple):
    """The assertion of one span, the cue that decided it (None: nothing spoke against ``present``) and whose it is."""

    assertion: Assertion
    cue: str | None
    of_relative: bool = False


class _Sentence(NamedTuple):
    """A sentence's words, the cues among them, where those start, counted from its first word, and its section."""

    words: tuple[str, ...]
    cues: list[Cue]
    starts: list[int]
    section: str | None


class AssertionRules:
    """Decides assertions by a book of cues."""

    def __init__(self, book: CueBook) -> None:
        self._book = book

    @classmethod
    def load(cls) -> AssertionRules:
        """Load the packaged rules."""
        return cls(CueBook.load())

    def assert_spans(self, document: Document, spans: Sequence[tuple[int, int, str]]) -> list[Asserted]:
        """Decide the assertion of each span.

        Args:
            document: The note.
            spans: (start, end, code) in characters; the code says whether a history of it means that it is over.
        """
        if _is_leaflet(document):
            return [Asserted("hypothetical", "leaflet")] * len(spans)
        placed = [document.token_span(start, end) for start, end, _ in spans]
        by_sentence: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, (first, _) in enumerate(placed):
            by_sentence[document.sentence_of(first)].append(i)
        results: list[Asserted] = [Asserted("present", None)] * len(spans)
        for (first, last), members in by_sentence.items():
            words = normalize_words(token.text for token in document.tokens[first:last])
            taken = {position - first: placed[i][0] - first for i in members for position in range(*placed[i])}
            cues = self._book.find(words, taken)
            section = document.section_at(document.tokens[first].start) if words else None
            sentence = _Sentence(words, cues, [cue.start for cue in cues], section)
            for i in members:
                start, _, code = spans[i]
                said = self._reaching(sentence, placed[i][0] - first, placed[i][1] - first, code)
                results[i] = self._decide(said, code, document.section_at(start))
        return results

    def _decide(self, said: dict[Assertion, str], code: str, section: str | None) -> Asserted:
        of_relative = "family" in said or section == "family_history"
        if "absent" in said:
            said.pop("family", None)  # "no family history of": absent, and of a relative
        for assertion in _PRECEDENCE:
            if assertion in said:
                return Asserted(assertion, said[assertion], of_relative)
        if section in _SECTION_SAYS:
            return Asserted(_SECTION_SAYS[section], "section", of_relative)
        for assertion, prefixes in self._book.history_codes.items():
            if code.startswith(prefixes):
                return Asserted(assertion, "code", assertion == "family")
        if section in _PAST_SECTIONS and code.startswith(self._book.over_when_history):
            return Asserted("historical", "section", of_relative)
        return Asserted("present", None, of_relative)

    def _reaching(self, sentence: _Sentence, a: int, b: int, code: str) -> dict[Assertion, str]:
        """Return what the cues say that reach a finding at words ``a`` to ``b``; a cue before it counts first."""
        said = self._said_behind(sentence, b, code) | self._said_before(sentence, a, b, code)
        for cue in sentence.cues[bisect_left(sentence.starts, a) : bisect_left(sentence.starts, b)]:
            if cue.within:
                said[cue.within.assertion] = cue.text
        return said

    def _said_before(self, sentence: _Sentence, a: int, b: int, code: str) -> dict[Assertion, str]:
        said: dict[Assertion, str] = {}
        ends: dict[EndKind, int] = {}  # the end nearest to the finding, of each kind
        if (end := _end_before_member(sentence, a, b)) is not None:
            ends["member"] = end
        for i in range(bisect_left(sentence.starts, a) - 1, -1, -1):
            cue = sentence.cues[i]
            if a - cue.end > self._book.longest_reach:
                break
            if cue.end_kind:
                ends.setdefault(cue.end_kind, cue.start)
                continue
            force = self._force_on(code, cue.before)
            if force and self._reaches(force, sentence.words, cue.end, a, ends) and _in_past(sentence, i, force):
                said.setdefault(force.assertion, cue.text)
        return said

    def _said_behind(self, sentence: _Sentence, b: int, code: str) -> dict[Assertion, str]:
        said: dict[Assertion, str] = {}
        ended: set[EndKind] = set()
        for i in range(bisect_left(sentence.starts, b), len(sentence.cues)):
            cue = sentence.cues[i]
            if cue.start - b > self._book.longest_reach:
                break
            if cue.end_kind:
                ended.add(cue.end_kind)
                continue
            force = self._force_on(code, cue.after)
            if force and cue.start - b <= force.reach and ended.isdisjoint(force.ended_by):
                said.setdefault(force.assertion, cue.text)
        return said

    def _reaches(self, force: Force, words: tuple[str, ...], low: int, a: int, ends: dict[EndKind, int]) -> bool:
        """Say whether a cue that ends at word ``low`` reaches a finding that starts at word ``a``."""
        if not 0 <= a - low <= force.list_reach:
            return False
        if force.list_reach > force.reach and not self._book.list_words.isdisjoint(words[low:a]):
            low += 1  # "has not had any X, Y or Z": the verb right behind the cue ends nothing
        elif a - low > force.reach:
            return False
        return all(ends.get(kind, -1) < low for kind in force.ended_by)

    def _force_on(self, code: str, force: Force | None) -> Force | None:
        """Return a cue's force where it can speak of a condition of this code."""
        if force and code.startswith(force.except_codes):
            return None
        if force is None or force.assertion != "historical" or code.startswith(self._book.history_codes["historical"]):
            return force
        # A status (Z code) such as a device or an absent organ lasts.
        lasts = code.startswith("Z") or (force.only_curable and not code.startswith(self._book.over_when_history))
        return None if lasts else force


def _end_before_member(sentence: _Sentence, a: int, b: int) -> int | None:
    """Return the word in front of a list member that the words right behind it say is there ("COPD stable")."""
    behind = bisect_left(sentence.starts, b)
    if sentence.starts[behind : behind + 1] != [b] or sentence.cues[behind].end_kind != "member":
        return None
    return next((i for i in range(a - 1, -1, -1) if sentence.words[i] in _LAST_MEMBER), None)


def _in_past(sentence: _Sentence, i: int, force: Force) -> bool:
    """Say whether cue ``i`` speaks of the past where its force counts only there."""
    if not force.only_past or sentence.section in _PAST_SECTIONS:
        return True
    return any(cue.before and cue.before.assertion == "historical" for cue in sentence.cues[:i])


def _is_leaflet(document: Document) -> bool:
    if document.words.isdisjoint(_TO_READER) or not document.words.isdisjoint(_OF_PATIENT):
        return False
    return sum(token.text.lower() in _TO_READER for token in document.tokens) >= _LEAFLET_ADDRESSES
