"""What a visit is for, aftercare and follow-up among it, by table."""

from __future__ import annotations

import pytest
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet

ENCOUNTER_CASES = [
    ("Admitted for chemotherapy. {Breast cancer|C50.911}.", ["Z51.11", "C50.911"]),
    ("Admitted for chemotherapy. {Asthma|J45.909}.", ["J45.909"]),
    ("Here for immunotherapy. {Lung cancer|C34.90}.", ["Z51.12", "C34.90"]),
    ("Here for immunotherapy. {Hay fever|J30.1}.", ["J30.1"]),
    # aftercare of an operation, by what was operated on
    (
        "Postoperative visit after left knee replacement. {Left knee replacement|Z96.652}.",
        ["Z47.1", "Z96.652"],
    ),
    ("Admitted for rehabilitation after hip replacement. {Hip replacement|Z96.641}.", ["Z47.1", "Z96.641"]),
    ("Here for a cough. {Left knee replacement|Z96.652} in 2010. {Cough|R05.9}.", ["R05.9", "Z96.652"]),
    ("Postoperative visit. She had a cholecystectomy. {Left knee replacement|Z96.652}.", ["Z96.652"]),
    ("Post-op visit after laparoscopic cholecystectomy. {Constipation|K59.00}.", ["Z48.815", "K59.00"]),
    ("Follow-up status post CABG. {Bypass graft|Z95.1}.", ["Z48.812", "Z95.1"]),
    ("Postop check after lumbar fusion. {Fusion|Z98.1}.", ["Z47.89", "Z98.1"]),
    ("Postoperative visit after resection of a {meningioma|D32.9}.", ["Z48.3", "D32.9"]),
    ("Here for staple removal. {Obesity|E66.9}.", ["Z48.02", "E66.9"]),
    ("{Postoperative visit|Z48.89} after CABG. {Bypass graft|Z95.1}.", ["Z48.812", "Z95.1"]),
    ("{Postoperative visit|Z48.89}. {Gout|M10.9}.", ["Z48.89", "M10.9"]),
    # an injury keeps its own code, of a subsequent encounter
    ("Postoperative visit for the left {ankle fracture|S82.892A}.", ["S82.892D"]),
    ("Rehabilitation following hip replacement for {hip fracture|S72.001A}. {Hip|Z96.641}.", ["S72.001D", "Z96.641"]),
    ("{Orthopedic aftercare|Z47.89} of an open {tibia fracture|S82.201B}.", ["S82.201E"]),
    ("{Aftercare|Z47.1} of the {hip replacement|Z96.641} for {hip fracture|S72.001A}.", ["S72.001D", "Z96.641"]),
    ("{Aftercare of the bowel|Z48.815}. {Ankle fracture|S82.891D}.", ["Z48.815", "S82.891D"]),
    ("Suture removal from the {wound of the hand|S61.401A}.", ["S61.401D"]),
    ("{Aftercare of the knee|Z47.89} after a {fracture of sick bone|M84.451A}.", ["M84.451D"]),
    ("Postop check after lumbar fusion. {Osteoporotic fracture|M80.08XA}.", ["M80.08XA"]),
    # neither an allergy nor a poisoning is one
    (
        "{Aftercare of knee replacement|Z47.1} with {allergic reaction|T78.40XA}, {left knee|Z96.652}.",
        ["Z47.1", "T78.40XA", "Z96.652"],
    ),
    ("Postop check after lumbar fusion. {Drug overdose|T50.901A}.", ["Z47.89", "T50.901A"]),
    # aftercare that a mention states comes first, with the joint that it asks for
    ("{Hypertension|I10}. {Aftercare of the left knee replacement|Z47.1}.", ["Z47.1", "I10", "Z96.652"]),
    ("{Aftercare of joint replacement|Z47.1}, {right hip|Z96.641}.", ["Z47.1", "Z96.641"]),
    ("{Aftercare|Z47.89|hypothetical} next month. {Gout|M10.9}.", ["M10.9"]),
    # follow-up of what is treated and gone
    ("Here for surveillance of her breast cancer. {Breast cancer|C50.911|historical}.", ["Z08", "Z85.3"]),
    ("Here for surveillance of her breast cancer. {Breast cancer|C50.911}.", ["C50.911"]),
    ("Follow-up of pneumonia, completed antibiotics. {Pneumonia|J18.9|historical}.", ["Z09", "Z87.01"]),
    ("Follow-up of pneumonia, completed antibiotics. {Pneumonia|J18.9}.", ["J18.9"]),
    ("Follow-up of diabetes. {Diabetes|E11.9}. {Pneumonia|J18.9|historical} in May.", ["E11.9"]),
    ("EXAM: Screening mammogram. {Family history of breast cancer|Z80.3|family}.", ["Z12.31", "Z80.3"]),
    ("Here for a screening colonoscopy. {Reflux|K21.9}.", ["Z12.11", "K21.9"]),
    ("Here for a screening colonoscopy. {Colon cancer|C18.9}.", ["C18.9"]),
    ("Preop evaluation. ASSESSMENT: {Gallstones|K80.20}.", ["Z01.818", "K80.20"]),
    ("Well-child visit of a 4-year-old girl.", ["Z00.129"]),
    ("Well-child visit.", []),
    ("A 50-year-old man for his annual physical. {Hypertension|I10}.", ["Z00.00", "I10"]),
    ("{Hypertension|I10}. " + "He is well. " * 60 + "Annual physical next year.", ["I10"]),
]


@pytest.mark.parametrize(("marked", "expected"), ENCOUNTER_CASES)
def test_what_the_visit_is_for(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


def test_stated_reason_of_the_visit_is_not_doubted(codeset: CodeSet) -> None:
    (code,) = resolve("A 50-year-old man for his {annual physical|Z00.01}.", codeset)
    assert (code.code, code.decision) == ("Z00.01", "accept")


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("Postoperative check after CABG yesterday. {Atrial fibrillation|I48.91}.", ["I48.91"]),
        ("Admitted for rehabilitation after hip replacement. {Hip replacement|Z96.641}.", ["Z47.1", "Z96.641"]),
    ],
)
def test_an_operation_of_the_stay_has_no_aftercare(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset, "inpatient") == expected
