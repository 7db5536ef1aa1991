"""Byte and text streams of note files: compression by suffix, decoding that marks what it can't decode, long lines."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from detect_icd10cm.errors import NoteError

# Longest line of a text file, in characters: 16 MiB of text written as JSON escapes, or a scanned document in base64.
MAX_LINE = 64 * 2**20
# Longest text of one note, in characters; also bounds what a quote that is never closed can hold up.
MAX_TEXT = 16 * 2**20
COMPRESSED = (".gz", ".zst")
# What reading a damaged or truncated file raises, besides our own errors.
READ_ERRORS = (OSError, EOFError, zlib.error)

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Name of the way to decode that puts a mark, which no valid text holds, for bytes that can't be decoded.
MARKING = "detect_icd10cm.marking"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Put half of a surrogate pair for bytes that can't be decoded: no decoder gives one for valid bytes."""
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error(MARKING, _mark)


class Source:
    """A file or standard input with notes in it, and how it is to be read.

    Attributes:
        path: The file; None for standard input.
        name: What places in it are called by, such as ``notes.csv``.
        encoding: Encoding of text.
        columns: The name in the file of each field of a note.
        renamed: The fields whose column the user named, so that it must be there.
        files: The files that are read, in their order; none for standard input and for devices.
        total: Size of the whole, in the unit of ``done``; None when not known.
        done: Says how much has been read.
    """

    def __init__(self, path: Path | None, encoding: str, columns: Mapping[str, str], renamed: frozenset[str]) -> None:
        self.path = path
        self.name = path.name if path else "standard input"
        self.encoding = encoding
        self.columns = columns
        self.renamed = renamed
        self.files = [path] if path and path.is_file() else []
        self.total: int | None = None
        self.done: Callable[[], int] = int

    def part(self, path: Path) -> Source:
        """Return one file of a folder, to be read in the same way."""
        return Source(path, self.encoding, self.columns, self.renamed)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the source as a stream of uncompressed bytes."""
        if self.path is None:
            buffer: Any = sys.stdin.buffer
            yield buffer if hasattr(buffer, "peek") else io.BufferedReader(buffer)
            return
        with self.path.open("rb") as raw:
            if self.path.is_file():
                self.total, self.done = self.path.stat().st_size, raw.tell
            with _decompressed(raw, self.path.suffix.lower()) as stream:
                yield stream
        size = self.total or 0
        self.done = lambda: size

    @contextmanager
    def open_text(self, newline: str) -> Iterator[TextIO]:
        r"""Open the source as text; line breaks are kept as they are, ``newline`` says which ones end a line.

        A byte-order mark is no part of the text. Bytes that can't be decoded become half a surrogate pair, which
        no valid text holds, so that they spoil only the value that they stand in.

        Raises:
            NoteError: If the file says that it is UTF-16 and UTF-8 is expected.
        """
        with self.open() as stream:
            if _is_utf8(self.encoding) and cast(Any, stream).peek(2)[:2] in _UTF16_MARKS:
                raise NoteError(
                    f"{self.name}: found the byte-order mark of UTF-16, expected {self.encoding}; "
                    "name the encoding: encoding='utf-16', on the command line --encoding utf-16"
                )
            text = io.TextIOWrapper(stream, text_codec(self.encoding), errors=MARKING, newline=newline)
            try:
                yield text
            finally:
                text.detach()  # the stream belongs to whoever opened it


def text_codec(encoding: str) -> str:
    """Return the codec for an encoding; that of UTF-8 drops a byte-order mark."""
    return "utf-8-sig" if _is_utf8(encoding) else encoding


def decode(data: bytes, encoding: str) -> str:
    """Decode as ``Source.open_text`` does."""
    return data.decode(text_codec(encoding), MARKING)


def check_encoding(encoding: str) -> None:
    """Raise a NoteError if Python has no such encoding of text."""
    try:
        b"x".decode(encoding, "replace")
    except (LookupError, ValueError) as error:
        raise NoteError(f"found encoding {encoding!r}, expected one such as 'utf-8', 'cp1252' or 'utf-16'") from error


def read_lines(text: TextIO) -> Iterator[str | None]:
    """Yield line after line with its line break; None in place of one longer than ``MAX_LINE``, which is skipped."""
    while line := text.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            while line and not line.endswith(("\n", "\r")):
                line = text.readline(MAX_LINE)
            yield None
        else:
            yield line


def plain_suffix(path: Path) -> str:
    """Return the suffix that says a file's format: lower case, the one before ``.gz`` or ``.zst``."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return plain.suffix.lower()


@contextmanager
def _decompressed(raw: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=raw) as unzipped:
            yield cast(BinaryIO, io.BufferedReader(cast(Any, unzipped)))
    elif suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as unpacked:
            yield cast(BinaryIO, io.BufferedReader(unpacked))
    else:
        yield raw


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"
