"""Predictions read back, from what ``detect`` writes and from the field's label files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.codiesp import CodiespRow, read_codiesp_rows
from detect_icd10cm.notes.gold.records import make_mention, one_of, read_lines, shown_id, spell_code, text_of
from detect_icd10cm.notes.gold.table import read_rows
from detect_icd10cm.notes.streams import plain_suffix
from detect_icd10cm.notes.table import SEPARATOR
from detect_icd10cm.types import Decision, Indication, Mention, NoteCode, NoteResult, Status

PredictionFormat = Literal["jsonl", "csv", "parquet", "codiesp"]
PREDICTION_FORMATS: tuple[PredictionFormat, ...] = get_args(PredictionFormat)
_DECISIONS: tuple[Decision, ...] = get_args(Decision)
_STATUSES: tuple[Status, ...] = get_args(Status)
_CODE_COLUMNS: Mapping[Decision, str] = {"accept": "accepted_codes", "review": "review_codes"}
# What is read of a table.
_COLUMNS = frozenset(
    "note_id start end code score decision assertion kind text "
    "accepted_codes review_codes supported_indications".split()
)
_FORMAT_OF_SUFFIX: Mapping[str, PredictionFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}


@dataclass(frozen=True, slots=True)
class Predictions:
    """The results of one detector or coder, and what they hold.

    Attributes:
        results: One for each note; titles and traces are left out.
        name: Where they come from, for headings.
        has_mentions: Whether spans were predicted; a list of document codes has none to compare.
    """

    results: tuple[NoteResult, ...]
    name: str
    has_mentions: bool = True


def read_predictions(source: str | Path, *, format: str | None = None) -> Predictions:
    """Read a file of predictions, unpacked where its name ends in ``.gz`` or ``.zst``.

    JSON Lines are read as ``detect`` writes them. A table (CSV, TSV, Parquet) has ``note_id`` and ``code``, and either
    ``start`` and ``end`` or document codes; optional are ``score``, ``decision``, ``assertion``, ``kind`` and ``text``.
    The document codes of a table that ``detect`` wrote are its accepted and review codes, which have no scores there;
    of another table of mentions, those of the present mentions, each with its best score. CodiEsp files rank their
    codes by order.

    Raises:
        NoteError: If the file is missing or has another shape; the line is named.
    """
    path = Path(source)
    if not path.is_file():
        raise NoteError(f"found no file {path}")
    chosen = format or _guess_format(path)
    if chosen == "jsonl":
        results = tuple(_results(path))
        return Predictions(_refuse_repeated(results, path), path.name)
    if chosen == "codiesp":
        rows = list(read_codiesp_rows(path))
        return Predictions(_codiesp_results(rows), path.name, any(row.spans for row in rows))
    if chosen in ("csv", "parquet"):
        return _read_table(path, read_rows(path) if chosen == "csv" else _parquet_rows(path))
    raise NoteError(f"found prediction format {chosen!r}, expected one of: {', '.join(PREDICTION_FORMATS)}")


def _guess_format(path: Path) -> PredictionFormat:
    suffix = plain_suffix(path)
    if suffix in _FORMAT_OF_SUFFIX:
        return _FORMAT_OF_SUFFIX[suffix]
    if suffix == ".tsv":
        first = next((line for _, line in read_lines(path)), "")
        return "csv" if "note_id" in first.lower().split("\t") else "codiesp"
    raise NoteError(
        f"cannot tell the format of {path.name}; expected .jsonl, .csv, .tsv or .parquet, or say which of: "
        + ", ".join(PREDICTION_FORMATS)
    )


def _results(path: Path) -> Iterator[NoteResult]:
    for number, line in read_lines(path):
        try:
            yield _result(json.loads(line))
        except json.JSONDecodeError as error:
            raise NoteError(f"{path.name}, line {number}: not valid JSON at character {error.pos}") from None
        except NoteError as error:
            raise NoteError(f"{path.name}, line {number}: {error}") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NoteError(
                f"{path.name}, line {number}: not a result as detect writes it ({type(error).__name__})"
            ) from None


def _result(record: Mapping[str, Any]) -> NoteResult:
    note_id = text_of(record, "note_id")
    if note_id is None:
        raise NoteError("found no note_id; expected one in every record")
    return NoteResult(
        note_id=note_id,
        release=str(record.get("release", "")),
        model=str(record.get("model", "")),
        setting="inpatient" if record.get("setting") == "inpatient" else "outpatient",
        mentions=tuple(_mention(item) for item in record.get("mentions") or ()),
        codes=tuple(_code(item["code"], item.get("score"), item.get("decision")) for item in record.get("codes") or ()),
        indications=tuple(_indication(item) for item in record.get("indications") or ()),
    )


def _mention(item: Mapping[str, Any]) -> Mention:
    return make_mention(
        "",
        item["start"],
        item["end"],
        item["code"],
        quote=item.get("text"),
        assertion=item.get("assertion"),
        kind=item.get("kind"),
    )


def _code(code: str, score: object, decision: object = None) -> NoteCode:
    probability = score if isinstance(score, float) else 1.0 if score in (None, "") else float(str(score))
    if not 0 <= probability <= 1:
        raise NoteError(f"found score {probability} of a code, expected a probability in [0, 1]")
    decided = one_of(decision or "review", _DECISIONS, "decision")
    return NoteCode(spell_code(code), "", probability, decided, ())


def _indication(item: Mapping[str, Any]) -> Indication:
    return Indication(str(item["procedure"]), str(item["indication"]), one_of(item["status"], _STATUSES, "status"))


def _refuse_repeated(results: tuple[NoteResult, ...], path: Path) -> tuple[NoteResult, ...]:
    seen: set[str] = set()
    for result in results:
        if result.note_id in seen:
            named = shown_id(result.note_id)
            raise NoteError(f"{path.name}: note_id {named} stands there twice; expected one record a note")
        seen.add(result.note_id)
    return results


def _codiesp_results(rows: Iterable[CodiespRow]) -> tuple[NoteResult, ...]:
    own: dict[str, list[CodiespRow]] = {}
    for row in rows:
        own.setdefault(row.note_id, []).append(row)
    results = []
    for note_id, listed in own.items():
        diagnoses = [row for row in listed if row.label != "procedure"]
        mentions = tuple(make_mention("", *row.hull, row.code, quote=row.reference) for row in diagnoses if row.spans)
        codes = tuple(_code(code, None) for code in dict.fromkeys(row.code for row in diagnoses))
        results.append(NoteResult(note_id, "", "", "outpatient", mentions, codes))
    return tuple(results)


def _read_table(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Predictions:
    has_mentions = False
    notes: dict[str, _TableNote] = {}
    for number, row in rows:
        has_mentions = "start" in row
        note_id = text_of(row, "note_id")
        if note_id is None:
            raise NoteError(f"{path.name}, line {number}: found no note_id")
        try:
            notes.setdefault(note_id, _TableNote(row)).add(row)
        except NoteError as error:
            raise NoteError(f"{path.name}, line {number}: {error}") from None
        except ValueError:
            raise NoteError(f"{path.name}, line {number}: start, end and score must be numbers") from None
    return Predictions(tuple(note.result(note_id) for note_id, note in notes.items()), path.name, has_mentions)


class _TableNote:
    """What the rows of one note say; ``detect`` repeats the note's code set and indications on each of them."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._mentions: list[Mention] = []
        self._codes: dict[str, NoteCode] = {}
        self._resolved = "accepted_codes" in row
        for decision in _DECISIONS:
            for code in _cell(row, _CODE_COLUMNS[decision]):
                self._codes[spell_code(code)] = _code(code, None, decision)
        pairs = (name.partition(":")[::2] for name in _cell(row, "supported_indications"))
        self._indications = tuple(Indication(procedure, name, "supported") for procedure, name in pairs)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in a row; one without a code only names the note."""
        if not row.get("code"):
            return
        present = True
        if "start" in row:
            self._mentions.append(_mention({**row, "start": int(row["start"]), "end": int(row["end"])}))
            present = self._mentions[-1].assertion == "present"
        if present and not self._resolved:
            code = _code(row["code"], row.get("score"), row.get("decision"))
            known = self._codes.get(code.code)
            if known is None or code.score > known.score:
                self._codes[code.code] = code

    def result(self, note_id: str) -> NoteResult:
        """Return the note's result."""
        codes = tuple(self._codes.values())
        return NoteResult(note_id, "", "", "outpatient", tuple(self._mentions), codes, self._indications)


def _cell(row: Mapping[str, Any], name: str) -> list[str]:
    """Return the parts of a cell that holds several: a list in Parquet, joined text in CSV."""
    value = row.get(name)
    if isinstance(value, str):
        return [part for part in value.split(SEPARATOR) if part]
    return [str(part) for part in value or ()]


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = [name for name in file.schema_arrow.names if name in _COLUMNS]
        if not {"note_id", "code"} <= set(names):
            raise NoteError(f"{path.name}: expected the columns note_id and code")
        number = 0
        for batch in file.iter_batches(columns=names):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, OSError) as error:
        raise NoteError(f"{path.name} is no whole Parquet file: {type(error).__name__}") from None
