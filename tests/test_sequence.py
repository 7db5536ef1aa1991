"""The order of a note's codes, by table."""

from __future__ import annotations

import pytest
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.types import Setting

ORDER_CASES = [
    ("HPI: {Hypertension|I10}.\nASSESSMENT: {Gout|M10.9}.", "outpatient", ["M10.9", "I10"]),
    ("HPI: {Hypertension|I10}.\nDISCHARGE DIAGNOSIS: {Gout|M10.9}.", "inpatient", ["M10.9", "I10"]),
    ("PAST MEDICAL HISTORY: {Gout|M10.9}.\nHPI: {Fatigue|R53.83}.", "outpatient", ["R53.83", "M10.9"]),
    ("{CKD stage 3|N18.30}, {hypertensive kidney disease|I12.9}.", "outpatient", ["I12.9", "N18.30"]),
    ("ASSESSMENT: {Dementia|F02.80} in {Alzheimer disease|G30.9}.", "outpatient", ["G30.9", "F02.80"]),
    ("ASSESSMENT: {Severe sepsis|R65.20}, {sepsis|A41.9}.", "inpatient", ["A41.9", "R65.20"]),
    ("ASSESSMENT: {E. coli|B96.20} {urinary infection|N39.0}.", "outpatient", ["N39.0", "B96.20"]),
    ("{Fell|W19.XXXA} and {wrist fracture|S62.101A}.", "outpatient", ["S62.101A", "W19.XXXA"]),
    ("{Pacemaker|Z95.0}, {atrial fibrillation|I48.91}.", "outpatient", ["I48.91", "Z95.0"]),
    # an uncertain diagnosis of an inpatient is as good as any
    (
        "DISCHARGE DIAGNOSIS: Probable {pneumonia|J18.9|possible}. {Hypertension|I10}.",
        "inpatient",
        ["J18.9", "I10"],
    ),
    ("ASSESSMENT: Probable {pneumonia|J18.9|possible}. {Hypertension|I10}.", "outpatient", ["I10"]),
    # what may only be listed first
    ("ASSESSMENT: {Eczema|L20.9}. {Well child visit|Z00.129}.", "outpatient", ["Z00.129", "L20.9"]),
    ("{Hypertension|I10}. {Annual physical|Z00.00}.", "outpatient", ["Z00.00", "I10"]),
    ("{Hypertension|I10}. {Annual physical|Z00.00|hypothetical} next year.", "outpatient", ["I10"]),
    ("{Hypertension|I10}. {Trial participant|Z00.6}.", "outpatient", ["I10", "Z00.6"]),
    ("{Gestational edema|O12.03}, {32 weeks of gestation|Z3A.32}.", "outpatient", ["O12.03", "Z3A.32"]),
    # what must follow its cause
    ("ASSESSMENT: {Anemia|D63.0} of {breast cancer|C50.911}.", "outpatient", ["C50.911", "D63.0"]),
    ("ASSESSMENT: {COVID-19 pneumonia|J12.82}.", "inpatient", ["U07.1", "J12.82"]),
    ("ASSESSMENT: {COVID-19 pneumonia|J12.82}, {COVID-19|U07.1}.", "inpatient", ["U07.1", "J12.82"]),
    ("ASSESSMENT: {Septic shock|R65.21}. {Cellulitis|L03.90}.", "inpatient", ["A41.9", "L03.90", "R65.21"]),
    ("ASSESSMENT: {Septic shock|R65.21}.", "inpatient", ["A41.9", "R65.21"]),
    # sepsis, severe sepsis, and the infection of one place
    ("ASSESSMENT: {Pneumonia|J18.9}, {sepsis|A41.9}.", "inpatient", ["A41.9", "J18.9"]),
    (
        "ASSESSMENT: {Urinary infection|N39.0} with {E. coli sepsis|A41.51} and {severe sepsis|R65.20}.",
        "inpatient",
        ["A41.51", "N39.0", "R65.20"],
    ),
    (
        "ASSESSMENT: {Pneumonia|J18.9}. On hospital day 4 {sepsis|A41.9} and {septic shock|R65.21}.",
        "inpatient",
        ["J18.9", "A41.9", "R65.21"],
    ),
    ("ASSESSMENT: {Hip fracture|S72.001A}. {Sepsis|A41.9}.", "inpatient", ["S72.001A", "A41.9"]),
    ("ASSESSMENT: {Pneumonia|J18.9}. No {sepsis|A41.9|absent}.", "inpatient", ["J18.9"]),
    # chapter 15 goes ahead of other chapters
    ("ASSESSMENT: {Asthma|J45.909}. {Gestational edema|O12.03}.", "outpatient", ["O12.03", "J45.909"]),
    ("ASSESSMENT: {Gout|M10.9}. {Pre-eclampsia|O14.93|absent}.", "outpatient", ["M10.9"]),
    ("{Pacemaker|Z95.0}.", "outpatient", ["Z95.0"]),
    ("{Fell|W19.XXXA}.", "outpatient", ["W19.XXXA"]),
]


@pytest.mark.parametrize(("marked", "setting", "expected"), ORDER_CASES)
def test_order(codeset: CodeSet, marked: str, setting: Setting, expected: list[str]) -> None:
    assert codes_of(marked, codeset, setting) == expected


SAID = [
    ("ASSESSMENT: {Pneumonia|J18.9}, {sepsis|A41.9}.", "J18.9", "I.C.1.d.4"),
    ("ASSESSMENT: {Asthma|J45.909}. {Gestational edema|O12.03}.", "O12.03", "I.C.15.a.1"),
]


@pytest.mark.parametrize(("marked", "code", "said"), SAID)
def test_order_is_explained(codeset: CodeSet, marked: str, code: str, said: str) -> None:
    resolved = {one.code: one for one in resolve(marked, codeset, "inpatient")}
    assert any(said in line for line in resolved[code].trace)
