"""Write notes.fhir.json from notes.csv: the same notes as a FHIR R4 Bundle.

Run it after a change of notes.csv:  python examples/make_fhir.py
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
# A DocumentReference has no field for the kind of stay; the class of its Encounter says it.
_CLASSES = {"inpatient": ("IMP", "inpatient encounter"), "outpatient": ("AMB", "ambulatory")}


def make_bundle(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Return a Bundle with one Encounter and one DocumentReference a row of notes.csv."""
    entries = []
    for row in rows:
        entries += [{"resource": _encounter(row)}, {"resource": _document(row)}]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _encounter(row: Mapping[str, str]) -> dict[str, Any]:
    code, display = _CLASSES[row["setting"]]
    return {
        "resourceType": "Encounter",
        "id": row["encounter_id"],
        "status": "finished",
        "class": {"system": _ACT_CODE, "code": code, "display": display},
        "subject": {"reference": f"Patient/{row['patient_id']}"},
    }


def _document(row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": row["note_id"],
        "status": "current",
        "type": {"text": row["note_type"]},
        "subject": {"reference": f"Patient/{row['patient_id']}"},
        "date": f"{row['encounter_date']}T12:00:00Z",
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": base64.b64encode(row["text"].encode()).decode(),
                }
            }
        ],
        "context": {
            "encounter": [{"reference": f"Encounter/{row['encounter_id']}"}],
            "period": {"start": row["encounter_date"], "end": row["encounter_date"]},
        },
    }


def main() -> None:
    """Read notes.csv and write notes.fhir.json beside it."""
    with (FOLDER / "notes.csv").open(encoding="utf-8", newline="") as stream:
        bundle = make_bundle(csv.DictReader(stream))
    (FOLDER / "notes.fhir.json").write_text(json.dumps(bundle, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
