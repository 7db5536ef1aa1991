"""Several processes give what one gives, and lose no note when one of them dies or hangs."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from detect_icd10cm import CodeSet, DetectError, Detector, Mention, ModelError, Note, Reject, read_notes
from detect_icd10cm import parallel as module
from detect_icd10cm.cli.detect import _choose_workers
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.trained import _NOTES_FOR_CPU
from detect_icd10cm.parallel import ParallelDetector
from detect_icd10cm.text.document import Document

ROOT = Path(__file__).parents[1]
FINDINGS = ["gout", "pneumonia", "chest pain", "hypertension", "left foot drop", "migraine"]
LEXICON = partial(Detector.from_pretrained, "lexicon")

# The processes load the code set.
pytestmark = pytest.mark.usefixtures("codeset")


class FragileModel:
    """Ends or stops its process at some words of a note."""

    name = "fragile"
    notes_at_once = 8

    def __init__(self) -> None:
        self.codeset = CodeSet.load()

    def detect_batch(self, documents: Sequence[Document]) -> list[tuple[Mention, ...]]:
        for document in documents:
            if "killed" in document.text:
                os.kill(os.getpid(), signal.SIGKILL)  # what the system does to a process when memory runs out
            if "exits" in document.text:
                os._exit(3)
            if "hangs" in document.text:
                time.sleep(600)
        return [() for _ in documents]


def load_fragile() -> Detector:
    return Detector(FragileModel(), {})


def die_while_loading() -> Detector:
    os._exit(4)


def make_notes(n: int) -> Iterator[Note | Reject]:
    for i in range(n):
        if i % 25 == 9:
            yield Reject(None, f"row {i}", "text is missing")
        else:
            text = f"ASSESSMENT:\n1. {FINDINGS[i % 6].capitalize()}.\nDenies {FINDINGS[i % 5]}."
            yield Note(f"n{i}", " " if i % 25 == 4 else text)


def test_the_results_are_those_of_one_process() -> None:
    expected = list(LEXICON().stream(make_notes(150)))
    assert sum(isinstance(result, Reject) for result in expected) == 12
    with ParallelDetector(LEXICON, workers=3) as detector:
        assert list(detector.stream(make_notes(150))) == expected
        assert list(detector.stream(make_notes(30))) == expected[:30]  # and once more
    assert not multiprocessing.active_children()


def test_a_note_that_ends_its_process_is_rejected_and_no_other() -> None:
    texts = {5: "killed", 6: "killed", 20: "exits", 70: "killed"}
    notes = [Note(f"n{i}", texts.get(i, "Gout.")) for i in range(80)]
    with ParallelDetector(load_fragile, workers=2) as detector:
        results = list(detector.stream(notes))
    assert [result.note_id for result in results] == [note.note_id for note in notes]
    rejects = {result.note_id: result for result in results if isinstance(result, Reject)}
    assert set(rejects) == {"n5", "n6", "n20", "n70"}
    killed = "could not be processed: its process was killed by SIGKILL; memory may have run out"
    assert rejects["n5"] == Reject("n5", "note n5", killed)
    assert rejects["n20"].reason == "could not be processed: its process ended with exit code 3"


def test_a_note_that_takes_too_long_is_rejected() -> None:
    notes = [Note(f"n{i}", "hangs" if i == 3 else "Gout.") for i in range(20)]
    with ParallelDetector(load_fragile, workers=1, timeout=0.5) as detector:
        results = list(detector.stream(notes))
    assert [result.note_id for result in results] == [note.note_id for note in notes]
    assert [result for result in results if isinstance(result, Reject)] == [
        Reject("n3", "note n3", "could not be processed: it takes longer than 0.5 seconds")
    ]


def test_a_process_that_is_killed_from_outside_costs_nothing() -> None:
    expected = list(LEXICON().stream(make_notes(200)))
    with ParallelDetector(LEXICON, workers=2) as detector:
        results = []
        for result in detector.stream(make_notes(200)):
            if len(results) in (0, 40, 80):
                multiprocessing.active_children()[0].kill()
            results.append(result)
    assert results == expected


def test_no_more_is_read_than_keeps_the_processes_busy() -> None:
    n_read = count()
    endless = (Note(f"n{next(n_read)}", "Gout.") for _ in count())
    with ParallelDetector(load_fragile, workers=2) as detector:
        stream = detector.stream(endless)
        first = list(islice(stream, 100))
        time.sleep(0.2)
        assert [result.note_id for result in first] == [f"n{i}" for i in range(100)]
        assert next(n_read) <= 100 + module._BATCH_NOTES * (1 + 2 * module._AHEAD)
        stream.close()
    assert not multiprocessing.active_children()


def test_left_while_a_note_hangs() -> None:
    begin = time.monotonic()
    with ParallelDetector(load_fragile, workers=2) as detector:
        stream = detector.stream(Note(f"n{i}", "hangs" if i == 20 else "Gout.") for i in range(100))
        assert [result.note_id for result in islice(stream, 16)] == [f"n{i}" for i in range(16)]
    assert not multiprocessing.active_children()
    assert time.monotonic() - begin < 60


def test_a_detector_that_cannot_be_loaded() -> None:
    with pytest.raises(ModelError, match="found model 'none', expected "):
        ParallelDetector(partial(Detector.from_pretrained, "none"), workers=2)
    with pytest.raises(
        DetectError, match="a worker ended with exit code 4 while it loaded, 3 times in turn; try fewer"
    ):
        ParallelDetector(die_while_loading, workers=2)
    assert not multiprocessing.active_children()


def test_batches_hold_whole_batches_of_the_detector() -> None:
    assert module._BATCH_NOTES % _NOTES_FOR_CPU == module._BATCH_NOTES % LexiconModel.notes_at_once == 0


def test_a_second_process_starts_when_it_is_needed() -> None:
    with ParallelDetector(load_fragile, workers=3) as detector:
        for i in range(3):
            assert len(list(detector.stream([Note(f"n{i}", "Gout.")]))) == 1
        assert len(multiprocessing.active_children()) == 1


# ---- the command ----


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Invented notes, some of which can't be read."""
    lines = ["note_id,text"]
    for i, note in enumerate(make_notes(600)):
        lines.append(f"{i}," + ('"' + note.text + '"' if isinstance(note, Note) else ""))
    path = tmp_path / "notes.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_how_many_processes_there_are_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detect_icd10cm.machine.count_cores", lambda: 16)
    small, middle, large = (tmp_path / name for name in ("small.txt", "middle.txt", "large.txt"))
    for path, size in ((small, 1000), (middle, 2**19), (large, 2**23)):
        path.write_text("x" * size)
    assert _choose_workers(read_notes(small).source, "lexicon") == 1
    assert _choose_workers(read_notes(large).source, "lexicon") == 8
    assert _choose_workers(read_notes(tmp_path).source, "lexicon") == 8
    assert [_choose_workers(read_notes(path).source, "base") for path in (small, middle, large)] == [1, 8, 8]
    assert _choose_workers(read_notes(middle).source, "lexicon") == 1


def command(*arguments: object) -> list[str]:
    program = (
        "from detect_icd10cm.notes import write; write._CHECKPOINT_SECONDS = 0.0;"
        "from detect_icd10cm.cli import main; main()"
    )
    return [sys.executable, "-c", program, "detect", *map(str, arguments), "--model", "lexicon"]


def run(*arguments: object, before: Callable[[], None] | None = None) -> tuple[int, str]:
    done = subprocess.run(command(*arguments), cwd=ROOT, check=False, capture_output=True, text=True, preexec_fn=before)
    return done.returncode, done.stderr


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".csv"}


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(command(*arguments), cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def group_is_there(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def expected(notes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process writes."""
    folder = tmp_path_factory.mktemp("one")
    assert run(notes, "-o", folder / "out.jsonl.gz", "--workers", 1)[0] == 1
    return content_of(folder)


def test_killed_and_stopped_with_workers(notes: Path, expected: dict[str, bytes]) -> None:
    """Killed, then asked to stop, then with a full disk: the last run writes what one undisturbed process writes."""
    arguments = (notes, "-o", notes.parent / "out.jsonl.gz", "--workers", 2)
    part = notes.parent / ".out.jsonl.gz.part"
    with started(*arguments) as process:
        wait_for(lambda: part.exists() and part.stat().st_size > 500)
        process.kill()
    wait_for(lambda: not group_is_there(process.pid))  # those that it started end by themselves
    size = part.stat().st_size
    with started(*arguments) as process:
        wait_for(lambda: part.exists() and part.stat().st_size > size + 1000)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate()
    assert process.returncode == 130
    assert "the same command goes on from there" in said
    assert {line.partition(" after ")[0] for line in said.splitlines()} <= {"going on", "stopped"}
    wait_for(lambda: not group_is_there(process.pid))
    limit = part.stat().st_size + 1000
    code, said = run(*arguments, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert (code, said.count("\n")) == (2, 2), said
    assert "could not be written: File too large; what was there before is unchanged; the work so far is kept" in said
    code, said = run(*arguments)
    assert code == 1
    assert said.startswith("going on after ")
    assert content_of(notes.parent) == expected


def test_a_timeout_on_the_command_line(notes: Path, expected: dict[str, bytes]) -> None:
    """Nothing takes a minute; that there is a limit changes nothing."""
    assert run(notes, "-o", notes.parent / "out.jsonl.gz", "--timeout", 60)[0] == 1
    assert content_of(notes.parent) == expected
    code, said = run(notes, "--timeout", 0)
    assert code == 2
    assert "--timeout" in said
