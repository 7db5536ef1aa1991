"""Readers of the open terminologies that terms are drawn from: concepts with their terms and codes.

Each reader takes the file as its public source gives it (tab-separated) and yields one ``Concept`` a concept.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

# How well a term of each type stands for its concept; broader and narrower ones mean something else.
_TERM_WEIGHTS = {"label": 1.0, "exact": 1.0, "related": 0.5}


@dataclass(slots=True)
class Concept:
    """A concept: its terms with the weight of each, and the ICD-10-CM codes (any may be a header) mapped to it."""

    concept_id: str
    terms: dict[str, float] = field(default_factory=dict)
    codes: tuple[str, ...] = ()


class Sense(NamedTuple):
    """One meaning of an abbreviation with its share of the abbreviation's uses in real notes."""

    short: str
    long: str
    share: float


def read_doid(path: Path) -> Iterator[Concept]:
    """Read a table of the Disease Ontology: columns doid, current, icd10cm_2026, type, term."""
    rows = (row for row in _rows(path) if row["current"] == "1")
    return _concepts((row["doid"], row["icd10cm_2026"], row["type"], row["term"]) for row in rows)


def read_ncit(path: Path) -> Iterator[Concept]:
    """Read a table of NCIt terms mapped through Mondo: columns ncit, icd10cm, type, term."""
    return _concepts((row["ncit"], row["icd10cm"], row["type"], row["term"]) for row in _rows(path))


def read_hpo(path: Path) -> Iterator[Concept]:
    """Read a table of HPO's layperson synonyms: columns ?term, ?term_label, ?layperson; it maps no codes."""
    rows = list(_rows(path))
    return _concepts(
        (row["?term"], "", kind, row[column])
        for row in rows
        for kind, column in (("label", "?term_label"), ("exact", "?layperson"))
    )


def read_senses(folder: Path) -> Iterator[Sense]:
    """Read the abbreviation tables in a folder: Vanderbilt's, with a heading, and the 448 of Stetson's, without."""
    for path in sorted(folder.glob("*.txt")):
        for cells in csv.reader(path.read_text("utf-8").splitlines(), delimiter="\t"):
            if len(cells) >= 3 and _is_share(cells[-1]):
                yield Sense(cells[0].replace("_", "/"), cells[1].strip(), float(cells[-1]))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream, delimiter="\t")


def _concepts(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[Concept]:
    """Gather rows of (concept id, codes joined by "|", type of term, term); a concept's rows need not be adjacent."""
    concepts: dict[str, Concept] = {}
    for concept_id, codes, kind, term in rows:
        concept = concepts.setdefault(concept_id, Concept(concept_id))
        concept.codes = tuple(code for code in codes.split("|") if code) or concept.codes
        if kind in _TERM_WEIGHTS:
            concept.terms.setdefault(" ".join(term.split()), _TERM_WEIGHTS[kind])
    yield from concepts.values()


def _is_share(cell: str) -> bool:
    try:
        return 0 < float(cell) <= 1
    except ValueError:
        return False
