"""Whether a note says that a pain is chronic or acute, by the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Course = Literal["chronic", "acute"]

# How far from the finding, in characters, its course is looked for; never beyond its sentence.
_REACH = 120
# The dot of "E. coli" ends nothing.
_SENTENCE_END = re.compile(r"(?:[!?;]|(?<!\b[A-Z])\.|\.(?!\s[a-z]))(?=\s|$)|\n")

_COURSE_WORD = re.compile(
    r"\b(?:(?P<chronic>chronic(?:ally)?|long[- ]?standing|long[- ]term|persist(?:ent|ently|ing)|on-?going|"
    r"continu(?:ed|ing|ous)|unremitting)|(?P<acute>acute(?:ly)?))\b",
    re.IGNORECASE,
)
# "chronic neck and lower back pain", "chronic, severe pain": a comma only right behind the word.
_BETWEEN = re.compile(r",?(?:[ /-]+\w+){0,3}[ /-]*", re.IGNORECASE)
# "pain, which is chronic", "pain has been persistent"
_BEHIND = re.compile(r",?(?:[ -]+\w+){0,3}[ :-]+", re.IGNORECASE)

# Three months is the usual line between acute and chronic pain (ICD-11, MG30); the Official Guidelines FY2026 draw
# none (I.C.6.b.4), so a shorter or unknown duration is not read as acute.
_MANY = r"(?:[3-9]|[1-9]\d|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|many|some)"
_ANY = r"(?:an?|one|two|[12]|a few|a couple of|" + _MANY + ")"
_SPAN = (
    rf"(?:{_MANY}(?:[- ]+(?:or|to)[- ]+\w+)?[- ]+months?"
    rf"|{_ANY}(?:[- ]+(?:and a half|1/2))?[- ]+(?:years?|yrs?|decades?))"
)
_NOT_AGE = r"\b(?![- ]+old|[- ]+of[- ]+age)"
_DURATION = re.compile(
    rf"\b(?:for|over|x|past|last)\s+(?:(?:the|past|last|at|least|about|approximately|nearly|almost|over|more|than|"
    rf"greater)\s+)*{_SPAN}{_NOT_AGE}"
    rf"|\b{_SPAN}{_NOT_AGE}[- ]+(?:history|duration|of\b)"
    rf"|\b(?:start|began|begin|onset|first|notic)\w*\b[^.;]{{0,30}}\b{_SPAN}{_NOT_AGE}\s+ago"
    rf"|\b{_SPAN}{_NOT_AGE}\s+ago[^.;]{{0,30}}\b(?:start|began|begin|onset|first|notic)"
    r"|\b(?:for|over|throughout)\s+(?:the\s+)?(?:past|last)\s+(?:year|decade)\b"
    r"|\bfor\s+(?:years|decades|some\s+time|a\s+long\s+time|quite\s+some\s+time)\b|\b(?:years|decades)\s+of\b"
    r"|\bsince\s+(?:19|20)\d\d\b|\bsince\s+(?:childhood|adolescence)\b",
    re.IGNORECASE,
)


def find_course(text: str, start: int, end: int, other_spans: Iterable[tuple[int, int]] = ()) -> Course | None:
    """Return the course that the words in and around a pain give it; None where they give none.

    Intractable is no course: a pain of two days can be.

    Args:
        text: The note.
        start: First character of the finding.
        end: One past its last.
        other_spans: Findings of another sort; a "chronic" that is part of one of them says nothing of the pain.
    """
    low, high = find_sentence(text, start, end)
    taken = [span for span in other_spans if span[0] < high and span[1] > low]

    def is_free(position: int) -> bool:
        return not any(first <= position < last for first, last in taken)

    found = set()
    for word in _COURSE_WORD.finditer(text, low, high):
        if word.end() <= start:
            speaks_of_it = _BETWEEN.fullmatch(text, word.end(), start)
        elif word.start() >= end:
            speaks_of_it = _BEHIND.fullmatch(text, end, word.start())
        else:
            speaks_of_it = word
        if speaks_of_it and is_free(word.start()):
            found.add(word.lastgroup)
    if "chronic" in found or any(is_free(match.start()) for match in _DURATION.finditer(text, low, high)):
        return "chronic"
    return "acute" if "acute" in found else None


def find_sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the first character, and one past the last, of what surrounds a finding in its sentence."""
    low = max(0, start - _REACH)
    for mark in _SENTENCE_END.finditer(text, low, start):
        low = mark.end()
    mark_behind = _SENTENCE_END.search(text, end, end + _REACH)
    return low, mark_behind.start() if mark_behind else min(len(text), end + _REACH)
