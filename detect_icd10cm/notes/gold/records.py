"""What every gold reader makes and checks: labelled mentions, and the issues found on the way."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from detect_icd10cm.codes.codeset import normalize_code
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.errors import CodeSetError, NoteError
from detect_icd10cm.notes.streams import READ_ERRORS, Source
from detect_icd10cm.types import ASSERTIONS, KINDS, AnnotatedNote, Mention

T = TypeVar("T", bound=str)

IssueKind = Literal["broken", "reference differs", "not in release", "not billable", "repeated"]
_ID = re.compile(r"\S{1,64}")


@dataclass(frozen=True, slots=True)
class GoldIssue:
    """Something wrong with a labelled note: where it stands, never its text.

    A ``broken`` note could not be read and is left out; all other issues leave the note as it is.
    """

    kind: IssueKind
    note_id: str | None
    source: str
    detail: str


class IssueLog:
    """Where readers report: broken notes raise, unless a list to collect them is given."""

    def __init__(self, issues: list[GoldIssue] | None) -> None:
        self._issues = issues

    def broken(self, note_id: str | None, source: str, error: NoteError) -> None:
        """List a note that is left out.

        Raises:
            NoteError: If there is no list.
        """
        if self._issues is None:
            raise NoteError(f"{source}: {error}") from error
        self._issues.append(GoldIssue("broken", note_id, source, str(error)))

    def differs(self, note_id: str, source: str, detail: str) -> None:
        """List a quoted reference that is not what stands at its offsets; without a list it is passed over."""
        if self._issues is not None:
            self._issues.append(GoldIssue("reference differs", note_id, source, detail))


@lru_cache(maxsize=1 << 17)  # more than a release has codes; a set's few thousand stand in it over and over
def spell_code(code: str) -> str:
    """Return a code as we spell it; what can't be ICD-10-CM, such as a procedure code, in upper case only."""
    try:
        return normalize_code(code)
    except CodeSetError:
        return "".join(code.split()).upper()


def make_mention(
    text: str,
    start: object,
    end: object,
    code: object,
    *,
    quote: str | None = None,
    assertion: object = "present",
    kind: object = None,
) -> Mention:
    """Make a gold mention and check it; against an empty note text only the order of the offsets can be.

    Raises:
        NoteError: If the offsets lie outside the text, the quote is not what stands there, or a label is unknown.
    """
    if not (isinstance(start, int) and isinstance(end, int)) or isinstance(start, bool) or isinstance(end, bool):
        raise NoteError("a mention has no whole-number start and end; expected character offsets")
    if not 0 <= start < end or (text and end > len(text)):
        limit = f"the note has {len(text)} characters" if text else "expected 0 <= start < end"
        raise NoteError(f"mention {start}-{end} lies outside the text: {limit}")
    if quote is not None and text and text[start:end] != quote:
        raise NoteError(
            f"mention {start}-{end}: its text of {len(quote)} characters is not what the note has there; "
            "expected text[start:end], offsets in characters of the unchanged note"
        )
    if not isinstance(code, str) or not code.strip():
        raise NoteError(f"mention {start}-{end} has no code")
    code = spell_code(code)
    return Mention(
        start=start,
        end=end,
        text=text[start:end] if text else quote or "",
        kind=one_of(kind or kind_of(code), KINDS, f"kind of mention {start}-{end}"),
        assertion=one_of(assertion or "present", ASSERTIONS, f"assertion of mention {start}-{end}"),
        code=code,
    )


def one_of(value: object, choices: Sequence[T], name: str) -> T:
    """Return the value as the choice that it is.

    Raises:
        NoteError: If it is none of them.
    """
    for choice in choices:
        if value == choice:
            return choice
    # Not repeated: it could be text of a note.
    found = f"a value of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"
    raise NoteError(f"{name}: found {found}, expected one of: {', '.join(choices)}")


def shown_id(note_id: str) -> str:
    """Return a note's id as messages give it: only its length where it could be text of a note."""
    return note_id if _ID.fullmatch(note_id) else f"of {len(note_id)} characters"


def read_text(path: Path) -> str:
    """Read a note's text with its line ends unchanged, so that offsets hold.

    Raises:
        NoteError: If the file is missing or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise NoteError(f"found no text file of note {shown_id(path.stem)} in {path.parent}") from None
    except UnicodeDecodeError as error:
        raise NoteError(f"{path.name}: byte {error.start} is not UTF-8; save the text as UTF-8") from None


@contextmanager
def open_text(path: Path, newline: str) -> Iterator[TextIO]:
    """Open a UTF-8 file, unpacked where it ends in ``.gz`` or ``.zst``; its line breaks are kept as they are.

    Raises:
        NoteError: If the file is missing, damaged or not UTF-8.
    """
    try:
        with Source(path, "utf-8", {}, frozenset()).open() as stream:
            text = io.TextIOWrapper(stream, "utf-8-sig", newline=newline)
            try:
                yield text
            finally:
                text.detach()  # the stream belongs to whoever opened it
    except FileNotFoundError:
        raise NoteError(f"found no file {path}") from None
    except UnicodeDecodeError:
        raise NoteError(f"{path.name} is not UTF-8; save it as UTF-8") from None
    except READ_ERRORS as error:
        raise NoteError(f"{path.name} could not be read: {type(error).__name__}; is it damaged or cut off?") from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are not blank, with their numbers from 1.

    Raises:
        NoteError: If the file is missing, damaged or not UTF-8.
    """
    with open_text(path, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def unique(codes: Iterable[str]) -> tuple[str, ...]:
    """Return the codes in order, each once."""
    return tuple(dict.fromkeys(codes))


def refuse_repeated_ids(notes: Iterable[AnnotatedNote], source: str) -> Iterator[AnnotatedNote]:
    """Pass notes on.

    Raises:
        NoteError: If two have the same id.
    """
    seen: set[str] = set()
    for note in notes:
        if note.note.note_id in seen:
            named = shown_id(note.note.note_id)
            raise NoteError(f"{source}: note_id {named} stands there twice; expected one record a note")
        seen.add(note.note.note_id)
        yield note


def text_of(record: Mapping[str, Any], key: str) -> str | None:
    """Return a field as text, None where it is absent or empty; numbers become text."""
    value = record.get(key)
    return str(value) if isinstance(value, str | int) and str(value).strip() else None
