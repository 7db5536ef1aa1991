"""BRAT stand-off folders: ``<note>.txt`` beside ``<note>.ann``.

Shape: https://brat.nlplab.org/standoff.html. A text-bound annotation takes its code from a normalisation
(``N1 Reference T1 ICD10CM:I10``), else from a note (``#1 AnnotatorNotes T1 I10``), else from its own type; its kind
from its type where that is ours; its assertion from an attribute (``A1 Assertion T1 absent``, ``A2 Negated T1``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from detect_icd10cm.codes.codeset import normalize_code
from detect_icd10cm.errors import CodeSetError, NoteError
from detect_icd10cm.notes.gold.records import IssueLog, make_mention, read_lines, read_text, unique
from detect_icd10cm.types import ASSERTIONS, KINDS, AnnotatedNote, Assertion, Mention, Note

_TEXT_BOUND = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")
# Attributes without a value, as common schemes name them.
_FLAGS: Mapping[str, Assertion] = {
    "negated": "absent",
    "negation": "absent",
    "uncertain": "possible",
    "uncertainty": "possible",
    "speculation": "possible",
    "historical": "historical",
    "family": "family",
    "hypothetical": "hypothetical",
    "conditional": "hypothetical",
}


def read_brat(folder: Path, log: IssueLog) -> Iterator[AnnotatedNote]:
    """Yield the notes of a folder and the folders in it, in order of name; the note's id is the file's name.

    Document codes are those of the mentions asserted as present. Entities without a code are an error.
    """
    texts = sorted(folder.rglob("*.txt"))
    if not texts:
        raise NoteError(f"found no .txt file in {folder}, expected BRAT pairs of .txt and .ann")
    for path in texts:
        annotations = path.with_suffix(".ann")
        try:
            yield _annotated(path, annotations)
        except NoteError as error:
            log.broken(path.stem, annotations.name, error)


def _annotated(path: Path, annotations: Path) -> AnnotatedNote:
    text = read_text(path)
    entities: dict[str, tuple[int, str, str, str]] = {}
    codes: dict[str, str] = {}
    assertions: dict[str, Assertion] = {}
    for number, line in read_lines(annotations):
        name, _, body = line.partition("\t")
        if name.startswith("T"):
            entities[name] = (number, *_entity(number, body))
        elif name.startswith(("N", "#")):
            target, code = _coded(body)
            # A normalisation has the word before a note, in whichever order they stand.
            if code and (name.startswith("N") or target not in codes):
                codes[target] = code
        elif name.startswith(("A", "M")):
            target, assertion = _attribute(number, body)
            if assertion:
                assertions[target] = assertion
    mentions = tuple(
        _mention(text, entity, codes.get(name), assertions.get(name, "present")) for name, entity in entities.items()
    )
    present = unique(mention.code for mention in mentions if mention.assertion == "present")
    return AnnotatedNote(Note(path.stem, text), mentions, present)


def _entity(number: int, body: str) -> tuple[str, str, str]:
    head, _, quote = body.partition("\t")
    match = _TEXT_BOUND.fullmatch(head)
    if match is None:
        raise NoteError(f"line {number}: expected a type and offsets such as 'diagnosis 10 22' after the T number")
    return match[1], match[2], quote


def _coded(body: str) -> tuple[str, str | None]:
    words = body.replace("\t", " ").split()
    if len(words) < 3:
        return "", None
    return words[1], _as_code(words[2].rpartition(":")[2])


def _as_code(word: str) -> str | None:
    try:
        return normalize_code(word)
    except CodeSetError:
        return None


def _attribute(number: int, body: str) -> tuple[str, Assertion | None]:
    name, *rest = body.split()
    if not rest:
        raise NoteError(f"line {number}: expected an attribute such as 'Assertion T1 absent'")
    if len(rest) == 1:
        return rest[0], _FLAGS.get(name.lower())
    value = rest[1].lower()
    return rest[0], next((assertion for assertion in ASSERTIONS if assertion == value), None)


def _mention(text: str, entity: tuple[int, str, str, str], code: str | None, assertion: Assertion) -> Mention:
    number, label, position, quote = entity
    offsets = [int(offset) for offset in position.replace(";", " ").split()]
    start, end = min(offsets), max(offsets)
    code = code or _as_code(label)
    if code is None:
        raise NoteError(f"line {number}: the entity has no ICD-10-CM code, neither normalised nor in a note")
    try:
        # The quote of a discontinuous entity is its pieces joined: only a whole one can be compared.
        return make_mention(
            text,
            start,
            end,
            code,
            quote=quote if len(offsets) == 2 and "\n" not in text[start:end] else None,
            assertion=assertion,
            kind=label.lower() if label.lower() in KINDS else None,
        )
    except NoteError as error:
        raise NoteError(f"line {number}: {error}") from None
