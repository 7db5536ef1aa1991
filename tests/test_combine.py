"""Findings that are coded together, by table."""

from __future__ import annotations

import pytest
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet

COMBINATION_CASES = [
    # diabetes
    ("{Diabetes|E11.9}, {CKD stage 4|N18.4}.", {"E11.22", "N18.4"}),
    ("{Type 1 diabetes|E10.9}, {CKD stage 4|N18.4}.", {"E10.22", "N18.4"}),
    ("{Diabetes|E11.9}. {CKD stage 4|N18.4} not due to diabetes.", {"E11.9", "N18.4"}),
    ("{Diabetes|E11.9}, {polyneuropathy|G62.9}.", {"E11.42"}),
    ("{Diabetes|E11.9}, {gastroparesis|K31.84}.", {"E11.43", "K31.84"}),
    ("{Diabetes|E11.9}, {background retinopathy|H35.00}.", {"E11.319"}),
    ("{Diabetes|E11.9}, {peripheral vascular disease|I73.9}.", {"E11.51"}),
    ("{Diabetes|E11.9}, {gangrene|I96}.", {"E11.52"}),
    ("{Diabetes|E11.9}, {ulcer of the left heel|L97.429}.", {"E11.621", "L97.429"}),
    ("{Diabetes|E11.9}, {ulcer of the left calf|L97.229}.", {"E11.622", "L97.229"}),
    ("{Diabetes|E11.9}, {hyperglycemia|R73.9}.", {"E11.65"}),
    ("{Diabetes|E11.9}, {hypoglycemia|E16.2}.", {"E11.649"}),
    ("{Diabetes|E11.9}, {cataract|H26.9}.", {"E11.36"}),
    ("{Diabetes|E11.9}, {osteomyelitis of the foot|M86.9}.", {"E11.69", "M86.9"}),
    ("{Diabetes|E11.9}, {CKD stage 3|N18.30}, {polyneuropathy|G62.9}.", {"E11.22", "E11.42", "N18.30"}),
    ("{Diabetes|E11.9}, no {polyneuropathy|G62.9|absent}.", {"E11.9"}),
    ("{Polyneuropathy|G62.9}; mother has {diabetes|E11.9|family}.", {"G62.9"}),
    # a nephropathy is the kidney disease; an inflammation of the glomeruli is more
    ("{Diabetic nephropathy|E11.21}, {CKD stage 3|N18.30}.", {"E11.22", "N18.30"}),
    ("{Diabetic nephropathy|E11.21}, {diabetic kidney disease|E11.22}, {CKD stage 4|N18.4}.", {"E11.22", "N18.4"}),
    ("{Diabetic nephropathy|E11.21}.", {"E11.21"}),
    ("{Diabetic nephropathy|E10.21}, {CKD stage 3|N18.30}.", {"E10.22", "N18.30"}),
    ("{Diabetic nephropathy|E11.21}. {CKD stage 3|N18.30} unrelated to diabetes.", {"E11.21", "N18.30"}),
    ("{Diabetes|E11.9}, {nephritis|N05.9}, {CKD stage 3|N18.30}.", {"E11.21", "E11.22", "N05.9", "N18.30"}),
    ("{Diabetes|E11.9}, no {CKD|N18.9|absent}.", {"E11.9"}),
    # hypertension
    ("{Hypertension|I10}, {heart failure|I50.9}.", {"I11.0", "I50.9"}),
    ("{Hypertension|I10}, {CKD stage 3|N18.30}.", {"I12.9", "N18.30"}),
    ("{Hypertension|I10}, {end stage renal disease|N18.6}.", {"I12.0", "N18.6"}),
    ("{Hypertension|I10}, {heart failure|I50.9}, {CKD stage 3|N18.30}.", {"I13.0", "I50.9", "N18.30"}),
    ("{Hypertension|I10}, {heart failure|I50.9}, {ESRD|N18.6}.", {"I13.2", "I50.9", "N18.6"}),
    (
        "{Hypertensive heart disease with failure|I11.0}, {heart failure|I50.9}, {CKD|N18.9}.",
        {"I13.0", "I50.9", "N18.9"},
    ),
    # both heart and kidney, whichever of them is coded together with the hypertension already
    ("{Hypertensive heart disease|I11.9}, {heart and kidney disease|I13.10}, {CKD|N18.9}.", {"I13.10", "N18.9"}),
    ("{Hypertensive heart disease|I11.9}, {CKD stage 3|N18.30}.", {"I13.10", "N18.30"}),
    ("{Hypertensive heart disease|I11.9}, {CKD stage 5|N18.5}.", {"I13.11", "N18.5"}),
    ("{Hypertensive heart disease|I11.9}, {ESRD|N18.6}.", {"I13.11", "N18.6"}),
    ("{Hypertensive heart disease|I11.9}, {hypertensive CKD|I12.9}, {CKD 2|N18.2}.", {"I13.10", "N18.2"}),
    ("{Hypertensive heart disease|I11.9}, {heart failure|I50.9}, {ESRD|N18.6}.", {"I13.2", "I50.9", "N18.6"}),
    ("{Hypertensive heart failure|I11.0}, {heart failure|I50.9}, {CKD 5|N18.5}.", {"I13.2", "I50.9", "N18.5"}),
    ("{Hypertensive heart failure|I11.0}, {ESRD of hypertension|I12.0}, {ESRD|N18.6}.", {"I13.2", "I50.9", "N18.6"}),
    ("{Heart and kidney disease|I13.0}, {heart failure|I50.9}, {ESRD|N18.6}.", {"I13.2", "I50.9", "N18.6"}),
    ("{Heart and kidney disease|I13.10}, {heart failure|I50.9}, {CKD|N18.9}.", {"I13.0", "I50.9", "N18.9"}),
    ("{Heart and kidney disease|I13.0}, {hypertension|I10}, {CKD|N18.9}.", {"I13.0", "I50.9", "N18.9"}),
    ("{Hypertension|I10}, {cardiomegaly|I51.7}, {CKD stage 3|N18.30}.", {"I13.10", "N18.30"}),
    ("{Hypertension|I10}, {heart disease|I51.9}, {CKD stage 5|N18.5}.", {"I13.11", "I51.9", "N18.5"}),
    ("{Hypertensive heart disease|I11.9}, no {CKD|N18.9|absent}.", {"I11.9"}),
    ("{Hypertensive heart disease|I11.9}. {CKD|N18.9} not due to hypertension.", {"I11.9", "N18.9"}),
    ("{Hypertensive heart disease|I11.9}, {hypertension|I10}.", {"I11.9"}),
    ("{Hypertensive CKD stage 5|I12.0}, {hypertension|I10}, {CKD 5|N18.5}.", {"I12.0", "N18.5"}),
    ("{Hypertension|I10}, {cardiomegaly|I51.7}.", {"I11.9"}),
    ("{Hypertension|I10}, {heart disease|I51.9}.", {"I11.9", "I51.9"}),
    ("{Hypertension|I10}. {Heart failure|I50.9} unrelated to hypertension.", {"I10", "I50.9"}),
    ("{Hypertension|I10}, no {heart failure|I50.9|absent}.", {"I10"}),
    ("{Hypertension|I10}, {diabetes|E11.9}, {CKD stage 3|N18.30}.", {"I12.9", "E11.22", "N18.30"}),
    # heart, lungs, kidney
    ("{Coronary disease|I25.10}, {angina|I20.9}.", {"I25.119"}),
    ("{Coronary disease|I25.10}, {unstable angina|I20.0}.", {"I25.110"}),
    ("{Angina|I20.9}.", {"I20.9"}),
    ("{COPD|J44.9}, {pneumonia|J18.9}.", {"J44.0", "J18.9"}),
    ("{COPD|J44.9}, {acute bronchitis|J20.9}.", {"J44.0", "J20.9"}),
    ("{Influenza|J11.1}, {pneumonia|J18.9}.", {"J11.00"}),
    ("{Acute respiratory failure|J96.00}, {chronic respiratory failure|J96.10}.", {"J96.20"}),
    ("{ESRD|N18.6}, {CKD stage 5|N18.5}.", {"N18.6"}),
    ("{CKD stage 4|N18.4}, {anemia|D64.9}.", {"D63.1", "N18.4"}),
    # digestive tract
    ("{Gastric ulcer|K25.9}, {melena|K92.1}.", {"K25.4"}),
    ("{Duodenal ulcer|K26.9}, {GI bleeding|K92.2}.", {"K26.4"}),
    ("{Diverticulosis|K57.30}, {rectal bleeding|K62.5}.", {"K57.31"}),
    ("{Gastritis|K29.70}, {hematemesis|K92.0}.", {"K29.71"}),
    ("{Gallstones|K80.20}, {acute cholecystitis|K81.0}.", {"K80.00"}),
    # substances, mind, obesity
    ("{Alcohol dependence|F10.20}, {alcohol abuse|F10.10}.", {"F10.20"}),
    ("{Alcohol abuse|F10.10}, {alcohol use|F10.90}.", {"F10.10"}),
    ("{Nicotine dependence|F17.210}, {tobacco use|Z72.0}.", {"F17.210"}),
    ("{Nicotine dependence|F17.210}, {former smoker|Z87.891|historical}.", {"F17.210"}),
    ("{Former smoker|Z87.891|historical}.", {"Z87.891"}),
    ("{Opioid dependence|F11.20}, {opioid use|F11.90}.", {"F11.20"}),
    ("{Alzheimer disease|G30.9}, {dementia|F03.90}.", {"G30.9", "F02.80"}),
    ("{Parkinson disease|G20.A1}, {dementia|F03.90}.", {"G20.A1", "F02.80"}),
    ("{Morbid obesity|E66.01}, {class 3 obesity|E66.813}.", {"E66.813"}),
    ("{Obesity|E66.9}, {BMI 35|Z68.35}.", {"E66.9", "Z68.35"}),
    # stroke
    ("{Left hemiparesis after stroke|I69.354}, {old stroke|Z86.73|historical}.", {"I69.354"}),
    ("{Old stroke|Z86.73|historical}.", {"Z86.73"}),
    # neoplasm: primary, secondary, history
    ("{Breast cancer|C50.911}, {bone metastases|C79.51}.", {"C50.911", "C79.51"}),
    ("{Breast cancer|C50.911|historical}, {bone metastases|C79.51}.", {"Z85.3", "C79.51"}),
    # one code of the body's answer to an infection
    ("{Shock after surgery|T81.12XA}, {septic shock|R65.21}, {sepsis|T81.44XA}.", {"T81.12XA", "T81.44XA"}),
    ("{Sepsis|A41.9}, {severe sepsis|R65.20}, {SIRS|R65.10}.", {"A41.9", "R65.20"}),
    # no sepsis of chapter 1 beside the puerperal one
    ("{Puerperal sepsis|O85}, {E. coli sepsis|A41.51}.", {"O85"}),
    ("{Puerperal sepsis|O85}, {group B streptococcal sepsis|A40.1}.", {"O85"}),
    ("{Puerperal sepsis|O85}, {candidal sepsis|B37.7}.", {"O85", "B37.7"}),
    ("{Sepsis after surgery|O86.04}, {E. coli sepsis|A41.51}.", {"O86.04", "A41.51"}),
    # attention to an opening says that there is one
    ("{Gastrostomy care|Z43.1}, {gastrostomy|Z93.1}.", {"Z43.1"}),
    ("{Gastrostomy care|Z43.1}, {tracheostomy|Z93.0}.", {"Z43.1", "Z93.0"}),
    # symptoms that one code joins
    ("{Nausea|R11.0} and {vomiting|R11.10}.", {"R11.2"}),
]


@pytest.mark.parametrize(("marked", "expected"), COMBINATION_CASES)
def test_combinations(codeset: CodeSet, marked: str, expected: set[str]) -> None:
    found = codes_of(marked, codeset)
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("{Puerperal sepsis|O85}, {E. coli sepsis|A41.51}.", "B95-B96"),
        ("{Puerperal sepsis|O85}, {sepsis|A41.9}.", None),
        ("{Puerperal sepsis|O85}, {E. coli sepsis|A41.51}, {E. coli|B96.20}.", None),
    ],
)
def test_organism_that_a_combination_does_not_say_is_reviewed(
    codeset: CodeSet, marked: str, reason: str | None
) -> None:
    code = resolve(marked, codeset)[0]
    assert code.code == "O85"
    assert code.decision == ("review" if reason else "accept")
    assert reason is None or reason in code.trace[-1]
