from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import MARKED, make_notes, parse_marked, write_notes

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError, NoteError
from detect_icd10cm.model.checkpoint import load_linker
from detect_icd10cm.model.gazetteer import CURRENT, phrase_key
from detect_icd10cm.model.load import load_model
from detect_icd10cm.text.document import Document
from training.finetune import check_notes, grow_linker, main
from training.model_card import write_model_card

NEW = "ASSESSMENT: {Sugar sickness|C79.31|present}. No {gut plague|A00.9|absent}."


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "finetune.yaml"
    path.write_text(
        "held_out: 0.1\njoint: {epochs: 2, held_out_epochs: 0, notes: 4, terms: 0, precision: 'no'}\n"
        "tagger: {epochs: 4, learning_rate: 0.02}\n",
        "utf-8",
    )
    return path


def test_finetuned_model_has_learned_new_words(
    tiny_checkpoint: Path, tiny_release: str, settings: Path, tmp_path: Path
) -> None:
    notes = [parse_marked(f"new-{i}", NEW) for i in range(9)] + make_notes()[:1]
    train = write_notes(tmp_path / "mine.jsonl", notes)
    folder = main(
        [str(settings), "--train", str(train), "--output", str(tmp_path / "mine"), "--start", str(tiny_checkpoint)]
    )
    model = load_model(folder)
    assert model.name == "tiny-finetuned"
    found = {(m.text.lower(), m.code) for m in model.detect(Document("ASSESSMENT: Sugar sickness. No gut plague."))}
    assert ("sugar sickness", "C79.31") in found
    before = load_model(tiny_checkpoint).detect(Document("ASSESSMENT: Sugar sickness. No gut plague."))
    assert ("sugar sickness", "C79.31") not in {(m.text.lower(), m.code) for m in before}
    assert json.loads((folder / "metrics.json").read_text("utf-8"))["held"] == 1
    assert "# tiny-finetuned" in (folder / "MODEL_CARD.md").read_text("utf-8")


def test_linker_grows_by_the_notes(tiny_checkpoint: Path, tiny_release: str) -> None:
    codeset = CodeSet.load(tiny_release)
    linker = load_linker(tiny_checkpoint, codeset.billable_codes())
    grown = grow_linker(linker, codeset, [parse_marked("new", NEW)])
    key = phrase_key("gut plague")
    assert linker.gazetteer.evidence(key) == {}
    assert grown.gazetteer.evidence(key) == {("A00.9", CURRENT): 1}
    known = phrase_key("multiple sclerosis")
    assert grown.gazetteer.evidence(known) == linker.gazetteer.evidence(known)
    assert grown.priors.codes["A00.9"] == linker.priors.codes["A00.9"] + 1


def test_wrong_lines_are_reported_and_the_rest_kept(tiny_release: str, tmp_path: Path) -> None:
    path = write_notes(tmp_path / "mine.jsonl", make_notes()[:2])
    good = path.read_text("utf-8")
    broken = {"note_id": "x", "text": "Cholera.", "mentions": [{"start": 0, "end": 99, "code": "A00.9"}]}
    path.write_text(good + json.dumps(broken) + "\n", "utf-8")
    notes, issues = check_notes(path, CodeSet.load(tiny_release))
    assert [note.note.note_id for note in notes] == ["tiny-0", "tiny-1"]
    assert any("x" in str(issue) for issue in issues)
    assert not any("Cholera." in str(issue) for issue in issues)


def test_test_notes_are_refused(tiny_checkpoint: Path, tiny_release: str, settings: Path, tmp_path: Path) -> None:
    train = write_notes(tmp_path / "mine.jsonl", make_notes())
    test = write_notes(tmp_path / "test.jsonl", make_notes()[3:4])
    files = ["--train", str(train), "--test", str(test), "--start", str(tiny_checkpoint)]
    with pytest.raises(NoteError, match="take them out of one"):
        main([str(settings), *files, "--output", str(tmp_path / "o")])


def test_one_note_is_too_few(tiny_checkpoint: Path, tiny_release: str, settings: Path, tmp_path: Path) -> None:
    train = write_notes(tmp_path / "mine.jsonl", [parse_marked("1", MARKED[0])])
    with pytest.raises(ModelError, match="found 1 labelled notes, expected two at least"):
        main([str(settings), "--train", str(train), "--output", str(tmp_path / "o"), "--start", str(tiny_checkpoint)])


def test_model_card_names_data_limits_and_figures(tiny_checkpoint: Path) -> None:
    text = write_model_card(tiny_checkpoint).read_text("utf-8")
    for words in ("Silver labels", "MTSamples", "CC BY 4.0", "Not a medical device", "release 2023-10"):
        assert words in text
