"""The fuzzer mutates notes and counts what comes back; what would be lost is found out."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from benchmarks import fuzz

NOTES = Path(__file__).parents[1] / "examples" / "labelled.jsonl"


@pytest.mark.usefixtures("codeset")
def test_mutated_notes_all_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main([str(NOTES), "--inputs", "400", "--workers", "1", "--seed", "3"]) == 0
    *_, closing = capsys.readouterr().out.splitlines()
    assert closing.startswith("400 inputs in ")
    assert closing.endswith(", 0 failures")


def test_mutations_differ_and_are_reproducible() -> None:
    texts = [json.loads(line)["text"] for line in NOTES.read_text("utf-8").splitlines()]

    def make(seed: int) -> list[str]:
        chance = random.Random(seed)
        return [fuzz.mutate(texts[0], texts[1], chance) for _ in range(300)]

    assert make(1) == make(1)
    assert make(1) != make(2)
    assert len(set(make(1))) > 250
    salted = "".join(make(1))
    assert all(odd in salted for odd in ("\0", "\ud800", "\u202e", "İ"))


def test_what_is_lost_doubled_or_broken_is_counted() -> None:
    given = {"a": "Gout.", "b": "Gout.", "c": "", "d": "Gout.", "e": "Gout."}
    mention = {"start": 0, "end": 4, "text": "Gout"}
    results = [
        {"note_id": "a", "mentions": [mention]},
        {"note_id": "b", "mentions": [{**mention, "end": 5}]},
        {"note_id": "a", "mentions": []},
    ]
    rejects = [
        {"note_id": "c", "reason": "text has 20,000,000 characters"},
        {"note_id": "d", "reason": "could not be processed: ValueError"},
    ]
    assert dict(fuzz.count_outcomes(given, results, rejects)) == {
        "result": 2,
        "could not be processed: wrong offsets": 1,
        "rejected: text has N characters": 1,
        "rejected: could not be processed: ValueError": 1,
        "lost": 1,
        "twice": 1,
    }
