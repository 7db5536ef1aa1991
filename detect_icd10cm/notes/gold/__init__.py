"""Labelled notes read from the formats of the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.audit import audit_codes
from detect_icd10cm.notes.gold.brat import read_brat
from detect_icd10cm.notes.gold.codiesp import CodiespRow, read_codiesp, read_codiesp_rows
from detect_icd10cm.notes.gold.jsonl import read_jsonl
from detect_icd10cm.notes.gold.mdace import read_mdace
from detect_icd10cm.notes.gold.records import GoldIssue, IssueLog, read_lines, refuse_repeated_ids
from detect_icd10cm.notes.gold.table import read_table
from detect_icd10cm.notes.streams import plain_suffix
from detect_icd10cm.types import AnnotatedNote

__all__ = [
    "GOLD_FORMATS",
    "CodiespRow",
    "GoldFormat",
    "GoldIssue",
    "audit_codes",
    "guess_format",
    "read_codiesp_rows",
    "read_gold",
]

GoldFormat = Literal["jsonl", "codiesp", "mdace", "brat", "csv"]
GOLD_FORMATS: tuple[GoldFormat, ...] = get_args(GoldFormat)


def read_gold(
    source: str | Path,
    *,
    format: str | None = None,
    texts: str | Path | Mapping[str, str] | None = None,
    issues: list[GoldIssue] | None = None,
) -> Iterator[AnnotatedNote]:
    """Yield the labelled notes of a file or folder, each with its mentions, document codes and indications.

    Codes are spelled our way and otherwise left as they stand: ``audit_codes`` says which of them a release lacks.

    Args:
        source: JSON Lines, a CodiEsp TSV, an MDACE chart or folder of charts, a BRAT folder, or a CSV of codes.
        format: Its format, where ``guess_format`` would be wrong.
        texts: For CodiEsp the folder of texts; for CSV the texts by note id. Offsets are checked against them.
        issues: Takes what is wrong with single notes; broken notes are then left out instead of raising.

    Raises:
        NoteError: If the source cannot be read, two notes have the same id, or, without ``issues``, a note is broken:
            an offset outside its text, a quote that differs, an unknown label.
    """
    path = Path(source)
    chosen = format or guess_format(path)
    log = IssueLog(issues)
    by_id = texts if isinstance(texts, Mapping) else None
    if texts is not None and (chosen not in ("codiesp", "csv") or (chosen == "csv") != (by_id is not None)):
        raise NoteError(f"texts cannot be given this way for format {chosen}; see read_gold")
    if chosen == "jsonl":
        notes = read_jsonl(path, log)
    elif chosen == "codiesp":
        notes = read_codiesp(path, log, None if texts is None else Path(str(texts)))
    elif chosen == "mdace":
        notes = read_mdace(path, log)
    elif chosen == "brat":
        notes = read_brat(path, log)
    elif chosen == "csv":
        notes = read_table(path, log, by_id)
    else:
        raise NoteError(f"found gold format {chosen!r}, expected one of: {', '.join(GOLD_FORMATS)}")
    return refuse_repeated_ids(notes, path.name)


def guess_format(path: Path) -> GoldFormat:
    """Return the format of a labelled set, from its name and, for ``.tsv``, its first line.

    Raises:
        NoteError: If there is no such file or folder, or it looks like none of the formats.
    """
    if path.is_dir():
        if next(path.rglob("*.ann"), None):
            return "brat"
        if next(path.rglob("*.json"), None):
            return "mdace"
        raise NoteError(f"found neither .ann nor .json files in {path}; expected a BRAT or MDACE folder")
    if not path.exists():
        raise NoteError(f"found no file or folder {path}")
    suffix = plain_suffix(path)
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    if path.suffix.lower() == ".json":
        return "mdace"
    if suffix == ".csv":
        return "csv"
    if suffix == ".tsv":
        first = next((line for _, line in read_lines(path)), "")
        return "csv" if "note_id" in first.lower().split("\t") else "codiesp"
    raise NoteError(
        f"cannot tell the format of {path.name}; expected .jsonl, .json, .csv, .tsv or a folder, or say which of: "
        + ", ".join(GOLD_FORMATS)
    )
