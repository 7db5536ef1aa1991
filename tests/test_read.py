"""Reading notes: every format gives the same notes, and one bad note never takes another one along."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect_icd10cm import Note, NoteError, Reject, read_notes
from detect_icd10cm.notes import records
from detect_icd10cm.notes.read import FORMATS

CRLF_NOTE = 'Assessment:\r\n1. Gout\r\n\r\n2. "Frozen" shoulder, left\n\tno fever\r\n'
RECORDS = [
    {"note_id": "n1", "text": CRLF_NOTE, "patient_id": "007", "setting": "inpatient", "encounter_date": "2026-04-01"},
    {"note_id": "n2", "text": "Mrs. Ångström: café-au-lait spots; 37 °C.", "patient_id": None, "setting": None},
]
NOTES = [
    Note("n1", CRLF_NOTE, patient_id="007", setting="inpatient", encounter_date=date(2026, 4, 1)),
    Note("n2", "Mrs. Ångström: café-au-lait spots; 37 °C."),
]


def csv_bytes(delimiter: str, encoding: str = "utf-8") -> bytes:
    import csv

    text = io.StringIO()
    writer = csv.DictWriter(text, list(RECORDS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(RECORDS)
    return text.getvalue().encode(encoding)


def jsonl_bytes() -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in RECORDS)


def parquet_bytes(table: pa.Table | None = None) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table or pa.Table.from_pylist(RECORDS), sink)
    return sink.getvalue()


def zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    """Write a file for the test to read."""

    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


Put = Callable[[str, bytes | str], Path]


# ---- every format ----


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("n.csv", csv_bytes(",")),
        ("n.CSV", csv_bytes(",")),
        ("n.csv", b"\xef\xbb\xbf" + csv_bytes(",")),
        ("n.csv", csv_bytes(";")),
        ("n.csv", csv_bytes("\t")),
        ("n.tsv", csv_bytes("\t")),
        ("n.csv.gz", gzip.compress(csv_bytes(","))),
        ("n.csv.zst", zst(csv_bytes(","))),
        ("n.jsonl", jsonl_bytes()),
        ("n.ndjson", b"\xef\xbb\xbf" + jsonl_bytes().replace(b"\n", b"\r\n\r\n")),
        ("n.jsonl.gz", gzip.compress(jsonl_bytes())),
        ("n.parquet", parquet_bytes()),
    ],
)
def test_formats_give_the_same_notes(put: Put, name: str, content: bytes) -> None:
    assert list(read_notes(put(name, content))) == NOTES


def test_format_and_encoding_can_be_named(put: Put) -> None:
    path = put("export.dat", csv_bytes(",", "cp1252"))
    assert list(read_notes(str(path), format="csv", encoding="cp1252")) == NOTES
    assert list(read_notes(put("n.csv", csv_bytes(",", "utf-16")), encoding="utf-16")) == NOTES


def test_text_file_is_one_note_as_it_stands(put: Put) -> None:
    path = put("visit 7.txt", b"\xef\xbb\xbf" + CRLF_NOTE.encode())
    assert list(read_notes(path)) == [Note("visit 7", CRLF_NOTE)]


def test_folder_of_text(put: Put, tmp_path: Path) -> None:
    put("f/b.txt", "Gout.")
    put("f/a/b.v2.txt", "Flu.")
    put("f/c.txt.gz", gzip.compress(b"Acne."))
    put("f/empty.txt", " \n")
    put("f/.hidden.txt", "x")
    put("f/readme.md", "x")
    put("outside.txt", "Secret.")
    (tmp_path / "f" / "link.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "f" / "gone.txt").symlink_to(tmp_path / "f" / "nothing.txt")
    os.mkfifo(tmp_path / "f" / "pipe.txt")
    stream = read_notes(tmp_path / "f")
    assert stream.source.total == 7
    assert list(stream) == [
        Note("a/b.v2", "Flu."),
        Note("b", "Gout."),
        Note("c", "Acne."),
        Reject("empty", "empty.txt", "text is empty"),
        Reject(None, "gone.txt", "not a regular file, or a link to a missing one"),
        Reject(None, "link.txt", "the file is a link that leads out of the folder"),
        Reject(None, "pipe.txt", "not a regular file, or a link to a missing one"),
    ]
    assert stream.source.done() == 7


def test_folder_of_parts(put: Put, tmp_path: Path) -> None:
    put("out.parquet/part-0.parquet", parquet_bytes())
    put("out.parquet/part-1.parquet", b"PAR1 not whole")
    put("out.parquet/part-2.parquet", parquet_bytes(pa.table({"note_id": ["n3"], "text": ["Gout."]})))
    put("out.parquet/_SUCCESS", b"")
    put("outside.parquet", parquet_bytes(pa.table({"note_id": ["n4"], "text": ["Secret."]})))
    (tmp_path / "out.parquet" / "part-00.parquet").symlink_to(tmp_path / "outside.parquet")
    stream = read_notes(tmp_path / "out.parquet")
    found = list(stream)
    assert found[:2] == NOTES
    assert found[2] == Reject(None, "part-00.parquet", "the file is a link that leads out of the folder")
    assert found[3] == Reject(
        None, "part-1.parquet", "part-1.parquet: not a Parquet file, or cut short; write or copy it again"
    )
    assert found[4:] == [Note("n3", "Gout.")]


# ---- columns and types ----


def test_columns_named_otherwise(put: Put) -> None:
    columns = {"note_id": "ROW_ID", "text": "NOTE_TEXT", "encounter_date": "CHARTDATE"}
    want = [Note("1", "Gout.", encounter_date=date(2026, 5, 1))]
    rows = [{"ROW_ID": 1, "NOTE_TEXT": "Gout.", "CHARTDATE": "2026-05-01 10:00:00", "text": "not this"}]
    assert list(read_notes(put("a.csv", "ROW_ID,NOTE_TEXT,CHARTDATE\n1,Gout.,2026-05-01"), columns=columns)) == want
    assert list(read_notes(put("a.jsonl", json.dumps(rows[0])), columns=columns)) == want
    assert list(read_notes(put("a.parquet", parquet_bytes(pa.Table.from_pylist(rows))), columns=columns)) == want


def test_parquet_types(put: Put) -> None:
    table = pa.table(
        {
            "note_id": pa.array([1.0, 2.0, 3.0, 4.0]),
            "text": pa.array(["Gout.", None, "Flu.", "Acne."]).dictionary_encode(),
            "patient_id": pa.array([10, None, 30, 40], pa.int64()),
            "encounter_date": pa.array([1, 2, 1_790_000_000_000_000_001, None], pa.timestamp("ns")),
            "setting": pa.array(["Inpatient", None, "outpatient", " "], pa.large_string()),
        }
    )
    assert list(read_notes(put("n.parquet", parquet_bytes(table)))) == [
        Note("1", "Gout.", patient_id="10", encounter_date=date(1970, 1, 1), setting="inpatient"),
        Reject("2", "n.parquet, row 2", "text is missing"),
        Note("3", "Flu.", patient_id="30", encounter_date=date(2026, 9, 21), setting="outpatient"),
        Note("4", "Acne.", patient_id="40"),
    ]


def test_parquet_bad_values_stay_alone(put: Put) -> None:
    spoiled = pa.array([b"caf\xe9", b"Gout.", b"Flu."]).cast(pa.binary()).view(pa.string())
    far = pa.array([0, 10**15, 0], pa.timestamp("s"))
    table = pa.table({"note_id": ["a", "b", "c"], "text": spoiled, "encounter_date": far})
    found = list(read_notes(put("n.parquet", parquet_bytes(table))))
    assert [type(record) for record in found] == [Reject, Reject, Note]
    assert [record.note_id for record in found] == ["a", "b", "c"]


def test_damaged_parquet_loses_only_what_is_damaged(put: Put) -> None:
    sink = io.BytesIO()
    table = pa.table({"note_id": [f"n{i}" for i in range(30)], "text": [f"Gout {i}." for i in range(30)]})
    pq.write_table(table, sink, row_group_size=10, compression="zstd", use_dictionary=False)
    data = bytearray(sink.getvalue())
    meta = pq.ParquetFile(io.BytesIO(bytes(data))).metadata
    start = meta.row_group(1).column(1).data_page_offset
    data[start : start + 12] = b"\xff" * 12
    found = list(read_notes(put("n.parquet", bytes(data))))
    assert len(found) == 30
    assert [type(record) for record in found] == [Note] * 10 + [Reject] * 10 + [Note] * 10
    assert found[10] == Reject(None, "n.parquet, row 11", "this part of the file is damaged")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-04-01", date(2026, 4, 1)),
        ("20260401", date(2026, 4, 1)),
        (20260401, date(2026, 4, 1)),
        ("2026-04-01T23:30:00-05:00", date(2026, 4, 1)),
        ("2026-04-01 00:00:00.0000000", date(2026, 4, 1)),
        ("2026-04-01T10:00Z", date(2026, 4, 1)),
        ("", None),
        (None, None),
    ],
)
def test_dates(put: Put, value: object, expected: date | None) -> None:
    path = put("n.jsonl", json.dumps({"note_id": 1, "text": "Gout.", "encounter_date": value}))
    assert list(read_notes(path)) == [Note("1", "Gout.", encounter_date=expected)]


# ---- what stops the whole, at once ----


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("n.csv", "", "n.csv: found no header, expected the names of the columns"),
        ("n.csv", "\n\n", "n.csv: found no header"),
        ("n.jsonl", "\n \n", "n.jsonl: the file is empty, expected JSON objects"),
        ("n.txt", " \n", "n.txt: found no text"),
        ("n.parquet", "", "n.parquet: not a Parquet file"),
        ("n.json", "", "n.json: not JSON, or cut short"),
        ("n.json", "[1]", "n.json: found no resourceType, expected a FHIR Bundle"),
        ("n.json", '{"resourceType": "Patient"}', "n.json: found a Patient, expected a FHIR Bundle"),
        ("n.csv.gz", "note_id,text\n", "n.csv.gz: could not be read: BadGzipFile"),
        ("n.csv.gz", gzip.compress(csv_bytes(","))[:12], "n.csv.gz: could not be read: EOFError"),
        ("n.docx", "x", "n.docx: found suffix '.docx', expected one of: .csv, .tsv, .jsonl, .ndjson, .json, .parquet"),
        ("noformat", "x", "noformat: found suffix '', expected one of"),
        ("n.csv", "id,text\n1,a\n", "found no column 'note_id', there are: 'id', 'text'; name the column of note_id"),
        ("n.csv", "note_id,text,text\n1,a,b\n", "found 2 columns 'text', expected one"),
        ("n.csv", "1,Gout and a long history of it with more words\n", "there are: 2 that are not shown, since they"),
        (
            "n.csv",
            '"Gout"", knee; café.",x\n',
            "there are: 2 that are not shown, since they do not all read like names",
        ),
        ("n.csv", b"\xff\xfea\0", "n.csv: found the byte-order mark of UTF-16"),
    ],
)
def test_file_errors(put: Put, name: str, content: bytes | str, message: str) -> None:
    path = put(name, content)
    with pytest.raises(NoteError) as caught:
        read_notes(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("missing.csv", {}, "found no file .*missing.csv"),
        ("n.csv", {"format": "xlsx"}, "found input format 'xlsx', expected one of: csv"),
        ("n.csv", {"columns": {"body": "x"}}, "found columns for body, expected some of: note_id, text"),
        ("n.csv", {"columns": {"setting": "WARD"}}, "found no column 'WARD'"),
        ("n.csv", {"encoding": "utf-9"}, "found encoding 'utf-9'"),
        ("n.csv", {"encoding": "base64"}, "found encoding 'base64'"),
        ("folder", {}, "found no .txt file in folder"),
    ],
)
def test_call_errors(put: Put, tmp_path: Path, source: str, options: dict[str, Any], message: str) -> None:
    put("n.csv", csv_bytes(","))
    (tmp_path / "folder").mkdir()
    with pytest.raises(NoteError, match=message):
        read_notes(tmp_path / source, **options)


def test_no_text_of_a_file_without_header_in_the_error(put: Put) -> None:
    with pytest.raises(NoteError) as caught:
        read_notes(put("n.csv", "1,The patient has syphilis and a long history of it since 2001\n"))
    assert "syphilis" not in str(caught.value)


# ---- what stops one note ----


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (b"2,", "text is empty"),
        (b'2,"  \n "', "text is empty"),
        (b",Gout.", "note_id is missing"),
        (b"1,Gout.", "note_id was read before, expected another one for each note"),
        (b"2,caf\xe9", "text holds bytes or characters that are not valid in the file's encoding"),
        (b"\xff,Gout.", "note_id holds bytes or characters"),
        (b"2,Go\0ut.", "text holds NUL bytes"),
        (b'2,"Gout. "Podagra"."', "line 3: a quote is not closed, or stands inside a quoted cell"),
        (b"2", "found 1 cells, expected 2 as in the header"),
        (b"2,Gout, podagra.", "found 3 cells, expected 2 as in the header"),
        (b'"a\nb",Gout.', "note_id holds line breaks"),
        (b"x" * 257 + b",Gout.", "note_id is longer than 256 characters"),
    ],
)
def test_one_bad_row(put: Put, cells: bytes, reason: str) -> None:
    path = put("n.csv", b"note_id,text\n1,First.\n" + cells + b"\n9,Last.\n")
    first, bad, last = read_notes(path)
    assert (first, last) == (Note("1", "First."), Note("9", "Last."))
    assert isinstance(bad, Reject)
    assert bad.source == "n.csv, row 3"
    assert bad.reason.startswith(reason)
    assert "Gout" not in bad.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"note_id": "2", "text": "Gout"', "not JSON: Expecting ',' delimiter at character 33"),
        ("Gout and more", "not JSON: Expecting value at character 1"),
        ('["2", "Gout"]', "found a JSON list, expected an object"),
        ("[" * 100_000, "not JSON that can be read: RecursionError"),
        ('{"note_id": ' + "9" * 5000 + ', "text": "Gout"}', "not JSON that can be read: ValueError"),
        ('{"note_id": ' + "9" * 300 + ', "text": "Gout"}', "note_id is longer than 256 characters"),
        ('{"text": "Gout"}', "note_id is missing"),
        ('{"note_id": "2"}', "text is missing"),
        ('{"note_id": "2", "text": null}', "text is missing"),
        ('{"note_id": "2", "text": 7}', "text is a int, expected a string"),
        ('{"note_id": true, "text": "Gout"}', "note_id is a bool, expected a string or a whole number"),
        ('{"note_id": {"a": 1}, "text": "Gout"}', "note_id is a dict"),
        ('{"note_id": "2", "text": "Gout \\ud800"}', "text holds bytes or characters that are not valid"),
        ('{"note_id": "2", "text": "Gout \\u0000"}', "text holds NUL bytes"),
        ('{"note_id": "2", "text": "Gout", "encounter_date": "04/01/2026"}', "encounter_date is not a date, expected"),
        ('{"note_id": "2", "text": "Gout", "encounter_date": "2026-02-30"}', "encounter_date is not a date"),
        ('{"note_id": "2", "text": "Gout", "encounter_date": "2026"}', "encounter_date is not a date"),
        ('{"note_id": "2", "text": "Gout", "setting": "ER"}', "setting is unknown, expected one of: inpatient, outp"),
    ],
)
def test_one_bad_line(put: Put, line: str, reason: str) -> None:
    first, last = '{"note_id": "1", "text": "First."}', '{"note_id": "9", "text": "Last."}'
    found = list(read_notes(put("n.jsonl", f"{first}\n{line}\n{last}\n")))
    assert [found[0], found[2]] == [Note("1", "First."), Note("9", "Last.")]
    assert isinstance(found[1], Reject)
    assert found[1].source == "n.jsonl, line 2"
    assert found[1].reason.startswith(reason)


def test_open_quote_gives_up_one_row_only(put: Put) -> None:
    text = 'note_id,text\n1,"Good,\nover lines"\n2,"Never closed\n3,"Good again"\n4,Plain\n5,"Nor this one\n6,Z\n'
    assert list(read_notes(put("n.csv", text))) == [
        Note("1", "Good,\nover lines"),
        Reject(None, "n.csv, row 3", _QUOTE.format(4)),
        Note("3", "Good again"),
        Note("4", "Plain"),
        Reject(None, "n.csv, row 6", _QUOTE.format(7)),
        Note("6", "Z"),
    ]


_QUOTE = "line {}: a quote is not closed, or stands inside a quoted cell without being doubled"


def test_first_line_may_be_bad(put: Put) -> None:
    found = list(read_notes(put("n.jsonl", b'\xff\n{"note_id": 1, "text": "Gout."}')))
    assert [type(record) for record in found] == [Reject, Note]


def test_rejected_ids_are_free_again(put: Put) -> None:
    found = list(read_notes(put("n.csv", "note_id,text\n1,\n1,Gout.\n1,Flu.\n")))
    assert [type(record) for record in found] == [Reject, Note, Reject]


def test_file_cut_short(put: Put) -> None:
    rows = "".join(f"{i},{os.urandom(200).hex()}\n" for i in range(2000))
    whole = gzip.compress(f"note_id,text\n{rows}".encode())
    *notes, last = read_notes(put("n.csv.gz", whole[: len(whole) // 2]))
    assert len(notes) > 100
    assert last == Reject(None, "n.csv.gz", "the file is damaged, what follows can't be read: EOFError")


def test_lines_that_are_too_long(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("streams", "delimited", "jsonlines"):
        monkeypatch.setattr(f"detect_icd10cm.notes.{module}.MAX_LINE", 100)
    long = "x" * 250
    found = list(read_notes(put("n.csv", f"note_id,text\n1,{long}\n2,Gout.\n")))
    assert found == [
        Reject(None, "n.csv, row 2", "line 2: the row holds a line of more than 100 characters"),
        Note("2", "Gout."),
    ]
    found = list(read_notes(put("n.jsonl", f'{{"text": "{long}"}}\n{{"note_id": 2, "text": "Gout."}}\n')))
    assert found == [
        Reject(None, "n.jsonl, line 1", "the line has more than 100 characters"),
        Note("2", "Gout."),
    ]


# ---- size ----


@pytest.mark.parametrize("joint", ["\n", " "], ids=["many lines", "one line"])
def test_note_of_two_megabytes(put: Put, joint: str) -> None:
    text = joint.join(["Gout and fever, no cough."] * 85_000)
    assert len(text) > 2 * 2**20
    quoted = f'note_id,text\n1,"{text}"\n2,Flu.\n'
    notes = [Note("1", text), Note("2", "Flu.")]
    lines = "".join(json.dumps({"note_id": n.note_id, "text": n.text}) + "\n" for n in notes)
    assert list(read_notes(put("n.csv", quoted))) == notes
    assert list(read_notes(put("n.jsonl", lines))) == notes
    assert list(read_notes(put("n.txt", text))) == [Note("n", text)]


def test_note_beyond_the_limit(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_TEXT", 1000)
    found = list(read_notes(put("n.csv", f"note_id,text\n1,{'x' * 1001}\n2,{'x' * 1000}\n")))
    assert found == [
        Reject("1", "n.csv, row 2", "text has 1,001 characters, expected at most 1,000"),
        Note("2", "x" * 1000),
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "json"])
def test_memory_does_not_grow_with_the_file(put: Put, kind: str) -> None:
    def peak(n_notes: int) -> int:
        path = put(f"{n_notes}.{kind}", _file_of(kind, n_notes))
        for _ in read_notes(path):  # what is imported on first use is not counted
            break
        tracemalloc.start()
        assert sum(isinstance(note, Note) for note in read_notes(path)) == n_notes
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(2000) < peak(500) + 500_000  # the file grows by 3 MB; 8 bytes an id, and noise


def _file_of(kind: str, n_notes: int) -> bytes:
    rows = [{"note_id": f"n{i}", "text": "Gout. " * 350} for i in range(n_notes)]
    if kind == "csv":
        return ("note_id,text\n" + "".join(f"{r['note_id']},{r['text']}\n" for r in rows)).encode()
    if kind == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=500)
        return sink.getvalue()
    entries = [{"resource": _document(row)} for row in rows]
    return json.dumps({"resourceType": "Bundle", "entry": entries}).encode()


def _document(row: dict[str, str]) -> dict[str, Any]:
    import base64

    attachment = {"contentType": "text/plain", "data": base64.b64encode(row["text"].encode()).decode()}
    return {"resourceType": "DocumentReference", "id": row["note_id"], "content": [{"attachment": attachment}]}


def test_many_ids_take_little_memory_and_are_all_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_IN_MEMORY", 100)
    seen = records._SeenIds()
    ids = [f"note-{i}" for i in range(1050)]
    assert all(seen.add(note_id) for note_id in ids)
    assert not any(seen.add(note_id) for note_id in ids)
    assert len(seen._recent) == 50
    assert sum(run.nbytes for run in seen._runs) == 8 * 1000
    assert len(seen._runs) <= 4


def test_progress_is_known_by_bytes(put: Put) -> None:
    path = put("n.jsonl", "".join(f'{{"note_id": {i}, "text": "{"Gout. " * 100}"}}\n' for i in range(2000)))
    stream = read_notes(path)
    assert stream.source.total == path.stat().st_size
    done = [stream.source.done() for _ in stream]
    assert done == sorted(done)
    assert done[0] < done[1000] < done[-1] == stream.source.total


# ---- standard input ----


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (jsonl_bytes(), {}, NOTES),
        (b"\xef\xbb\xbf\n " + jsonl_bytes(), {}, NOTES),
        (csv_bytes(","), {"format": "csv"}, NOTES),
        (CRLF_NOTE.encode(), {}, [Note("stdin", CRLF_NOTE)]),
        (b"{see below} Gout.", {}, [Note("stdin", "{see below} Gout.")]),
        (b'{"note_id": 1, "te\n{"note_id": 2, "text": "Gout."}', {}, None),
    ],
)
def test_stdin(
    monkeypatch: pytest.MonkeyPatch, content: bytes, options: dict[str, Any], expected: list[Note] | None
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(content))
    found = list(read_notes("-", **options))
    if expected is None:
        assert found[0] == Reject(None, "standard input, line 1", "not JSON: Invalid control character at character 19")
        assert found[1:] == [Note("2", "Gout.")]
    else:
        assert found == expected


@pytest.mark.parametrize(("content", "format"), [(b"", None), (b" \n", None), (b"{}", "json"), (b"", "parquet")])
def test_stdin_errors(monkeypatch: pytest.MonkeyPatch, content: bytes, format: str | None) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(content))
    with pytest.raises(NoteError, match="standard input"):
        read_notes("-", format=format)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(csv_bytes(","),))
    writer.start()
    assert list(read_notes(pipe, format="csv")) == NOTES
    writer.join()


def test_stream_left_early_closes_its_file(put: Put) -> None:
    stream = read_notes(put("n.csv", csv_bytes(",")))
    assert next(stream) == NOTES[0]
    del stream  # a file left open would warn, and warnings are errors here


def test_formats_are_those_documented() -> None:
    assert all(f"``{name}``" in (read_notes.__doc__ or "") for name in FORMATS)


def test_datetime_values_of_parquet_keep_their_own_day(put: Put) -> None:
    late = datetime.fromisoformat("2026-03-31T23:00:00-05:00")
    table = pa.table({"note_id": ["1"], "text": ["Gout."], "encounter_date": [late]})
    column = table.column("encounter_date").cast(pa.timestamp("us", "America/New_York"))
    table = table.set_column(2, "encounter_date", column)
    (note,) = read_notes(put("n.parquet", parquet_bytes(table)))
    assert isinstance(note, Note)
    assert note.encounter_date == date(2026, 4, 1)  # 00:00 in New York
