"""Reading notes from files, folders and standard input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.delimited import read_delimited
from detect_icd10cm.notes.fhir import read_bundle
from detect_icd10cm.notes.jsonlines import read_json_lines
from detect_icd10cm.notes.parquet import read_parquet
from detect_icd10cm.notes.records import NoteBuilder, Row, resolve_columns
from detect_icd10cm.notes.streams import COMPRESSED, READ_ERRORS, Source, check_encoding, plain_suffix
from detect_icd10cm.notes.textfiles import LEADS_OUT, find_files, read_text, read_text_folder
from detect_icd10cm.types import Note, Reject

STDIN = "-"

# Yields None when all is checked that would stop the whole, then the records.
_Reader = Iterator[Row | Reject | None]

_READERS: dict[str, Callable[[Source], _Reader]] = {
    "csv": lambda source: read_delimited(source, ","),
    "tsv": lambda source: read_delimited(source, "\t"),
    "jsonl": read_json_lines,
    "ndjson": read_json_lines,
    "json": read_bundle,
    "parquet": read_parquet,
    "txt": read_text,
}
FORMATS = tuple(_READERS)


class NoteStream(Iterator[Note | Reject]):
    """The notes of a source in their order, with rejects in the place of those that can't be read.

    Attributes:
        source: What is read; its ``total`` and ``done`` say how far.
    """

    def __init__(self, source: Source, reader: _Reader) -> None:
        self.source = source
        self._reader = _name_read_errors(source, reader)
        self._builder = NoteBuilder()

    def __next__(self) -> Note | Reject:
        record = next(self._reader)
        return self._builder.build(record) if isinstance(record, Row) else record


def read_notes(
    source: str | Path,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> NoteStream:
    r"""Read notes as a stream.

    A note that can't be read comes as a ``Reject`` in its place and the rest goes on. Texts are kept as they are,
    line breaks included, so that offsets refer to them. Files may be compressed (``.gz``, ``.zst``).

    Args:
        source: A file, a folder of .txt or of the parts of an export, or ``"-"`` for standard input: JSON Lines, or
            the text of one note.
        format: One of ``csv``, ``tsv``, ``jsonl``, ``ndjson`` (also of FHIR resources), ``json`` (a FHIR Bundle),
            ``parquet``, ``txt``; taken from the suffix when None.
        columns: Columns or keys that are called otherwise than the fields of ``Note``: ``{"text": "NOTE_TEXT"}``.
        encoding: Encoding of text, for CSV, TSV, JSON Lines and .txt.

    Raises:
        NoteError: If the file is missing, empty, of unknown format, or lacks a column; at once, before any note.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.csv")
    ...     _ = path.write_text("note_id,text\n1,No fever.\n2,\n")
    ...     list(read_notes(path))  # doctest: +NORMALIZE_WHITESPACE
    [Note(note_id='1', patient_id=None, encounter_id=None, encounter_date=None, setting=None, note_type=None),
     Reject(note_id='2', source='notes.csv, row 3', reason='text is empty')]
    """
    if format is not None and format not in _READERS:
        raise NoteError(f"found input format {format!r}, expected one of: {', '.join(FORMATS)}")
    check_encoding(encoding)
    path = None if source == STDIN else Path(source)
    origin = Source(path, encoding, *resolve_columns(columns))
    try:
        reader = _choose_reader(origin, format)
        next(reader)  # all that would stop the whole is met here
    except READ_ERRORS as error:
        raise NoteError(f"{origin.name}: could not be read: {_describe(error)}") from error
    return NoteStream(origin, reader)


def _choose_reader(source: Source, format: str | None) -> _Reader:
    if source.path is None:
        return _read_stdin(source, format)
    if source.path.is_dir():
        return _read_folder(source, source.path, format or _format_of(source.path, "txt"))
    if not source.path.exists():
        raise NoteError(f"found no file {source.path}, expected notes in a file, a folder, or - for standard input")
    format = format or _format_of(source.path)
    if format == "parquet" and source.path.suffix.lower() in COMPRESSED:
        raise NoteError(f"{source.name}: Parquet compresses its own parts; unpack the file")
    return _READERS[format](source)


def _format_of(path: Path, default: str | None = None) -> str:
    format = plain_suffix(path).removeprefix(".")
    if format in _READERS:
        return format
    if default is None:
        raise NoteError(
            f"{path.name}: found suffix {plain_suffix(path)!r}, expected one of: "
            f"{', '.join(f'.{name}' for name in FORMATS)}, also with {' or '.join(COMPRESSED)}; or name the format: "
            "format=, on the command line --from"
        )
    return default


def _read_stdin(source: Source, format: str | None) -> _Reader:
    if format in ("json", "parquet"):
        raise NoteError(f"found format {format} on standard input, which can't be read twice; give the file's name")
    if format is None:
        with source.open() as stream:
            # A note may begin with a brace, but hardly with one and a quote.
            start = "".join(stream.peek(4096)[:4096].decode("utf-8-sig", "replace").split())  # type: ignore[attr-defined]
        format = "jsonl" if start.startswith(('{"', "{}")) else "txt"
    return _READERS[format](source)


def _read_folder(source: Source, folder: Path, format: str) -> _Reader:
    """Read a folder of notes as text, or of the parts of an export, which come one after the other."""
    paths = find_files(folder, f".{format}")
    if not paths:
        raise NoteError(
            f"found no .{format} file in folder {folder}; if it holds parts of another format, name it: "
            "format=, on the command line --from"
        )
    source.files = [path for path in paths if path.is_file()]
    if format == "txt":
        return read_text_folder(source, folder, paths)
    return _read_parts(source, folder, paths, _READERS[format])


def _read_parts(source: Source, folder: Path, paths: list[Path], read: Callable[[Source], _Reader]) -> _Reader:
    root = folder.resolve()
    inside = [path for path in paths if path.resolve().is_relative_to(root)]
    if not inside:
        raise NoteError(f"found only links that lead out of folder {folder}, expected files in it")
    first = source.part(inside[0])
    reader = read(first)
    next(reader)
    yield None
    yield from _name_read_errors(first, reader)
    for path in sorted({*paths} - {*inside}):
        yield Reject(None, path.name, LEADS_OUT)
    for path in inside[1:]:
        part = source.part(path)
        reader = read(part)
        try:
            next(reader)
        except NoteError as error:
            yield Reject(None, part.name, str(error))
        except READ_ERRORS as error:
            yield Reject(None, part.name, f"could not be read: {_describe(error)}")
        else:
            yield from _name_read_errors(part, reader)


def _name_read_errors(source: Source, reader: _Reader) -> Iterator[Row | Reject]:
    """Pass records on; where the file itself fails, such as one cut short, a reject says so in place of the rest."""
    try:
        for record in reader:
            if record is not None:
                yield record
    except READ_ERRORS as error:
        yield Reject(None, source.name, f"the file is damaged, what follows can't be read: {_describe(error)}")


def _describe(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
