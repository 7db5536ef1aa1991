"""Sentences of a clinical note: prose, lists, templates and hard-wrapped lines."""

from __future__ import annotations

import re

from detect_icd10cm.text.tokens import Token

# A full stop after one of these ends no sentence.
_ABBREVIATIONS = frozenset("approx dept dr e.g etc fig ht i.e inc jr mr mrs prof sr st temp vs wt".split())
_LIST_ITEM = re.compile(r"(?:\d{1,2}[.)]|[-*•·–])\s")
_LIST_NUMBER = re.compile(r"(?<!\S)(\d{1,2})[.)]\s")
# A line that begins with an opener goes on from the line before, as does one behind a line that ends with a joiner.
_OPENERS = frozenset("([\"'“‘")
_JOINERS = frozenset({",", "and", "of", "or", "the", "with"})


def split_sentences(text: str, tokens: list[Token]) -> list[tuple[int, int]]:
    """Return sentences as (first token, one past the last token); they cover all tokens in order.

    A line break ends a sentence at a blank line, before a list item, and wherever the next line does not
    read on in lower case, so that each line of a template stands alone while wrapped prose stays whole. A list
    within a line, "1) gout 2) asthma", ends one before each number that follows the number before it.
    """
    sentences: list[tuple[int, int]] = []
    first = 0
    numbers: set[int] = set()  # of the list items that this line has had
    for i, token in enumerate(tokens):
        ends = _ENDS.get(token.text)
        if ends and ends(text, tokens, i):
            sentences.append((first, i + 1))
            first = i + 1
        if token.text == "\n":
            numbers.clear()
        elif token.text.isdigit() and (number := _LIST_NUMBER.match(text, token.start)):
            n = int(number[1])
            # "Denies 1) fever, 2) chills" is one sentence.
            if n - 1 in numbers and i > first and tokens[i - 1].text not in _JOINERS:
                sentences.append((first, i))
                first = i
            numbers.add(n)
    if first < len(tokens):
        sentences.append((first, len(tokens)))
    return sentences


def _always(text: str, tokens: list[Token], i: int) -> bool:
    return True


def _question_ends(text: str, tokens: list[Token], i: int) -> bool:
    """A mark of doubt in front of a finding, "? stroke" or "(?stroke)", ends nothing."""
    start, end = tokens[i].start, tokens[i].end
    return start > 0 and not text[start - 1].isspace() and text[end : end + 1].isspace()


def _stop_ends(text: str, tokens: list[Token], i: int) -> bool:
    if i == 0 or i + 1 == len(tokens):
        return True
    previous, token, following = tokens[i - 1].text, tokens[i], tokens[i + 1].text
    if previous.lower() in _ABBREVIATIONS:
        return following == "\n"
    if not text[token.end].isspace():
        # "p.r.n.", "3.5": only a capitalised word right behind reads as a lost space.
        return len(following) > 2 and following[0].isupper() and following[1].islower()
    if previous.isdigit() and len(previous) <= 2 and (i == 1 or tokens[i - 2].text == "\n"):
        return False  # the number of a list item
    return not following[0].islower()


def _line_ends(text: str, tokens: list[Token], i: int) -> bool:
    if i + 1 == len(tokens):
        return True
    following = tokens[i + 1]
    if following.text == "\n" or _LIST_ITEM.match(text, following.start):
        return True
    if following.text[0] in _OPENERS or (i and tokens[i - 1].text in _JOINERS):
        return False
    return not following.text[0].islower()


_ENDS = {"\n": _line_ends, ".": _stop_ends, "?": _question_ends, "!": _always, ";": _always}
