"""Synthetic notes: offsets, codes, spread, assertions, determinism; the frames' own labels."""

import json
import random
from collections import Counter
from itertools import islice

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.notes.gold import read_gold
from detect_icd10cm.types import ASSERTIONS, KINDS, AnnotatedNote
from training.frames import Slot, load_grammar
from training.phrasing import spoken_forms
from training.synth import generate_notes, make_note, to_record
from training.termbank import TermBank, suits
from training.terms import Term

N_NOTES = 400


@pytest.fixture(scope="module")
def bank(codeset: CodeSet) -> TermBank:
    """A bank of every thirteenth code's title, and of the injuries of one category with all their episodes."""
    few = [code for code in codeset if code.startswith(("S42.0", "U"))]
    codes = dict.fromkeys([*codeset.billable_codes()[::13], *few])
    terms = [
        Term(form, code, "spoken", 0.9)
        for code in codes
        if codeset.is_billable(code) and (len(code) < 8 or code[-1] == "A")
        for form in spoken_forms(codeset.title(code))
    ]
    return TermBank(codeset, [*terms, Term("HTN", "I10", "synonym", 1.0)])


@pytest.fixture(scope="module")
def notes(bank: TermBank) -> list[AnnotatedNote]:
    return list(islice(generate_notes(bank, seed=7), N_NOTES))


def test_offsets_slice_back_and_do_not_overlap(notes: list[AnnotatedNote]) -> None:
    for annotated in notes:
        end = 0
        for mention in annotated.mentions:
            assert annotated.note.text[mention.start : mention.end] == mention.text
            assert mention.text == mention.text.strip() != ""
            assert mention.start >= end
            end = mention.end


def test_codes_are_billable_and_labels_known(notes: list[AnnotatedNote], codeset: CodeSet) -> None:
    for annotated in notes:
        for mention in annotated.mentions:
            assert codeset.is_billable(mention.code), mention.code
            assert mention.assertion in ASSERTIONS
            assert mention.kind in KINDS
        assert set(annotated.codes) <= {mention.code for mention in annotated.mentions}


def test_all_chapters_assertions_and_kinds_are_reached(notes: list[AnnotatedNote], bank: TermBank) -> None:
    mentions = [mention for annotated in notes for mention in annotated.mentions]
    chapters = {bank.codeset[mention.code].chapter for mention in mentions}
    assert chapters == set(bank.chapters) == {str(number) for number in range(1, 23)}
    assert {mention.assertion for mention in mentions} == set(ASSERTIONS)
    assert {mention.kind for mention in mentions} == set(KINDS)
    assert {mention.code[-1] for mention in mentions if len(mention.code) == 8} >= {"A", "D", "S"}
    assert {annotated.note.setting for annotated in notes} == {"inpatient", "outpatient"}
    sides = Counter(side for m in mentions for side in ("left", "right", "bilateral") if side in m.text.lower())
    assert min(sides["left"], sides["right"], sides["bilateral"]) > 10


def test_every_layout_and_style_shows(notes: list[AnnotatedNote]) -> None:
    texts = [annotated.note.text for annotated in notes]
    assert any("\n1. " in text for text in texts)
    assert any("\n- " in text for text in texts)
    assert any(text.isupper() for text in texts)
    assert any("\n" in mention.text for annotated in notes for mention in annotated.mentions)  # hard-wrapped lines
    assert not any(".." in text for text in texts)


def test_a_note_depends_on_its_seed_and_number_only(bank: TermBank, notes: list[AnnotatedNote]) -> None:
    assert make_note(bank, 7, 123) == notes[123]
    assert next(generate_notes(bank, seed=7, start=50)) == notes[50]
    assert make_note(bank, 8, 123) != notes[123]


def test_what_is_over_or_a_relatives_takes_a_history_code(notes: list[AnnotatedNote]) -> None:
    mentions = [mention for annotated in notes for mention in annotated.mentions]
    family = {mention.code[:3] for mention in mentions if mention.assertion == "family"}
    assert {"Z80", "Z82", "Z83"} <= family <= {"Z80", "Z81", "Z82", "Z83", "Z84"}
    past = Counter(mention.code for mention in mentions if mention.assertion == "historical")
    assert sum(n for code, n in past.items() if code.startswith(("Z8", "Z9", "I25.2"))) > 0.8 * past.total()


def test_later_encounters_are_said_of_the_first_ones_words(bank: TermBank) -> None:
    rng = random.Random(0)
    first = {bank.say(rng, "S42.021A") for _ in range(30)}
    assert {bank.say(rng, "S42.021D") for _ in range(30)} == first
    assert all("nonunion" in bank.say(rng, "S42.021K") for _ in range(5))
    assert any("right" not in bank.say_again(rng, "S42.021D") for _ in range(30))
    with pytest.raises(KeyError, match="no words for Z99"):
        bank.say(rng, "Z99.9999")


@pytest.mark.parametrize(("code", "sex"), [("C61", "male"), ("N40.0", "male"), ("O80", "female"), ("C56.1", "female")])
def test_codes_of_one_sex(code: str, sex: str) -> None:
    assert suits(code, sex)
    assert not suits(code, {"male": "female", "female": "male"}[sex])


def test_frequent_codes_are_met_more_often(bank: TermBank, codeset: CodeSet) -> None:
    terms = [Term("hypertension", "I10", "title", 1.0), Term("asthma", "J45.909", "title", 1.0)]
    common = TermBank(codeset, terms, frequent={"I10": 9.0, "J45.909": 1.0, "E11.9": 50.0})
    drawn = Counter(common.draw_frequent(random.Random(i)) for i in range(300))
    assert 0.8 < drawn["I10"] / 300 < 0.97
    assert set(drawn) == {"I10", "J45.909"}


def test_the_grammar_is_whole(codeset: CodeSet) -> None:
    grammar = load_grammar()
    assert grammar.n_frames >= 150
    for name, pool in grammar.findings.items():
        for code, terms in pool:
            assert codeset.is_billable(code), f"{name}: {code}"
            assert terms
    others = {"main", "again", "dx", "sx", "long", "short", "cause", "age", "young", "year", "pulse", "breaths", "sat"}
    others |= {"weight", "small", "sex", "bp", "temperature", "he", "his", "him", "name"}
    known = others | set(grammar.findings) | set(grammar.words)
    for section in grammar.sections.values():
        for frame in (*section.opening, *section.frames, *section.neutral):
            slots = [piece for piece in frame.pieces if isinstance(piece, Slot)]
            assert {slot.name for slot in slots} <= known, frame
            assert frame not in section.neutral or {slot.name for slot in slots} <= others | set(grammar.words)
    assert {name.removeprefix("?") for layout in grammar.layouts for name in layout} <= set(grammar.sections)


def test_records_read_back_as_gold(tmp_path, notes: list[AnnotatedNote]) -> None:
    path = tmp_path / "synthetic.jsonl"
    path.write_text("\n".join(json.dumps(to_record(annotated)) for annotated in notes[:20]), "utf-8")
    again = list(read_gold(path))
    assert [a.mentions for a in again] == [a.mentions for a in notes[:20]]
    assert [a.codes for a in again] == [a.codes for a in notes[:20]]
