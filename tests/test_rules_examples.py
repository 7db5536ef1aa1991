from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import RulesError
from detect_icd10cm.rules.examples import parse_inline


def test_reads_findings_with_and_without_assertion(codeset: CodeSet) -> None:
    text, mentions = parse_inline(
        "Has {asthma|j45909}, no {fever|R50.9|absent}; {fall|W19.XXXA|present|cause}.", codeset
    )
    assert text == "Has asthma, no fever; fall."
    assert [text[m.start : m.end] for m in mentions] == [m.text for m in mentions] == ["asthma", "fever", "fall"]
    assert [(m.code, m.assertion, m.kind) for m in mentions] == [
        ("J45.909", "present", "diagnosis"),
        ("R50.9", "absent", "symptom"),
        ("W19.XXXA", "present", "cause"),
    ]
    assert mentions[1].title == "Fever, unspecified"


def test_a_note_without_marks_has_no_findings() -> None:
    assert parse_inline("Nothing here.") == ("Nothing here.", ())


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("{asthma|J45.909|maybe}", "maybe"),
        ("{asthma|J45.909|present|thing}", "thing"),
        ("{asthma|hello}", "expected an ICD-10-CM code"),
        ("{asthma|J45.9X}", "does not have"),
        ("{asthma}", "brace"),
        ("asthma}", "brace"),
    ],
)
def test_bad_marks_are_errors(codeset: CodeSet, marked: str, said: str) -> None:
    with pytest.raises(RulesError, match=said):
        parse_inline(marked, codeset)
