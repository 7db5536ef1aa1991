"""Results in the forms of others: OMOP's NOTE_NLP, and Amazon Comprehend Medical's InferICD10CM."""

from __future__ import annotations

import csv
import dataclasses
import json
from datetime import date
from pathlib import Path

import pytest

from detect_icd10cm import Mention, NoteResult, __version__, write_results
from detect_icd10cm.notes.comprehend import to_inference
from detect_icd10cm.notes.omop import COLUMNS, note_nlp_rows
from detect_icd10cm.types import ASSERTIONS, Assertion, Candidate, Kind

GOUT = Mention(
    4,
    8,
    "gout",
    "diagnosis",
    "present",
    "M10.9",
    section="assessment",
    assertion_score=0.9,
    title="Gout, unspecified",
    score=0.8,
    candidates=(Candidate("M10.9", "Gout, unspecified", 0.8), Candidate("M10.00", "Idiopathic gout", 0.1)),
)
# OHDSI, OMOP CDM v5.4, NOTE_NLP: the patient has or had it; another subject, negation and rule-out make it false.
OMOP = {
    "present": ("Y", "present"),
    "historical": ("Y", "past"),
    "possible": ("N", "present"),
    "absent": ("N", "present"),
    "family": ("N", "present"),
    "hypothetical": ("N", "present"),
}


def result_of(*mentions: Mention, note_id: str = "17") -> NoteResult:
    return NoteResult(note_id, "2026-04", "lexicon", "outpatient", mentions)


def asserted(assertion: Assertion, kind: Kind = "diagnosis", section: str | None = None) -> Mention:
    return dataclasses.replace(GOUT, assertion=assertion, kind=kind, section=section)


# ---- OMOP ----


def test_note_nlp(tmp_path: Path) -> None:
    path = tmp_path / "note_nlp.csv"
    write_results([result_of(GOUT, asserted("family")), result_of(note_id="18"), result_of(GOUT)], path, "omop")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["note_nlp_id"], row["note_id"]) for row in rows] == [("1", "17"), ("2", "17"), ("3", "17")]
    assert rows[0] == {
        "note_nlp_id": "1",
        "note_id": "17",
        "section_concept_id": "0",
        "snippet": "",
        "offset": "4",
        "lexical_variant": "gout",
        "note_nlp_concept_id": "0",
        "note_nlp_source_concept_id": "0",
        "nlp_system": f"detect-icd10cm {__version__}; lexicon; ICD-10-CM 2026-04",
        "nlp_date": date.today().isoformat(),
        "nlp_datetime": "",
        "term_exists": "Y",
        "term_temporal": "present",
        "term_modifiers": "icd10cm=M10.9,assertion=present,negated=no,subject=patient,kind=diagnosis,"
        "section=assessment,score=0.8",
    }


@pytest.mark.parametrize("assertion", ASSERTIONS)
def test_term_exists(assertion: Assertion) -> None:
    ((*_, exists, temporal, modifiers),) = note_nlp_rows(result_of(asserted(assertion)), date(2026, 5, 5))
    assert (exists, temporal) == OMOP[assertion]
    assert f",assertion={assertion}," in modifiers
    assert ("subject=family" in modifiers) == (assertion == "family")
    assert ("negated=yes" in modifiers) == (assertion == "absent")


def test_long_values_fit_their_columns() -> None:
    long = dataclasses.replace(GOUT, text="gout " * 100)
    result = dataclasses.replace(result_of(long), model="m" * 300)
    (values,) = note_nlp_rows(result, date(2026, 5, 5))
    row = dict(zip(COLUMNS[1:], values, strict=True))
    assert len(row["lexical_variant"]) == 250
    assert len(row["nlp_system"]) == 250


# ---- Comprehend Medical ----


def test_inference(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_results([result_of(GOUT), result_of(note_id="18")], path, "comprehend")
    first, second = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert first == {
        "NoteId": "17",
        "Entities": [
            {
                "Id": 0,
                "Text": "gout",
                "Category": "MEDICAL_CONDITION",
                "Type": "DX_NAME",
                "Score": 0.8,
                "BeginOffset": 4,
                "EndOffset": 8,
                "Attributes": [],
                "Traits": [{"Name": "DIAGNOSIS", "Score": 1.0}],
                "ICD10CMConcepts": [
                    {"Description": "Gout, unspecified", "Code": "M10.9", "Score": 0.8},
                    {"Description": "Idiopathic gout", "Code": "M10.00", "Score": 0.1},
                ],
            }
        ],
        "ModelVersion": "lexicon 2026-04",
    }
    assert (second["NoteId"], second["Entities"]) == ("18", [])


@pytest.mark.parametrize(
    ("mention", "traits"),
    [
        (asserted("present"), ["DIAGNOSIS"]),
        (asserted("absent"), ["DIAGNOSIS", "NEGATION"]),
        (asserted("possible"), ["DIAGNOSIS", "LOW_CONFIDENCE"]),
        (asserted("hypothetical"), ["DIAGNOSIS", "HYPOTHETICAL"]),
        (asserted("family"), ["DIAGNOSIS", "PERTAINS_TO_FAMILY"]),
        (asserted("historical"), ["DIAGNOSIS"]),
        (asserted("present", "symptom"), ["SYMPTOM"]),
        (asserted("absent", "symptom", "physical_exam"), ["SIGN", "NEGATION"]),
        (asserted("present", "status"), []),
        (asserted("present", "cause"), []),
    ],
)
def test_traits(mention: Mention, traits: list[str]) -> None:
    (entity,) = to_inference(result_of(mention))["Entities"]
    assert [trait["Name"] for trait in entity["Traits"]] == traits


def test_a_mention_without_candidates_has_its_code() -> None:
    (entity,) = to_inference(result_of(dataclasses.replace(GOUT, candidates=())))["Entities"]
    assert entity["ICD10CMConcepts"] == [{"Description": "Gout, unspecified", "Code": "M10.9", "Score": 0.8}]
