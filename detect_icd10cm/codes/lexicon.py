"""Terms and the codes they mean, found in a note by longest match over normalised words.

Terms come from the code set (titles, inclusion terms, imported index terms) and from ``synonyms.yaml``; how they are
compared is described in ``codes.terms``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.synonyms import Guard, Synonyms
from detect_icd10cm.codes.tables import find_ancestors
from detect_icd10cm.codes.terms import (
    LETTER_A,
    SKIPPED,
    SKIPPED_MARKS,
    TermReader,
    modifier_bit,
    title_variants,
    word_id,
)
from detect_icd10cm.text.document import Document
from detect_icd10cm.text.tokens import Token, normalize_word

MAX_WORDS = 7
_MAX_SKIPPED = 3
# What a token is to the matcher, where it is no word of a term: positive numbers are words, lower ones modifiers.
_SKIP, _STOP, _UNSEEN = 0, -1, -3
# Spellings whose number is remembered, so that the memory doesn't grow with the notes.
_MAX_REMEMBERED = 200_000
# Words that only place or qualify a finding. Of two terms that overlap, the one with more other words counts:
# "aspiration pneumonia" before "pneumonia, lower lobe".
LIGHT_WORDS = ("lower", "upper", "middle", "lobe", "quadrant", "diet", "controlled")

# Chapters where what follows a comma tells about what stands before it: "schizophrenia, paranoid".
_NAMED_TOGETHER = "FR"
# Words between "BMI" and its value.
_ABOUT = frozenset("= : about approximately around calculated currently nearing nearly over today".split())
# The least body mass index of each band, highest first; from 20 to 39 each whole number has a code.
_BODY_MASS = {70: "Z68.45", 60: "Z68.44", 50: "Z68.43", 45: "Z68.42", 40: "Z68.41", 20: "", 0: "Z68.1"}

# Where a term comes from, best evidence first; the position is its rank.
SOURCES = ("synonym", "title", "inclusion", "header title", "header inclusion", "index")


class Meaning(NamedTuple):
    """One meaning of a term: the modifiers it needs, a billable code, its source's rank, what the note must hold."""

    modifiers: int
    code: str
    source: int
    guard: Guard | None = None


class Match(NamedTuple):
    """A term found in a note: its span in tokens (end exclusive), without and with the modifiers around it.

    ``meanings`` are what it may mean, best first; ``modifiers`` is the mask of all modifiers in and around it.
    """

    start: int
    end: int
    first: int
    last: int
    meanings: tuple[Meaning, ...]
    modifiers: int
    n_words: int


class TermTable(NamedTuple):
    """The terms of a lexicon as plain data, fit for JSON.

    ``words`` gives the number of each word, aliases included; ``keys`` the sum of each term's numbers, ``meanings``
    what it may mean: ``"code source modifiers guard"``, joined by ``;``, the guard a position in ``guards`` or -1.
    """

    words: dict[str, int]
    keys: list[int]
    meanings: list[str]
    guards: list[Any]


class _Window(NamedTuple):
    n_words: int
    n_light: int
    first: int
    last: int
    key: int


class Lexicon:
    """The terms of one release of the code set and of our synonyms."""

    def __init__(self, table: TermTable) -> None:
        self._words = table.words
        self._meanings = dict(zip(table.keys, table.meanings, strict=True))
        self._light = frozenset(table.words[word] for word in LIGHT_WORDS if word in table.words)
        self._body_mass = frozenset(table.words[word] for word in ("bmi", "index") if word in table.words)
        self._guards = [Guard(*guard) for guard in table.guards]
        self._read: dict[int, tuple[Meaning, ...]] = {}
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._meanings)

    def find(self, document: Document) -> list[Match]:
        """Return the terms in a note, in order of place; where several compete, the one that says most."""
        tokens = document.tokens
        numbers = self._number(tokens)
        windows = self._windows(numbers)
        windows.sort(key=lambda w: (w.n_light - w.n_words, -w.n_words, w.last - w.first, w.first))
        taken = bytearray(len(tokens))
        chosen = []
        for window in windows:
            if not any(taken[window.first : window.last]) and (match := self._match(document, numbers, window, taken)):
                taken[match.start : match.end] = b"\x01" * (match.end - match.start)
                chosen.append(match)
        chosen.sort()
        return chosen

    def _number(self, tokens: list[Token]) -> list[int]:
        known = self._numbers
        numbers = [known.get(token.text, _UNSEEN) for token in tokens]
        for i, token in enumerate(tokens):
            if numbers[i] == _UNSEEN:
                numbers[i] = self._classify(token.text, tokens[i + 1].text if i + 1 < len(tokens) else "")
        for i, number in enumerate(numbers):
            if number in self._body_mass and (tokens[i].text.lower() == "bmi" or tokens[i - 1].text.lower() == "mass"):
                self._number_body_mass(tokens, numbers, i + 1)
        return numbers

    def _number_body_mass(self, tokens: list[Token], numbers: list[int], i: int) -> None:
        """Let the value behind "BMI" count as its whole number, which is what the code turns on: "BMI is 42.1"."""
        for j in range(max(0, i - 1 - _MAX_SKIPPED), i - 1):  # "weight 72, BMI 26"
            if len(tokens[j].text) > 1 and tokens[j].text[:2].isdigit():
                numbers[j] = _STOP
        for j in range(i, min(i + _MAX_SKIPPED, len(tokens))):
            text = tokens[j].text
            if text[0].isdigit():
                unit = tokens[j + 1].text if j + 1 < len(tokens) else ""
                numbers[j] = _STOP if unit == "%" else self._words.get(text.split(".")[0], _STOP)
                return
            if text.lower() in _ABOUT:
                numbers[j] = _SKIP
            elif numbers[j] != _SKIP:
                return

    def _classify(self, text: str, following: str) -> int:
        if text == "\n":  # a line that reads on in lower case is one of hard-wrapped prose
            return _SKIP if following[:1].islower() else _STOP
        word = text.lower()
        if word == LETTER_A:
            return _SKIP if following[:1].isalnum() else self._words.get(LETTER_A, _STOP)
        if word in SKIPPED or text in SKIPPED_MARKS:
            number = _SKIP
        elif bit := modifier_bit(word):
            number = -2 * bit
        else:
            number = self._words.get(normalize_word(word), _STOP)
        if len(self._numbers) < _MAX_REMEMBERED:
            self._numbers[text] = number
        return number

    def _windows(self, numbers: list[int]) -> list[_Window]:
        """Return all windows whose words are the bag of some term, each from its first to its last word."""
        meanings, light = self._meanings, self._light
        windows = []
        n = len(numbers)
        for i, number in enumerate(numbers):
            if number <= 0:
                continue
            key, n_words, n_light, skipped, j = number, 1, int(number in light), 0, i + 1
            while True:
                if key in meanings:
                    windows.append(_Window(n_words, n_light, i, j, key))
                while j < n and numbers[j] <= 0 and numbers[j] != _STOP and skipped < _MAX_SKIPPED:
                    skipped += numbers[j] == _SKIP
                    j += 1
                if j >= n or numbers[j] <= 0 or n_words == MAX_WORDS:
                    break
                key += numbers[j]
                n_words += 1
                n_light += numbers[j] in light
                j += 1
        return windows

    def _match(self, document: Document, numbers: list[int], window: _Window, taken: bytearray) -> Match | None:
        if self._joins(document, numbers, window):
            return None
        start, end = _widen(numbers, window, taken, document.tokens)
        mask = 0
        for number in numbers[start:end]:
            if number < _STOP:
                mask |= -number >> 1
        allowed = [
            meaning
            for meaning in self._meanings_of(window.key)
            if meaning.modifiers & mask == meaning.modifiers
            and (meaning.guard is None or meaning.guard.allows(document, window.first, window.last))
        ]
        if not allowed:
            return None
        allowed.sort(key=lambda meaning: -meaning.modifiers.bit_count())
        # "Hypertension secondary to" is a secondary one, but the words go with the cause.
        if [token.text.lower() for token in document.tokens[end - 1 : end + 1]] == ["secondary", "to"]:
            end -= 1
        return Match(start, end, window.first, window.last, tuple(allowed), mask, window.n_words)

    def _joins(self, document: Document, numbers: list[int], window: _Window) -> bool:
        """Say whether a window joins two findings that a comma parts: "pneumonia, COPD"."""
        for i in range(window.first, window.last):
            if document.tokens[i].text == ",":
                before = sum(number for number in numbers[window.first : i] if number > 0)
                keys = (before, window.key - before)
                if all(key in self._meanings for key in keys):
                    one, left, right = (self._meanings_of(key)[0].code for key in (window.key, *keys))
                    named = one[0] in _NAMED_TOGETHER and one[:2] == left[:2]
                    if one not in (left, right) and not named:
                        return True
        return False

    def _meanings_of(self, key: int) -> tuple[Meaning, ...]:
        meanings = self._read.get(key)
        if meanings is None:
            parts = [meaning.split() for meaning in self._meanings[key].split(";")]
            meanings = self._read[key] = tuple(
                Meaning(int(modifiers), code, int(source), None if guard == "-1" else self._guards[int(guard)])
                for code, source, modifiers, guard in parts
            )
        return meanings


def _widen(numbers: list[int], window: _Window, taken: bytearray, tokens: list[Token]) -> tuple[int, int]:
    """Return a window with the modifiers right before and after it, which no other term has taken."""
    start, end = window.first, window.last
    i = start
    while i > 0 and numbers[i - 1] <= 0 and numbers[i - 1] != _STOP and not taken[i - 1] and tokens[i - 1].text != ",":
        i -= 1
        if numbers[i] < _STOP:
            start = i
    i = end
    if i + 1 < len(numbers) and tokens[i].text == ",":
        i += 1
    if i < len(numbers) and numbers[i] < _STOP and not taken[i] and _closes(numbers, i + 1):
        end = i + 1
    return start, end


def _closes(numbers: list[int], i: int) -> bool:
    """Say whether a phrase ends at a token, so that a modifier before it belongs to the phrase."""
    return i >= len(numbers) or numbers[i] in (_SKIP, _STOP)


def compile_terms(codeset: CodeSet, synonyms: Synonyms) -> TermTable:
    """Compile the terms of a code set and our synonyms."""
    reader = TermReader(synonyms.same_words)
    ignored = {reader.bag(term) for term in synonyms.ignored}
    collected: dict[tuple[str, ...], list[Meaning]] = {}
    for term, meaning in [*_synonym_terms(synonyms, codeset), *_body_mass_terms(codeset), *_codeset_terms(codeset)]:
        bag = reader.bag(term)
        if not bag.words or len(bag.words) > MAX_WORDS:
            continue
        if meaning.source and (bag in ignored or _is_thin(bag.words)):
            continue
        meanings = collected.setdefault(bag.words, [])
        same = [other for other in meanings if (other.code, other.modifiers) == (meaning.code, bag.modifiers)]
        if not same or (meaning.guard and all(other.guard for other in same)):
            meanings.append(meaning._replace(modifiers=bag.modifiers))
    words = {word: word_id(word) for bag_words in collected for word in bag_words}
    aliases = {alias: words[word] for alias, word in reader.folded.items() if word in words}
    guards = list(dict.fromkeys(m.guard for meanings in collected.values() for m in meanings if m.guard))
    places = {guard: place for place, guard in enumerate(guards)}
    packed = []
    for meanings in collected.values():
        meanings.sort(key=lambda meaning: (meaning.source, meaning.guard is None))
        packed.append(
            ";".join(f"{m.code} {m.source} {m.modifiers} {places[m.guard] if m.guard else -1}" for m in meanings)
        )
    return TermTable(words | aliases, [sum(words[w] for w in bag_words) for bag_words in collected], packed, guards)


def _synonym_terms(synonyms: Synonyms, codeset: CodeSet) -> Iterator[tuple[str, Meaning]]:
    for synonym in synonyms.terms:
        # A release that has not divided a code yet has its header, or divides it further.
        known = next((c for c in (synonym.code, *find_ancestors(synonym.code, codeset)) if c in codeset), None)
        billable = codeset.default_billable(known) if known else None
        if billable:
            yield synonym.term, Meaning(0, billable, 0, synonym.guard)


def _body_mass_terms(codeset: CodeSet) -> Iterator[tuple[str, Meaning]]:
    """Yield "BMI 42" and the like for each whole number that the titles under Z68 span; a normal one is no finding."""
    for value in (*range(10, 20), *range(25, 100)):
        code = next(code for least, code in _BODY_MASS.items() if value >= least) or f"Z68.{value}"
        if code in codeset:
            yield f"bmi {value}", Meaning(0, code, 0)
            yield f"body mass index {value}", Meaning(0, code, 0)


def _codeset_terms(codeset: CodeSet) -> Iterator[tuple[str, Meaning]]:
    for term, code, origin in codeset.terms():
        if code[0] in "VWXY":
            continue  # titles of external causes describe events, not what notes say; synonyms.yaml has those
        billable = codeset.default_billable(code)
        if billable is None:
            continue
        source = SOURCES.index(origin if billable == code or origin == "index" else f"header {origin}")
        for variant in title_variants(term):
            yield variant, Meaning(0, billable, source)


def _is_thin(words: tuple[str, ...]) -> bool:
    return len(words) == 1 and (len(words[0]) < 4 or words[0].isdigit())
