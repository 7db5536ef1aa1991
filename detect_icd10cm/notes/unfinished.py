"""Files on their way to their place: under another name beside it until whole, readable by their owner alone."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from detect_icd10cm.errors import NoteError

# Of these suffixes a file is made of frames, each compressed by itself, so that it can go on after any of them.
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    # Neither name nor time: the same results make the same bytes.
    ".gz": lambda frame: gzip.compress(frame, mtime=0),
    ".zst": lambda frame: _compress_zstd(frame),
}


class Sink(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Take all of them."""


class Start(NamedTuple):
    """Where a writer begins: a new file, or one that goes on after some mentions; ``day`` is that of its beginning."""

    day: date
    is_new: bool = True
    n_mentions: int = 0


def resolve_target(path: Path) -> Path:
    """Return where a file is to be written; a link is followed, not replaced.

    Raises:
        NoteError: If something stands there that can't be replaced.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        raise NoteError(f"{path}: found a folder or a device, expected the name of a file to write")
    if place.exists() and not os.access(place, os.W_OK):
        raise NoteError(f"{path}: the file is read-only; choose another name")
    return place


class UnfinishedFile:
    """A file that gets its final name when it is whole.

    Attributes:
        part: Where it stands until then.
    """

    def __init__(self, path: Path, *, can_resume: bool = False, size: int = 0) -> None:
        """Open the file.

        Args:
            path: Its final name.
            can_resume: Give it a fixed name, by which a later run finds it; else one that no other run has.
            size: How many bytes of it hold, written by an earlier run.

        Raises:
            NoteError: If it holds less than it should.
            OSError: If it can't be written.
        """
        self._path = path
        self._compress = _COMPRESS.get(path.suffix.lower())
        self._frame = bytearray()
        if can_resume:
            self.part = unfinished_path(path)
            handle = _open_fixed(self.part, size)
        else:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)  # mode 0600
            self.part = Path(name)
        self._raw = os.fdopen(handle, "wb")  # of an open file, that cuts nothing off

    def write(self, data: bytes) -> int:
        """Write bytes, or hold them back until their frame is full."""
        if self._compress:
            self._frame += data
            return len(data)
        return self._raw.write(data)

    def end_frame(self) -> None:
        """Write what is held back as a frame of its own."""
        if self._compress and self._frame:
            self._raw.write(self._compress(bytes(self._frame)))
            self._frame.clear()

    def sync(self) -> int:
        """Bring to the disk what is not held back, and return the size."""
        self._raw.flush()
        os.fsync(self._raw.fileno())
        return self._raw.tell()

    def finish(self) -> None:
        """Bring all to the disk; a compressed file without content gets an empty frame."""
        self.end_frame()
        if self._compress and not self._raw.tell():
            self._raw.write(self._compress(b""))
        self.sync()

    def close(self) -> None:
        """Close the file; what the disk does not take is given up."""
        with suppress(OSError):
            self._raw.close()

    def move(self) -> None:
        """Give the file its final name."""
        self.close()
        self.part.replace(self._path)

    def discard(self) -> None:
        """Remove the file, if it has not been moved."""
        self.close()
        self.part.unlink(missing_ok=True)


def unfinished_path(path: Path) -> Path:
    """Return the fixed name of a file until it is whole."""
    return path.with_name(f".{path.name}.part")


def _open_fixed(part: Path, size: int) -> int:
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    if not size:
        part.unlink(missing_ok=True)
        return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600)
    if not part.exists() or part.stat().st_size < size:
        raise NoteError(
            f"{part}: the unfinished file is missing or shorter than its journal says; begin anew with --restart"
        )
    handle = os.open(part, flags)
    os.ftruncate(handle, size)
    os.lseek(handle, size, os.SEEK_SET)
    return handle


def _compress_zstd(frame: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(frame, codec="zstd", asbytes=True))
