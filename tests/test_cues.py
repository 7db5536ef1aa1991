from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
import yaml

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import RulesError
from detect_icd10cm.text.cues import CueBook, expand, normalize_words


def make_data(**changes: Any) -> dict[str, Any]:
    """A book of a few cues."""
    data: dict[str, Any] = {
        "words": {"be": ["is", "was"]},
        "groups": [
            {"says": "absent", "side": "before", "reach": 3, "phrases": ["no", "no evidence of"]},
            {"says": "absent", "side": "after", "reach": 3, "closing": True, "phrases": [": no", "<be> negative"]},
        ],
        "pseudo": ["no change"],
        "ends": {"strong": ["but"], "subject": [], "clause": [], "member": ["is stable"]},
        "list_words": ["or"],
        "over_when_history": {"neoplasms": ["C"]},
        "history_codes": {"historical": ["Z85"], "family": ["Z80"]},
    }
    return data | changes


@pytest.mark.parametrize(
    ("phrase", "expanded"),
    [
        ("no", ["no"]),
        ("(a|b) c", ["a c", "b c"]),
        ("(a|) c", ["a c", " c"]),
        ("<be> (x|y)", ["is x", "is y", "was x", "was y"]),
        ("(<be>|) x", ["is x", "was x", " x"]),
        ("( - )", ["( - )"]),
    ],
)
def test_expand(phrase: str, expanded: list[str]) -> None:
    assert expand(phrase, {"be": ["is", "was"]}) == expanded


@pytest.mark.parametrize(
    ("sentence", "cues"),
    [
        ("no fever", ["no"]),
        ("No evidence of fever", ["no evidence of"]),
        ("no no fever", ["no", "no"]),
        ("no change in cough", []),
        ("fever : no , cough", [": no"]),
        ("lungs : no rales", ["no"]),
        ("fever is negative", ["is negative"]),
        ("fever is negative today", []),
        ("no fever but cough", ["no", "but"]),
        ("fever", []),
        ("", []),
    ],
)
def test_find_prefers_the_longest(sentence: str, cues: list[str]) -> None:
    assert [cue.text for cue in CueBook(make_data()).find(normalize_words(sentence.split()))] == cues


def test_a_pseudo_phrase_that_is_part_of_a_finding_hides_nothing() -> None:
    assert [cue.text for cue in CueBook(make_data()).find(("no", "change", "in", "vision"), {1: 1, 2: 1, 3: 1})] == [
        "no"
    ]


@pytest.mark.parametrize(
    ("taken", "cues"),
    [
        ({}, ["no"]),
        ({1: 1, 2: 1}, ["no"]),  # "no {fever}"
        ({1: 1, 2: 1, 3: 1}, ["no"]),
        ({0: 0, 1: 0}, ["no"]),  # at the head of a finding
    ],
)
def test_a_cue_counts_around_a_finding_and_at_its_head(taken: dict[int, int], cues: list[str]) -> None:
    assert [cue.text for cue in CueBook(make_data()).find(("no", "fever", "or", "cough"), taken)] == cues


@pytest.mark.parametrize(("taken", "cues"), [({}, []), ({0: 0}, ["is stable"])])
def test_what_says_that_a_member_is_there_counts_right_behind_a_finding(taken: dict[int, int], cues: list[str]) -> None:
    assert [cue.text for cue in CueBook(make_data()).find(("copd", "is", "stable"), taken)] == cues


def test_inside_a_finding_only_its_own_phrases_are_cues() -> None:
    group = {"says": "absent", "side": "within", "reach": 0, "phrases": ["never smoker"]}
    book = CueBook(make_data(groups=[*make_data()["groups"], group]))
    assert [cue.text for cue in book.find(("stage", "no", "cough"), {0: 0, 1: 0})] == []
    assert [cue.within is not None for cue in book.find(("never", "smoker"), {0: 0, 1: 0})] == [True]
    assert book.find(("never", "smoker"), {1: 1}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pseudo": ["no"]}, "'no' stands twice"),
        ({"pseudo": ["(a|(b|c)) d"]}, "don't nest"),
        ({"pseudo": ["(a|)"]}, "none is empty"),
        ({"pseudo": [False]}, "quote"),
        ({"groups": [{"says": "absent", "side": "left", "reach": 1, "phrases": []}]}, "side 'left'"),
        ({"groups": [{"says": "absent", "side": "before", "reach": 1, "phrase": []}]}, "keys"),
        (
            {"groups": [{"says": "absent", "side": "both", "reach": 1, "phrases": ["no", "no"]}]},
            "'no' stands twice before",
        ),
    ],
)
def test_bad_cues_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RulesError, match=message.replace("(", r"\(")):
        CueBook(make_data(**changes))


def test_packaged_cues_are_loaded_once() -> None:
    assert CueBook.load() is CueBook.load()


def test_packaged_code_prefixes_are_of_codes(codeset: CodeSet) -> None:
    text = (resources.files("detect_icd10cm") / "text" / "assertion_cues.yaml").read_text("utf-8")
    data = yaml.safe_load(text)
    prefixes = [
        prefix for part in (data["over_when_history"], data["history_codes"]) for p in part.values() for prefix in p
    ]
    prefixes += [prefix for group in data["groups"] for prefix in group.get("except_codes", ())]
    assert [prefix for prefix in prefixes if not any(code.startswith(prefix) for code in codeset)] == []
