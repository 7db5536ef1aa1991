"""A run that is ended at any moment goes on when it is called again, and ends as if nothing had happened."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm import Detector, Mention, NoteError, NoteResult, Reject, cli
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.notes import journal, table, write
from detect_icd10cm.notes.write import FRAME_NOTES, open_output

ROOT = Path(__file__).parents[1]
NAMES = ["out.jsonl", "out.csv", "out.tsv", "out.parquet", "out.ndjson", "out.jsonl.gz", "out.csv.zst"]
GOUT = Mention(0, 4, "Gout", "diagnosis", "present", "M10.9", title="Gout, unspecified", score=0.9)
IDENTITY = {"input": "#1", "--setting": "outpatient"}


def results(n: int) -> Iterator[NoteResult | Reject]:
    for i in range(n):
        if i % 7 == 3:
            yield Reject(f"n{i}", f"row {i}", "text is empty")
        else:
            yield NoteResult(f"n{i}", "2026-04", "lexicon", "outpatient", (GOUT,) * (i % 3))


def write_all(path: Path, n: int, format: str | None = None) -> int:
    """Write results as a run does, going on where an earlier one ended; return after how many."""
    with open_output(path, format, identity=IDENTITY) as output:
        begun_at = output.n_read
        if not output.is_whole:
            for result in islice(results(n), begun_at, None):
                output.write(result)
    return begun_at


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after every four notes, and small groups of Parquet."""
    monkeypatch.setattr(write, "FRAME_NOTES", 4)
    monkeypatch.setattr(write, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(table, "_GROUP_ROWS", 5)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("name", "format"), [*((name, None) for name in NAMES), ("out.csv", "omop")])
def test_killed_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, format: str | None) -> None:
    """What stands on the disk before each change of it is what a killed process leaves: the run goes on from all."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).write_text("earlier")
    (folder / f"{name}.rejects.jsonl").write_text("earlier rejects")
    left: list[Path] = []

    def remembering(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            left.append(tmp_path / f"left{len(left)}")
            shutil.copytree(folder, left[-1])
            return change(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for change in ("fsync", "write", "ftruncate", "replace", "unlink"):
            patch.setattr(os, change, remembering(getattr(os, change)))
        write_all(folder / name, 18, format)
    expected = content_of(folder)
    assert set(expected) == {name, f"{name}.rejects.jsonl"}
    assert len(left) > 20
    begun_at = {write_all(state / name, 18, format) for state in left}
    assert begun_at == {0, 4, 8, 12, 16, 18}
    assert all(content_of(state) == expected for state in left)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_are_those_of_write_results(tmp_path: Path, name: str) -> None:
    write_all(tmp_path / name, 11)
    by_run = (tmp_path / name).read_bytes()
    write.write_results(results(11), tmp_path / name)
    assert (tmp_path / name).read_bytes() == by_run


@pytest.mark.usefixtures("often")
def test_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    end_after(path, 9)
    with (tmp_path / ".out.jsonl.journal").open("ab") as stream:
        stream.write(b'{"n_read": 9, "n_no{"n_read": 10}\n{"n_read": 9, "n_no')
    with (tmp_path / ".out.jsonl.part").open("ab") as stream:
        stream.write(b'{"note_id": "n8", ')
    assert write_all(path, 12) == 8
    assert [json.loads(line)["note_id"] for line in path.read_text("utf-8").splitlines()] == [
        f"n{i}" for i in range(12) if i % 7 != 3
    ]


class EndedError(Exception):
    pass


def end_after(path: Path, n: int) -> None:
    """Leave what a run that ends after some notes leaves."""
    with suppress(EndedError), open_output(path, identity=IDENTITY) as output:
        for result in results(n):
            output.write(result)
        raise EndedError


@pytest.mark.usefixtures("often")
def test_what_is_unfinished_is_its_owners_alone_and_no_more_than_the_output(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    end_after(path, 9)
    assert {file.name for file in tmp_path.iterdir()} == {
        ".out.jsonl.journal",
        ".out.jsonl.part",
        ".out.jsonl.rejects.jsonl.part",
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    part = (tmp_path / ".out.jsonl.part").read_bytes()
    assert b"Gout" not in (tmp_path / ".out.jsonl.journal").read_bytes()
    write_all(path, 20)
    assert path.read_bytes().startswith(part)


def test_ended_before_the_first_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    end_after(tmp_path / "out.csv", FRAME_NOTES - 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("often")
def test_a_run_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    end_after(path, 9)
    before = content_of(tmp_path)
    with pytest.raises(NoteError) as refused:
        open_output(path, identity={"input": "#2", "--setting": "inpatient"})
    assert "--setting was outpatient, is inpatient; input has changed." in str(refused.value)
    assert "--restart" in str(refused.value)
    with pytest.raises(NoteError, match="--to was jsonl, is csv"):
        open_output(path, "csv", identity=IDENTITY)
    assert content_of(tmp_path) == before
    with open_output(path, identity={"input": "#2"}, restart=True) as output:
        assert output.n_read == 0
    assert content_of(tmp_path) == {"out.jsonl": b""}


@pytest.mark.usefixtures("often")
def test_an_unfinished_file_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    end_after(path, 9)
    (tmp_path / ".out.jsonl.part").write_bytes(b"")
    with pytest.raises(NoteError, match="missing or shorter than its journal says; begin anew with --restart"):
        write_all(path, 12)


@pytest.mark.usefixtures("often")
def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_output(path, identity=IDENTITY) as output:
        output.write(next(results(1)))
        with pytest.raises(NoteError, match="another process is writing this file"):
            open_output(path, identity=IDENTITY)
    assert path.exists()


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_keeps_the_work(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    large = [dataclasses.replace(result, note_id=f"{i}" * 40) for i, result in enumerate(results(400)) if i % 7 != 3]
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def write_large() -> int:
        with open_output(path, identity=IDENTITY) as output:
            begun_at = output.n_read
            for result in large[begun_at:]:
                output.write(result)
        return begun_at

    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, earlier[1]))
    try:
        with pytest.raises(NoteError, match="File too large; what was there before is unchanged; the work so far is"):
            write_large()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        signal.signal(signal.SIGXFSZ, ignored)
    assert write_large() > 0
    resumed = path.read_bytes()
    write.write_results(large, path)
    assert path.read_bytes() == resumed


@pytest.mark.usefixtures("often")
def test_a_folder_that_became_read_only_keeps_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)  # root, as whom tests may run, can write anywhere
        with pytest.raises(NoteError, match=r"Permission denied.*the work so far is kept"):
            write_all(path, 9)
    assert write_all(path, 9) == 9
    assert len(path.read_bytes().splitlines()) == 8


def test_hash_of_files(tmp_path: Path) -> None:
    both = [tmp_path / "a", tmp_path / "b"]
    for path in both:
        path.write_text(path.name)
    before = journal.hash_files(both, tmp_path)
    assert journal.hash_files(both, tmp_path) == before
    assert journal.hash_files(both[::-1], tmp_path) != before
    assert journal.hash_files(both, tmp_path.parent) != before
    os.utime(both[1], (0, 0))
    assert journal.hash_files(both, tmp_path) == before
    both[1].write_text("c")
    assert journal.hash_files(both, tmp_path) != before


def test_frames_hold_whole_batches() -> None:
    assert FRAME_NOTES % LexiconModel.notes_at_once == 0


# ---- the command ----


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Invented notes, some of which can't be read."""
    path = tmp_path / "notes.csv"
    findings = ["gout", "pneumonia", "chest pain", "hypertension", "left foot drop", "migraine"]
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["note_id", "text"])
        for i in range(400):
            text = f"ASSESSMENT:\n1. {findings[i % 6].capitalize()}.\nDenies {findings[i % 5]}."
            rows.writerow([i, "" if i % 50 == 9 else text])
    return path


def detect(*arguments: object) -> list[str]:
    program = (
        "from detect_icd10cm.notes import write; write._CHECKPOINT_SECONDS = 0.0;"
        "from detect_icd10cm.cli import main; main()"
    )
    return [sys.executable, "-c", program, "detect", *map(str, arguments), "--model", "lexicon"]


@pytest.mark.usefixtures("codeset")
def test_killed_for_real(notes: Path) -> None:
    name = "out.jsonl.gz"
    command = detect(notes, "-o", notes.parent / name, "-q")
    begin = time.monotonic()
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1  # some notes can't be read
    seconds = time.monotonic() - begin
    expected = content_of(notes.parent)
    (notes.parent / name).unlink()
    with subprocess.Popen(command, cwd=ROOT) as process:
        time.sleep(seconds * random.uniform(0.5, 0.95))
        process.kill()
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 1
    assert content_of(notes.parent) == expected


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], often: None) -> Call:
    """Run the command line in this process; return its exit code and what it says."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["detect-icd10cm", "detect", *map(str, arguments), "--model", "lexicon"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def signalling(number: int, after: int) -> Callable[[Any, Any], Iterator[Any]]:
    whole = Detector.stream

    def stream(self: Detector, notes: Any) -> Iterator[Any]:
        for i, result in enumerate(whole(self, notes)):
            if i == after:
                os.kill(os.getpid(), number)
            yield result

    return stream


@pytest.mark.usefixtures("codeset")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop(notes: Path, call: Call, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    out = notes.parent / "out.jsonl"
    code, _ = call(notes, "-o", out)
    assert code == 1
    expected = content_of(notes.parent)
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "stream", signalling(number, after=13))
        code, said = call(notes, "-o", out)
    assert (code, said) == (128 + number, "stopped after 16 notes; the same command goes on from there\n")
    code, said = call(notes, "-o", out)
    assert code == 1
    assert said.startswith("going on after 16 notes of an earlier run\n392 notes, ")
    assert "; 8 failed, listed in " in said
    assert content_of(notes.parent) == expected


@pytest.mark.usefixtures("codeset")
def test_options_and_input_must_be_the_same(
    notes: Path, call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command: Sequence[object] = (notes, "-o", notes.parent / "out.csv")
    with monkeypatch.context() as patch:
        patch.setattr(Detector, "stream", signalling(signal.SIGTERM, after=1))
        assert call(*command)[0] == 128 + signal.SIGTERM
    for option, told in (
        (["--setting", "inpatient"], "--setting was outpatient, is inpatient."),
        (["--limit", "50"], "--limit was None, is 50."),
        (["--to", "omop"], "--to was csv, is omop."),
        (["--rules", ROOT / "examples" / "rules"], "--rules has changed."),
    ):
        code, said = call(*command, *option)
        assert code == 2
        assert told in said
    text = notes.read_text("utf-8")
    notes.write_text(text.replace("Migraine", "Migrains"), "utf-8", newline="")
    code, said = call(*command)
    assert code == 2
    assert "input has changed." in said
    assert said.count("\n") == 1
    code, said = call(*command, "--restart", "--limit", "5")
    assert (code, said.partition(", ")[0]) == (0, "5 notes")
