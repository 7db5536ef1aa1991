"""How far a run has come, kept beside its unfinished output so that the same run can go on after any end.

A journal is JSON Lines: what the run was begun with, then a checkpoint now and then, each on the disk before the work
goes on. Lines that a killed process did not finish are passed over. It holds numbers, hashes and options, no text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from detect_icd10cm.errors import NoteError

try:
    import fcntl
except ImportError:  # Windows: two runs that write the same file at the same time are not told apart
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run has come, and how many bytes of its files hold.

    ``is_whole`` says that nothing is missing but to give the files their names.
    """

    n_read: int = 0
    n_notes: int = 0
    n_mentions: int = 0
    n_rejects: int = 0
    size: int = 0
    rejects_size: int = 0
    is_whole: bool = False


class Journal:
    """The journal of one output file; no other process can open it meanwhile.

    Attributes:
        last: The last checkpoint.
        day: The day on which the run was begun.
    """

    def __init__(self, output: Path, identity: Mapping[str, str], *, restart: bool = False) -> None:
        """Open the journal of an earlier run, or begin one.

        Args:
            output: The file that the run writes.
            identity: What decides on the result, by name; a run goes on only with the same.
            restart: Begin anew, whatever an earlier run has left.

        Raises:
            NoteError: If an earlier run was another one, or another process writes the file now.
            OSError: If the journal can't be written.
        """
        self._path = output.with_name(f".{output.name}.journal")
        self._handle = _open_locked(self._path, output)
        self.last, self.day = Checkpoint(), date.today()
        try:
            earlier = None if restart else self._read()
            if earlier and self.last.n_read and earlier != identity:
                raise NoteError(f"{output}: {_tell_differences(earlier, identity)}")
            if earlier != identity:
                self._begin(identity)
        except BaseException:
            self.close()
            raise

    def append(self, checkpoint: Checkpoint) -> None:
        """Bring a checkpoint to the disk; what it says of files must be there already."""
        self._append(dataclasses.asdict(checkpoint))
        self.last = checkpoint

    def close(self) -> None:
        """Close the journal and let others open it."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def remove(self) -> None:
        """Remove the journal: there is nothing left to go on with."""
        self._path.unlink(missing_ok=True)
        self.close()

    def _read(self) -> dict[str, str] | None:
        """Return what the run was begun with, None if that was not written; take up its last checkpoint."""
        with os.fdopen(os.dup(self._handle), "rb") as stream:
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(self._handle, len(whole))
        os.lseek(self._handle, 0, os.SEEK_END)
        head, *checkpoints = [_parse(line) for line in whole.splitlines()] or [{}]
        try:
            self.day = date.fromisoformat(head["day"])
            self.last = Checkpoint(**next((known for known in reversed(checkpoints) if known), {}))
            return dict(head["identity"])
        except (LookupError, TypeError, ValueError):  # killed before its first line was there, or of another version
            return None

    def _begin(self, identity: Mapping[str, str]) -> None:
        self.last, self.day = Checkpoint(), date.today()
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self._append({"identity": dict(identity), "day": self.day.isoformat()})
        sync_folder(self._path.parent)

    def _append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        while line:
            line = line[os.write(self._handle, line) :]
        os.fsync(self._handle)


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hash_files(paths: Iterable[Path], folder: Path) -> str:
    """Return a hash of the contents of files and of their names within a folder, in their order."""
    total = hashlib.blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "blake2b").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _parse(line: bytes) -> dict[str, Any]:
    """Return a line of a journal; nothing for one that a full disk or a killed process cut short."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return {}


def _open_locked(path: Path, output: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        handle = os.open(path, flags, 0o600)
        if fcntl is None:
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise NoteError(
                f"{output}: another process is writing this file; wait for it or choose another name"
            ) from None
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # a run that has just ended removed it


def _tell_differences(earlier: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return why a run can't go on; what starts with a hash sign is shown by name only."""
    told = []
    for name in sorted({*earlier, *now}):
        before, after = earlier.get(name, "none"), now.get(name, "none")
        if before != after:
            hidden = before.startswith("#") or after.startswith("#")
            told.append(f"{name} has changed" if hidden else f"{name} was {before}, is {after}")
    return (
        f"an unfinished run of another kind stands here: {'; '.join(told)}. Run it as before to go on with it, or "
        "with --restart to begin anew"
    )
