from __future__ import annotations

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.codes.lexicon import SOURCES
from detect_icd10cm.codes.linking import load_tables
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import KINDS, Mention


@pytest.fixture(scope="session")
def model(codeset: CodeSet) -> LexiconModel:
    return LexiconModel(codeset)


def codes_of(mentions: tuple[Mention, ...]) -> list[str]:
    return [mention.code for mention in mentions]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Left knee pain.", ["M25.562"]),
        ("Knee pain on the right.", ["M25.561"]),
        ("Bilateral otalgia.", ["H92.03"]),
        ("Pain in both ears.", ["H92.03"]),
        ("Knee pain.", ["M25.569"]),
        ("Severe left knee osteoarthritis.", ["M17.12"]),
        ("Cough; left ankle fracture.", ["R05.9", "S82.892A"]),
        # the side said elsewhere, where it is said only once
        ("Right hip pain. The hip pain is worse at night.", ["M25.551", "M25.551"]),
        ("Right hip pain, left hip pain. Hip pain at night.", ["M25.551", "M25.552", "M25.559"]),
    ],
)
def test_side(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Heart failure. Acute systolic heart failure.", ["I50.21", "I50.21"]),
        ("Cellulitis of the left lower extremity. Cellulitis.", ["L03.116", "L03.116"]),
        ("Radiculopathy. Lumbar radiculopathy.", ["M54.16", "M54.16"]),
        # what is denied specifies nothing, and symptoms stand for themselves
        ("Heart failure. No acute systolic heart failure.", ["I50.9", "I50.21"]),
        ("Abdominal pain. Left lower quadrant pain.", ["R10.9", "R10.32"]),
    ],
)
def test_a_general_code_takes_the_specific_one_of_the_note(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Right knee pain. The pain is sharp.", ["M25.561", "M25.561"]),
        ("The pain is sharp.", ["R52"]),
        ("Pain, in the ankle: left ankle pain.", ["M25.572", "M25.572"]),
    ],
)
def test_a_finding_without_site_takes_the_site_of_the_note(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text)))[-2:] == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hypertension.", "I10"),
        ("Hypertension. Congestive heart failure.", "I11.0"),
        ("Hypertension. Chronic kidney disease.", "I12.9"),
        ("Hypertension. End stage renal disease.", "I12.0"),
        ("Hypertension. CHF. CKD.", "I13.0"),
        ("Hypertension. CHF. ESRD.", "I13.2"),
        ("Hypertension. CKD. ESRD.", "I12.0"),
        ("Hypertension. No congestive heart failure.", "I10"),
    ],
)
def test_hypertension_with_heart_failure_and_kidney_disease(model: LexiconModel, text: str, code: str) -> None:
    assert model.detect(Document(text))[0].code == code


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Type 2 diabetes. Chronic kidney disease.", ["E11.22", "N18.9"]),
        ("Peripheral neuropathy. Type 2 diabetes.", ["E11.42", "E11.9"]),
        ("Peripheral neuropathy. No diabetes.", ["G62.9", "E11.9"]),
    ],
)
def test_diabetes_with_complications(model: LexiconModel, text: str, codes: list[str]) -> None:
    assert codes_of(model.detect(Document(text))) == codes


def test_history_and_family(model: LexiconModel) -> None:
    text = "FAMILY HISTORY: Mother had breast cancer.\nPAST MEDICAL HISTORY: pneumonia in 2001.\n"
    mentions = model.detect(Document(text))
    assert [(m.code, m.assertion, m.kind) for m in mentions] == [
        ("Z80.3", "family", "diagnosis"),
        ("Z87.01", "historical", "diagnosis"),
    ]


def test_mentions_are_whole(model: LexiconModel) -> None:
    text = "Assessment: severe left knee osteoarthritis.\n\nNo chest pain, wheezing or syncope. HTN, GERD."
    mentions = model.detect(Document(text))
    assert len(mentions) == 6
    for mention in mentions:
        assert text[mention.start : mention.end] == mention.text
        assert mention.candidates[0].code == mention.code
        assert mention.candidates[0].score == mention.score
        assert all(0 < candidate.score <= mention.score or candidate.score < 0.5 for candidate in mention.candidates)
    assert mentions[0].section == "assessment"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("I10", "diagnosis"), ("R05.9", "symptom"), ("M54.50", "symptom"), ("Z95.1", "status"), ("W19.XXXA", "cause")],
)
def test_kind_of(code: str, kind: str) -> None:
    assert kind_of(code) == kind


def test_tables_hold_codes_of_the_release(codeset: CodeSet) -> None:
    tables = load_tables()
    codes = [*tables["general"], *tables["with"]]
    codes += [code for sides in tables["sided"].values() for code in sides.values()]
    codes += [code for partners in tables["with"].values() for code in partners.values()]
    assert [code for code in codes if not codeset.is_billable(code)] == []


def test_scores_are_probabilities_for_every_kind() -> None:
    scores = load_tables()["scores"]
    assert set(scores) == {"synonym", "code set"}
    assert SOURCES[0] == "synonym"
    for by_kind in scores.values():
        assert set(by_kind) == set(KINDS)
        for told in by_kind.values():
            assert set(told) == {"plain", "plain absent", "vague", "vague absent"}
            assert all(0 < score < 1 for score in told.values())
