from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold import GoldIssue, audit_codes, guess_format, read_gold
from detect_icd10cm.types import AnnotatedNote, Note

TEXT = "Known asthma. Denies fever. Mother had a stroke."
ASTHMA = {"start": 6, "end": 12, "text": "asthma", "code": "J45.909", "assertion": "present", "kind": "diagnosis"}
FEVER = {"start": 21, "end": 26, "text": "fever", "code": "r509", "assertion": "absent", "kind": "symptom"}


def write_jsonl(path: Path, *records: Mapping[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def spans(note: AnnotatedNote) -> list[tuple[str, str, str, str]]:
    return [(m.text, m.code, m.assertion, m.kind) for m in note.mentions]


def test_jsonl(tmp_path: Path) -> None:
    record = {
        "note_id": 7,
        "text": TEXT,
        "setting": "outpatient",
        "encounter_date": "2026-04-30",
        "mentions": [ASTHMA, FEVER],
        "codes": ["j45909", {"code": "I10", "score": 0.5}],
        "indications_64580": [],
        "indications": {"64555": ["pain"]},
    }
    (note,) = read_gold(write_jsonl(tmp_path / "gold.jsonl", record))
    assert note.note.note_id == "7"
    assert str(note.note.encounter_date) == "2026-04-30"
    assert spans(note) == [("asthma", "J45.909", "present", "diagnosis"), ("fever", "R50.9", "absent", "symptom")]
    assert note.codes == ("J45.909", "I10")
    assert note.indications == {"64580": (), "64555": ("pain",)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mentions": [{**ASTHMA, "end": 500}]}, "6-500 lies outside the text: the note has 48 characters"),
        ({"mentions": [{**ASTHMA, "start": 12}]}, "12-12 lies outside the text"),
        ({"mentions": [{**ASTHMA, "start": -1}]}, "lies outside the text"),
        ({"mentions": [{**ASTHMA, "start": 5, "end": 11}]}, "its text of 6 characters is not what the note has there"),
        ({"mentions": [{**ASTHMA, "start": "6"}]}, "no whole-number start and end"),
        ({"mentions": [{**ASTHMA, "start": True}]}, "no whole-number start and end"),
        ({"mentions": [{**ASTHMA, "code": ""}]}, "has no code"),
        ({"mentions": [{**ASTHMA, "assertion": "denied"}]}, "found a value of 6 characters, expected one of: present"),
        ({"mentions": [{**ASTHMA, "kind": "drug"}]}, "found a value of 4 characters, expected one of: diagnosis"),
        ({"mentions": ["asthma"]}, "found a mention that is a str"),
        ({"mentions": {}}, "mentions: found a dict, expected a list"),
        ({"codes": [""]}, "document code that is no text"),
        ({"setting": "home"}, "setting: found a value of 4 characters, expected one of: inpatient"),
        ({"mentions": [{**ASTHMA, "assertion": "asthma"}]}, "found a value of 6 characters"),
        ({"mentions": [{**ASTHMA, "kind": "asthma"}]}, "found a value of 6 characters"),
        ({"note_id": "a", "setting": "asthma"}, "setting: found a value of 6 characters"),
        ({"indications_of asthma": "pain"}, "indications: expected a list"),
        ({"indications": {"asthma": 1}}, "indications: expected a list"),
        ({"encounter_date": "30/04/2026"}, "expected a date such as 2026-04-30"),
        ({"indications_64580": "pain"}, "indications: expected a list"),
        ({"indications": ["pain"]}, "indications: expected an object"),
        ({"note_id": None}, "found no note_id"),
        ({"text": None}, "found no text"),
    ],
)
def test_a_broken_record_is_refused_by_line_and_never_quoted(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good, bad = {"note_id": "a", "text": TEXT}, {"note_id": "b", "text": TEXT, **change}
    path = write_jsonl(tmp_path / "gold.jsonl", good, bad)
    with pytest.raises(NoteError) as error:
        list(read_gold(path))
    assert str(error.value).startswith("gold.jsonl, line 2: ")
    assert message in str(error.value)
    assert "asthma" not in str(error.value)

    issues: list[GoldIssue] = []
    assert [note.note.note_id for note in read_gold(path, issues=issues)] == ["a"]
    assert [(issue.kind, issue.source) for issue in issues] == [("broken", "gold.jsonl, line 2")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"note_id": "a", "text": ', "line 1: not valid JSON at character"),
        ("[1]", "line 1: found a JSON list, expected an object"),
        ('{"note_id": "a", "text": "x"}\n\n{"note_id": "a", "text": "y"}', "note_id a stands there twice"),
    ],
)
def test_broken_json_lines(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(lines)
    with pytest.raises(NoteError, match=message):
        list(read_gold(path))


def test_an_id_that_could_be_text_is_not_repeated(tmp_path: Path) -> None:
    record = {"note_id": "Known severe asthma", "text": TEXT}
    with pytest.raises(NoteError, match="note_id of 19 characters stands there twice") as error:
        list(read_gold(write_jsonl(tmp_path / "gold.jsonl", record, record)))
    assert "asthma" not in str(error.value)
    (tmp_path / "text_files").mkdir()
    (tmp_path / "D.tsv").write_text("Known severe asthma\tJ45.909\n")
    with pytest.raises(NoteError, match="found no text file of note of 19 characters") as error:
        list(read_gold(tmp_path / "D.tsv"))
    assert "asthma" not in str(error.value)


def test_gold_is_unpacked(tmp_path: Path) -> None:
    for name, content in [
        ("a.jsonl.gz", b'{"note_id": "a", "text": "x", "codes": ["I10"]}'),
        ("b.tsv.GZ", b"a\ti10\n"),
    ]:
        (tmp_path / name).write_bytes(gzip.compress(content))
        assert [note.codes for note in read_gold(tmp_path / name)] == [("I10",)]


@pytest.fixture
def codiesp(tmp_path: Path) -> Path:
    texts = tmp_path / "text_files"
    texts.mkdir()
    (texts / "S1.txt").write_text("Cálculo de riñón derecho. Riñón con dolor.\n", encoding="utf-8")
    (texts / "S2.txt").write_text("Sin hallazgos.\n", encoding="utf-8")
    (tmp_path / "X.tsv").write_text(
        "S1\tDIAGNOSTICO\tn20.0\tCálculo de riñón\t0 16\n"
        "S1\tDIAGNOSTICO\tn20.0\tCálculo derecho\t0 7;17 24\n"
        "S1\tPROCEDIMIENTO\tbt41zzz\tRiñón\t26 31\n"
        "S1\tDIAGNOSTICO\tr52\tdolores\t36 41\n",
        encoding="utf-8",
    )
    (tmp_path / "D.tsv").write_text("S1\tn20.0\nS1\tr52\nS1\tr52\n")
    return tmp_path


def test_codiesp_x(codiesp: Path) -> None:
    issues: list[GoldIssue] = []
    first, second = read_gold(codiesp / "X.tsv", issues=issues)
    assert spans(first) == [
        ("Cálculo de riñón", "N20.0", "present", "diagnosis"),
        ("Cálculo de riñón derecho", "N20.0", "present", "diagnosis"),
        ("dolor", "R52", "present", "symptom"),
    ]
    assert first.codes == ("N20.0", "R52")
    assert (second.note.note_id, second.codes, second.mentions) == ("S2", (), ())
    assert [(i.kind, i.source) for i in issues] == [("reference differs", "X.tsv, line 4")]


def test_codiesp_d_keeps_repeated_codes_and_reports_them(codiesp: Path, codeset: CodeSet) -> None:
    notes = list(read_gold(codiesp / "D.tsv"))
    assert notes[0].codes == ("N20.0", "R52", "R52")
    assert notes[0].note.text.startswith("Cálculo")
    assert [(i.kind, i.source) for i in audit_codes(notes, codeset)] == [("repeated", "R52")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("S1\tDIAGNOSTICO\tn20.0\tpiedra\t0 7;9", r"X.tsv, line 1: found 5 tab-separated fields"),
        ("S1\tENFERMEDAD\tn20.0\tpiedra\t0 7", r"X.tsv, line 1"),
        ("S1 n20.0", r"X.tsv, line 1: found 1 tab-separated"),
        ("S1\tDIAGNOSTICO\tn20.0\tpiedra\t0 900", r"line 1: mention 0-900 lies outside the text"),
    ],
)
def test_broken_codiesp(codiesp: Path, line: str, message: str) -> None:
    (codiesp / "X.tsv").write_text(f"{line}\n")
    with pytest.raises(NoteError, match=message):
        list(read_gold(codiesp / "X.tsv", format="codiesp"))


def test_mdace(tmp_path: Path) -> None:
    def annotation(begin: int, end: int, code: str, system: str = "ICD-10-CM") -> dict[str, Any]:
        return {"begin": begin, "end": end, "code": code, "code_system": system, "type": "Human"}

    chart = {
        "hadm_id": 12,
        "notes": [
            {
                "note_id": 34,
                "category": "Discharge summary",
                "text": TEXT,
                "annotations": [
                    annotation(6, 12, "J45.909"),
                    annotation(6, 12, "5A1935Z", "ICD-10-PCS"),
                    annotation(21, 26, "R50.9"),
                    annotation(6, 12, "J45.909"),
                ],
            },
            {"note_id": 35, "category": "Radiology", "annotations": [annotation(1, 4, "I10")]},
        ],
    }
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "12-ICD-10.json").write_text(json.dumps(chart))
    with_text, without = read_gold(tmp_path / "charts")
    assert (with_text.note.note_id, with_text.note.encounter_id, with_text.note.setting) == ("34", "12", "inpatient")
    assert [(m.text, m.code) for m in with_text.mentions] == [
        ("asthma", "J45.909"),
        ("fever", "R50.9"),
        ("asthma", "J45.909"),
    ]
    assert with_text.codes == ("J45.909", "R50.9")
    assert (without.mentions[0].text, without.codes) == ("", ("I10",))

    chart["notes"][0]["annotations"][0]["end"] = 480  # type: ignore[index]
    (tmp_path / "charts" / "12-ICD-10.json").write_text(json.dumps(chart))
    with pytest.raises(NoteError, match=r"12-ICD-10.json, note 1: mention 6-480 lies outside"):
        list(read_gold(tmp_path / "charts"))


def test_brat(tmp_path: Path) -> None:
    (tmp_path / "n1.txt").write_bytes(TEXT.encode())
    (tmp_path / "n1.ann").write_text(
        "T1\tdiagnosis 6 12\tasthma\n"
        "#1\tAnnotatorNotes T1\tI10\n"
        "N1\tReference T1 ICD10CM:J45.909\tAsthma\n"
        "T2\tFinding 21 26\tfever\n"
        "#2\tAnnotatorNotes T2\tR50.9 as in the Index\n"
        "A1\tNegated T2\n"
        "T3\tdiagnosis 28 34;41 47\tMother stroke\n"
        "#3\tAnnotatorNotes T3\tZ82.3\n"
        "A2\tAssertion T3 family\n"
        "R1\tHas Arg1:T1 Arg2:T2\n"
    )
    (note,) = read_gold(tmp_path)
    assert spans(note) == [
        ("asthma", "J45.909", "present", "diagnosis"),
        ("fever", "R50.9", "absent", "symptom"),
        ("Mother had a stroke", "Z82.3", "family", "diagnosis"),
    ]
    assert note.codes == ("J45.909",)
    (tmp_path / "n1.ann").write_text("T1\tFinding 6 12\tasthma\n")
    with pytest.raises(NoteError, match=r"n1.ann: line 1: the entity has no ICD-10-CM code"):
        list(read_gold(tmp_path))
    (tmp_path / "n1.ann").write_text("T1\tI10 6 11\tasthma\n")
    with pytest.raises(NoteError, match=r"n1.ann: line 1: mention 6-11: its text of 6 characters"):
        list(read_gold(tmp_path))


def test_tables(tmp_path: Path) -> None:
    documents = tmp_path / "codes.csv"
    documents.write_text("note_id,code\na,e119\nb,\na,I10\n")
    assert [(n.note.note_id, n.codes) for n in read_gold(documents)] == [("a", ("E11.9", "I10")), ("b", ())]
    mentions = tmp_path / "spans.tsv"
    mentions.write_text("note_id\tstart\tend\tcode\tassertion\na\t6\t12\tJ45.909\t\na\t21\t26\tR50.9\tabsent\n")
    (note,) = read_gold(mentions, texts={"a": TEXT})
    assert spans(note) == [("asthma", "J45.909", "present", "diagnosis"), ("fever", "R50.9", "absent", "symptom")]
    assert note.codes == ("J45.909",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,code\na,I10\n", "no column note_id"),
        ("note_id,start,code\na,1,I10\n", "no column end"),
        ("note_id,code\na,I10,3\n", "line 2: found 3 fields, the header has 2"),
        ("note_id,start,end,code\na,one,2,I10\n", "line 2: start and end must be whole numbers"),
        ("note_id,start,end,code\na,5,2,I10\n", "line 2: mention 5-2 lies outside"),
        ("note_id,code\n,I10\n", "line 2: found no note_id"),
    ],
)
def test_broken_tables(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "gold.csv"
    path.write_text(content)
    with pytest.raises(NoteError, match=message):
        list(read_gold(path))


def test_formats_are_told_by_name_and_content(tmp_path: Path) -> None:
    for name, content, expected in [
        ("a.jsonl", "", "jsonl"),
        ("b.json", "{}", "mdace"),
        ("c.csv", "", "csv"),
        ("d.tsv", "note_id\tcode\n", "csv"),
        ("e.tsv", "S1\ti10\n", "codiesp"),
    ]:
        (tmp_path / name).write_text(content)
        assert guess_format(tmp_path / name) == expected
    (tmp_path / "empty").mkdir()
    for path, message in [
        (tmp_path / "none.jsonl", "found no file or folder"),
        (tmp_path / "empty", "neither .ann nor .json"),
    ]:
        with pytest.raises(NoteError, match=message):
            guess_format(path)
    (tmp_path / "x.bin").touch()
    with pytest.raises(NoteError, match="cannot tell the format of x"):
        guess_format(tmp_path / "x.bin")
    with pytest.raises(NoteError, match="found gold format 'xml'"):
        list(read_gold(tmp_path / "a.jsonl", format="xml"))
    with pytest.raises(NoteError, match="texts cannot be given this way"):
        list(read_gold(tmp_path / "a.jsonl", texts={}))


def test_codes_are_audited_not_dropped(codeset: CodeSet) -> None:
    note = AnnotatedNote(Note("a", ""), codes=("I10", "E11", "Q99.99", "I10", "BT41ZZZ"))
    found = [(issue.kind, issue.source) for issue in audit_codes([note], codeset)]
    assert found == [
        ("not billable", "E11"),
        ("not in release", "Q99.99"),
        ("not in release", "BT41ZZZ"),
        ("repeated", "I10"),
    ]
    assert note.codes == ("I10", "E11", "Q99.99", "I10", "BT41ZZZ")
