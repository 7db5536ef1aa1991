from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document
from detect_icd10cm.text.tokens import normalize_word
from detect_icd10cm.types import ASSERTIONS

RULES = AssertionRules.load()

# Any Unicode, and texts full of what the rules look for.
CLINICAL = st.lists(
    st.sampled_from(
        ["no", "denies", "fever", "PLAN:", "\n", "\r\n", "1.", "?", ":", "history of", "mother", "if", "İstanbul", "ß",
         "FAMILY HISTORY\n", ".", ",", "vs.", "you", "’s", "\u2028", "\x00", "ﬁ", "e\u0301", "𝒳"]
    )
).map(" ".join)  # fmt: skip
TEXTS = st.one_of(st.text(), CLINICAL)


@given(TEXTS)
def test_tokens_slice_back_in_order(text: str) -> None:
    end = 0
    for token in Document(text).tokens:
        assert token.start >= end
        # A line break of old files is read as one of today's, at the same place.
        assert text[token.start : token.end].replace("\r", "\n") == token.text != ""
        assert token.text == "\n" or not text[end : token.start].strip()
        end = token.end
    assert not text[end:].strip()


@given(TEXTS)
def test_sections_cover_every_character_once(text: str) -> None:
    sections = Document(text).sections
    assert sections[0].start == 0
    assert sections[-1].end == len(text)
    assert all(one.end == other.start for one, other in pairwise(sections))
    assert all(section.start <= section.body <= section.end for section in sections)


@given(TEXTS)
def test_sentences_cover_every_token_once(text: str) -> None:
    document = Document(text)
    positions = [position for first, last in document.sentences for position in range(first, last)]
    assert positions == list(range(len(document.tokens)))
    for first, last in document.sentences:
        assert document.sentence_of(first) == document.sentence_of(last - 1) == (first, last)


@given(TEXTS)
def test_every_token_has_an_assertion(text: str) -> None:
    tokens = Document(text).tokens
    spans = [(token.start, token.end, "R50.9") for token in tokens]
    asserted = RULES.assert_spans(Document(text), spans)
    assert len(asserted) == len(spans)
    assert {one.assertion for one in asserted} <= set(ASSERTIONS)


@given(CLINICAL, st.randoms(use_true_random=False))
def test_assertions_do_not_depend_on_the_order_of_spans(text: str, random: object) -> None:
    document = Document(text)
    spans = [(token.start, token.end, "C50.919") for token in document.tokens]
    expected = dict(zip(spans, RULES.assert_spans(document, spans), strict=True))
    random.shuffle(spans)  # type: ignore[attr-defined]
    assert dict(zip(spans, RULES.assert_spans(document, spans), strict=True)) == expected


@given(st.lists(CLINICAL, max_size=4))
def test_a_note_reads_the_same_whatever_was_read_before(texts: list[str]) -> None:
    def read(text: str) -> list[str]:
        document = Document(text)
        return [a.assertion for a in RULES.assert_spans(document, [(t.start, t.end, "I10") for t in document.tokens])]

    assert [read(text) for text in texts] == [read(text) for text in reversed(texts)][::-1]


@given(st.text())
@settings(max_examples=300)
def test_a_normal_form_has_no_capitals_and_no_apostrophes(word: str) -> None:
    normal = normalize_word(word)
    assert normal == normal.lower()
    assert "'" not in normal
    assert normalize_word(word.replace("'", "’")) == normal
