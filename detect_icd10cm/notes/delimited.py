"""CSV and TSV, row by row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import TextIO

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.records import REQUIRED, Row, locate_columns
from detect_icd10cm.notes.streams import MAX_LINE, MAX_TEXT, Source, read_lines
from detect_icd10cm.types import Reject

_DELIMITERS = (",", "\t", ";", "|")


def read_delimited(source: Source, delimiter: str) -> Iterator[Row | Reject | None]:
    """Yield None once the header is checked, then the rows.

    A row number counts as a spreadsheet does: the header is row 1, and a row may span lines.

    Raises:
        NoteError: If the file is empty or lacks a column.
    """
    # pandas gives up a whole file for one undecodable byte or one quote that is not closed, or skips the rows
    # silently; the csv module lets each row stand for itself.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))
    with source.open_text(newline="") as text:
        lines = _Lines(text)
        header, delimiter = _read_header(source, lines, delimiter)
        places = locate_columns(source, header)
        yield None
        for number, cells in enumerate(_read_rows(lines, delimiter), start=2):
            place = f"{source.name}, row {number}"
            if isinstance(cells, str):
                yield Reject(None, place, cells)
            elif len(cells) != len(header):
                yield Reject(None, place, f"found {len(cells)} cells, expected {len(header)} as in the header")
            else:
                yield Row(place, {field: cells[i] for field, i in places.items()})


class _LineTooLongError(Exception):
    pass


class _Lines:
    """The lines of a file; those taken since ``mark`` was called can be given back, to be read again."""

    def __init__(self, text: TextIO) -> None:
        self._fresh = read_lines(text)
        self._returned: deque[str] = deque()
        self._taken: list[str] = []
        self._n_read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._fresh)
        self._n_read += 1
        if line is None:
            raise _LineTooLongError
        self._taken.append(line)
        return line

    def mark(self) -> int:
        """Return the number of the next line, counted from 1."""
        self._taken.clear()
        return self._n_read + 1

    def give_back(self, but: int = 0) -> None:
        """Have the lines since the mark read again, but for the first ones."""
        again = self._taken[but:]
        self._returned.extendleft(reversed(again))
        self._n_read -= len(again)


def _read_header(source: Source, lines: _Lines, delimiter: str) -> tuple[list[str], str]:
    """Return the column names and the delimiter: another one where only that one gives the required columns."""
    required = {source.columns[field] for field in REQUIRED}
    found: list[str] = []
    for candidate in (delimiter, *_DELIMITERS):
        lines.mark()
        try:
            names = [name.strip() for name in next(csv.reader(lines, delimiter=candidate, strict=True), [])]
        except (csv.Error, _LineTooLongError):
            names = []
        if required <= set(names):
            return names, candidate
        found = found or names
        lines.give_back()
    if not found:
        raise NoteError(f"{source.name}: found no header, expected the names of the columns in the first line")
    return found, delimiter


def _read_rows(lines: _Lines, delimiter: str) -> Iterator[list[str] | str]:
    """Yield the cells of each row that is not blank, or why it can't be read.

    A quote that is not closed takes the rows after it along, up to the next quote. So only its first line is given
    up, and the others are read again.
    """
    while True:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            first = lines.mark()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                lines.give_back(but=1)
                yield f"line {first}: a quote is not closed, or stands inside a quoted cell without being doubled"
                break
            except _LineTooLongError:
                yield f"line {first}: the row holds a line of more than {MAX_LINE:,} characters"
                break
            if cells:
                yield cells
