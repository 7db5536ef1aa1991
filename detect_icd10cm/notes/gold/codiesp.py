"""CodiEsp (CLEF eHealth 2020): tab-separated files of document codes (D, P) and of evidence spans (X).

Shape: the corpus' own description, https://temu.bsc.es/codiesp/. A folder of texts belongs to each file: offsets
refer to the Spanish ``text_files``; ``text_files_en`` goes with document codes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import IssueLog, make_mention, read_lines, read_text, spell_code, unique
from detect_icd10cm.types import AnnotatedNote, Mention, Note

Label = Literal["diagnosis", "procedure"]

_LABELS: Mapping[str, Label] = {"DIAGNOSTICO": "diagnosis", "PROCEDIMIENTO": "procedure"}
SPANISH_TEXTS = "text_files"


@dataclass(frozen=True, slots=True)
class CodiespRow:
    """One line of a CodiEsp file; ``code`` is spelled our way, ``label`` and ``spans`` are those of an X file.

    ``spans`` are the pieces of evidence as listed: several for a discontinuous reference, none in D and P files.
    """

    line: int
    note_id: str
    code: str
    label: Label | None = None
    spans: tuple[tuple[int, int], ...] = ()
    reference: str | None = None

    @property
    def hull(self) -> tuple[int, int]:
        """The characters from the first piece to the last one."""
        return min(start for start, _ in self.spans), max(end for _, end in self.spans)


def read_codiesp_rows(path: Path) -> Iterator[CodiespRow]:
    """Yield the rows of a D, P or X file: gold (2 or 5 columns) or prediction (2 or 4 columns).

    Raises:
        NoteError: If a line has another shape.
    """
    for number, line in read_lines(path):
        fields = line.split("\t")
        try:
            yield _row(number, fields)
        except ValueError:
            raise NoteError(
                f"{path.name}, line {number}: found {len(fields)} tab-separated fields; expected case and code, or "
                "case, label, code, reference and position '100 120;130 140', or case, position, label and code"
            ) from None


def read_codiesp(path: Path, log: IssueLog, texts: Path | None = None) -> Iterator[AnnotatedNote]:
    """Yield the cases of a D, P or X file with their codes; an X file's diagnoses become mentions as well.

    A discontinuous reference becomes one mention from its first piece to its last. A case that the texts hold but
    the file does not is yielded without codes, last. Diagnoses of an X file are the codes; its procedures are not.

    Args:
        path: The file.
        log: Where broken cases are reported.
        texts: The folder of ``<case>.txt``; by default ``text_files`` beside the file, where that exists.

    Raises:
        NoteError: If a line has another shape.
    """
    if texts is None and (path.parent / SPANISH_TEXTS).is_dir():
        texts = path.parent / SPANISH_TEXTS
    cases: dict[str, list[CodiespRow]] = {}
    for row in read_codiesp_rows(path):
        cases.setdefault(row.note_id, []).append(row)
    for file in sorted(texts.glob("*.txt")) if texts else ():
        cases.setdefault(file.stem, [])
    for note_id, rows in cases.items():
        source = f"{path.name}, line {rows[0].line}" if rows else f"{note_id}.txt"
        try:
            yield _annotated(note_id, rows, path.name, log, texts)
        except NoteError as error:
            log.broken(note_id, source, error)


def _row(number: int, fields: list[str]) -> CodiespRow:
    if len(fields) == 2:
        note_id, code = fields
        if not note_id or not code:
            raise ValueError
        return CodiespRow(number, note_id, spell_code(code))
    if len(fields) == 5:
        note_id, label, code, reference, position = fields
    else:
        note_id, position, label, code = fields
        reference = None
    if label not in _LABELS:
        raise ValueError
    return CodiespRow(number, note_id, spell_code(code), _LABELS[label], _pieces(position), reference)


def _pieces(position: str) -> tuple[tuple[int, int], ...]:
    pieces = (piece.split() for piece in position.split(";"))
    return tuple((int(start), int(end)) for start, end in pieces)


def _annotated(note_id: str, rows: list[CodiespRow], name: str, log: IssueLog, texts: Path | None) -> AnnotatedNote:
    text = read_text(texts / f"{note_id}.txt") if texts else ""
    wanted = [row for row in rows if row.label != "procedure"]
    mentions = []
    for row in wanted:
        if row.spans:
            mentions.append(_mention(text, row))
            # The corpus itself cuts a few references short: told, not refused.
            if text and row.reference is not None and not _quotes(text, row):
                log.differs(note_id, f"{name}, line {row.line}", "the reference is not the text at its position")
    codes = [row.code for row in wanted]
    # A code stands in an X file once for each reference: there, a second line is no repetition.
    return AnnotatedNote(Note(note_id, text), tuple(mentions), unique(codes) if mentions else tuple(codes))


def _mention(text: str, row: CodiespRow) -> Mention:
    start, end = row.hull
    try:
        return make_mention(text, start, end, row.code, quote=row.reference if not text else None)
    except NoteError as error:
        raise NoteError(f"line {row.line}: {error}") from None


def _quotes(text: str, row: CodiespRow) -> bool:
    pieces = " ".join(text[start:end] for start, end in row.spans)
    return pieces.split() == (row.reference or "").split()
