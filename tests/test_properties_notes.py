"""Any notes go through any format unchanged, and no damage to a file loses a note that it did not touch."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detect_icd10cm import Mention, Note, NoteError, NoteResult, Reject, read_notes, write_results

Records = list[dict[str, str]]

ANY_TEXT = st.text(max_size=60)
# Text of a note as files really hold it: lines, quotes, tabs, separators, commas, brackets.
NOTE_TEXT = st.text(st.sampled_from("ab.,;:\"'\n\r\t {}[]\\|é’\u2028\ufeff\x0b\x1c"), max_size=60)
TEXTS = ANY_TEXT | NOTE_TEXT


@pytest.fixture(scope="module")
def folder() -> str:
    with tempfile.TemporaryDirectory() as name:
        yield name


def as_csv(records: Records) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["note_id", "text"])
    writer.writerows([record["note_id"], record["text"]] for record in records)
    return text.getvalue().encode()


def as_tsv(records: Records) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t")
    writer.writerow(["note_id", "text"])
    writer.writerows([record["note_id"], record["text"]] for record in records)
    return text.getvalue().encode()


def as_jsonl(records: Records) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def as_parquet(records: Records) -> bytes:
    sink = io.BytesIO()
    columns = {name: [record[name] for record in records] for name in ("note_id", "text")}
    pq.write_table(pa.table(columns, pa.schema({name: pa.string() for name in columns})), sink, row_group_size=2)
    return sink.getvalue()


def as_documents(records: Records) -> list[dict[str, object]]:
    return [
        {
            "resourceType": "DocumentReference",
            "id": record["note_id"],
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain",
                        "data": base64.b64encode(record["text"].encode()).decode(),
                    }
                }
            ],
        }
        for record in records
    ]


def as_bundle(records: Records) -> bytes:
    entries = [{"resource": document} for document in as_documents(records)]
    return json.dumps({"resourceType": "Bundle", "entry": entries}, indent=1).encode()


def as_ndjson(records: Records) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in as_documents(records))


FORMATS: dict[str, Callable[[Records], bytes]] = {
    "csv": as_csv,
    "tsv": as_tsv,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
    "json": as_bundle,
    "ndjson": as_ndjson,
    "csv.gz": lambda records: gzip.compress(as_csv(records)),
}


def read(folder: str, suffix: str, content: bytes) -> list[Note | Reject]:
    path = Path(folder, f"n.{suffix}")
    path.write_bytes(content)
    return list(read_notes(path))


def is_note(text: str) -> bool:
    return bool(text.strip()) and "\0" not in text


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
@example(texts=["\ufeffGout", '"', "a\rb", "a\r\nb\n", "\x1c", "'", "\\"])
def test_texts_come_through_unchanged(folder: str, suffix: str, texts: list[str]) -> None:
    records = [{"note_id": f"n{i}", "text": text} for i, text in enumerate(texts)]
    found = read(folder, suffix, FORMATS[suffix](records))
    assert [record.note_id for record in found] == [record["note_id"] for record in records]
    for record, text in zip(found, texts, strict=True):
        # A document's own byte-order mark is no part of its text.
        sent = text.removeprefix("\ufeff") if suffix in ("json", "ndjson") else text
        assert record == (Note(record.note_id or "", sent) if is_note(sent) else record)
        assert isinstance(record, Note) == is_note(sent)


RECORDS = [{"note_id": f"note-{i}", "text": f'Visit {i}:\r\n"Gout", knee; café.\n'} for i in range(7)]
NOTES = [Note(record["note_id"], record["text"]) for record in RECORDS]
ONE_LINE = [{"note_id": f"note-{i}", "text": f"Visit {i}: gout, knee; café."} for i in range(7)]


def cut_and_put(content: bytes, at: int, n_cut: int, put: bytes) -> bytes:
    at %= len(content) + 1
    return content[:at] + put + content[at + n_cut :]


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 10**6), n_cut=st.integers(0, 40), put=st.binary(max_size=8), cut_short=st.booleans())
@example(at=0, n_cut=39, put=b"", cut_short=False)
def test_a_damaged_file_never_crashes(
    folder: str, suffix: str, at: int, n_cut: int, put: bytes, cut_short: bool
) -> None:
    content = cut_and_put(FORMATS[suffix](RECORDS), at, 10**6 if cut_short else n_cut, put)
    found: list[Note | Reject] = []
    said = ""
    try:
        found = read(folder, suffix, content)
    except NoteError as error:
        said = str(error)
    assert all(isinstance(record, Note | Reject) for record in found)
    assert "Gout" not in said + "".join(record.reason for record in found if isinstance(record, Reject))


NASTY = st.lists(
    st.sampled_from([b'"', b'""', b",", b"\n", b"\r", b"\\", b"{", b"}", b"\0", b"\xff", b"\xe9", b"x", b"\t"])
).map(b"".join)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "ndjson"])
@pytest.mark.parametrize("records", [RECORDS, ONE_LINE], ids=["lines in notes", "one line a note"])
@settings(max_examples=150, deadline=None)
@given(row=st.integers(0, 6), at=st.integers(0, 10**6), n_cut=st.integers(0, 30), put=NASTY)
def test_damage_to_one_row_leaves_the_others(
    folder: str, suffix: str, records: Records, row: int, at: int, n_cut: int, put: bytes
) -> None:
    whole = FORMATS[suffix](records)
    if suffix in ("csv", "tsv"):
        header, rest = whole.split(b"\r\n", 1)
        rows = [FORMATS[suffix]([record]).split(b"\r\n", 1)[1].removesuffix(b"\r\n") for record in records]
        ending, start = b"\r\n", header + b"\r\n"
        assert start + ending.join(rows) + ending == whole
        assert rest
    else:
        rows, ending, start = whole.splitlines(), b"\n", b""
    line = rows[row]
    at %= len(line) + 1
    rows[row] = line[:at] + put + line[at + n_cut :]
    found = read(folder, suffix, start + ending.join(rows) + ending)
    kept = [Note(record["note_id"], record["text"]) for i, record in enumerate(records) if i != row]
    if suffix in ("csv", "tsv") and records is RECORDS:
        # Where notes span lines, an open quote may take the next row along; what it takes is still told.
        kept = [note for note in kept if note.note_id != f"note-{row + 1}"]
    assert [record for record in found if record in kept] == kept
    assert len(found) >= len(records) - (rows[row].strip() == b"")


@settings(max_examples=100, deadline=None)
@given(text=ANY_TEXT.filter(lambda text: text.isprintable()) | NOTE_TEXT, note_id=st.text(min_size=1, max_size=20))
def test_results_come_through_unchanged(folder: str, text: str, note_id: str) -> None:
    mention = Mention(0, len(text), text, "diagnosis", "present", "M10.9", title="Gout, unspecified")
    result = NoteResult(note_id, "2026-04", "lexicon", "outpatient", (mention,))
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        path = Path(folder, f"r.{suffix}")
        write_results([result], path)
        with path.open(encoding="utf-8", newline="") as stream:
            (row,) = csv.DictReader(stream, delimiter=delimiter)
        assert (row["note_id"], row["text"]) == (note_id, text)
    write_results([result], Path(folder, "r.parquet"))
    (values,) = pq.read_table(Path(folder, "r.parquet")).to_pylist()
    assert (values["note_id"], values["text"]) == (note_id, text)
    write_results([result], Path(folder, "r.jsonl"))
    lines = Path(folder, "r.jsonl").read_text("utf-8").split("\n")
    assert [NoteResult.from_dict(json.loads(line)) for line in lines if line] == [result]
