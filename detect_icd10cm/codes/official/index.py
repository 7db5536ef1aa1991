"""The official indexes: Alphabetic Index, external causes, Neoplasm Table, Table of Drugs and Chemicals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

from detect_icd10cm.codes.official.xml import Node, clean, iter_sections
from detect_icd10cm.errors import CodeSetError

# A term and the code beside it, as published: it may end in "-" where characters are to be added.
Reference = tuple[str, str]

_CODE_TAGS = ("code", "subcat")
_NO_CODE = frozenset({"", "-", "--"})
# Words that join a subterm to what it stands under without a comma.
_JOINING = re.compile(
    r"(?:after|affecting|associated|as|at|between|by|causing|complicating|due|during|following|for|from|in|involving|of|on"
    r"|resulting|secondary|to|with|within|without)\b"
)
# Columns of the Neoplasm Table and of the Table of Drugs by a word of their heading, and what a term of each
# says.
_NEOPLASM = {
    "primary": "malignant neoplasm of {}",
    "secondary": "secondary malignant neoplasm of {}",
    "situ": "carcinoma in situ of {}",
    "benign": "benign neoplasm of {}",
    "uncertain": "neoplasm of uncertain behavior of {}",
    "unspecified": "neoplasm of unspecified behavior of {}",
}
_DRUG = {
    "accidental": "poisoning by {}, accidental",
    "self-harm": "poisoning by {}, intentional self-harm",
    "assault": "poisoning by {}, assault",
    "undetermined": "poisoning by {}, undetermined",
    "adverse": "adverse effect of {}",
    "underdosing": "underdosing of {}",
}
_MAX_VARIANTS = 4
_SAME_STEM = 3


def read_index(path: Path) -> Iterator[Reference]:
    """Read an index of terms: the Alphabetic Index or the external cause index.

    A term is the main term and its subterms in words ("Abscess, brain"; "Diabetes with gastroparesis"),
    without the nonessential modifiers in parentheses. Cross-references ("see ...") give no term.

    Raises:
        CodeSetError: If the file is malformed; the line is told.
    """

    def codes(node: Node, parts: list[str]) -> Iterator[Reference]:
        for tag in _CODE_TAGS:
            for child in node.findall(tag):
                for term in _join(parts):
                    yield term, clean(child.text)

    return _walk_letters(path, lambda _: codes)


def read_neoplasms(path: Path) -> Iterator[Reference]:
    """Read the Neoplasm Table: one term a site and column, such as "benign neoplasm of abdomen, wall".

    Raises:
        CodeSetError: If the file is malformed; the line is told.
    """

    def codes_for(heading: dict[str, str]) -> _Codes:
        def codes(node: Node, parts: list[str]) -> Iterator[Reference]:
            sites = _join(parts[1:]) if len(parts) > 1 else [""]  # the one main term is "Neoplasm"
            for says, code in _cells(path, node, heading):
                for site in sites:
                    yield says.format(site) if site else says.removesuffix(" of {}"), code

        return codes

    return _walk_letters(path, lambda heads: codes_for(_columns(path, heads, _NEOPLASM)))


def read_drugs(path: Path) -> Iterator[Reference]:
    """Read the Table of Drugs and Chemicals: one term a substance and column ("underdosing of Insulin").

    Raises:
        CodeSetError: If the file is malformed; the line is told.
    """

    def codes_for(heading: dict[str, str]) -> _Codes:
        def codes(node: Node, parts: list[str]) -> Iterator[Reference]:
            for says, code in _cells(path, node, heading):
                for substance in _join(parts):
                    yield says.format(substance), code

        return codes

    return _walk_letters(path, lambda heads: codes_for(_columns(path, heads, _DRUG)))


_Codes = Callable[[Node, list[str]], Iterator[Reference]]


def _walk_letters(path: Path, codes_for: Callable[[list[Node]], _Codes]) -> Iterator[Reference]:
    """Yield the references of all terms; ``codes_for`` makes, from a table's headings, what gives one's."""
    heads: list[Node] = []
    for _, section in iter_sections(path):
        if section.tag == "indexHeading":
            heads = [head for head in section if isinstance(head, Node)]
        elif section.tag == "letter":
            codes = codes_for(heads)
            for term in section:
                if isinstance(term, Node) and term.tag == "mainTerm":
                    yield from _walk(path, term, [], codes)


def _walk(path: Path, node: Node, above: list[str], codes: _Codes) -> Iterator[Reference]:
    title = node.find("title")
    words = _words(title) if isinstance(title, Node) else ""
    if not words:
        raise CodeSetError(f"{path.name}, line {node.line}: <{node.tag}> without <title>; get the file again")
    parts = [*above, words]
    yield from codes(node, parts)
    for child in node:
        if isinstance(child, Node) and child.tag == "term":
            yield from _walk(path, child, parts, codes)


def _columns(path: Path, heads: list[Node], wanted: dict[str, str]) -> dict[str, str]:
    """Return what a term of each column says, by the number of the column."""
    columns = {
        head.get("col", ""): says for word, says in wanted.items() for head in heads if word in clean(head.text).lower()
    }
    if len(columns) != len(wanted):
        raise CodeSetError(
            f"{path.name}: its heading names {len(columns)} of the columns {', '.join(wanted)}; expected all of them"
        )
    return columns


def _cells(path: Path, node: Node, columns: dict[str, str]) -> Iterator[tuple[str, str]]:
    for cell in node.findall("cell"):
        column = cell.get("col", "")
        if column not in columns:
            line = cell.line if isinstance(cell, Node) else 0
            raise CodeSetError(f"{path.name}, line {line}: found a cell of column {column!r}, which has no heading")
        code = clean(cell.text)
        if code not in _NO_CODE:
            yield columns[column], code


def _words(title: Node) -> str:
    """Return a title without its nonessential modifiers."""
    return clean(" ".join([title.text or "", *(child.tail or "" for child in title)]))


def _join(parts: list[str]) -> list[str]:
    """Return a main term and its subterms as one, in each of the forms that a part gives for itself."""
    terms = []
    for forms in product(*map(_forms, parts)):
        term = forms[0]
        for form in forms[1:]:
            term += f" {form}" if _JOINING.match(form) or _ends_joining(term) else f", {form}"
        terms.append(term)
        if len(terms) == _MAX_VARIANTS:
            break
    return terms


def _ends_joining(term: str) -> bool:
    return bool(_JOINING.fullmatch(term.rpartition(" ")[2]))


def _forms(part: str) -> list[str]:
    """Return the forms of one word that a part lists, such as "abdomen, abdominal"; else the part itself."""
    forms = part.split(", ")
    stem = forms[0][:_SAME_STEM].lower()
    if len(forms) > 1 and all(" " not in form and form.lower().startswith(stem) for form in forms):
        return forms
    if len(forms) > 1 and all(_JOINING.match(form) for form in forms):
        return forms[:1]  # "due to, caused by": one is enough
    return [part]
