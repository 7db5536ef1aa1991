"""Results as rows of the table NOTE_NLP of the OMOP Common Data Model, version 5.4.

Columns, lengths and the rule of ``term_exists``: OHDSI, OMOP CDM v5.4, NOTE_NLP, ETL conventions. ``term_exists``
says whether the patient has or had the condition: another subject, a negation, a condition or a rule-out make it
false; history makes ``term_temporal`` past.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from detect_icd10cm.notes.table import Utf8
from detect_icd10cm.notes.unfinished import Sink, Start
from detect_icd10cm.types import Assertion, Mention, NoteResult

COLUMNS = (
    "note_nlp_id",
    "note_id",
    "section_concept_id",
    "snippet",
    "offset",
    "lexical_variant",
    "note_nlp_concept_id",
    "note_nlp_source_concept_id",
    "nlp_system",
    "nlp_date",
    "nlp_datetime",
    "term_exists",
    "term_temporal",
    "term_modifiers",
)
_LONGEST = {"lexical_variant": 250, "nlp_system": 250, "term_modifiers": 2000}
# Our "possible" holds what is to be ruled out, which makes the term false, and what is likely, which does not: false
# is the side to err on, and `assertion=possible` among the modifiers lets a reader decide otherwise.
_EXISTS: Mapping[Assertion, str] = {
    "present": "Y",
    "historical": "Y",
    "possible": "N",
    "absent": "N",
    "family": "N",
    "hypothetical": "N",
}


class OmopWriter:
    """Writes results as CSV for NOTE_NLP, a row a mention; a note without any has no row."""

    def __init__(self, sink: Sink, start: Start) -> None:
        self._csv = csv.writer(Utf8(sink))
        self._n_rows = start.n_mentions
        self._day = start.day
        if start.is_new:
            self._csv.writerow(COLUMNS)

    def write(self, result: NoteResult) -> None:
        """Write the rows of one result; `note_nlp_id` counts those of the file from 1."""
        for row in note_nlp_rows(result, self._day):
            self._n_rows += 1
            self._csv.writerow([self._n_rows, *row])

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


def note_nlp_rows(result: NoteResult, day: date) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each mention, with a value or None for each of ``COLUMNS`` but the first."""
    from detect_icd10cm import __version__

    system = f"detect-icd10cm {__version__}; {result.model}; ICD-10-CM {result.release}"
    for mention in result.mentions:
        yield (
            result.note_id,
            0,  # no matching concept, as OMOP has it; the section is among the modifiers
            None,  # a result holds no more of the note than its mentions
            mention.start,
            mention.text[: _LONGEST["lexical_variant"]],
            0,  # concepts come with the vocabularies of the database: docs/output.md has the query
            0,
            system[: _LONGEST["nlp_system"]],
            day.isoformat(),
            None,
            _EXISTS[mention.assertion],
            "past" if mention.assertion == "historical" else "present",
            _modifiers(mention)[: _LONGEST["term_modifiers"]],
        )


def _modifiers(mention: Mention) -> str:
    subject = "family" if mention.assertion == "family" else "patient"
    parts = {
        "icd10cm": mention.code,
        "assertion": mention.assertion,
        "negated": "yes" if mention.assertion == "absent" else "no",
        "subject": subject,
        "kind": mention.kind,
        "section": mention.section,
        "score": f"{mention.score:.4g}",
    }
    return ",".join(f"{name}={value}" for name, value in parts.items() if value is not None)
