"""Which billable code a header means when nothing more is said."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from detect_icd10cm.codes.tables import CodeRow, find_ancestors

# Headers whose children's titles do not say which of them is meant; each with what decides it.
STATED = {
    "C50.9": "C50.91",  # Neoplasm Table, "breast": C50.9-; female stands for a sex not stated
    "F32": "F32.A",  # Index, "Depression": F32.A, not the major depressive disorder of F32.9
    "I48.9": "I48.91",  # Index, "Fibrillation, atrial": I48.91; flutter is named second in the header
    "L03.9": "L03.90",  # Index, "Cellulitis": L03.90; lymphangitis is named second in the header
}

_UNSPECIFIED = re.compile(r"\b(?:unspecified|nos|not otherwise specified)\b", re.IGNORECASE)
# Head injury: whether consciousness was lost is not said (S06.0XA), which is less than "of unspecified
# duration".
_UNKNOWN = re.compile(r"\bstatus unknown\b", re.IGNORECASE)
_NOS = re.compile(r"\bNOS\b")
# "Type 2 diabetes mellitus with unspecified complications" says more than its header, not less.
_ADDS = re.compile(r"\b(?:with|due to) unspecified\b", re.IGNORECASE)
# "With heart failure and stage 1 to 4 or unspecified kidney disease": heart failure is more than the header
# says.
_OR_UNSPECIFIED = re.compile(r"\bor unspecified\b", re.IGNORECASE)
_NONE_OF = re.compile(r"\b(?:without|uncomplicated|not intractable)\b", re.IGNORECASE)
# "Other and unspecified asthma": the header stands for asthma.
_AND_UNSPECIFIED = re.compile(r"\b\w+ and unspecified\b", re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^)]*\)")
_WORD = re.compile(r"[a-z0-9]+")
_EMPTY_WORDS = frozenset("a an and as at by for from in nos of on or s the to unspecified".split())
_INITIAL = "A"
_DISPLACED = "displaced"
_SEVENTH_LENGTH = 8  # with the dot


def find_defaults(rows: Sequence[CodeRow]) -> dict[str, str]:
    """Return the billable code meant by each header that means one, by header.

    Down from the header, that child is taken which, in this order:

    1. is its only one;
    2. is the initial encounter, of a closed fracture where that is the choice (Guidelines I.C.19.c), or
       has the 7th character that says unspecified or without;
    3. has the header's own title but for "unspecified", as its title or among its inclusion terms;
    4. ends in 9, or in 0 from the fifth character on, and says unspecified where the header does not;
    5. alone repeats the header and says one thing more to be unspecified (of two fractures the displaced one,
       I.C.19.c);
    6. alone says "without", "uncomplicated" or "not intractable" where the header does not;
    7. alone has an inclusion term "... NOS" that uses the header's words only;
    8. ends in 9 and says unspecified, as the header does.

    A header without such a child means no code.

    Args:
        rows: All codes of a release, each header before its children.
    """
    return _Chooser(rows).defaults()


class _Chooser:
    def __init__(self, rows: Sequence[CodeRow]) -> None:
        self._rows = rows
        self._by_code = {row.code: row for row in rows}
        self._children: dict[str, list[CodeRow]] = defaultdict(list)
        for row in rows:
            for parent in find_ancestors(row.code, self._by_code)[:1]:
                self._children[parent].append(row)

    def defaults(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for row in reversed(self._rows):
            children = self._children[row.code]
            child = self._choose(row, children) if children else None
            code = None if child is None else child.code if child.billable else found.get(child.code)
            if code:
                found[row.code] = code
        return found

    def _choose(self, row: CodeRow, children: list[CodeRow]) -> CodeRow | None:
        stated = STATED.get(row.code)
        if stated in self._by_code:
            return self._by_code[stated]
        if len(children) == 1:
            return children[0]
        if len(children[0].code) == _SEVENTH_LENGTH:
            return _choose_seventh(row, children)
        return _choose_by_words(row, children)


def _choose_seventh(row: CodeRow, children: list[CodeRow]) -> CodeRow | None:
    for child in children:
        if child.code.endswith(_INITIAL):
            return child
    for pattern in (_UNSPECIFIED, _NONE_OF):
        for child in children:
            if pattern.search(child.title.removeprefix(row.title)):
                return child
    return None


def _choose_by_words(row: CodeRow, children: list[CodeRow]) -> CodeRow | None:
    header = _AND_UNSPECIFIED.sub(" ", row.title)
    said = _content(header)
    less = [child for child in children if _more(_UNSPECIFIED, child, header) and not _ADDS.search(child.title)]
    less += [child for child in children if _more(_UNKNOWN, child, header)]
    same = [child for child in children if _says_the_same(child, said)]
    if same:
        return min(same, key=lambda child: (child not in less, child.code))
    return (
        _first(child for child in less if _UNKNOWN.search(child.title))
        or _first(child for child in less if child.code[-1] == "9" or (child.code[-1] == "0" and len(child.code) > 5))
        or _repeats_most([child for child in less if not _OR_UNSPECIFIED.search(child.title)], said)
        or _only_shortest(child for child in children if _more(_NONE_OF, child, header))
        or _only(child for child in children if _is_nos(child, said))
        or _first(child for child in children if child.code[-1] == "9" and _plainly_unspecified(child))
    )


def _more(pattern: re.Pattern[str], child: CodeRow, header: str) -> bool:
    return len(pattern.findall(child.title)) > len(pattern.findall(header))


def _plainly_unspecified(child: CodeRow) -> bool:
    return bool(_UNSPECIFIED.search(child.title)) and not _ADDS.search(child.title)


def _says_the_same(child: CodeRow, said: frozenset[str]) -> bool:
    terms = (child.title, *child.inclusion_terms)
    return any(said in (_content(term), _content(_PARENTHESES.sub(" ", term))) for term in terms)


def _is_nos(child: CodeRow, said: frozenset[str]) -> bool:
    return any(_NOS.search(term) and _content(term) <= said for term in child.inclusion_terms)


def _repeats_most(less: list[CodeRow], said: frozenset[str]) -> CodeRow | None:
    """Return the child with the fewest words beside all of the header's."""
    extra = {child.code: _content(child.title) - said for child in less if _content(child.title) >= said}
    fewest = min(map(len, extra.values()), default=0)
    nearest = [child for child in less if len(extra.get(child.code, ())) == fewest and child.code in extra]
    return _only(nearest) or _only(child for child in nearest if _DISPLACED in extra[child.code])


def _only_shortest(children: Iterable[CodeRow]) -> CodeRow | None:
    found = list(children)
    shortest = min((len(child.title) for child in found), default=0)
    return _only(child for child in found if len(child.title) == shortest)


def _first(children: Iterable[CodeRow]) -> CodeRow | None:
    return next(iter(children), None)


def _only(children: Iterable[CodeRow]) -> CodeRow | None:
    found = list(children)
    return found[0] if len(found) == 1 else None


def _content(title: str) -> frozenset[str]:
    """Return the words that carry meaning, plurals folded."""
    return frozenset(_singular(word) for word in _WORD.findall(title.lower()) if word not in _EMPTY_WORDS)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "is", "us")) else word
