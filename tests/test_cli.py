"""The command line: what each verb prints, where it writes, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from detect_icd10cm import CodeSet, Detector, NoteResult, cli
from detect_icd10cm.codes.releases import CACHE_VARIABLE

ROOT = Path(__file__).parents[1]
NOTE = "ASSESSMENT:\n1. Myasthenia gravis with acute exacerbation.\n2. Gout.\n\nDenies fever.\n"
OFFICIAL = Path(__file__).parent / "data" / "codes"


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def with_lexicon(arguments: Sequence[object]) -> list[str]:
    """Return the arguments, for ``detect`` with the model whose findings stay as they are."""
    words = [str(argument) for argument in arguments]
    return [*words, "--model", "lexicon"] if words[:1] == ["detect"] and "--model" not in words else words


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, as the installed script does."""

    def call(*arguments: object, stdin: str | None = None) -> Ended:
        monkeypatch.setattr(sys, "argv", ["detect-icd10cm", *with_lexicon(arguments)])
        monkeypatch.setenv("COLUMNS", "100")
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin.encode()))))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["note_id", "text", "setting"], ["a", NOTE, ""], ["b", "Gout.", "inpatient"]])
    return path


# ---- detect ----


@pytest.mark.usefixtures("codeset")
def test_detect_to_a_file(run: Run, notes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    ended = run("detect", notes, "-o", out)
    assert (ended.code, ended.out) == (0, "")
    results = [NoteResult.from_dict(json.loads(line)) for line in out.read_text("utf-8").splitlines()]
    assert [(result.note_id, result.setting) for result in results] == [("a", "outpatient"), ("b", "inpatient")]
    found = {mention.code: mention for mention in results[0].mentions}
    assert (found["G70.01"].assertion, found["M10.9"].assertion, found["R50.9"].assertion) == (
        "present",
        "present",
        "absent",
    )
    assert all(NOTE[m.start : m.end] == m.text for m in results[0].mentions)
    assert ended.err.startswith("2 notes, 4 mentions in ")
    assert ended.err.endswith(f"written to {out}\n")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "ndjson", "jsonl.gz"])
def test_detect_formats(run: Run, notes: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    assert run("detect", notes, "-o", out, "--quiet") == Ended(0, "", "")
    assert out.stat().st_size > 100


@pytest.mark.parametrize(("limit", "ids"), [(1, ["a"]), (2, ["a", "b"]), (9, ["a", "b"])])
def test_detect_no_more_than_so_many(run: Run, notes: Path, limit: int, ids: list[str]) -> None:
    ended = run("detect", notes, "--limit", limit)
    assert [json.loads(line)["note_id"] for line in ended.out.splitlines()] == ids
    assert ended.err.startswith("1 note, " if limit == 1 else "2 notes, ")


@pytest.mark.parametrize(("format", "start"), [("omop", "note_nlp_id,note_id,"), ("comprehend", '{"NoteId": "a", ')])
def test_detect_in_the_forms_of_others(run: Run, notes: Path, tmp_path: Path, format: str, start: str) -> None:
    out = tmp_path / "out.csv"
    assert run("detect", notes, "--to", format, "-o", out, "-q") == Ended(0, "", "")
    assert out.read_text("utf-8").startswith(start)
    assert run("detect", notes, "--to", format, "-q").out.splitlines() == out.read_text("utf-8").splitlines()


def test_detect_options(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "export.dat"
    path.write_bytes("ID\tBODY\nx\tGout; naïve to treatment.\n".encode("cp1252"))
    arguments = ["--from", "tsv", "--to", "jsonl", "--column", "note_id=ID", "--column", "text=BODY"]
    options = ["--encoding", "cp1252", "--release", "FY2026", "--setting", "inpatient", "--accept-at", "0"]
    ended = run("detect", path, *arguments, *options, "-o", tmp_path / "out.dat", "--release", "2026-04")
    assert ended.code == 0, ended.err
    result = json.loads((tmp_path / "out.dat").read_text("utf-8"))
    assert (result["note_id"], result["setting"], result["release"]) == ("x", "inpatient", "2026-04")
    assert [code["decision"] for code in result["codes"]] == ["accept"]


def test_detect_to_a_pipe_gives_json_lines(run: Run, notes: Path) -> None:
    ended = run("detect", notes)
    assert ended.code == 0
    assert [json.loads(line)["note_id"] for line in ended.out.splitlines()] == ["a", "b"]
    assert run("detect", notes, "-o", "-", "-q") == Ended(0, ended.out, "")
    assert run("detect", notes, "--to", "csv", "-q").out.startswith("note_id,patient_id,")


def test_detect_from_stdin(run: Run) -> None:
    ended = run("detect", "-", "-q", stdin=NOTE)
    assert json.loads(ended.out)["note_id"] == "stdin"
    lines = "".join(json.dumps({"note_id": name, "text": NOTE}) + "\n" for name in "ab")
    ended = run("detect", "-", "-q", stdin=lines)
    assert [json.loads(line)["note_id"] for line in ended.out.splitlines()] == ["a", "b"]


def test_detect_table(run: Run) -> None:
    ended = run("detect", "-", "--to", "table", stdin=NOTE)
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0].startswith("stdin ICD-10-CM 2026-04, model lexicon, outpatient")
    assert any(line.startswith("fever absent R50.9 Fever, unspecified") for line in lines)
    codes = lines[lines.index("Codes of the note") :]
    assert any(line.startswith("G70.01 Myasthenia gravis with (acute) exacerbation") for line in codes)
    assert any(line.startswith("64580 neuromuscular: supported (G70.01)") for line in codes)
    assert any("NCD 160.2 (against):" in line for line in codes)
    assert max(map(len, ended.out.splitlines())) <= 100


def test_long_lines_of_a_table_hang(run: Run) -> None:
    note = "Foot drop of the right foot. Amyotrophic lateral sclerosis."
    lines = run("detect", "-", "--to", "table", stdin=note).out.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("64580 neuromuscular: supported"))
    reasons = [line for line in lines[first + 1 :] if not line.startswith("    ")]
    assert [line.split()[0] for line in reasons[:2]] == ["M21.371", "G12.21"]  # a reason a line
    assert any(line.startswith("    ") for line in lines[first + 1 :])
    assert max(map(len, lines)) <= 100


def test_table_of_a_hostile_note(run: Run) -> None:
    ended = run("detect", "-", "--to", "table", stdin="Severe \x1b[31m\n\n[bold]Gout[/bold] [/x] of the\tfoot.")
    assert ended.code == 0
    assert "\x1b" not in ended.out


def test_table_without_findings(run: Run) -> None:
    ended = run("detect", "-", "--to", "table", stdin="Seen today.")
    assert "No findings." in ended.out


def test_bad_notes_are_listed_and_the_rest_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "n.jsonl"
    good, broken, failing = '{"note_id": "a", "text": "Gout."}', '{"text": "Secret"', '{"note_id": "c", "text": "Flu"}'
    path.write_text(f"{good}\n{broken}\n{failing}\n")
    whole = Detector._conclude

    def fail_on_flu(self: Detector, note: Any, *rest: Any) -> NoteResult:
        if note.text == "Flu":
            raise ValueError("Flu")
        return whole(self, note, *rest)

    monkeypatch.setattr(Detector, "_conclude", fail_on_flu)
    out = tmp_path / "out.csv"
    ended = run("detect", path, "-o", out)
    assert ended.code == 1
    assert ended.err.startswith("1 note, 1 mention in ")
    assert ended.err.endswith(f" s, written to {out}; 2 failed, listed in {out}.rejects.jsonl\n")
    rejects = [json.loads(line) for line in Path(f"{out}.rejects.jsonl").read_text("utf-8").splitlines()]
    assert [(reject["note_id"], reject["source"]) for reject in rejects] == [(None, "n.jsonl, line 2"), ("c", "note c")]
    assert "Secret" not in str(rejects)
    assert "Flu" not in str(rejects)

    ended = run("detect", path)
    assert ended.code == 1
    assert ended.err.startswith("n.jsonl, line 2: not JSON: ")
    assert "2 failed, listed above" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["detect", "missing.csv", "-o", "out.csv"], "found no file"),
        (["detect", "notes.csv", "-o", "missing/out.csv"], "could not be written: No such file"),
        (["detect", "notes.csv", "-o", "out.docx"], "found output format 'docx'"),
        (["detect", "notes.csv", "-o", "notes.csv"], "found the input as the output"),
        (["detect", "notes.csv", "-o", "./notes.csv"], "found the input as the output"),
        (["detect", "notes.csv", "--to", "parquet"], "parquet needs a file"),
        (["detect", "notes.csv", "--column", "text"], "found a --column without a name, expected FIELD=NAME"),
        (["detect", "notes.csv", "--column", "text=BODY"], "found no column 'BODY', there are: 'note_id', 'text'"),
        (["detect", "notes.csv", "--encoding", "utf-9"], "found encoding 'utf-9'"),
        (["detect", "notes.csv", "--release", "1999-10"], "1999-10"),
        (["lookup", "1999-10", "--release", "1999-10"], "1999-10"),
        (["codes", "import", "notes.csv"], "notes.csv"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    run: Run, notes: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(notes.parent)
    before = notes.read_bytes()
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("detect-icd10cm: ")
    assert ended.err.count("\n") == 1
    assert message in ended.err
    assert [path.name for path in notes.parent.iterdir()] == ["notes.csv"]
    assert notes.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect"],
        ["detect", "n.csv", "--setting", "er"],
        ["detect", "n.csv", "--model", "none"],
        ["detect", "n.csv", "--accept-at", "2"],
        ["detect", "n.csv", "--limit", "0"],
        ["frobnicate"],
    ],
)
def test_unknown_arguments(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


# ---- lookup ----


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("myasthenia gravis crisis", "G70.01"),
        ("left knee pain", "M25.562"),
        ("pain, knee, LEFT", "M25.562"),
        ("type 2 diabetes with kidney disease", "E11.22"),
        ("gout", "M10.9"),
    ],
)
def test_lookup_of_words(run: Run, words: str, code: str) -> None:
    ended = run("lookup", *words.split())
    first = ended.out.splitlines()[2]
    assert ended.code == 0
    assert first.startswith(f"{code} ")
    assert first.rstrip().endswith("yes")


def test_lookup_of_a_header(run: Run, codeset: CodeSet) -> None:
    out = " ".join(run("lookup", "s72001").out.split())
    for part in (
        "S72.001 Fracture of unspecified part of neck of right femur (not billable, see the codes below it, 2026-04)",
        "Means without further detail: S72.001A",
        "Above Chapter 19, block S70-S79 S72 Fracture of femur S72.0 Fracture of head and neck of femur",
        "Below S72.001A",
        "7th character A initial encounter for closed fracture",
    ):
        assert part in out


def test_lookup_of_a_billable_code(run: Run) -> None:
    out = " ".join(run("lookup", "g70.01").out.split())
    assert out.startswith("G70.01 Myasthenia gravis with (acute) exacerbation (billable, 2026-04)")
    assert "Also called Myasthenia gravis in crisis" in out
    assert "Excludes1, not coded here botulism" in out


def test_lookup_of_a_procedure(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))  # no code set is opened for it
    out = " ".join(run("lookup", "64580").out.split())
    assert list(tmp_path.iterdir()) == []
    assert out.startswith("64580 ")
    for part in ("status A, active", "neuromuscular:", "pain:", "rehabilitation:", "NCD 160.12", "10. ", "Sources"):
        assert part in out


def test_lookup_of_nothing_known(run: Run) -> None:
    ended = run("lookup", "xyzzy")
    assert ended.code == 1
    assert ended.err == "detect-icd10cm: no code of release 2026-04 and no procedure found for 'xyzzy'\n"


# ---- codes ----


def test_codes(run: Run, data_folder: Path) -> None:
    assert "2026-04" in run("codes", "list").out
    ended = run("codes", "import", OFFICIAL / "icd10cm_order_2024.txt")
    assert ended.code == 0
    assert ended.out.startswith("Release 2023-10: ")
    listed = " ".join(run("codes", "list").out.split())
    assert "2023-10 2023-10-01 2024-03-31 imported icd10cm_order_2024.txt 2026-04" in listed


# ---- as a program ----


def script(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from detect_icd10cm.cli import main; main()", *with_lexicon(arguments)]


def on_a_terminal(command: list[str], stdin: Any = None) -> str:
    """Run a program whose output is a terminal, and return all that it shows there."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdin=stdin, stdout=theirs, stderr=theirs, cwd=ROOT) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # how Linux tells the end
            pass
        assert process.wait() == 0, shown.decode()
    os.close(ours)
    return shown.decode()


@pytest.mark.usefixtures("codeset")
def test_terminal(notes: Path, tmp_path: Path) -> None:
    text = tmp_path / "visit.txt"
    text.write_text(NOTE)
    assert "Codes of the note" in on_a_terminal(script("detect", text))
    shown = on_a_terminal(script("detect", notes, "-o", tmp_path / "out.csv"))
    assert "notes/s" in shown
    assert "2 notes, 4 mentions" in shown
    assert "notes/s" not in on_a_terminal(script("detect", notes, "-o", tmp_path / "out.csv", "-q"))


@pytest.mark.usefixtures("codeset")
def test_reader_that_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text("".join(json.dumps({"note_id": i, "text": NOTE}) + "\n" for i in range(500)))
    command = " ".join(f"'{word}'" for word in script("detect", path, "-q"))
    done = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert json.loads(done.stdout)["note_id"] == "0"
    assert done.stderr == ""


@pytest.mark.usefixtures("codeset")
def test_ended_from_outside_leaves_no_text_behind(tmp_path: Path) -> None:
    command = script("detect", "-", "-o", tmp_path / "out.jsonl")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin
        process.stdin.write(json.dumps({"note_id": "a", "text": NOTE}).encode() + b"\n")
        process.stdin.flush()
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_ended_while_the_output_is_opened(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tempfile.mkstemp

    def ended(*arguments: Any, **named: Any) -> tuple[int, str]:
        made = whole(*arguments, **named)
        os.kill(os.getpid(), signal.SIGTERM)
        return made

    monkeypatch.setattr("tempfile.mkstemp", ended)
    assert run("detect", "-", "-o", tmp_path / "out.jsonl", stdin=NOTE).code == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
