"""Results as FHIR R4 Conditions, one JSON object a line.

Element names, code systems and the invariants con-1 to con-5: HL7 FHIR R4 (4.0.1), Condition.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from detect_icd10cm.types import Assertion, Mention, NoteResult

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
# An id by FHIR's own rule; any other is given as an identifier.
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
# Any fixed UUID will do: with it, the same finding in the same note has the same id in every run.
_NAMESPACE = uuid.UUID("5b1f0a52-6c0e-4d5c-9d0b-0e6f4a1c6458")
# Codes that state a past condition as a fact of today: personal history and status, and an old infarction.
_HISTORY_CODE = re.compile(r"Z|I25\.2")

# What a condition with mentions of several assertions is taken to be: the first of these.
_PRECEDENCE: tuple[Assertion, ...] = ("present", "possible", "historical", "absent")
_VERIFICATION: Mapping[Assertion, Literal["confirmed", "unconfirmed", "refuted"]] = {
    "present": "confirmed",
    # `provisional` and `differential` are kinds of it; a note's "possible" says no more than their parent.
    "possible": "unconfirmed",
    "historical": "confirmed",
    "absent": "refuted",
}
_TO_REVIEW = {"code": "review", "display": "score below the one asked for: to be reviewed by a coder"}


def make_conditions(result: NoteResult) -> Iterator[dict[str, Any]]:
    """Yield a Condition for each code of the patient in a note.

    These are the note's document codes, then the codes that only uncertain, past or denied mentions have. What is
    said of relatives or of what might be is no condition of the patient; nor is a present finding that the coding
    rules left out, since another code says it better.
    """
    codes: dict[str, dict[int, Mention]] = {
        code.code: {i: result.mentions[i] for i in code.mentions} for code in result.codes
    }
    for index, mention in enumerate(result.mentions):
        if mention.assertion in ("possible", "historical", "absent"):
            codes.setdefault(mention.code, {})[index] = mention
    to_review = {code.code for code in result.codes if code.decision == "review"}
    titles = {mention.code: mention.title for mention in result.mentions} | {c.code: c.title for c in result.codes}
    for code, mentions in codes.items():
        found = {mention.assertion for mention in mentions.values()}
        assertion = next((assertion for assertion in _PRECEDENCE if assertion in found), None)
        if assertion is not None:
            evidence = [mention for _, mention in sorted(mentions.items()) if mention.assertion == assertion]
            condition = _condition(result, code, titles[code], assertion, evidence)
            if code in to_review:
                condition["meta"] = {"tag": [_TO_REVIEW]}
            yield condition


def _condition(
    result: NoteResult, code: str, title: str, assertion: Assertion, evidence: list[Mention]
) -> dict[str, Any]:
    condition: dict[str, Any] = {
        "resourceType": "Condition",
        "id": str(uuid.uuid5(_NAMESPACE, f"{result.note_id}\n{code}")),
    }
    status = _clinical_status(code, assertion)
    if status:
        condition["clinicalStatus"] = _concept("condition-clinical", status)
    condition["verificationStatus"] = _concept("condition-ver-status", _VERIFICATION[assertion])
    condition["category"] = [_concept("condition-category", "encounter-diagnosis")]
    condition["code"] = {"coding": [{"system": ICD10CM, "code": code, "display": title}], "text": evidence[0].text}
    condition["subject"] = _subject(result.patient_id)
    if result.encounter_id is not None:
        condition["encounter"] = _reference("Encounter", result.encounter_id)
    document = _reference("DocumentReference", result.note_id)
    condition["evidence"] = [
        {"extension": [_location(document, mention)], "detail": [document]} for mention in evidence
    ]
    return condition


def _clinical_status(code: str, assertion: Assertion) -> str | None:
    """Return the clinical status; None for a refuted condition, which has none.

    R4 asks for one only on a problem list (con-3). A past condition is resolved; but a code that itself says
    "personal history of" states what holds today, and is active.
    """
    if assertion == "absent":
        return None
    if assertion == "historical" and not _HISTORY_CODE.match(code):
        return "resolved"
    return "active"


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}


def _subject(patient_id: str | None) -> dict[str, Any]:
    """Return the reference to the patient; a Condition must have one, so a missing one says that it is unknown."""
    if patient_id is None:
        return {"extension": [{"url": f"{_EXTENSIONS}/data-absent-reason", "valueCode": "unknown"}]}
    return _reference("Patient", patient_id)


def _reference(kind: str, target: str) -> dict[str, Any]:
    """Return a reference to an id, to what already is a reference (``urn:uuid:...``, ``Group/1``), or by identifier."""
    if _ID.fullmatch(target):
        return {"reference": f"{kind}/{target}"}
    if target.startswith(("urn:", "http://", "https://")) or re.fullmatch(rf"[A-Z][A-Za-z]+/{_ID.pattern}", target):
        return {"reference": target}
    return {"type": kind, "identifier": {"value": target}}


def _location(document: dict[str, Any], mention: Mention) -> dict[str, Any]:
    """Return HL7's extension for where in a text something was found; offset and length in characters."""
    return {
        "url": f"{_EXTENSIONS}/derivation-reference",
        "extension": [
            {"url": "reference", "valueReference": document},
            {"url": "offset", "valueInteger": mention.start},
            {"url": "length", "valueInteger": mention.end - mention.start},
        ],
    }
