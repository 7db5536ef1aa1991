"""Annotations apart from their notes: joined again only to the very text that was annotated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import NoteError
from detect_icd10cm.types import AnnotatedNote, Mention, Note
from training.standoff import read_standoff, text_hash, to_standoff, write_standoff

TEXT = "No fever. Mother has asthma."
NOTE = AnnotatedNote(
    Note("n1", TEXT),
    (
        Mention(3, 8, "fever", "symptom", "absent", "R50.9"),
        Mention(21, 27, "asthma", "diagnosis", "family", "Z82.5"),
    ),
)
ANNOTATIONS = Path(__file__).parents[1] / "training" / "annotations" / "mtsamples.jsonl"


def write_texts(folder: Path, text: str = TEXT, note_id: str = "n1") -> Path:
    (folder / "mtsamples").mkdir()
    record = json.dumps({"note_id": note_id, "text": text})
    (folder / "mtsamples" / "notes.jsonl").write_text(record + "\n", "utf-8")
    return folder


def test_annotations_come_back_as_they_were(tmp_path: Path, codeset: CodeSet) -> None:
    write_standoff(tmp_path / "own.jsonl", [NOTE])
    assert "fever" not in (tmp_path / "own.jsonl").read_text("utf-8")
    assert list(read_standoff(tmp_path / "own.jsonl", write_texts(tmp_path), codeset)) == [NOTE]


@pytest.mark.parametrize(
    ("text", "note_id", "said"),
    [(TEXT + " ", "n1", "another version"), (TEXT, "n2", "no text of note n1")],
)
def test_other_texts_are_refused_without_quoting_them(
    tmp_path: Path, codeset: CodeSet, text: str, note_id: str, said: str
) -> None:
    write_standoff(tmp_path / "own.jsonl", [NOTE])
    with pytest.raises(NoteError, match=said) as raised:
        list(read_standoff(tmp_path / "own.jsonl", write_texts(tmp_path, text, note_id), codeset))
    assert "fever" not in str(raised.value)
    assert "line 1" in str(raised.value)


def test_our_annotations_are_sound(codeset: CodeSet) -> None:
    """Every code is billable, spans are in order and apart, and no note is there twice."""
    records = [json.loads(line) for line in ANNOTATIONS.read_text("utf-8").splitlines()]
    assert len(records) > 1000
    assert len({record["note_id"] for record in records}) == len(records)
    for record in records:
        end = 0
        for start, stop, code, _, _ in record["mentions"]:
            assert end <= start < stop
            assert codeset.is_billable(code)
            end = stop


def test_hash_is_of_the_text() -> None:
    assert to_standoff(NOTE)["sha256"] == text_hash(TEXT) != text_hash(TEXT.lower())
