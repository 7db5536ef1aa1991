"""Notes from FHIR R4: DocumentReference resources with their text inline, in Bundles or one a line.

Element names and rules: HL7 FHIR R4 (4.0.1), DocumentReference and Attachment.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, cast

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.records import Row
from detect_icd10cm.notes.streams import Source, decode
from detect_icd10cm.types import Reject, Setting

_DOCUMENT = "DocumentReference"
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_YEAR = re.compile(r"\d{4}")
# Encounter.class (v3-ActCode) of a patient who is admitted; all others, observation included, are outpatients.
_ADMITTED = frozenset({"IMP", "ACUTE", "NONAC"})


def read_bundle(source: Source) -> Iterator[Row | Reject | None]:
    """Yield None once the file is seen to be a Bundle or a DocumentReference, then its documents, as a stream.

    The setting of a document is that of its Encounter, where that stands before it.

    Raises:
        NoteError: If the file is neither.
    """
    import ijson

    kind = _resource_type(source)
    yield None
    n_entries = n_documents = 0
    settings: dict[str, Setting] = {}
    with source.open() as stream:
        # use_float: as json does; ijson's own Decimal is of no use here.
        found = ijson.items(_json_bytes(stream), "entry.item" if kind == "Bundle" else "", use_float=True)
        try:
            for entry in found:
                n_entries += 1
                resource = _first(entry).get("resource") if kind == "Bundle" else entry
                settings.update(_encounter_setting(resource, _first(entry).get("fullUrl")))
                for document in find_documents(resource):
                    n_documents += 1
                    yield read_document(document, f"{source.name}, entry {n_entries}", settings)
        except (ijson.JSONError, UnicodeDecodeError):
            reason = f"the JSON is damaged or breaks off after entry {n_entries}: what follows can't be read"
            yield Reject(None, source.name, reason)
            return
    if not n_documents:
        yield Reject(None, source.name, f"found no {_DOCUMENT} among {n_entries} entries")


def find_documents(resource: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a resource that is a document, or those of a Bundle; other resources hold no notes.

    A resource of another type with a list of contents, as only a document has one, is yielded too: not to be lost.
    """
    if not isinstance(resource, dict):
        return
    if resource.get("resourceType") == _DOCUMENT or isinstance(resource.get("content"), list):
        yield resource
    elif resource.get("resourceType") == "Bundle":
        for entry in _dicts(resource.get("entry")):
            yield from find_documents(entry.get("resource"))


def read_document(
    document: Mapping[str, Any], place: str, settings: Mapping[str, Setting] = MappingProxyType({})
) -> Row | Reject:
    """Return the values of a note's fields in a DocumentReference, or why it can't be read as a note.

    The text is the first attachment of plain text; a document's attachments are forms of the same content. The
    date of the encounter is the end of the time the document is about, which for an inpatient is the discharge
    that decides on the release; without it, the date of the document.

    Args:
        document: The resource.
        place: Where it stands.
        settings: Settings by the id of the encounter.
    """
    given = document.get("id")
    note_id = given if isinstance(given, str) else None
    if document.get("resourceType") != _DOCUMENT:
        return Reject(note_id, place, f"found contents in a resource of another type, expected a {_DOCUMENT}")
    if "entered-in-error" in (document.get("status"), document.get("docStatus")):
        return Reject(note_id, place, "the document is marked as entered in error")
    try:
        text = _read_text(document)
    except _NoTextError as error:
        return Reject(note_id, place, str(error))
    context = _first(document.get("context"))
    period = _first(context.get("period"))
    encounter_id = _reference_id(_first(context.get("encounter")), "Encounter")
    values = {
        "note_id": given,
        "text": text,
        "patient_id": _reference_id(document.get("subject"), "Patient"),
        "encounter_id": encounter_id,
        "encounter_date": _date(period.get("end") or period.get("start") or document.get("date")),
        "setting": settings.get(encounter_id) if isinstance(encounter_id, str) else None,
        "note_type": _concept(_first(document.get("type"))),
    }
    return Row(place, values)


class _NoTextError(ValueError):
    pass


def _resource_type(source: Source) -> str:
    import ijson

    with source.open() as stream:
        try:
            kind = next(ijson.items(_json_bytes(stream), "resourceType"), None)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise NoteError(f"{source.name}: not JSON, or cut short; expected a FHIR Bundle") from error
    if kind not in ("Bundle", _DOCUMENT):
        found = f"a {kind}" if isinstance(kind, str) and kind.isalpha() else "no resourceType"
        raise NoteError(
            f"{source.name}: found {found}, expected a FHIR Bundle or {_DOCUMENT}; JSON objects one a line are "
            "JSON Lines: rename the file to .jsonl, or say format='jsonl', on the command line --from jsonl"
        )
    return cast(str, kind)


def _json_bytes(stream: BinaryIO) -> BinaryIO:
    """Return the stream after its byte-order mark, which is no JSON."""
    mark = b"\xef\xbb\xbf"
    if cast(Any, stream).peek(len(mark)).startswith(mark):
        stream.read(len(mark))
    return stream


def _read_text(document: Mapping[str, Any]) -> str:
    attachments = [_first(content.get("attachment")) for content in _dicts(document.get("content"))]
    described = [(_media_type(attachment), attachment) for attachment in attachments]
    plain = [attachment for media, attachment in described if media == "text/plain" and "data" in attachment]
    if not plain:
        found = ", ".join(f"{media} {'inline' if 'data' in a else 'at a URL'}" for media, a in described)
        raise _NoTextError(f"found attachments: {found or 'none'}; expected text/plain with its data inline")
    data, charset = plain[0]["data"], _CHARSET.search(str(plain[0]["contentType"]))
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise _NoTextError("the attachment's data is not base64") from None
    try:
        return decode(content, charset[1] if charset else "utf-8")
    except LookupError:
        raise _NoTextError("the attachment's charset is unknown") from None


def _encounter_setting(resource: Any, url: Any) -> Iterator[tuple[str, Setting]]:
    """Yield what references may call an Encounter, with its setting, if the resource is one and says it."""
    encounter = _first(resource)
    code = _first(encounter.get("class")).get("code")
    if encounter.get("resourceType") == "Encounter" and isinstance(code, str):
        for name in (encounter.get("id"), url):
            if isinstance(name, str):
                yield name, "inpatient" if code in _ADMITTED else "outpatient"


def _media_type(attachment: Mapping[str, Any]) -> str:
    """Return an attachment's type without its parameters; a stand-in for what is no such type."""
    media = str(attachment.get("contentType", "")).partition(";")[0].strip().lower()
    return media if _MEDIA_TYPE.fullmatch(media) else "of no known type"


def _reference_id(reference: Any, kind: str) -> Any:
    """Return the id of a reference such as ``Patient/1``; one to elsewhere as it stands, else the identifier."""
    if not isinstance(reference, dict):
        return None
    target = reference.get("reference")
    if not isinstance(target, str):
        return _first(reference.get("identifier")).get("value")
    return target.partition("/_history/")[0].removeprefix(f"{kind}/")


def _concept(concept: Mapping[str, Any]) -> Any:
    coding = _first(concept.get("coding"))
    return concept.get("text") or coding.get("display") or coding.get("code")


def _date(value: Any) -> Any:
    """Return a dateTime, which may be cut to its month or year, as a date: a month has the release of its first day."""
    if isinstance(value, str):
        if _MONTH.fullmatch(value):
            return f"{value}-01"
        if _YEAR.fullmatch(value):
            return None
    return value


def _first(value: Any) -> Mapping[str, Any]:
    """Return an object, or the first one of a list, or an empty one."""
    return next(_dicts(value), {})


def _dicts(value: Any) -> Iterator[Mapping[str, Any]]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item
