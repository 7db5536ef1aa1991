"""Writing results: what each format holds, and that a file appears whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect_icd10cm import Mention, NoteError, NoteResult, Reject, to_dataframe, write_results
from detect_icd10cm.notes import table
from detect_icd10cm.notes.write import open_output
from detect_icd10cm.notes.writers import WRITERS, to_json
from detect_icd10cm.types import Candidate, CoverageFlag, Indication, NoteCode

GOUT = Mention(
    10,
    22,
    'Gout, "acute"\r',
    "diagnosis",
    "present",
    "M10.9",
    section="assessment",
    assertion_score=0.9,
    title="Gout, unspecified",
    score=0.97,
    candidates=(Candidate("M10.9", "Gout, unspecified", 0.97),),
)
FEVER = Mention(30, 35, "fever", "symptom", "absent", "R50.9", title="Fever, unspecified", score=0.8)
FULL = NoteResult(
    "n1",
    "2026-04",
    "lexicon",
    "outpatient",
    (GOUT, FEVER, dataclasses.replace(GOUT, start=40, end=52)),
    (
        NoteCode("M10.9", "Gout, unspecified", 0.97, "accept", (0, 2), ("stated 2 times",)),
        NoteCode("M79.6", "Pain", 0.5, "review", (0,)),
    ),
    (
        Indication("64580", "pain", "supported", (0,), ("M10.9",), "why", (CoverageFlag("NCD 1", "s"),), ("a source",)),
        Indication("64580", "neuromuscular", "possible"),
        Indication("64580", "rehabilitation", "not_found"),
    ),
    ("one", "two; three"),
    patient_id="007",
    encounter_id="e1",
)
EMPTY = NoteResult("n2", "2026-04", "lexicon", "inpatient")
REJECT = Reject("n3", "notes.csv, row 4", "text is empty")


def rejects_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.jsonl")


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


# ---- what is written ----


def test_json_lines_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    summary = write_results([FULL, REJECT, EMPTY], path)
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == ""
    assert [NoteResult.from_dict(json.loads(line)) for line in lines] == [FULL, EMPTY]
    assert (summary.n_notes, summary.n_mentions, summary.n_rejects) == (2, 3, 1)
    assert summary.path == path
    assert summary.rejects_path == rejects_of(path)
    assert json.loads(rejects_of(path).read_text("utf-8")) == dataclasses.asdict(REJECT)


def test_json_is_that_of_to_dict() -> None:
    assert to_json(FULL) == (json.dumps(FULL.to_dict(), ensure_ascii=False) + "\n").encode()


@pytest.mark.parametrize(("name", "delimiter"), [("out.csv", ","), ("out.tsv", "\t")])
def test_a_row_a_mention(tmp_path: Path, name: str, delimiter: str) -> None:
    write_results([FULL, EMPTY], tmp_path / name)
    rows = read_table(tmp_path / name, delimiter)
    assert [(row["note_id"], row["mention"], row["start"], row["decision"]) for row in rows] == [
        ("n1", "0", "10", "accept"),
        ("n1", "1", "30", ""),
        ("n1", "2", "40", "accept"),
        ("n2", "", "", ""),
    ]
    assert rows[0] == {
        "note_id": "n1",
        "patient_id": "007",
        "encounter_id": "e1",
        "setting": "outpatient",
        "release": "2026-04",
        "model": "lexicon",
        "mention": "0",
        "start": "10",
        "end": "22",
        "text": 'Gout, "acute"\r',
        "section": "assessment",
        "kind": "diagnosis",
        "assertion": "present",
        "assertion_score": "0.9",
        "code": "M10.9",
        "title": "Gout, unspecified",
        "score": "0.97",
        "decision": "accept",
        "accepted_codes": "M10.9",
        "review_codes": "M79.6",
        "supported_indications": "64580:pain",
        "possible_indications": "64580:neuromuscular",
        "warnings": "one | two; three",
    }
    assert {value for key, value in rows[3].items() if value} == {"n2", "inpatient", "2026-04", "lexicon"}


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    write_results([FULL, EMPTY], tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == list(table.NAMES)
    assert found.to_pylist() == [
        dict(zip(table.NAMES, [list(v) if isinstance(v, tuple) else v for v in row], strict=True))
        for result in (FULL, EMPTY)
        for row in table.table_rows(result)
    ]


def test_dataframe_holds_the_same_rows() -> None:
    frame = to_dataframe([FULL, REJECT, EMPTY])
    assert list(frame.columns) == list(table.NAMES)
    rows = [row for result in (FULL, EMPTY) for row in table.table_rows(result)]
    found = frame.astype("object").where(frame.notna(), None)
    assert [tuple(row) for row in found.itertuples(index=False)] == rows
    assert frame["score"].mean() == pytest.approx((0.97 + 0.8 + 0.97) / 3)


def test_dataframe_of_nothing() -> None:
    frame = to_dataframe([])
    assert len(frame) == 0
    assert str(frame["start"].dtype) == "Int64"


def test_parquet_is_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_GROUP_ROWS", 10)
    write_results([FULL] * 10, tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert (file.metadata.num_rows, file.num_row_groups) == (30, 3)


def test_conditions(tmp_path: Path) -> None:
    write_results([FULL, EMPTY], tmp_path / "out.ndjson")
    found = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text("utf-8").splitlines()]
    assert [condition["code"]["coding"][0]["code"] for condition in found] == ["M10.9", "M79.6", "R50.9"]


@pytest.mark.parametrize("format", list(WRITERS))
def test_no_results_make_a_file_all_the_same(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"
    assert write_results([], path).n_notes == 0
    if format == "parquet":
        assert pq.read_table(path).num_rows == 0
    else:
        assert path.read_text("utf-8").count("\n") == (format in ("csv", "tsv", "omop"))


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.jsonl.zst"])
def test_compressed_by_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_results([FULL, EMPTY], path)
    first = path.read_bytes()
    with pa.input_stream(str(path), compression="gzip" if name.endswith("gz") else "zstd") as stream:
        assert stream.read() == to_json(FULL) + to_json(EMPTY)
    write_results([FULL, EMPTY], path)
    assert path.read_bytes() == first
    if name.endswith("gz"):
        assert gzip.decompress(first) == to_json(FULL) + to_json(EMPTY)


def test_format_can_be_named(tmp_path: Path) -> None:
    write_results([FULL], tmp_path / "out.dat", "csv")
    assert len(read_table(tmp_path / "out.dat")) == 3


# ---- whole or not at all ----


def failing() -> Iterator[NoteResult | Reject]:
    yield FULL
    yield REJECT
    raise RuntimeError("the detector fails")


@pytest.mark.parametrize("name", [*(f"out.{format}" for format in WRITERS), "out.jsonl.gz", "out.csv.zst"])
def test_failed_work_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("earlier")
    rejects_of(path).write_text("earlier rejects")
    with pytest.raises(RuntimeError):
        write_results(failing(), path)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        name: "earlier",
        f"{name}.rejects.jsonl": "earlier rejects",
    }


def test_earlier_files_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_results([FULL, REJECT], path)
    summary = write_results([EMPTY], path)
    assert path.read_bytes() == to_json(EMPTY)
    assert summary.rejects_path is None
    assert [file.name for file in tmp_path.iterdir()] == ["out.jsonl"]


def test_nothing_is_at_its_place_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_output(path) as output:
        output.write(FULL)
        assert not path.exists()
        (part,) = tmp_path.iterdir()
        assert stat.S_IMODE(part.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["out.jsonl"]


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    write_results([FULL, REJECT], tmp_path / "out.parquet")
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "real" / "target.jsonl")
    write_results([EMPTY], link)
    assert link.is_symlink()
    assert link.read_bytes() == to_json(EMPTY)


def never() -> Iterator[NoteResult | Reject]:
    pytest.fail("work was begun")
    yield FULL


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("out.xlsx", None, "out.xlsx: found output format 'xlsx', expected one of: jsonl, csv, tsv, parquet, ndjson"),
        ("out", None, "out: found output format '', expected one of"),
        ("out.jsonl", "xml", "found output format 'xml'"),
        ("out.parquet.gz", None, "Parquet compresses its own parts"),
        ("missing/out.jsonl", None, "could not be written: No such file or directory"),
        ("file/out.jsonl", None, "could not be written: Not a directory"),
        ("folder.csv", None, "found a folder or a device"),
        ("/dev/null", "jsonl", "found a folder or a device"),
        (f"{'x' * 250}.jsonl", None, "could not be written: File name too long"),
    ],
)
def test_unwritable(tmp_path: Path, name: str, format: str | None, message: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(NoteError) as caught:
        write_results(never(), tmp_path / name, format)
    assert message in str(caught.value)


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)  # root, as whom tests may run, can write anywhere
    with pytest.raises(NoteError, match=r"out\.jsonl: could not be written: Permission denied; what was there"):
        write_results(never(), tmp_path / "out.jsonl")


@pytest.mark.parametrize("format", list(WRITERS))
def test_full_disk(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"out.{format}"
    path.write_text("earlier")
    many = (dataclasses.replace(FULL, note_id=f"n{i}" * 40) for i in range(3000))
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, earlier[1]))
    try:
        with pytest.raises(NoteError, match="could not be written: File too large"):
            write_results(many, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        signal.signal(signal.SIGXFSZ, ignored)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {path.name: "earlier"}
