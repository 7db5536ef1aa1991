"""The example notes: well formed, the same in every format, and read by the detector as their writer meant them."""

from __future__ import annotations

import csv
import json
import runpy
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm import CodeSet, Detector, NoteResult, read_notes
from detect_icd10cm.notes.gold import audit_codes, read_gold
from detect_icd10cm.types import ASSERTIONS, KINDS, SETTINGS

EXAMPLES = Path(__file__).parents[1] / "examples"
COLUMNS = ["note_id", "patient_id", "encounter_id", "encounter_date", "setting", "note_type", "text"]

with (EXAMPLES / "notes.csv").open(encoding="utf-8", newline="") as _stream:
    ROWS = list(csv.DictReader(_stream))
LABELLED = [json.loads(line) for line in (EXAMPLES / "labelled.jsonl").read_text("utf-8").splitlines()]


def test_columns_and_identifiers() -> None:
    assert list(ROWS[0]) == COLUMNS
    assert max(Counter(row["note_id"] for row in ROWS).values()) == 1
    assert {row["setting"] for row in ROWS} == set(SETTINGS)
    # All lie in one release, the one that comes with the package.
    assert all(date(2026, 4, 1) <= date.fromisoformat(row["encounter_date"]) <= date(2026, 9, 30) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["note_id"])
def test_length(row: dict[str, str]) -> None:
    assert 150 <= len(row["text"].split()) <= 500


def test_one_note_stands_alone_as_text() -> None:
    assert (EXAMPLES / "neurology_consult.txt").read_text("utf-8").rstrip("\n") == ROWS[0]["text"]


def test_fhir_file_is_made_from_the_csv() -> None:
    script = runpy.run_path(str(EXAMPLES / "make_fhir.py"))
    assert json.loads((EXAMPLES / "notes.fhir.json").read_text("utf-8")) == script["make_bundle"](ROWS)


def test_both_files_hold_the_same_notes() -> None:
    from_csv = list(read_notes(EXAMPLES / "notes.csv"))
    assert [note.note_id for note in from_csv] == [row["note_id"] for row in ROWS]
    assert from_csv == list(read_notes(EXAMPLES / "notes.fhir.json"))


@pytest.mark.parametrize("gold", LABELLED, ids=lambda gold: gold["note_id"])
def test_gold(gold: dict[str, Any], codeset: CodeSet) -> None:
    row = next(row for row in ROWS if row["note_id"] == gold["note_id"])
    assert {column: gold[column] for column in COLUMNS} == row
    end = 0
    for mention in gold["mentions"]:
        assert mention["start"] >= end
        end = mention["end"]
        assert gold["text"][mention["start"] : end] == mention["text"]
        assert mention["kind"] in KINDS
        assert mention["assertion"] in ASSERTIONS
        assert codeset.is_billable(mention["code"])
    assert all(codeset.is_billable(code) for code in gold["codes"])


# What an experienced coder reads in each note: codes that belong to it; codes that its traps suggest and that would be
# wrong (denied, of relatives, ruled out, uncertain in an outpatient, a name, an abbreviation); and the indications of
# 64580 that it supports. Codes in neither list are open to judgement.
READINGS = {
    "ex-01": ("G12.21 M21.371 R13.10 R47.1 I10 E78.5 Z87.891 Z82.3", "G61.82 G70.00 G95.20 H53.2", "neuromuscular"),
    "ex-02": (
        "G70.01 J96.01 J69.0 R73.9 E06.3 G43.009 F41.9 Z88.2 Z79.52",
        "G70.00 E05.00 E11.9 I26.99 I82.409 M06.9 R50.9",
        "neuromuscular",
    ),
    "ex-03": (
        "I69.354 M21.372 I48.91 I10 E11.9 M81.0 Z79.01",
        "I63.9 I63.511 M24.572 M75.02 R01.2 R56.9",
        "neuromuscular rehabilitation",
    ),
    "ex-04": (
        "G82.54 N31.9 K59.2 G90.4 L89.152 E87.1 F43.21",
        "G82.50 I82.409 N39.0 R45.851 Z72.0",
        "neuromuscular",
    ),
    "ex-05": (
        "G35.A M21.372 R39.15 R53.83 E03.9 E55.9 G43.909",
        "E11.9 G35.C0 G35.D H54.7 N31.9 N39.0 R50.9",
        "neuromuscular",
    ),
    "ex-06": ("G90.522 M96.1 G89.4 F17.210 G47.33 K21.9 E66.9", "E11.9 M21.372 R32 R53.1 T81.40XA", "pain"),
    "ex-07": ("M21.371", "D36.10 E11.9 G70.00 T81.40XA Z95.0", "neuromuscular"),
    "ex-08": ("S39.012A X50.0XXA J45.909 Z88.5 Z90.49", "G35.D K37 M21.379 N20.0 R33.9 R50.9", ""),
    "ex-09": ("J45.31 H66.001 L20.9 J06.9 Z91.010", "J02.0 J18.9 J21.0 J43.9 R11.10 R56.00", ""),
    "ex-10": (
        "R30.0 R35.0 M17.0 I12.9 N18.31 M85.80 Z86.73 Z87.440 Z88.2",
        "G45.9 I10 I63.9 N30.90 R29.810 R50.9 W19.XXXA",
        "",
    ),
    "ex-11": (
        "C50.411 C77.3 G62.0 D70.1 D64.81 I89.0 Z85.820 Z80.3 Z80.0",
        "C18.9 C43.62 D25.9 R06.02 R50.81 R50.9",
        "",
    ),
    "ex-12": ("O24.410 O34.219 D50.9 J45.20 Z3A.32", "E11.9 F53.0 G61.0 I10 O14.90 O14.93 O44.00", ""),
    "ex-13": (
        "I13.0 I50.23 I25.5 I48.19 N17.9 N18.32 E11.22 E87.6 J44.9 I25.2 Z95.1 Z95.810 M10.9 N40.0",
        "I24.9 J18.9 J44.1 R07.9 R55",
        "",
    ),
    "ex-14": ("F33.1 F41.1 F10.21 I10 L40.9 F41.0", "F22 F31.9 G47.33 R44.3 R45.851", ""),
    "ex-15": (
        "S44.22XD M21.332 S42.302D D50.9",
        "E11.9 L91.0 M24.532 S82.891A Z48.3",
        "neuromuscular rehabilitation",
    ),
    "ex-16": (
        "E87.6 E86.0 A08.4 I10 I48.91 H35.30 Z85.3",
        "C50.919 E05.00 G12.21 G61.0 G70.00 I63.9 M21.379",
        "",
    ),
    "ex-17": (
        "E11.42 I10 E03.9 E78.2 M17.0 E66.811 K21.9 Z86.718",
        "B02.9 E11.9 F32.A F41.9 H91.90 I82.402 K92.1 Z72.0",
        "",
    ),
}
# Where the lexicon detector errs; a line goes when it is mended, and none may come.
KNOWN_ERRORS: dict[str, str] = {
    "ex-10": "-Z87.440",
    "ex-15": "-S44.22XD",
    "ex-16": "+G70.00 +I63.9",
}


@pytest.fixture(scope="module")
def results() -> dict[str, NoteResult]:
    """What the lexicon detector says of the example notes."""
    detected = [*Detector.from_pretrained("lexicon").stream(read_notes(EXAMPLES / "notes.csv"))]
    assert all(isinstance(result, NoteResult) for result in detected)
    return {result.note_id: result for result in detected if isinstance(result, NoteResult)}


def test_every_note_has_a_reading(codeset: CodeSet) -> None:
    assert list(READINGS) == [row["note_id"] for row in ROWS]
    for belong, wrong, _ in READINGS.values():
        assert all(codeset.is_billable(code) for code in (belong + " " + wrong).split())
        assert not set(belong.split()) & set(wrong.split())


@pytest.mark.parametrize("note_id", READINGS)
def test_detector_reads_as_a_coder_does(note_id: str, results: dict[str, NoteResult]) -> None:
    belong, wrong, supported = (set(part.split()) for part in READINGS[note_id])
    found = {code.code for code in results[note_id].codes}
    errors = {f"-{code}" for code in belong - found} | {f"+{code}" for code in wrong & found}
    indications = {
        indication.indication
        for indication in results[note_id].indications
        if indication.procedure == "64580" and indication.status == "supported"
    }
    errors |= {f"-{name}" for name in supported - indications} | {f"+{name}" for name in indications - supported}
    assert errors <= set(KNOWN_ERRORS.get(note_id, "").split())


def test_pain_alone_names_what_fits_better(results: dict[str, NoteResult]) -> None:
    (pain,) = (
        indication
        for indication in results["ex-06"].indications
        if (indication.procedure, indication.indication) == ("64580", "pain")
    )
    assert "64575" in pain.rationale
    assert "64555" in pain.rationale


def test_gold_is_read_without_complaint(codeset: CodeSet) -> None:
    gold = list(read_gold(EXAMPLES / "labelled.jsonl"))
    assert [annotated.note.note_id for annotated in gold] == [note["note_id"] for note in LABELLED]
    assert not list(audit_codes(gold, codeset))
