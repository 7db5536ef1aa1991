"""Notes from FHIR documents, and Conditions from results."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm import Mention, Note, NoteResult, Reject, read_notes
from detect_icd10cm.notes.conditions import make_conditions
from detect_icd10cm.types import Assertion, Kind, NoteCode

TEXT = "Impression:\r\n\tGout, 37 °C."


def attachment(text: str = TEXT, kind: str = "text/plain", charset: str = "utf-8") -> dict[str, Any]:
    data = base64.b64encode(text.encode(charset)).decode()
    return {"contentType": kind if charset == "utf-8" else f"{kind}; charset={charset}", "data": data}


def document(note_id: str = "d1", *attachments: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = [{"attachment": each} for each in attachments or [attachment()]]
    return {"resourceType": "DocumentReference", "id": note_id, "status": "current", "content": content, **more}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in resources]}


def read_lines(folder: Path, *resources: Any) -> list[Note | Reject]:
    path = folder / "docs.ndjson"
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources), "utf-8")
    return list(read_notes(path))


def read_bundle(folder: Path, content: Any) -> list[Note | Reject]:
    path = folder / "bundle.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), "utf-8")
    return list(read_notes(path))


FULL = document(
    "d1",
    subject={"reference": "Patient/p1"},
    type={"coding": [{"code": "11506-3", "display": "Progress note"}]},
    date="2026-04-09T08:00:00Z",
    context={
        "encounter": [{"reference": "Encounter/e1/_history/3"}],
        "period": {"start": "2026-03-30T10:00:00-05:00", "end": "2026-04-02T10:00:00-05:00"},
    },
)
FULL_NOTE = Note("d1", TEXT, "p1", "e1", date(2026, 4, 2), None, "Progress note")


def test_one_a_line_and_in_a_bundle(tmp_path: Path) -> None:
    others: list[dict[str, Any]] = [{"resourceType": "Patient", "id": "p1"}, document("d2")]
    expected = [FULL_NOTE, Note("d2", TEXT)]
    assert read_lines(tmp_path, FULL, *others) == expected
    assert read_lines(tmp_path, bundle(FULL, *others)) == expected
    assert read_bundle(tmp_path, bundle(FULL, *others)) == expected
    assert read_bundle(tmp_path, "\ufeff" + json.dumps(bundle(FULL, *others))) == expected
    assert read_bundle(tmp_path, FULL) == [FULL_NOTE]


@pytest.mark.parametrize(
    ("code", "setting"), [("IMP", "inpatient"), ("ACUTE", "inpatient"), ("AMB", "outpatient"), ("OBSENC", "outpatient")]
)
@pytest.mark.parametrize("reference", ["Encounter/e1", "urn:uuid:0a"])
def test_setting_is_that_of_the_encounter(tmp_path: Path, code: str, setting: str, reference: str) -> None:
    encounter = {"resourceType": "Encounter", "id": "e1", "class": {"code": code}}
    both = bundle(encounter, document(context={"encounter": [{"reference": reference}]}))
    both["entry"][0]["fullUrl"] = "urn:uuid:0a"
    (note,) = read_bundle(tmp_path, both)
    assert isinstance(note, Note)
    assert note.setting == setting


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"date": "2026-04-09T08:00:00Z"}, "encounter_date", date(2026, 4, 9)),
        ({"context": {"period": {"start": "2026-05"}}}, "encounter_date", date(2026, 5, 1)),
        ({"context": {"period": {"start": "2026"}}}, "encounter_date", None),
        ({"subject": {"reference": "urn:uuid:77"}}, "patient_id", "urn:uuid:77"),
        ({"subject": {"reference": "https://a.example/Patient/1"}}, "patient_id", "https://a.example/Patient/1"),
        ({"subject": {"reference": "Group/5"}}, "patient_id", "Group/5"),
        ({"subject": {"identifier": {"value": "MRN 5"}}}, "patient_id", "MRN 5"),
        ({"subject": {"display": "a patient"}}, "patient_id", None),
        ({"type": {"text": "Consult", "coding": [{"display": "x"}]}}, "note_type", "Consult"),
        ({"type": {"coding": [{"code": "11488-4"}]}}, "note_type", "11488-4"),
    ],
)
def test_fields(tmp_path: Path, more: dict[str, Any], field: str, value: object) -> None:
    (note,) = read_lines(tmp_path, document("d1", **more))
    assert isinstance(note, Note)
    assert getattr(note, field) == value


@pytest.mark.parametrize(
    "attachments",
    [
        [attachment(charset="iso-8859-1")],
        [attachment(charset="utf-16")],
        [attachment("\ufeff" + TEXT)],
        [attachment(kind="TEXT/PLAIN ")],
        [attachment("<p>", "text/html"), {"contentType": "text/plain", "url": "Binary/1"}, attachment()],
        [{**attachment(), "data": "\n ".join(attachment()["data"])}],
    ],
)
def test_text_of_an_attachment(tmp_path: Path, attachments: list[dict[str, Any]]) -> None:
    assert read_lines(tmp_path, document("d1", *attachments)) == [Note("d1", TEXT)]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (document("d1", attachment("x", "application/pdf")), "found attachments: application/pdf inline; expected"),
        (document("d1", {"contentType": "text/plain", "url": "Binary/7"}), "found attachments: text/plain at a URL"),
        (document("d1", {"contentType": "Gout and fever", "data": ""}), "found attachments: of no known type inline"),
        (document("d1", {"data": "R291dA=="}), "found attachments: of no known type inline"),
        ({"resourceType": "DocumentReference", "id": "d1"}, "found attachments: none; expected text/plain"),
        (document("d1", {"contentType": "text/plain", "data": "R29=dA"}), "the attachment's data is not base64"),
        (document("d1", {"contentType": "text/plain", "data": "Göut"}), "the attachment's data is not base64"),
        (document("d1", {"contentType": "text/plain", "data": 5}), "the attachment's data is not base64"),
        (
            document("d1", {"contentType": "text/plain; charset=none-such", "data": "R291dA=="}),
            "the attachment's charset is unknown",
        ),
        (document("d1", {"contentType": "text/plain", "data": "6Q=="}), "text holds bytes or characters that are not"),
        (document("d1", {"contentType": "text/plain", "data": ""}), "text is empty"),
        (
            {**document("d1"), "resourceType": "Document"},
            "found contents in a resource of another type, expected a Doc",
        ),
        (document("d1", status="entered-in-error"), "the document is marked as entered in error"),
        (document("d1", date="yesterday"), "encounter_date is not a date"),
        (document("d1", context="x", subject=7, type=[]), None),
    ],
)
def test_what_is_no_note(tmp_path: Path, resource: dict[str, Any], reason: str | None) -> None:
    bad, good = read_bundle(tmp_path, bundle(resource, document("d2")))
    assert good == Note("d2", TEXT)
    assert bad.note_id == "d1"
    if reason is None:
        assert bad == Note("d1", TEXT)
    else:
        assert isinstance(bad, Reject)
        assert bad.source == "bundle.json, entry 1"
        assert bad.reason.startswith(reason)
    assert read_lines(tmp_path, resource)[0].note_id == "d1"


def test_missing_id(tmp_path: Path) -> None:
    (bad,) = read_lines(tmp_path, {k: v for k, v in document().items() if k != "id"})
    assert bad == Reject(None, "docs.ndjson, line 1", "note_id is missing")


def test_bundle_without_documents(tmp_path: Path) -> None:
    (only,) = read_bundle(tmp_path, bundle({"resourceType": "Patient", "id": "p1"}))
    assert only == Reject(None, "bundle.json", "found no DocumentReference among 1 entries")


@pytest.mark.parametrize("spoil", [lambda text: text[:-30], lambda text: text.replace('"d3"', '"d3')])
def test_broken_bundle_keeps_what_stands_before(tmp_path: Path, spoil: Any) -> None:
    text = json.dumps(bundle(document("d1"), document("d2"), document("d3")))
    *notes, last = read_bundle(tmp_path, spoil(text))
    assert [note.note_id for note in notes] == ["d1", "d2"]
    assert last == Reject(
        None, "bundle.json", "the JSON is damaged or breaks off after entry 2: what follows can't be read"
    )


def test_odd_entries(tmp_path: Path) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    odd = {
        "resourceType": "Bundle",
        "entry": [None, 5, {"resource": "x"}, {"resource": deep}, {"resource": document()}],
    }
    assert read_bundle(tmp_path, odd) == [Note("d1", TEXT)]


# ---- Conditions ----


def mention(start: int, code: str, assertion: Assertion, kind: Kind = "diagnosis") -> Mention:
    return Mention(start, start + 4, "Gout", kind, assertion, code, title=f"title of {code}")


def result(mentions: Sequence[Mention], codes: Sequence[NoteCode] = (), **more: Any) -> NoteResult:
    return NoteResult("n1", "2026-04", "lexicon", "outpatient", tuple(mentions), tuple(codes), **more)


def note_code(code: str, *mentions: int, decision: Any = "accept") -> NoteCode:
    return NoteCode(code, f"title of {code}", 0.9, decision, mentions)


def coded(concept: dict[str, Any] | None) -> str | None:
    return concept["coding"][0]["code"] if concept else None


def statuses(found: NoteResult) -> dict[str, tuple[str | None, str | None]]:
    return {
        str(coded(condition["code"])): (coded(condition.get("clinicalStatus")), coded(condition["verificationStatus"]))
        for condition in make_conditions(found)
    }


def test_a_condition_whole() -> None:
    found = result(
        [mention(10, "M10.9", "present"), mention(90, "M10.9", "present")],
        [note_code("M10.9", 0, 1)],
        patient_id="p1",
        encounter_id="e1",
    )
    (condition,) = make_conditions(found)
    where = "http://hl7.org/fhir/StructureDefinition/derivation-reference"
    source = {"reference": "DocumentReference/n1"}
    assert condition == {
        "resourceType": "Condition",
        "id": "79e04513-e4f7-5cb0-8117-0819632badc4",
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "verificationStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]
        },
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                        "code": "encounter-diagnosis",
                    }
                ]
            }
        ],
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M10.9", "display": "title of M10.9"}],
            "text": "Gout",
        },
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "evidence": [
            {
                "extension": [
                    {
                        "url": where,
                        "extension": [
                            {"url": "reference", "valueReference": source},
                            {"url": "offset", "valueInteger": start},
                            {"url": "length", "valueInteger": 4},
                        ],
                    }
                ],
                "detail": [source],
            }
            for start in (10, 90)
        ],
    }


@pytest.mark.parametrize(
    ("mentions", "codes", "expected"),
    [
        ([mention(0, "M10.9", "present")], [note_code("M10.9", 0)], {"M10.9": ("active", "confirmed")}),
        ([mention(0, "M10.9", "possible")], [note_code("M10.9", 0)], {"M10.9": ("active", "unconfirmed")}),
        ([mention(0, "M10.9", "possible")], [], {"M10.9": ("active", "unconfirmed")}),
        ([mention(0, "M10.9", "absent")], [], {"M10.9": (None, "refuted")}),
        ([mention(0, "J18.9", "historical")], [], {"J18.9": ("resolved", "confirmed")}),
        ([mention(0, "Z85.3", "historical")], [note_code("Z85.3", 0)], {"Z85.3": ("active", "confirmed")}),
        ([mention(0, "I25.2", "historical")], [note_code("I25.2", 0)], {"I25.2": ("active", "confirmed")}),
        ([mention(0, "Z80.3", "family")], [note_code("Z80.3", 0)], {}),
        ([mention(0, "R50.9", "hypothetical")], [], {}),
        # Present wins over denied; a present mention that gave way to a better code is not told again.
        ([mention(0, "R05.9", "absent"), mention(9, "R05.9", "present")], [note_code("R05.9", 1)],
         {"R05.9": ("active", "confirmed")}),
        ([mention(0, "E11.9", "present"), mention(9, "E11.22", "present")], [note_code("E11.22", 1)],
         {"E11.22": ("active", "confirmed")}),
        ([mention(0, "R05.9", "absent"), mention(9, "R05.9", "possible")], [], {"R05.9": ("active", "unconfirmed")}),
    ],
)  # fmt: skip
def test_statuses(mentions: list[Mention], codes: list[NoteCode], expected: dict[str, tuple[str, str]]) -> None:
    assert statuses(result(mentions, codes)) == expected


def test_evidence_is_of_the_status_told() -> None:
    found = result([mention(0, "R05.9", "absent"), mention(9, "R05.9", "present")], [note_code("R05.9", 1)])
    (condition,) = make_conditions(found)
    offsets = [each["extension"][0]["extension"][1]["valueInteger"] for each in condition["evidence"]]
    assert offsets == [9]


def test_review_is_marked() -> None:
    (condition,) = make_conditions(result([mention(0, "M10.9", "present")], [note_code("M10.9", 0, decision="review")]))
    assert [tag["code"] for tag in condition["meta"]["tag"]] == ["review"]


@pytest.mark.parametrize(
    ("patient", "subject"),
    [
        ("p1", {"reference": "Patient/p1"}),
        ("urn:uuid:77", {"reference": "urn:uuid:77"}),
        ("Group/5", {"reference": "Group/5"}),
        ("MRN 5/7", {"type": "Patient", "identifier": {"value": "MRN 5/7"}}),
        (
            None,
            {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
                ]
            },
        ),
    ],
)
def test_subject(patient: str | None, subject: dict[str, Any]) -> None:
    (condition,) = make_conditions(result([mention(0, "M10.9", "absent")], patient_id=patient))
    assert condition["subject"] == subject
    assert "encounter" not in condition


def test_ids_are_the_same_in_every_run_and_differ_by_code() -> None:
    found = result([mention(0, "M10.9", "absent"), mention(9, "R05.9", "absent")])
    ids = [condition["id"] for condition in make_conditions(found)]
    assert ids == [condition["id"] for condition in make_conditions(found)]
    assert len(set(ids)) == 2
