"""Results in the form of Amazon Comprehend Medical's InferICD10CM, so that what reads its answers reads ours.

Element names and values: AWS, Amazon Comprehend Medical API Reference, InferICD10CM, ICD10CMEntity, ICD10CMTrait.
Its offsets count code points, end exclusive, as ours do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detect_icd10cm.types import Assertion, Candidate, Kind, Mention, NoteResult

# What a physician saw is a sign there, what the patient tells is a symptom; the section says which.
_SEEN_IN = frozenset({"physical_exam", "laboratory", "findings"})
_ASSERTION_TRAITS: Mapping[Assertion, str] = {
    "absent": "NEGATION",
    "possible": "LOW_CONFIDENCE",
    "hypothetical": "HYPOTHETICAL",
    "family": "PERTAINS_TO_FAMILY",
}
_KIND_TRAITS: Mapping[Kind, str] = {"diagnosis": "DIAGNOSIS", "symptom": "SYMPTOM"}


def to_inference(result: NoteResult) -> dict[str, Any]:
    """Return one note's answer: the elements of InferICD10CM, and the note's id as ``NoteId``."""
    return {
        "NoteId": result.note_id,
        "Entities": [_entity(i, mention) for i, mention in enumerate(result.mentions)],
        "ModelVersion": f"{result.model} {result.release}",
    }


def _entity(number: int, mention: Mention) -> dict[str, Any]:
    concepts = mention.candidates or (Candidate(mention.code, mention.title, mention.score),)
    return {
        "Id": number,
        "Text": mention.text,
        "Category": "MEDICAL_CONDITION",
        "Type": "DX_NAME",
        "Score": mention.score,
        "BeginOffset": mention.start,
        "EndOffset": mention.end,
        "Attributes": [],
        "Traits": [{"Name": name, "Score": score} for name, score in _traits(mention)],
        "ICD10CMConcepts": [{"Description": c.title, "Code": c.code, "Score": c.score} for c in concepts],
    }


def _traits(mention: Mention) -> list[tuple[str, float]]:
    """Return the traits of a mention; what is past has none of its own there, its code says that it is history."""
    traits = []
    if mention.kind == "symptom" and mention.section in _SEEN_IN:
        traits.append(("SIGN", 1.0))
    elif mention.kind in _KIND_TRAITS:
        traits.append((_KIND_TRAITS[mention.kind], 1.0))
    if mention.assertion in _ASSERTION_TRAITS:
        traits.append((_ASSERTION_TRAITS[mention.assertion], mention.assertion_score))
    return traits
