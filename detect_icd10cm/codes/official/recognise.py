"""Telling which official file a file is, by what is in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from detect_icd10cm.codes.official import tabular
from detect_icd10cm.codes.official.xml import Node, clean, iter_sections
from detect_icd10cm.errors import CodeSetError

Kind = Literal["order", "addenda", "tabular", "index", "external_cause", "neoplasm", "drug", "poa_exempt"]

INDEX_ROOT = "ICD10CM.index"
ORDER_LINE = re.compile(r"\d{5} [A-Z]\w{2,6} +[01] ")
ADDENDA_LINE = re.compile(r"(?:Add|Delete|Revise from|Revise to): +[01] [A-Z]\w{2,6} ")
_POA_HEADER = re.compile(r"poa\W*exempt", re.IGNORECASE)
_EXPECTED = (
    "expected an order file, an order addenda, a POA-exempt list, or the XML of the Tabular List, the "
    "Alphabetic Index, the external cause index, the Neoplasm Table or the Table of Drugs"
)
_NAME_DATE = re.compile(r"(april|october)-(?:1-)?(\d{4})", re.IGNORECASE)
_NAME_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)|FY(\d\d)(?!\d)", re.IGNORECASE)
_YEAR = re.compile(r"20\d\d")
_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class OfficialFile:
    """A file whose kind is known, and its release or fiscal year as far as the file or its name says one."""

    path: Path
    kind: Kind
    release: str | None
    fiscal_year: int | None


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open an official text file.

    Raises:
        CodeSetError: If it can't be read or is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise CodeSetError(
            f"{path.name}: byte {error.start} of a block is not UTF-8 text; save the file as UTF-8"
        ) from None
    except OSError as error:
        raise CodeSetError(f"{path}: cannot be read ({error.strerror})") from None


def recognise(path: Path) -> OfficialFile:
    """Return what official file a file is.

    Raises:
        CodeSetError: If it can't be read or is none.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise CodeSetError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith(b"PK\x03\x04"):
        raise CodeSetError(f"{path.name}: is a zip archive; unpack it and import the files in it")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        kind, version = _recognise_xml(path)
    else:
        kind, version = _recognise_text(path), ""
    release = release_in_name(path.name)
    return OfficialFile(path, kind, release, _year(version) or (None if release else _year_in_name(path.name)))


def release_in_name(name: str) -> str | None:
    """Return the release that a file name with a date says (``...-April-1-2026...``), if any."""
    dated = _NAME_DATE.search(name)
    return f"{dated[2]}-{'04' if dated[1].lower() == 'april' else '10'}" if dated else None


def _recognise_xml(path: Path) -> tuple[Kind, str]:
    version = ""
    for root, node in iter_sections(path):
        if root not in (tabular.ROOT, INDEX_ROOT):
            raise CodeSetError(f"{path.name}: found XML of <{root}>; {_EXPECTED}")
        if node.tag == "version":
            version = clean(node.text)
        kind = _TABULAR_KIND if root == tabular.ROOT else _index_kind(node)
        if kind and (version or node.tag != "version"):
            return kind, version
        if node.tag == "letter":
            break
    raise CodeSetError(f"{path.name}: found XML without a title or heading that says what it is; {_EXPECTED}")


_TABULAR_KIND: Kind = "tabular"


def _index_kind(node: Node) -> Kind | None:
    if node.tag == "title":
        return "external_cause" if "external cause" in clean(node.text).lower() else "index"
    if node.tag == "indexHeading":
        first = (node.text_of("head") or "").lower()
        return "neoplasm" if first == "neoplasm" else "drug" if first == "substance" else None
    return None


def _recognise_text(path: Path) -> Kind:
    shapes: tuple[tuple[Kind, Callable[[str], object]], ...] = (
        ("order", ORDER_LINE.match),
        ("addenda", ADDENDA_LINE.match),
        ("poa_exempt", _POA_HEADER.search),
    )
    with open_text(path) as stream:
        first = next((line for line in stream if line.strip()), "")
    for kind, matches in shapes:
        if matches(first):
            return kind
    raise CodeSetError(f"{path.name}: its first line has no known shape; {_EXPECTED}")


def _year(text: str) -> int | None:
    found = _YEAR.search(text)
    return int(found[0]) if found else None


def _year_in_name(name: str) -> int | None:
    found = _NAME_YEAR.search(name)
    return (int(found[1]) if found[1] else 2000 + int(found[2])) if found else None
