"""Plain text, a file a note."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.records import Row
from detect_icd10cm.notes.streams import COMPRESSED, MAX_TEXT, READ_ERRORS, Source, decode, plain_suffix
from detect_icd10cm.types import Reject

LEADS_OUT = "the file is a link that leads out of the folder"
# No encoding takes more bytes a character.
_MAX_BYTES = 4 * (MAX_TEXT + 1)


def read_text(source: Source) -> Iterator[Row | Reject | None]:
    """Yield None once the file is seen to be readable and not empty, then its one note, called as the file is.

    Raises:
        NoteError: If the file is empty.
    """
    data = _read_bytes(source)
    if not data.strip():
        raise NoteError(f"{source.name}: found no text, expected a clinical note")
    yield None
    note_id = "stdin" if source.path is None else _stem(Path(source.path.name))
    yield Row(source.name, {"note_id": note_id, "text": decode(data, source.encoding)})


def read_text_folder(source: Source, folder: Path, paths: list[Path]) -> Iterator[Row | Reject | None]:
    """Yield None, then a note for each file, called by its path within the folder without the suffix."""
    n_done = 0
    source.total, source.done = len(paths), lambda: n_done
    yield None
    root = folder.resolve()
    for path in paths:
        place = path.relative_to(folder).as_posix()
        if path.resolve().is_relative_to(root):
            yield _read_file(source.part(path), place)
        else:
            yield Reject(None, place, LEADS_OUT)
        n_done += 1


def find_files(folder: Path, suffix: str) -> list[Path]:
    """Return the files of a folder and those below it that have a suffix, sorted, without hidden ones.

    Raises:
        OSError: If one of the folders can't be read.
    """
    found: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(root, name) for name in files if not name.startswith((".", "_"))]
    return sorted(path for path in found if plain_suffix(path) == suffix)


def _read_file(source: Source, place: str) -> Row | Reject:
    try:
        if source.path and not source.path.is_file():
            return Reject(None, place, "not a regular file, or a link to a missing one")
        text = decode(_read_bytes(source), source.encoding)
    except READ_ERRORS as error:
        return Reject(None, place, f"could not be read: {type(error).__name__}")
    return Row(place, {"note_id": _stem(Path(place)), "text": text})


def _read_bytes(source: Source) -> bytes:
    with source.open() as stream:
        return stream.read(_MAX_BYTES)


def _stem(path: Path) -> str:
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return plain.with_suffix("").as_posix()


def _raise(error: OSError) -> None:
    raise error
