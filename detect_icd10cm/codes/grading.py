"""Grade, type, stage and place of a finding: the child of its header whose own words its phrase says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.text.tokens import normalize_word, tokenize

# A number means something only behind one of these: "stage 2", "type I", not "2 cm".
_NUMBERED = frozenset({"class", "grade", "stage", "type"})
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_EMPTY = frozenset(
    """a and as at by control due elsewhere for from in joint not of on or region site the to uncomplicated unspecified
    with""".split()
)
_OPTIONAL = re.compile(r"\([^)]*\)|\bwithout\b.*")
_RESIDUAL = re.compile(r"\bother\b", re.IGNORECASE)


class Grader:
    """Sorts findings of some headers by the words of their phrase.

    Args:
        codeset: The release.
        headers: The headers whose findings are sorted.
        same_words: Words of titles, each with what notes say for it; a word of a note may stand for several.
    """

    def __init__(self, codeset: CodeSet, headers: Collection[str], same_words: Mapping[str, list[str]]) -> None:
        self._codeset = codeset
        self._headers = sorted((header for header in headers if header in codeset), key=len, reverse=True)
        self._same: dict[str, set[str]] = {}
        for title_words, said_words in same_words.items():
            for said in said_words:
                self._same.setdefault(said, set()).update(title_words.split())
        self._choices = cache(self._find_choices)

    def covers(self, code: str) -> bool:
        """Say whether findings of a code are sorted."""
        return any(code.startswith(header) for header in self._headers)

    def grade(self, code: str, phrase: Iterable[str]) -> str:
        """Return the code under the same header that says most of a phrase and nothing that it does not say.

        Args:
            code: What the finding means by itself.
            phrase: The words of the finding and those around it that belong to it.
        """
        said = content_words(phrase)
        said = said.union(*(self._same.get(word, ()) for word in said))
        fits = [(len(own), choice) for choice, own in self._choices(code) if own <= said]
        most = max((size for size, _ in fits), default=0)
        winners = [choice for size, choice in fits if size == most]
        return winners[0] if len(winners) == 1 else code

    def _find_choices(self, code: str) -> list[tuple[str, frozenset[str]]]:
        """Return the codes that say all that a code says and more, each with the words that it adds."""
        header = next((header for header in self._headers if code.startswith(header)), None)
        if header is None:
            return []
        plain = _title_words(self._codeset.title(code))
        titles = {choice: self._codeset.title(choice) for choice in _billable_below(self._codeset, header)}
        words = {choice: _title_words(title) for choice, title in titles.items() if not _RESIDUAL.search(title)}
        return [(choice, said - plain) for choice, said in words.items() if plain < said]


def content_words(words: Iterable[str]) -> frozenset[str]:
    """Return the words that tell something, a number as one with the word that it counts ("stage 2")."""
    found = set()
    previous = ""
    for word in words:
        plain = normalize_word(word)
        number = _ROMAN.get(plain, plain)
        if number.isdigit():
            if previous in _NUMBERED:
                found.add(f"{previous} {number}")
        elif plain[:1].isalnum() and plain not in _EMPTY and plain not in _NUMBERED:
            found.add(plain)
        previous = plain
    return frozenset(found)


def _title_words(title: str) -> frozenset[str]:
    return content_words(token.text for token in tokenize(_OPTIONAL.sub(" ", title)))


def _billable_below(codeset: CodeSet, header: str) -> list[str]:
    if codeset.is_billable(header):
        return [header]
    return [code for child in codeset.children(header) for code in _billable_below(codeset, child)]
