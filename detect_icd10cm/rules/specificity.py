"""Codes that say less than others of the same condition give way to them (I.A.9.b, I.B.18)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.draft import Draft

# Letters of codes that state separate facts, so that one of them does not make another superfluous.
_SEPARATE_FACTS = ("V", "W", "X", "Y", "Z")
_SAYS_LESS = re.compile(r"\b(unspecified|uncomplicated|without complications?)\b", re.IGNORECASE)
# "Nausea with vomiting, unspecified" is two findings; the more specific code of one does not replace both.
_JOINS_TWO = re.compile(r"\bwith\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_EMPTY_WORDS = frozenset("unspecified other specified of and the with without in a".split())
_REPLACES = "takes the place of {code}, which says less of the same condition (I.A.9.b, I.B.18)"


def replace_unspecific(draft: Draft) -> None:
    """Take out codes that say less than others of the draft; their mentions count for the others."""
    for code, better in _find_replaced(draft, draft.codeset).items():
        mentions = draft.entries[code].mentions
        draft.drop(code, _REPLACES.format(code=code), better)
        for kept in better:
            entry = draft.entries[kept]
            entry.mentions += [i for i in mentions if i not in entry.mentions]


def _find_replaced(codes: Iterable[str], codeset: CodeSet) -> dict[str, list[str]]:
    """Return the codes that say less than others of the same condition, each with those others.

    A code says less when it is what is meant by a header above it and nothing more, as E11.9 is by E11; any
    other code below the highest such header then describes the condition better. So does one of the same category
    whose title holds all words of an unspecified one's, and more: "Mixed hyperlipidemia" and E78.5.
    """
    families = defaultdict(list)
    for code in codes:
        if not code.startswith(_SEPARATE_FACTS):
            families[code[:3]].append(code)
    replaced = {}
    for family in families.values():
        for code in family if len(family) > 1 else ():
            header = _header_meaning(code, codeset)
            better = [
                other
                for other in family
                if other != code and (header in codeset.ancestors(other) or _repeats(code, other, codeset))
            ]
            if better:
                replaced[code] = better
    # A better code may itself give way to one below it, which then stands here as well.
    return {code: [kept for kept in better if kept not in replaced] for code, better in replaced.items()}


def _repeats(code: str, other: str, codeset: CodeSet) -> bool:
    """Return whether the title of a code holds that of an unspecified one, and more."""
    title = codeset.title(code)
    return "unspecified" in title.lower() and _words(title) < _words(codeset.title(other))


@lru_cache(maxsize=1 << 14)
def _words(title: str) -> frozenset[str]:
    return frozenset(_WORD.findall(title.lower())) - _EMPTY_WORDS


@lru_cache(maxsize=1 << 14)
def _header_meaning(code: str, codeset: CodeSet) -> str | None:
    """Return the highest header that means no more than this code; None for a code that says more."""
    title = codeset.title(code)
    highest = None
    if _SAYS_LESS.search(title) and not _JOINS_TWO.search(title):
        for header in codeset.ancestors(code):
            if codeset.default_billable(header) != code:
                break
            highest = header
    return highest
