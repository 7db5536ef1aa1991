"""Codes that ask for another beside or ahead of them, by table."""

from __future__ import annotations

import pytest
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet

PARTNERS = [
    # the ulcer of a diabetic foot: site, side and depth as far as they are stated
    ("{Diabetic foot ulcer|E11.621}.", ["E11.621", "L97.509"]),
    ("{Diabetic ulcer of the left foot|E11.621}.", ["E11.621", "L97.529"]),
    ("{Diabetic foot ulcer|E11.621} of the right heel.", ["E11.621", "L97.419"]),
    ("{Diabetic foot ulcer|E11.621} of the left heel, fat layer exposed.", ["E11.621", "L97.422"]),
    ("Left {diabetic foot ulcer|E10.621} with necrosis of muscle.", ["E10.621", "L97.523"]),
    ("{Diabetic foot ulcer|E11.621}, {ulcer of the left toe|L97.521}.", ["E11.621", "L97.521"]),
    ("No {diabetic foot ulcer|E11.621|absent}.", []),
    ("Risk of {diabetic foot ulcer|E11.621|hypothetical}.", []),
    ("{Diabetic ulcer of the calf|E11.622}.", ["E11.622"]),
    # the stage of a kidney disease
    ("{Diabetic CKD stage 3b|E11.22}.", ["E11.22", "N18.32"]),
    ("{Diabetic CKD|E11.22}.", ["E11.22", "N18.9"]),
    ("{Diabetic CKD|E11.22}, {CKD stage 4|N18.4}.", ["E11.22", "N18.4"]),
    ("{Diabetic CKD|E11.22}, {hypertension|I10}.", ["E11.22", "I12.9", "N18.9"]),
    ("{Hypertensive CKD stage 3|I12.9}.", ["I12.9", "N18.30"]),
    ("{Hypertensive end-stage kidney disease|I12.0}.", ["I12.0"]),
    # the type of a heart failure
    ("{Hypertensive heart disease with chronic systolic failure|I11.0}.", ["I11.0", "I50.22"]),
    ("{Hypertensive heart disease with failure|I11.0}, {diastolic failure|I50.30}.", ["I11.0", "I50.30"]),
    ("{Hypertensive heart disease|I11.9}.", ["I11.9"]),
    # the outcome of a delivery stands on the mother's record
    ("{Normal delivery|O80}.", ["O80", "Z37.0"]),
    ("{Single liveborn|Z38.00}, {normal delivery|O80}.", ["Z38.00", "O80"]),
    # the systemic infection of severe sepsis
    ("{Septic shock|R65.21}.", ["A41.9", "R65.21"]),
    ("{Severe sepsis|R65.20} due to Pseudomonas, a pseudomonal sepsis.", ["A41.52", "R65.20"]),
    ("{Severe sepsis|R65.20}, {MRSA sepsis|A41.02}.", ["A41.02", "R65.20"]),
    ("{Severe sepsis|R65.20} after surgery, {wound infection|T81.41XA}.", ["T81.41XA", "R65.20"]),
    ("No {septic shock|R65.21|absent}.", []),
    ("{Puerperal sepsis|O85}, {sepsis|A41.9}, {severe sepsis|R65.20}.", ["O85", "R65.20"]),
]


@pytest.mark.parametrize(("marked", "expected"), PARTNERS)
def test_what_a_code_asks_for_beside_it(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


@pytest.mark.parametrize("marked", ["{Diabetic foot ulcer|E11.621}.", "{Diabetic CKD|E11.22}.", "{Shock|R65.21}."])
def test_what_no_mention_states_is_reviewed_and_explained(codeset: CodeSet, marked: str) -> None:
    resolved = {one.code: one for one in resolve(marked, codeset)}
    (added,) = (one for code, one in resolved.items() if code in ("L97.509", "N18.9", "A41.9"))
    assert added.decision == "review"
    assert added.mentions == (0,)
    assert "I.C.4.a" in added.trace[0] or "I.C.1.d.1.b" in added.trace[0]


MUST_PRECEDE = [
    ("{COVID-19 pneumonia|J12.82}.", "U07.1", "COVID-19 itself is not stated"),
    ("{COVID-19 pneumonia|J12.82}, {COVID-19|U07.1}.", "U07.1", None),
    ("{Septic shock|R65.21}, {cellulitis|L03.90}.", "A41.9", "underlying systemic infection"),
    ("{Septic shock|R65.21}, {E. coli sepsis|A41.51}.", "R65.21", None),
    ("{Septic shock|R65.21}, {infection of the wound|T81.41XA}.", "R65.21", None),
    ("{Dementia|F02.80}.", "F02.80", "a code of the cause"),
    ("{Dementia|F02.80}, {fall|W19.XXXA}.", "F02.80", "a code of the cause"),
    ("{Dementia|F02.80}, {Alzheimer disease|G30.9}.", "F02.80", None),
    ("{Anemia in kidney disease|D63.1}.", "D63.1", "a code of the cause"),
    ("{Anemia in kidney disease|D63.1}, {gout|M10.9}.", "D63.1", "a code of the cause"),
    ("{Anemia in kidney disease|D63.1}, {CKD stage 4|N18.4}.", "D63.1", None),
    ("{Heart failure|I50.9}.", "I50.9", None),
    ("{E. coli|B96.20}, {urinary infection|N39.0}.", "B96.20", None),
    ("{E. coli|B96.20}.", "B96.20", "a code of the cause"),
    ("{Septic shock|R65.21}, {septic lung embolism|I26.90}.", "A41.9", "underlying systemic infection"),
]


@pytest.mark.parametrize(("marked", "code", "reason"), MUST_PRECEDE)
def test_what_lacks_the_code_that_must_precede_it_is_reviewed(
    codeset: CodeSet, marked: str, code: str, reason: str | None
) -> None:
    (found,) = (one for one in resolve(marked, codeset) if one.code == code)
    assert found.decision == ("review" if reason else "accept")
    assert reason is None or reason in found.trace[-1]
