from __future__ import annotations

import pytest

from detect_icd10cm.text.document import Document

TEXT = "PMH: Gout.\nPLAN: Rest a lot. Return if worse."


@pytest.mark.parametrize(
    ("span", "words"), [("Gout", ["Gout"]), ("out.", ["Gout", "."]), ("Rest a", ["Rest", "a"]), (" a ", ["a"])]
)
def test_token_span_holds_the_tokens_touched(span: str, words: list[str]) -> None:
    document = Document(TEXT)
    start = TEXT.index(span)
    first, last = document.token_span(start, start + len(span))
    assert [token.text for token in document.tokens[first:last]] == words


def test_places() -> None:
    document = Document(TEXT)
    assert document.section_at(TEXT.index("Gout")) == "past_medical_history"
    assert document.section_at(TEXT.index("Rest")) == "plan"
    assert document.section_at(TEXT.index("PLAN")) == "plan"
    first, last = document.sentence_of(document.token_span(TEXT.index("worse"), TEXT.index("worse") + 5)[0])
    assert [token.text for token in document.tokens[first:last]] == ["Return", "if", "worse", "."]
    assert {"gout", "plan", "."} <= document.words
