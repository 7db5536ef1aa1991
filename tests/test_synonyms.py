from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.synonyms import Guard, load_synonyms, read_synonyms
from detect_icd10cm.codes.terms import TermReader
from detect_icd10cm.errors import RulesError
from detect_icd10cm.text.document import Document

HEAD = "same_words: {kidney: [renal]}\nignore: [illness]\nguards: {past: {if_near: [prior], if_section: [plan]}}\n"


def read(tmp_path: Path, terms: str, head: str = HEAD):
    path = tmp_path / "synonyms.yaml"
    path.write_text(f"{head}terms:\n  {terms}\n")
    return read_synonyms(path)


def test_every_code_is_billable(codeset: CodeSet) -> None:
    codes = {synonym.code for synonym in load_synonyms().terms}
    assert [code for code in sorted(codes) if code not in codeset or not codeset.is_billable(code)] == []


def test_there_are_many_entries_in_every_chapter() -> None:
    terms = load_synonyms().terms
    assert len(terms) >= 1500
    assert {synonym.code[0] for synonym in terms} >= set("ABCDEFGHIJKLMNOPQRSTVWXYZ")


def test_no_term_stands_twice() -> None:
    """Once normalised, a term has one meaning without a condition, and each other meaning once."""
    synonyms = load_synonyms()
    reader = TermReader(synonyms.same_words)
    plain, conditional = Counter(), Counter()
    for synonym in synonyms.terms:
        if synonym.guard is None:
            plain[reader.bag(synonym.term)] += 1
        else:
            conditional[reader.bag(synonym.term), synonym.guard.spelling, synonym.code] += 1
    assert [key for key, n in [*plain.items(), *conditional.items()] if n > 1] == []


def test_every_term_has_a_word() -> None:
    synonyms = load_synonyms()
    reader = TermReader(synonyms.same_words)
    assert [s.term for s in synonyms.terms if not 1 <= len(reader.bag(s.term).words) <= 7] == []


def test_no_word_stands_for_two() -> None:
    same = load_synonyms().same_words
    aliases = Counter(alias for words in same.values() for alias in words)
    assert [alias for alias, n in aliases.items() if n > 1] == []
    assert set(aliases).isdisjoint(same)


@pytest.mark.parametrize("abbreviation", "MS CHF COPD CKD HTN T2DM GERD OA DVT PE CVA TIA BPH".split())
def test_abbreviations_are_there(abbreviation: str) -> None:
    terms = {synonym.term for synonym in load_synonyms().terms}
    assert {abbreviation, abbreviation.lower()} & terms


def test_reads_terms_and_conditions(tmp_path: Path) -> None:
    found = read(tmp_path, "M25.50: [joint pain, {term: [XX, yy], guard: past, unless_near: [Test]}]").terms
    assert [(s.term, s.code) for s in found] == [("joint pain", "M25.50"), ("XX", "M25.50"), ("yy", "M25.50")]
    assert found[0].guard is None
    assert found[1].guard == Guard("XX", if_near=("prior",), if_section=("plan",), unless_near=("test",))
    assert found[2].guard.spelling is None


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("I10: [on, 5]", "quote yes"),
        ("I10: [{term: htn, near: [x]}]", "expected a term or"),
        ("I10: [{if_near: [x]}]", "expected a term or"),
        ("I10: [{term: htn, guard: then}]", "no guard 'then'"),
        ("I10: [{term: htn, if_section: [nowhere]}]", r"unknown sections \['nowhere'\]"),
    ],
)
def test_refuses_malformed_entries(tmp_path: Path, terms: str, message: str) -> None:
    with pytest.raises(RulesError, match=message):
        read(tmp_path, terms)


def test_refuses_unknown_keys(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match="expected the keys"):
        read(tmp_path, "I10: [htn]", "same_words: {}\n")
    with pytest.raises(RulesError, match="guard past"):
        read(tmp_path, "I10: [htn]", HEAD.replace("if_near", "nearby"))


@pytest.mark.parametrize(
    ("guard", "text", "allowed"),
    [
        (Guard("MS"), "has MS now", True),
        (Guard("Ms"), "has MS now", False),
        (Guard(if_note_has=("baclofen",)), "has MS now. Takes Baclofen.", True),
        (Guard(if_note_has=("baclofen",)), "has MS now", False),
        (Guard(if_near=("relapsing",)), "relapsing type MS", True),
        (Guard(if_near=("relapsing",)), "relapsing and a b c d MS", False),
        (Guard(unless_near=("contin",)), "takes MS Contin", False),
        (Guard(unless_near=("contin",)), "has MS now", True),
        (Guard(if_section=("plan",)), "PLAN: treat MS", True),
        (Guard(if_section=("plan",)), "Treat MS", False),
        (Guard(if_section=("plan",), if_near=("treat",)), "Treat MS", True),
    ],
)
def test_guards(guard: Guard, text: str, allowed: bool) -> None:
    document = Document(text)
    place = next(i for i, token in enumerate(document.tokens) if token.text == "MS")
    assert guard.allows(document, place, place + 1) is allowed
