"""The files an evaluation writes: checked before the work, whole or not there, readable by their owner alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.unfinished import UnfinishedFile, resolve_target

# What is read of the folders that labelled sets are kept in.
_READ_OF_FOLDERS = (".ann", ".json", ".txt")


def check_targets(targets: Iterable[Path], sources: Iterable[Path]) -> None:
    """Refuse files that could not be written, or only over what is read, so that no work is lost.

    Args:
        targets: The files to write.
        sources: The files and folders that are read.

    Raises:
        NoteError: If one can't be written, is read as well, or is another one of them.
    """
    taken = list(sources)
    for target in targets:
        if any(_belongs_to(target, other) for other in taken):
            raise NoteError(f"{target}: found an input or another output as the output, expected another file")
        with _unfinished(target):
            pass
        taken.append(target)


def write_target(path: Path, written: str) -> None:
    """Write a file; if anything fails, what was there before stays.

    Raises:
        NoteError: If it can't be written.
    """
    with _unfinished(path) as file:
        file.write(written.encode("utf-8", "replace"))
        file.finish()
        file.move()


@contextmanager
def _unfinished(path: Path) -> Iterator[UnfinishedFile]:
    """Give a file beside the path that can take its place, and is removed unless it has."""
    try:
        file = UnfinishedFile(resolve_target(path))
        try:
            yield file
        finally:
            file.discard()
    except OSError as error:
        raise NoteError(
            f"{path}: could not be written: {error.strerror or type(error).__name__}; "
            "expected a file in a folder that exists and can be written to"
        ) from error


def _belongs_to(target: Path, other: Path) -> bool:
    if other.is_dir():
        is_inside = target.resolve().is_relative_to(other.resolve())
        return is_inside and target.suffix.lower() in _READ_OF_FOLDERS
    if target.exists() and other.exists():
        return target.samefile(other)
    return target.resolve() == other.resolve()
