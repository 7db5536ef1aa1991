"""Training files that hold text of evaluation files are found and refused; stock sentences are not."""

import json
import random

import pytest

from detect_icd10cm.errors import NoteError
from detect_icd10cm.types import Note
from training.overlap import MAX_RUN, OverlapIndex, find_file_overlaps, find_overlaps, main, refuse_overlap

WORDS = [f"word{i}" for i in range(4000)]
STOCK = "The patient tolerated the procedure well and was taken to the recovery room in stable condition."


def prose(seed: int, n_words: int = 200) -> str:
    """Invented text of which no two seeds share eight words in a row."""
    return " ".join(random.Random(seed).choices(WORDS, k=n_words))


def note(name: str, text: str) -> Note:
    return Note(name, text)


EVALUATION = [note("e1", f"{prose(1)} {STOCK}"), note("e2", prose(2)), note("e3", "Short note.")]


def test_notes_of_their_own_pass() -> None:
    assert find_overlaps([note("t1", prose(3)), note("t2", f"{prose(4)} {STOCK}")], EVALUATION) == []


@pytest.mark.parametrize(
    "text",
    [
        prose(2),
        prose(2).upper().replace(" ", "\n"),
        f"{prose(5)} {prose(2, 60)} {prose(6)}",  # one long run in a longer note
        " ".join(prose(2).split()[:50]),
    ],
)
def test_copies_are_found(text: str) -> None:
    (leak,) = find_overlaps([note("t1", prose(3)), note("t2", text)], EVALUATION)
    assert (leak.note_id, leak.line, leak.eval_id, leak.eval_line) == ("t2", 2, "e2", 2)


def test_the_same_id_is_the_same_note() -> None:
    (leak,) = find_overlaps([note("e3", prose(9))], EVALUATION)
    assert leak.share == 1.0


def test_share_and_run_agree_with_a_plain_count() -> None:
    text = f"{prose(7, 30)} {prose(2, 40)} {prose(8, 30)}"
    overlap = OverlapIndex(EVALUATION).check(note("t", text))
    assert overlap is not None

    def grams(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    shared = grams(text.split()) & grams(prose(2).split())
    assert overlap.share == pytest.approx(len(shared) / len(grams(text.split())))
    assert overlap.run == 40


def test_limits_can_be_set() -> None:
    training = [note("t", f"{prose(7)} {prose(2, 20)}")]
    assert find_overlaps(training, EVALUATION) == []
    assert find_overlaps(training, EVALUATION, max_run=10)[0].run == 20 <= MAX_RUN


def write_jsonl(path, notes):
    lines = [json.dumps({"note_id": item.note_id, "text": item.text, "mentions": []}) for item in notes]
    path.write_text("\n\n".join(lines) + "\n")  # blank lines: line numbers are not positions
    return path


def test_files_are_refused_by_line_and_never_quoted(tmp_path, capsys) -> None:
    training = write_jsonl(tmp_path / "train.jsonl", [note("t1", prose(3)), note("t2", prose(2))])
    evaluation = write_jsonl(tmp_path / "dev.jsonl", EVALUATION)
    (leak,) = find_file_overlaps(training, evaluation)
    assert (leak.line, leak.eval_line) == (3, 3)
    with pytest.raises(NoteError, match="found text of evaluation notes in 1 training notes") as caught:
        refuse_overlap([note("t1", prose(3)), note("t2", prose(2))], EVALUATION)
    assert "note t2" in str(caught.value)
    assert "word" not in str(caught.value).replace("words", "")

    lines: list[str] = []
    assert main([str(training), str(evaluation)], lines.append) == 1
    assert lines[-1] == "1 notes of train.jsonl hold text of dev.jsonl\n"
    assert main([str(training), str(write_jsonl(tmp_path / "other.jsonl", [note("o", prose(20))]))], lines.append) == 0
