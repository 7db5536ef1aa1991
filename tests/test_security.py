"""What SECURITY.md promises."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import detect_icd10cm
from detect_icd10cm import CodeSet, CodeSetError, Detector, Mention, Note, NoteResult, Reject
from detect_icd10cm.codes.releases import CACHE_VARIABLE
from detect_icd10cm.text.document import Document

ROOT = Path(detect_icd10cm.__file__).parent
SECRET = "Zanzibarkrankheit"

NETWORK = {"aiohttp", "ftplib", "http", "httpx", "imaplib", "requests", "smtplib", "socket", "ssl", "urllib", "urllib3"}
UNSAFE = {"dill", "joblib", "marshal", "pickle", "shelve", "logging"}
UNSAFE_CALLS = {"eval", "exec", "yaml.unsafe_load", "yaml.full_load", "torch.load", "os.system"}
UNSAFE_LOADERS = {"Loader", "FullLoader", "UnsafeLoader"}  # of yaml; only the safe ones make nothing but plain data

# Each row breaks in another way; the secret stands wherever a message might be tempted to quote.
NOTES = f"""note_id,text,encounter_date,setting
good,Assessment: {SECRET} with pneumonia. No fever.,2026-05-05,inpatient
good,Assessment: {SECRET}.,2026-05-05,inpatient
{SECRET * 30},Assessment: {SECRET}.,2026-05-05,inpatient
date,Assessment: {SECRET}.,{SECRET},inpatient
setting,Assessment: {SECRET}.,2026-05-05,{SECRET}
nul,Assessment: {SECRET}\0.,2026-05-05,inpatient
short,{SECRET}
quote,"Assessment: {SECRET}"{SECRET}",2026-05-05,inpatient
last,Assessment: {SECRET}.,2026-05-05,outpatient
"""


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_unsafe_is_used(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            used = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used = {str(node.module)}
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in UNSAFE_CALLS, f"line {node.lineno}"
            continue
        elif isinstance(node, ast.Attribute):
            assert node.attr not in UNSAFE_LOADERS, f"line {node.lineno}"
            continue
        else:
            continue
        tops = {name.partition(".")[0] for name in used}
        assert not tops & (NETWORK | UNSAFE), f"line {node.lineno}"


def run_detect(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``detect`` with all folders of the user inside a folder of ours."""
    home = {name: str(desk / name.lower()) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    for folder in home.values():
        Path(folder).mkdir(exist_ok=True)
    program = "import sys; from detect_icd10cm.cli import main; sys.argv[0] = 'detect-icd10cm'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "detect", "--model", "lexicon", *arguments],
        cwd=desk,
        env={**os.environ, **home, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "ndjson"])
def test_note_text_stands_in_the_output_alone(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "notes.csv").write_text(NOTES, "utf-8", newline="")
    done = run_detect(tmp_path, "notes.csv", "-o", f"out.{suffix}")
    assert done.returncode == 1, done.stderr
    assert SECRET not in done.stdout + done.stderr
    output = tmp_path / f"out.{suffix}"
    rejects = tmp_path / f"out.{suffix}.rejects.jsonl"
    assert len(rejects.read_text("utf-8").splitlines()) == 7
    files = [*tmp_path.rglob("*"), *Path(os.environ[CACHE_VARIABLE]).rglob("*")]
    holding = {path for path in files if path.is_file() and SECRET.encode() in path.read_bytes()}
    assert holding <= {tmp_path / "notes.csv", output}
    left = {path for path in tmp_path.iterdir() if path.is_file()}
    assert left == {tmp_path / "notes.csv", output, rejects}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_outputs_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    (tmp_path / "notes.csv").write_text(NOTES, "utf-8", newline="")
    before = os.umask(umask)
    try:
        run_detect(tmp_path, "notes.csv", "-o", "out.jsonl")
    finally:
        os.umask(before)
    for name in ("out.jsonl", "out.jsonl.rejects.jsonl"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("arguments", [["notes.pdf"], ["missing.csv"], ["notes.csv", "--column", "text=NOTE"]])
def test_usage_errors_quote_no_text(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "notes.csv").write_text(f"id,{SECRET * 3}\n1,Assessment: {SECRET}.\n", "utf-8")
    (tmp_path / "notes.pdf").write_text(SECRET, "utf-8")
    done = run_detect(tmp_path, *arguments, "-o", "out.jsonl")
    assert done.returncode == 2
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "out.jsonl").exists()


class BreakingModel:
    """Fails on some notes with an error that quotes them, or with one of ours."""

    name = "breaking"
    notes_at_once = 8

    def __init__(self, codeset: CodeSet) -> None:
        self.codeset = codeset

    def detect_batch(self, documents: Sequence[Document]) -> list[tuple[Mention, ...]]:
        for document in documents:
            if SECRET in document.text:
                raise ValueError(document.text)
            if "release" in document.text:
                raise CodeSetError("found release 1, expected 2")
        return [() for _ in documents]


def test_a_note_that_breaks_the_model_is_not_quoted(codeset: CodeSet) -> None:
    texts = ("Gout.", f"Assessment: {SECRET}.", "Wrong release.", "Fever.", " ")
    notes = [Note(str(i), text) for i, text in enumerate(texts)]
    good, broken, wrong, also_good, empty = Detector(BreakingModel(codeset), {}).stream(notes)
    assert isinstance(good, NoteResult)
    assert isinstance(also_good, NoteResult)
    assert broken == Reject("1", "note 1", "could not be processed: ValueError")
    assert wrong == Reject("2", "note 2", "could not be processed: found release 1, expected 2")
    assert isinstance(empty, Reject)
    assert "the text is empty" in empty.reason


def test_a_note_that_breaks_the_rules_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(mentions: Sequence[Mention], *_: object, document: Document, **__: object) -> None:
        raise ValueError(document.text)

    monkeypatch.setattr("detect_icd10cm.detector.resolve_codes", fail)
    (reject,) = Detector.from_pretrained("lexicon").stream([Note("1", f"Assessment: {SECRET}.")])
    assert reject == Reject("1", "note 1", "could not be processed: ValueError")


def test_records_do_not_show_text_when_printed() -> None:
    mention = Mention(0, len(SECRET), SECRET, kind="diagnosis", assertion="present", code="R69")
    assert SECRET not in repr(NoteResult("1", "2026-04", "lexicon", "outpatient", mentions=(mention,)))
    assert SECRET not in repr(Note("1", SECRET))
