"""Writing results: each file appears whole or not at all, readable by its owner alone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.journal import Checkpoint, Journal, sync_folder
from detect_icd10cm.notes.streams import COMPRESSED, plain_suffix
from detect_icd10cm.notes.table import write_parquet
from detect_icd10cm.notes.unfinished import Start, UnfinishedFile, resolve_target, unfinished_path
from detect_icd10cm.notes.writers import PARQUET, WRITERS, to_json
from detect_icd10cm.types import NoteResult, Reject

# After so many notes, always at the same ones, a frame of a compressed file ends and a run can be stopped. A multiple
# of what the detector takes at a time, so that a run that goes on puts the same notes together.
FRAME_NOTES = 16
# Bringing a checkpoint to the disk costs some ten milliseconds: not more often than this.
_CHECKPOINT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WriteSummary:
    """What was written where; ``rejects_path`` is None where no note was rejected."""

    path: Path
    rejects_path: Path | None
    n_notes: int
    n_mentions: int
    n_rejects: int


def write_results(results: Iterable[NoteResult | Reject], path: str | Path, format: str | None = None) -> WriteSummary:
    """Write results to a file, and the rejects among them to ``PATH.rejects.jsonl``, which is removed without any.

    Both are written under temporary names and moved into place when whole; if anything fails, what was there
    before stays.

    Args:
        results: As from ``Detector.stream``.
        path: The file; compressed where it ends in ``.gz`` or ``.zst``.
        format: ``jsonl``, ``csv``, ``tsv``, ``parquet``, ``ndjson`` for FHIR Conditions, ``omop`` for the CSV of
            NOTE_NLP, or ``comprehend`` for the JSON of Amazon Comprehend Medical; taken from the suffix when None.

    Raises:
        NoteError: If the format is unknown or the file can't be written; before the first result is asked for.
    """
    with open_output(path, format) as output:
        for result in results:
            output.write(result)
    return output.summary


def open_output(
    path: str | Path, format: str | None = None, *, identity: Mapping[str, str] | None = None, restart: bool = False
) -> Output:
    """Return a file to write results to, within a ``with`` block that moves it into place when all is written.

    Args:
        path: As for ``write_results``.
        format: As for ``write_results``.
        identity: What decides on the results, by name. With it, the work is kept however the block ends, and a later
            output of the same identity goes on after its first ``n_read`` results.
        restart: Begin anew, whatever an earlier run has left.

    Raises:
        NoteError: If the format is unknown, the file can't be written, or an unfinished run of another identity
            stands there; at once, so that no work is lost.
    """
    path = Path(path)
    format = format or plain_suffix(path).removeprefix(".")
    if format not in WRITERS:
        raise NoteError(
            f"{path.name}: found output format {format!r}, expected one of: {', '.join(WRITERS)}; give the file such a "
            "suffix, or name the format: format=, on the command line --to"
        )
    if format == PARQUET and path.suffix.lower() in COMPRESSED:
        raise NoteError(f"{path.name}: Parquet compresses its own parts; leave {path.suffix} away")
    with _naming(path):
        path = resolve_target(path)
        if identity is None:
            return Output(path, format)
        return Output(path, format, Journal(path, {**identity, "--to": format}, restart=restart))


class Output:
    """A file of results being written; made by ``open_output``.

    Attributes:
        n_read: How many results it holds, rejects included.
    """

    def __init__(self, path: Path, format: str, journal: Journal | None = None) -> None:
        self._path, self._format, self._journal = path, format, journal
        self._rejects_path = path.with_name(f"{path.name}.rejects.jsonl")
        # A Parquet file is made at the end, of the rows that were spooled.
        self._part_path = path.with_name(f"{path.name}.rows") if format == PARQUET else path
        done = journal.last if journal else Checkpoint()
        self.n_read = done.n_read
        self._n_notes, self._n_mentions, self._n_rejects = done.n_notes, done.n_mentions, done.n_rejects
        self._is_framed = False
        self._last_sync = float("-inf")
        self._part: UnfinishedFile | None = None
        self._rejects: UnfinishedFile | None = None
        try:
            self._open_parts(done, journal)
        except BaseException:
            self._leave()
            raise

    @property
    def is_whole(self) -> bool:
        """Whether an earlier run has written all, and nothing is missing but to move it into place."""
        return self._journal is not None and self._journal.last.is_whole

    @property
    def can_stop(self) -> bool:
        """Whether a run that stops here loses nothing."""
        return self._journal is not None and self._is_framed

    @property
    def summary(self) -> WriteSummary:
        """What has been written so far."""
        rejects_path = self._rejects_path if self._n_rejects else None
        return WriteSummary(self._path, rejects_path, self._n_notes, self._n_mentions, self._n_rejects)

    def write(self, result: NoteResult | Reject) -> None:
        """Write one result, or list one reject."""
        self._is_framed = False
        with _naming(self._path, self._journal):
            if isinstance(result, NoteResult):
                self._writer.write(result)
                self._n_notes += 1
                self._n_mentions += len(result.mentions)
            else:
                self._rejects = self._rejects or self._open(self._rejects_path)
                self._rejects.write(to_json(result))
                self._n_rejects += 1
            self.n_read += 1
            if self.n_read % FRAME_NOTES == 0:
                self._end_frame()
                if time.monotonic() - self._last_sync >= _CHECKPOINT_SECONDS:
                    self._checkpoint()

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with _naming(self._path, self._journal):
                    self._finish()
            elif self.can_stop:
                with suppress(OSError):  # what ended the run first is to be told
                    self._checkpoint()
        finally:
            self._leave()

    def _open_parts(self, done: Checkpoint, journal: Journal | None) -> None:
        if done.is_whole:  # those that are not there have been moved
            if unfinished_path(self._part_path).exists():
                self._part = self._open(self._part_path, done.size)
            if unfinished_path(self._rejects_path).exists():
                self._rejects = self._open(self._rejects_path, done.rejects_size)
            return
        if journal and not done.rejects_size:  # what an earlier run left that came to no checkpoint
            unfinished_path(self._rejects_path).unlink(missing_ok=True)
        self._part = self._open(self._part_path, done.size)
        if done.rejects_size:
            self._rejects = self._open(self._rejects_path, done.rejects_size)
        day = journal.day if journal else date.today()
        self._writer = WRITERS[self._format](self._part, Start(day, not done.size, done.n_mentions))

    def _open(self, path: Path, size: int = 0) -> UnfinishedFile:
        return UnfinishedFile(path, can_resume=self._journal is not None, size=size)

    def _files(self) -> list[UnfinishedFile]:
        return [file for file in (self._part, self._rejects) if file]

    def _end_frame(self) -> None:
        self._writer.flush()
        for file in self._files():
            file.end_frame()
        self._is_framed = True

    def _checkpoint(self, is_whole: bool = False) -> None:
        if self._journal is None:
            return
        size, rejects_size = (file.sync() if file else 0 for file in (self._part, self._rejects))
        counts = (self.n_read, self._n_notes, self._n_mentions, self._n_rejects)
        self._journal.append(Checkpoint(*counts, size=size, rejects_size=rejects_size, is_whole=is_whole))
        self._last_sync = time.monotonic()

    def _finish(self) -> None:
        if not self.is_whole:
            self._end_frame()
            for file in self._files():
                file.finish()
            self._checkpoint(is_whole=True)
        if self._rejects:
            self._rejects.move()
        if self._part and self._format == PARQUET:
            self._make_parquet(self._part)
        elif self._part:
            self._part.move()  # last: where it stands, all is whole
        if not self._n_rejects:
            self._rejects_path.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        if self._journal:
            self._journal.remove()

    def _make_parquet(self, spool: UnfinishedFile) -> None:
        file = self._open(self._path)
        try:
            write_parquet(spool.part, file.part)
            file.sync()
            file.move()
        finally:
            file.discard()
        spool.discard()

    def _leave(self) -> None:
        """Close what is open; keep it if a later run can go on with it."""
        keeps = self._journal is not None and self._journal.last != Checkpoint()
        for file in self._files():
            file.close() if keeps else file.discard()
        if self._journal:
            self._journal.close() if keeps else self._journal.remove()


@contextmanager
def _naming(path: Path, journal: Journal | None = None) -> Iterator[None]:
    """Turn an error of the operating system into ours, which names the file."""
    try:
        yield
    except OSError as error:
        kept = "; the work so far is kept, the same command goes on with it" if journal and journal.last.n_read else ""
        raise NoteError(
            f"{path}: could not be written: {error.strerror or type(error).__name__}; "
            f"what was there before is unchanged{kept}"
        ) from error
