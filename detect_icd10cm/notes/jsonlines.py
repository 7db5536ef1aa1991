"""JSON Lines: an object a line, of a note's fields or a FHIR resource."""

from __future__ import annotations

import json
from collections.abc import Iterator

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.fhir import find_documents, read_document
from detect_icd10cm.notes.records import Row
from detect_icd10cm.notes.streams import MAX_LINE, Source, read_lines
from detect_icd10cm.types import Reject


def read_json_lines(source: Source) -> Iterator[Row | Reject | None]:
    """Yield None once the file is seen not to be empty, then its records.

    Of FHIR resources, those that are no documents are no notes and are passed over.

    Raises:
        NoteError: If the file is empty.
    """
    # One line that pandas can't parse ends its reading of the file; here each line stands for itself.
    with source.open_text(newline="\n") as text:
        lines = enumerate(read_lines(text), start=1)
        start = next(((number, line) for number, line in lines if line is None or line.strip()), None)
        if start is None:
            raise NoteError(f"{source.name}: the file is empty, expected JSON objects, one a line")
        yield None
        yield from _read_line(source, *start)
        for number, line in lines:
            if line is None or line.strip():
                yield from _read_line(source, number, line)


def _read_line(source: Source, number: int, line: str | None) -> Iterator[Row | Reject]:
    place = f"{source.name}, line {number}"
    if line is None:
        yield Reject(None, place, f"the line has more than {MAX_LINE:,} characters")
        return
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        yield Reject(None, place, f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}")
        return
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets of a thousand levels
        yield Reject(None, place, f"not JSON that can be read: {type(error).__name__}")
        return
    if not isinstance(record, dict):
        yield Reject(None, place, f"found a JSON {type(record).__name__}, expected an object")
    elif "resourceType" in record:
        for document in find_documents(record):
            yield read_document(document, place)
    else:
        yield Row(place, {field: record.get(column) for field, column in source.columns.items()})
