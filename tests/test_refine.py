"""More specific codes by the words around a finding, by table."""

from __future__ import annotations

import pytest
from resolving import codes_of

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.types import Setting

SPECIFICITY_CASES = [
    # unspecified gives way to specific of the same family, not to others
    ("{Diabetes|E11.9}, {diabetic polyneuropathy|E11.42}.", ["E11.42"]),
    ("{Asthma|J45.909} and {mild intermittent asthma|J45.20}.", ["J45.20"]),
    ("{Depression|F32.A} and {moderate major depression|F32.1}.", ["F32.1"]),
    ("{Nausea with vomiting|R11.2} and {bilious vomiting|R11.14}.", ["R11.2", "R11.14"]),
    ("{Diabetes|E11.9} and {type 1 diabetes|E10.9}.", ["E11.9", "E10.9"]),
    ("{Hyperlipidemia|E78.5}, {mixed hyperlipidemia|E78.2}.", ["E78.2"]),
    ("{Anxiety|F41.9}, {generalized anxiety|F41.1}.", ["F41.1"]),
    ("{Hyperlipidemia|E78.5}, {high triglycerides|E78.1}.", ["E78.5", "E78.1"]),
    ("{Knee osteoarthritis|M17.9} and {left knee osteoarthritis|M17.12}.", ["M17.12"]),
    # side, from the words at the finding
    ("Left {knee pain|M25.569}.", ["M25.562"]),
    ("{Right knee pain|M25.569}.", ["M25.561"]),
    ("{Pain|M25.569} in the right knee.", ["M25.561"]),
    ("{Knee pain|M25.569}.", ["M25.569"]),
    ("{Knee pain|M25.569}, worse than in the left hip.", ["M25.569"]),
    ("Bilateral {cataracts|H25.10}.", ["H25.13"]),
    ("{Otitis media|H66.90} of the left ear.", ["H66.92"]),
    ("Right {distal radius fracture|S52.509A}.", ["S52.501A"]),
    ("Right and later left {carpal tunnel syndrome|G56.00}.", ["G56.02"]),
    ("Right {carpal tunnel syndrome|G56.00}. Left {carpal tunnel syndrome|G56.00}.", ["G56.03"]),
    # episode of an injury
    ("{Healing ankle fracture|S82.891A}.", ["S82.891D"]),
    ("{Radius fracture|S52.501A}, seen for follow-up.", ["S52.501D"]),
    ("{Ankle sprain|S93.401A}, follow-up with orthopedics in one week.", ["S93.401A"]),
    ("{Wound of the hand|S61.401A}, suture removal in ten days.", ["S61.401A"]),
    ("{Wound of the hand|S61.419A}, suture removal to be done next week.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, suture removal is scheduled for Monday.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, staple removal planned.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, suture removal should be on Monday.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, suture removal after 10 days.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, return in 7 days for suture removal.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, follow-up next week for suture removal.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, will need suture removal.", ["S61.419A"]),
    ("{Wound of the hand|S61.419A}, returned for suture removal.", ["S61.419D"]),
    ("{Wound of the hand|S61.419A}, seen for suture removal.", ["S61.419D"]),
    ("{Open tibia fracture|S82.201A}.", ["S82.201B"]),
    # an operation may be open, a pelvis opens like a book
    ("Right {femur fracture|S72.90XA} status post open reduction internal fixation.", ["S72.91XA"]),
    ("Open treatment of the {tibia fracture|S82.201A}.", ["S82.201A"]),
    ("Open-book {fracture of the pelvis|S32.9XXA}.", ["S32.9XXA"]),
    ("Open reduction of an open {tibia fracture|S82.201A}.", ["S82.201B"]),
    ("Nonunion of the {tibia fracture|S82.201A}.", ["S82.201K"]),
    ("Malunion of the {radius fracture|S52.501A}.", ["S52.501P"]),
    ("Delayed healing of the {tibia fracture|S82.201A}.", ["S82.201G"]),
    ("Late effect of {hand burn|T23.001A}.", ["T23.001S"]),
    ("86-year-old with {hip fracture|S72.001A}.", ["S72.001A"]),
    # stage, severity, course, organism
    ("{CKD|N18.9} stage 3b.", ["N18.32"]),
    ("{Chronic kidney disease stage III|N18.9}.", ["N18.30"]),
    ("{CKD|N18.9} on dialysis.", ["N18.6"]),
    ("{COPD|J44.9} with acute exacerbation.", ["J44.1"]),
    ("{COPD|J44.9} without exacerbation.", ["J44.9"]),
    ("{Asthma|J45.909} exacerbation.", ["J45.901"]),
    ("Mild persistent {asthma|J45.909}.", ["J45.30"]),
    ("Mild persistent {asthma|J45.30} with exacerbation.", ["J45.31"]),
    ("Acute on chronic systolic {heart failure|I50.9}.", ["I50.23"]),
    ("Chronic diastolic {heart failure|I50.9}.", ["I50.32"]),
    ("{Heart failure|I50.9}.", ["I50.9"]),
    ("Paroxysmal {atrial fibrillation|I48.91}.", ["I48.0"]),
    ("Permanent {atrial fibrillation|I48.91}.", ["I48.21"]),
    ("Aspiration {pneumonia|J18.9}.", ["J69.0"]),
    ("MRSA {sepsis|A41.9}.", ["A41.02"]),
    ("{Sepsis|A41.9} due to MSSA.", ["A41.01"]),
    ("{Sepsis|A41.9} with MRSA bacteremia.", ["A41.02"]),
    ("{Sepsis|A41.9}, MRSA screen negative.", ["A41.9"]),
    ("{Sepsis|A41.9}, MRSA colonization of the nares.", ["A41.9"]),
    ("{Sepsis|A41.9} due to E. coli.", ["A41.51"]),
    ("{Sepsis|A41.9} secondary to an E. coli urinary infection.", ["A41.51"]),
    ("{Sepsis|A41.9}, no growth of E. coli in the blood.", ["A41.9"]),
    ("Pneumococcal {pneumonia|J18.9}.", ["J13"]),
    ("{Pneumonia|J18.9}, pneumococcal vaccine given.", ["J18.9"]),
    ("MRSA {pneumonia|J18.9}.", ["J15.212"]),
    ("{Pneumonia|J18.9} secondary to MSSA.", ["J15.211"]),
    ("{Pneumonia|J18.9}, MRSA nares swab negative.", ["J18.9"]),
    ("{Smoker|F17.200}, two packs a day of cigarettes.", ["F17.210"]),
    ("Intractable {migraine|G43.909}.", ["G43.919"]),
    ("{Type 2 diabetes|E11.9} in remission.", ["E11.A"]),
    # words of another finding are not this one's
    ("Chronic systolic {heart failure|I50.9}, acute {bronchitis|J20.9}.", ["I50.22", "J20.9"]),
    ("Systolic {heart failure|I50.9} and acute {bronchitis|J20.9}.", ["I50.20", "J20.9"]),
    ("Systolic {heart failure|I50.9}, acute.", ["I50.21"]),
    ("{Wrist fracture|S62.101A} and healing {ankle sprain|S93.401A}.", ["S62.101A", "S93.401D"]),
    # the side and depth of an ulcer of the foot
    ("Left {foot ulcer|L97.509}.", ["L97.529"]),
    ("{Ulcer of the right heel|L97.409}, fat layer exposed.", ["L97.412"]),
    ("{Ulcer of the right heel|L97.419} with necrosis of bone.", ["L97.414"]),
    ("{Ulcer of the right heel|L97.419} without necrosis of bone.", ["L97.419"]),
    # the organism of a sepsis, where it is said of the sepsis
    ("{Sepsis|A41.9} due to Pseudomonas.", ["A41.52"]),
    ("Pneumococcal {sepsis|A41.9}.", ["A40.3"]),
    ("{Sepsis|A41.9} due to Klebsiella.", ["A41.59"]),
    ("E. coli {sepsis|A41.9}.", ["A41.51"]),
    ("Hepatitis E. {Sepsis|A41.9} due to Klebsiella.", ["A41.59"]),
    ("{Sepsis|A41.9} and {Pseudomonas in the urine|B96.5}.", ["A41.9", "B96.5"]),
    # the control of gestational diabetes
    ("{Gestational diabetes|O24.419}, diet controlled.", ["O24.410"]),
    ("{Gestational diabetes|O24.419} on insulin.", ["O24.414"]),
    ("{Gestational diabetes|O24.419}.", ["O24.419"]),
]


@pytest.mark.parametrize(("marked", "expected"), SPECIFICITY_CASES)
def test_specificity(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


UNCERTAIN_CASES: list[tuple[str, Setting, list[str]]] = [
    ("{Pneumonia|J18.9}, possibly due to MRSA.", "outpatient", ["J18.9"]),
    ("{Pneumonia|J18.9}, possibly due to MRSA.", "inpatient", ["J15.212"]),
    ("{COPD|J44.9} with a probable exacerbation.", "outpatient", ["J44.9"]),
    ("{COPD|J44.9} with an exacerbation, probably viral.", "outpatient", ["J44.1"]),
]


@pytest.mark.parametrize(("marked", "setting", "expected"), UNCERTAIN_CASES)
def test_outpatients_uncertain_detail_is_not_coded(
    codeset: CodeSet, marked: str, setting: Setting, expected: list[str]
) -> None:
    assert codes_of(marked, codeset, setting) == expected
