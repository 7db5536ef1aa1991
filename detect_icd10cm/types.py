"""The records that travel through the pipeline.

Offsets are Python character offsets into the original note text, end exclusive, so that
``text[start:end] == mention.text`` holds for every mention. Scores are probabilities in [0, 1].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, get_args

Assertion = Literal["present", "absent", "possible", "historical", "family", "hypothetical"]
Kind = Literal["diagnosis", "symptom", "status", "cause"]
Setting = Literal["inpatient", "outpatient"]
Decision = Literal["accept", "review"]
Status = Literal["supported", "possible", "contradicted", "not_found"]
ProcedureStatus = Literal["done", "planned", "considered", "refused", "removed"]

ASSERTIONS: tuple[Assertion, ...] = get_args(Assertion)
KINDS: tuple[Kind, ...] = get_args(Kind)
SETTINGS: tuple[Setting, ...] = get_args(Setting)


@dataclass(frozen=True, slots=True)
class Note:
    """One clinical note as it came in; ``text`` is never changed."""

    note_id: str
    text: str = field(repr=False)
    patient_id: str | None = None
    encounter_id: str | None = None
    encounter_date: date | None = None
    setting: Setting | None = None
    note_type: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A note that could not be read or processed: where it stood and why, never its text.

    ``source`` names the place (``notes.csv, row 12``); ``note_id`` is None where it was not readable.
    """

    note_id: str | None
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One ICD-10-CM code proposed for a mention."""

    code: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Mention:
    """A span of the note that names a diagnosis, symptom, status or external cause."""

    start: int
    end: int
    text: str = field(repr=False)
    kind: Kind
    assertion: Assertion
    code: str
    section: str | None = None
    assertion_score: float = 1.0
    title: str = ""
    score: float = 1.0
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteCode:
    """One code of the note's document-level code set, with its evidence and the rules that led to it.

    ``mentions`` are indices into ``NoteResult.mentions``. ``flags`` are remarks for coders and risk teams that
    change nothing: conflicts with other codes, risk categories and the like.
    """

    code: str
    title: str
    score: float
    decision: Decision
    mentions: tuple[int, ...]
    trace: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverageFlag:
    """A payer's policy that touches a procedure; never a coverage decision.

    ``points`` says whether the policy speaks for or against covering the procedure for what the note holds.
    """

    id: str
    summary: str
    points: Literal["for", "against", "neither"] = "neither"


@dataclass(frozen=True, slots=True)
class Indication:
    """Whether the note's findings support one indication of one procedure.

    ``mentions`` are indices into ``NoteResult.mentions``. ``missing`` is documentation that a reviewer looks for
    and the note lacks; ``against`` are present conditions that speak against the procedure.
    """

    procedure: str
    indication: str
    status: Status
    mentions: tuple[int, ...] = ()
    codes: tuple[str, ...] = ()
    rationale: str = ""
    coverage_flags: tuple[CoverageFlag, ...] = ()
    sources: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedProcedure:
    """A procedure that the note itself names, and whether its findings bear it out.

    ``supported_by`` are its indications that the findings support, ``missing`` what a reviewer would look for in
    vain, ``modifiers`` those that the words of the note point to. Offsets are those of the naming that decided.
    """

    procedure: str
    status: ProcedureStatus
    start: int
    end: int
    supported_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoteResult:
    """All that was found in one note; ``codes`` stand first-listed first."""

    note_id: str
    release: str
    model: str
    setting: Setting
    mentions: tuple[Mention, ...] = ()
    codes: tuple[NoteCode, ...] = ()
    indications: tuple[Indication, ...] = ()
    warnings: tuple[str, ...] = ()
    patient_id: str | None = None
    encounter_id: str | None = None
    procedures: tuple[NamedProcedure, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as written to JSON Lines: plain dicts, lists, strings and numbers."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> NoteResult:
        """Rebuild a result from ``to_dict``'s form, such as one line of an output file."""
        parts = dict(record)
        parts["mentions"] = tuple(
            Mention(**{**m, "candidates": tuple(Candidate(**c) for c in m.get("candidates", ()))})
            for m in parts.get("mentions", ())
        )
        parts["codes"] = tuple(
            NoteCode(
                **{
                    **c,
                    "mentions": tuple(c["mentions"]),
                    "trace": tuple(c.get("trace", ())),
                    "flags": tuple(c.get("flags", ())),
                }
            )
            for c in parts.get("codes", ())
        )
        parts["indications"] = tuple(_indication(i) for i in parts.get("indications", ()))
        parts["procedures"] = tuple(_named_procedure(p) for p in parts.get("procedures", ()))
        parts["warnings"] = tuple(parts.get("warnings", ()))
        return cls(**parts)


@dataclass(frozen=True, slots=True)
class AnnotatedNote:
    """A note with its gold labels: mentions, document codes and, per procedure, supported indications."""

    note: Note
    mentions: tuple[Mention, ...] = ()
    codes: tuple[str, ...] = ()
    indications: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _named_procedure(record: Mapping[str, Any]) -> NamedProcedure:
    lists = {name: tuple(record.get(name, ())) for name in ("supported_by", "missing", "modifiers")}
    return NamedProcedure(**{**record, **lists})


def _indication(record: Mapping[str, Any]) -> Indication:
    return Indication(
        **{
            **record,
            "mentions": tuple(record.get("mentions", ())),
            "codes": tuple(record.get("codes", ())),
            "coverage_flags": tuple(CoverageFlag(**f) for f in record.get("coverage_flags", ())),
            "sources": tuple(record.get("sources", ())),
            "missing": tuple(record.get("missing", ())),
            "against": tuple(record.get("against", ())),
        }
    )
