"""Document-level coding by tables: an annotated note in, its codes and the rule that led to them out."""

from __future__ import annotations

import dataclasses
from datetime import date
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.history import family_code, history_code, load_history
from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.rules.patient import Patient, find_patient
from detect_icd10cm.rules.resolve import find_uncodable, resolve_codes
from detect_icd10cm.rules.tables import (
    load_combinations,
    load_details,
    load_drugs,
    load_encounters,
    load_integral,
    load_partners,
    load_pregnancy,
)
from detect_icd10cm.rules.validity import find_successor
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, Assertion, Candidate, Setting

ASSERTION_CASES = [
    ("{Asthma|J45.909}.", "outpatient", ["J45.909"]),
    ("No {asthma|J45.909|absent}.", "outpatient", []),
    ("Return if {fever|R50.9|hypothetical}.", "outpatient", []),
    ("ASSESSMENT: Probable {pneumonia|J18.9|possible}.", "outpatient", []),
    ("ASSESSMENT: Probable {pneumonia|J18.9|possible}.", "inpatient", ["J18.9"]),
    ("ASSESSMENT: Possible {cough|R05.9|possible}.", "inpatient", []),
    ("HISTORY OF PRESENT ILLNESS: First thought to be {pneumonia|J18.9|possible}.", "inpatient", []),
    ("ASSESSMENT: Possible {pneumonia|J18.9|possible}, {cough|R05.9}.", "outpatient", ["R05.9"]),
    ("Status after {breast cancer|C50.911|historical}.", "outpatient", ["Z85.3"]),
    ("{History of breast cancer|Z85.3|historical}.", "outpatient", ["Z85.3"]),
    ("Old {stroke|I63.9|historical}.", "outpatient", ["Z86.73"]),
    ("Old {TIA|G45.9|historical}.", "outpatient", ["Z86.73"]),
    ("{Heart attack|I21.9|historical} in 2001.", "outpatient", ["I25.2"]),
    ("{Old infarction|I25.2|historical}.", "outpatient", ["I25.2"]),
    ("{DVT|I82.409|historical} ten years ago.", "outpatient", ["Z86.718"]),
    ("{Pulmonary embolism|I26.99|historical} in 2010.", "outpatient", ["Z86.711"]),
    ("{Cough|R05.9|historical} last year.", "outpatient", []),
    ("Former {smoker|F17.200|historical}.", "outpatient", ["Z87.891"]),
    ("ASSESSMENT: Past {pneumonia|J18.9|historical}.", "outpatient", ["Z87.01"]),
    ("PAST MEDICAL HISTORY: {Pneumonia|J18.9|historical} in 2001.", "outpatient", []),
    ("FAMILY HISTORY: Mother had {breast cancer|C50.919|family}.", "outpatient", ["Z80.3"]),
    ("FAMILY HISTORY: Father had {colon cancer|C18.9|family}.", "outpatient", ["Z80.0"]),
    ("FAMILY HISTORY: Father had {diabetes|E11.9|family}.", "outpatient", []),
    ("{Prediabetes|R73.03}. FAMILY HISTORY: Father had {diabetes|E11.9|family}.", "outpatient", ["R73.03"]),
    ("{Obesity|E66.9}. FAMILY HISTORY: {diabetes|E11.9|family}.", "outpatient", ["E66.9", "Z83.3"]),
    ("{Hypertension|I10}. FAMILY HISTORY: {heart attack|I21.9|family}.", "outpatient", ["I10", "Z82.49"]),
    ("{Penicillin allergy|Z88.0}.", "outpatient", ["Z88.0"]),
    # an injury of the past: still healing, over, or none at all
    ("Follow-up of {wrist fracture|S62.101A|historical}, fixed in May.", "outpatient", ["S62.101D"]),
    ("{Open tibia fracture|S82.201B|historical} six weeks ago, in a cast.", "outpatient", ["S82.201E"]),
    ("Follow-up of a healed {wrist fracture|S62.101A|historical}.", "outpatient", ["Z87.81"]),
    ("{Wrist fracture|S62.101A|historical} in 2001.", "outpatient", ["Z87.81"]),
    ("{Ankle sprain|S93.401A|historical} in 2001.", "outpatient", []),
    ("ASSESSMENT: {Ankle sprain|S93.401A|historical} in 2001.", "outpatient", ["Z87.828"]),
    ("ASSESSMENT: {Reaction to penicillin|T36.0X5A|historical} in 2001.", "outpatient", []),
    ("ASSESSMENT: {Broken screw|T84.226A|historical}, removed.", "outpatient", []),
    # what an allergy list names is not there now
    ("ALLERGIES: Penicillin causes {hives|L50.9}.\nASSESSMENT: {Gout|M10.9}.", "outpatient", ["M10.9"]),
    ("ALLERGIES: {Anaphylaxis|T78.2XXA|historical} to peanuts, {rash|R21}.", "outpatient", []),
    ("ALLERGIES: {Penicillin|Z88.0}, {latex|Z91.040}.", "outpatient", ["Z88.0", "Z91.040"]),
    ("ASSESSMENT: {Hives|L50.9}.\nALLERGIES: {Hives|L50.9} with penicillin.", "outpatient", ["L50.9"]),
    # resolved during the stay, and before it
    ("HOSPITAL COURSE: {Pneumonia|J18.9|historical} resolved with antibiotics.", "inpatient", ["J18.9"]),
    ("DISCHARGE DIAGNOSIS: {Acute kidney injury|N17.9|historical}, resolved.", "inpatient", ["N17.9"]),
    ("ASSESSMENT: {Pneumonia|J18.9|historical}, resolved.", "outpatient", ["Z87.01"]),
    ("DISCHARGE DIAGNOSIS: History of {pneumonia|J18.9|historical}, resolved.", "inpatient", ["Z87.01"]),
    ("DISCHARGE DIAGNOSIS: {Breast cancer|C50.911|historical}, resolved.", "inpatient", ["Z85.3"]),
    (
        "HOSPITAL COURSE: This 86-year-old had {sepsis|A41.9|historical}, resolved prior to discharge.",
        "inpatient",
        ["A41.9"],
    ),
    ("HOSPITAL COURSE: {Pneumonia|J18.9|historical} two years ago, resolved.", "inpatient", []),
    ("DISCHARGE DIAGNOSIS: Past {pneumonia|J18.9|historical}.", "inpatient", ["Z87.01"]),
    # only confirmed cases of these
    ("ASSESSMENT: Possible {COVID-19|U07.1|possible}.", "inpatient", []),
    ("ASSESSMENT: Suspected {avian influenza|J09.X2|possible}.", "inpatient", []),
    ("{Asthma|J45.909}. Again {asthma|J45.909}. No {asthma|J45.909|absent}.", "outpatient", ["J45.909"]),
]


@pytest.mark.parametrize(("marked", "setting", "expected"), ASSERTION_CASES)
def test_assertion_and_setting(codeset: CodeSet, marked: str, setting: Setting, expected: list[str]) -> None:
    assert codes_of(marked, codeset, setting) == expected


DRUG_CASES = [
    ("{Diabetes|E11.9}. MEDICATIONS: Metformin 500 mg.", {"E11.9", "Z79.84"}),
    ("{Diabetes|E11.9}. MEDICATIONS: Lantus and metformin.", {"E11.9", "Z79.4", "Z79.84"}),
    ("{Diabetes|E11.9}. MEDICATIONS: Ozempic weekly.", {"E11.9", "Z79.85"}),
    ("{Polycystic ovaries|E28.2}. MEDICATIONS: Metformin.", {"E28.2"}),
    ("{Diabetes|E11.9}. ALLERGIES: Insulin.", {"E11.9"}),
    ("{Diabetes|E11.9}. Metformin was stopped.", {"E11.9"}),
    ("{Atrial fibrillation|I48.91}. MEDICATIONS: Coumadin 5 mg.", {"I48.91", "Z79.01"}),
    ("{Atrial fibrillation|I48.91}. Coumadin was discussed.", {"I48.91"}),
    ("{Coronary disease|I25.10}. MEDICATIONS: Aspirin 81 mg, Plavix.", {"I25.10", "Z79.82", "Z79.02"}),
    ("{Knee pain|M25.569}. MEDICATIONS: Aspirin.", {"M25.569"}),
]


@pytest.mark.parametrize(("marked", "expected"), DRUG_CASES)
def test_long_term_drugs(codeset: CodeSet, marked: str, expected: set[str]) -> None:
    assert set(codes_of(marked, codeset)) == expected


SYMPTOM_CASES = [
    ("{Pneumonia|J18.9} with {cough|R05.9} and {fever|R50.9}.", ["J18.9"]),
    ("{Pneumonia|J18.9} and {joint pain|M25.50}.", ["J18.9", "M25.50"]),
    ("{Cough|R05.9} and {fever|R50.9}.", ["R05.9", "R50.9"]),
    ("Possible {pneumonia|J18.9|possible} with {cough|R05.9}.", ["R05.9"]),
    ("No {pneumonia|J18.9|absent}; {cough|R05.9}.", ["R05.9"]),
    ("{Heart failure|I50.9} with {shortness of breath|R06.02} and {edema|R60.0}.", ["I50.9"]),
    ("{Migraine|G43.909} with {headache|R51.9}.", ["G43.909"]),
    ("{Appendicitis|K35.80} with {abdominal pain|R10.31}.", ["K35.80"]),
    ("{Kidney stone|N20.0} with {hematuria|R31.9}.", ["N20.0"]),
    ("{Epilepsy|G40.909}, {seizure|R56.9}.", ["G40.909"]),
    ("{Lumbar stenosis|M48.061} with {low back pain|M54.50}.", ["M48.061"]),
    ("{Angina|I20.9} with {chest pain|R07.9}.", ["I20.9"]),
    ("{Carpal tunnel syndrome|G56.01} with {numbness|R20.0}.", ["G56.01"]),
    ("{Depression|F32.A} with {agitation|R45.1}.", ["F32.A"]),
    ("{Prostate hypertrophy|N40.1} with {retention|R33.8}.", ["N40.1", "R33.8"]),
    ("{Hypertension|I10}. PHYSICAL EXAMINATION: {Murmur|R01.1}.", ["I10"]),
    ("PHYSICAL EXAMINATION: {Murmur|R01.1}.", ["R01.1"]),
]


@pytest.mark.parametrize(("marked", "expected"), SYMPTOM_CASES)
def test_symptoms(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


CHAPTER_CASES = [
    # injuries
    ("{Wrist fracture|S62.101A} and {wrist abrasion|S60.811A}.", ["S62.101A"]),
    ("{Wrist fracture|S62.101A} and {knee abrasion|S80.211A}.", ["S62.101A", "S80.211A"]),
    ("{Wrist abrasion|S60.811A}.", ["S60.811A"]),
    ("{Brain contusion|S06.330A} and {head injury|S09.90XA}.", ["S06.330A"]),
    ("{Head injury|S09.90XA}.", ["S09.90XA"]),
    ("{Multiple injuries|T07.XXXA}: {wrist fracture|S62.101A}.", ["S62.101A"]),
    ("{Multiple injuries|T07.XXXA}.", ["T07.XXXA"]),
    # pain
    ("{Acute postoperative pain|G89.18} after {appendicitis|K35.80}.", ["K35.80"]),
    ("Pain management: {acute postoperative pain|G89.18} after {appendicitis|K35.80}.", ["G89.18", "K35.80"]),
    ("{Chronic pain|G89.29}, {neck pain|M54.2}.", ["M54.2", "G89.29"]),
    ("Pain management: {neck pain|M54.2}, {chronic pain|G89.29}.", ["G89.29", "M54.2"]),
    ("ASSESSMENT: {Lung cancer|C34.90}, {cancer pain|G89.3}. Here for pain control.", ["G89.3", "C34.90"]),
    # body mass index
    ("{Obesity|E66.9}, {BMI 35|Z68.35}.", ["E66.9", "Z68.35"]),
    ("{BMI 35|Z68.35}.", []),
    ("{Pregnancy|O09.92}, {obesity|E66.9}, {BMI 35|Z68.35}.", ["O09.92", "O99.212", "E66.9"]),
    # cancer now and before
    ("{Breast cancer|C50.911}, {history of breast cancer|Z85.3|historical}.", ["C50.911"]),
    ("{Lung cancer|C34.90}, {history of breast cancer|Z85.3|historical}.", ["C34.90", "Z85.3"]),
]


@pytest.mark.parametrize(("marked", "expected"), CHAPTER_CASES)
def test_rules_of_single_chapters(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


TRACE_CASES = [
    ("{Asthma|J45.909}.", "J45.909", "I.B.2"),
    ("{Asthma|J45.909}. {Asthma|J45.909}.", "J45.909", "I.B.12"),
    ("Old {stroke|I63.9|historical}.", "Z86.73", "I.C.21.c.4"),
    ("{Diabetes|E11.9}, {CKD stage 4|N18.4}.", "E11.22", "I.A.15"),
    ("{Hypertension|I10}, {heart failure|I50.9}.", "I11.0", "I.C.9.a.1"),
    ("{Pneumonia|J18.9} with {cough|R05.9}.", "J18.9", "I.B.5"),
    ("{Diabetes|E11.9}, {diabetic polyneuropathy|E11.42}.", "E11.42", "I.B.18"),
    ("Left {knee pain|M25.569}.", "M25.562", "I.B.13"),
    ("{Healing ankle fracture|S82.891A}.", "S82.891D", "I.C.19.a"),
    ("{Diabetes|E11.9}. MEDICATIONS: Metformin.", "Z79.84", "I.C.4.a.3"),
    ("ASSESSMENT: {Gout|M10.9}.", "M10.9", "IV.G"),
    ("{CKD stage 3|N18.30}, {hypertensive kidney disease|I12.9}.", "N18.30", "listed behind I12.9"),
    ("{Alcohol dependence|F10.20}, {alcohol abuse|F10.10}.", "F10.20", "I.C.5.b.2"),
    ("{MS|G35}.", "G35.D", "G35 is a header"),
    ("{Annual physical|Z00.00}, {hypertension|I10}.", "Z00.00", "I.C.21.c.15"),
    ("{COVID-19 pneumonia|J12.82}.", "U07.1", "I.C.1.g.1.c"),
    ("ASSESSMENT: {Dementia|F02.80}. {Hypertension|I10}.", "F02.80", "never listed first"),
]


@pytest.mark.parametrize(("marked", "code", "said"), TRACE_CASES)
def test_trace_names_rule_and_section(codeset: CodeSet, marked: str, code: str, said: str) -> None:
    resolved = {one.code: one for one in resolve(marked, codeset)}
    assert any(said in line for line in resolved[code].trace)


SUCCESSORS = [
    ("G35", "G35.D"),
    ("M54.5", "M54.50"),
    ("N18.3", "N18.30"),
    ("R05", "R05.9"),
    ("E11", "E11.9"),
    ("S30.1XXA", "S30.11XA"),
    ("S30.1XXD", "S30.11XD"),
    ("Z84.1", None),
    ("B99", "B99.9"),
]


@pytest.mark.parametrize(("old", "new"), SUCCESSORS)
def test_retired_and_divided_codes_are_mapped(codeset: CodeSet, old: str, new: str | None) -> None:
    found = find_successor(old, codeset)
    assert (found.code if found else None) == new


def test_a_code_that_cannot_be_mapped_is_reported(codeset: CodeSet) -> None:
    text, mentions = parse_inline("{Kidney trouble in the family|Z84.1}.", codeset)
    assert resolve_codes(mentions, "outpatient", codeset, document=Document(text)) == ()
    (said,) = find_uncodable(mentions, "outpatient", codeset)
    assert "Z84.1" in said


def test_only_billable_codes_come_out(codeset: CodeSet) -> None:
    marked = "{MS|G35}, {diabetes|E11}, {back pain|M54.5}, {nothing|Z84.1}."
    assert all(codeset.is_billable(code) for code in codes_of(marked, codeset))


def test_decision_and_its_reason(codeset: CodeSet) -> None:
    text, mentions = parse_inline("{Asthma|J45.909}.", codeset)
    (sure,) = resolve_codes(mentions, "outpatient", codeset, document=Document(text), accept_threshold=0.9)
    (unsure,) = resolve_codes(mentions, "outpatient", codeset, document=Document(text), accept_threshold=1.1)
    assert (sure.decision, unsure.decision) == ("accept", "review")
    assert "below" in unsure.trace[-1]


def test_condition_that_the_stay_resolved_is_found_among_the_candidates(codeset: CodeSet) -> None:
    text, (mention,) = parse_inline("DISCHARGE DIAGNOSIS: {Pneumonia|Z87.01|historical|diagnosis}, resolved.", codeset)
    candidates = tuple(Candidate(code, codeset.title(code), 0.5) for code in ("Z87.01", "J45.909", "J18.9"))
    linked = dataclasses.replace(mention, candidates=candidates)
    for one, expected in ((mention, "Z87.01"), (linked, "J18.9")):
        (code,) = resolve_codes([one], "inpatient", codeset, document=Document(text))
        assert code.code == expected


def test_mentions_stand_behind_each_code(codeset: CodeSet) -> None:
    resolved = {one.code: one for one in resolve("{Diabetes|E11.9}, {CKD|N18.4}, {diabetes|E11.9}.", codeset)}
    assert resolved["E11.22"].mentions == (0, 1, 2)
    assert resolved["N18.4"].mentions == (1,)


def test_without_the_note_only_mentions_count(codeset: CodeSet) -> None:
    _, mentions = parse_inline("Left {knee pain|M25.569}. {Diabetes|E11.9}. MEDICATIONS: Metformin.", codeset)
    assert {code.code for code in resolve_codes(mentions, "outpatient", codeset)} == {"M25.569", "E11.9"}


HISTORY_CASES = [
    ("C50.911", "Z85.3", "Z80.3"),
    ("C61", "Z85.46", "Z80.42"),
    ("C4A.9", "Z85.821", "Z80.8"),
    ("C91.00", "Z85.6", "Z80.6"),
    ("C79.51", "Z85.89", "Z80.8"),
    ("I63.9", "Z86.73", "Z82.3"),
    ("I21.4", "I25.2", "Z82.49"),
    ("E11.9", "Z86.39", "Z83.3"),
    ("O24.410", "Z86.32", "Z84.89"),
    ("U07.1", "Z86.16", "Z83.1"),
    ("F10.20", "Z86.59", "Z81.1"),
    ("N20.0", "Z87.442", "Z84.19"),
    ("Q21.0", "Z87.74", "Z82.79"),
    ("S72.001A", "Z87.81", "Z84.89"),
    ("S06.0X0A", "Z87.820", "Z84.89"),
    ("Z85.3", "Z85.3", "Z85.3"),
    ("Z66", "Z66", "Z66"),
    ("I25.2", "I25.2", "Z82.49"),
]


@pytest.mark.parametrize(("code", "personal", "family"), HISTORY_CASES)
def test_history_codes(codeset: CodeSet, code: str, personal: str, family: str) -> None:
    assert (history_code(code, codeset), family_code(code, codeset)) == (personal, family)


def test_every_category_of_a_condition_has_its_history_codes(codeset: CodeSet) -> None:
    for code in codeset.billable_codes():
        if code[0] not in "UVWXYZ":
            assert history_code(code, codeset), code
            assert family_code(code, codeset), code


def test_history_tables_hold_billable_codes_and_known_beginnings(codeset: CodeSet) -> None:
    codes = codeset.billable_codes()
    for table in load_history().values():
        for beginning, code in table.items():
            assert codeset.is_billable(code)
            assert any(one.startswith(beginning) for one in codes), beginning


def test_coding_tables_hold_billable_codes(codeset: CodeSet) -> None:
    for row in load_combinations():
        for category in ("E08", "E09", "E10", "E11", "E13") if "*" in row.to else ("",):
            assert not row.to or codeset.is_billable(row.to.replace("*", category)), row.id
    assert all(codeset.is_billable(drug.code) for drug in load_drugs())
    assert all(codeset.is_billable(encounter.code) for encounter in load_encounters())
    partners = {row.add for code in codeset.billable_codes() for row in load_partners().find(code)}
    assert partners
    assert all(map(codeset.is_billable, partners))
    for code, details in load_details().items():
        assert codeset.is_billable(code)
        assert all(codeset.is_billable(new) for new in details), code


def test_every_pattern_of_the_coding_tables_matches_codes(codeset: CodeSet) -> None:
    codes = codeset.billable_codes()
    beginnings = {code[:length] for code in codes for length in range(3, 9)}
    rows = [(row.id, (*chain(*row.when), *row.drops)) for row in load_combinations()]
    rows += [(row.id, (*row.needs, *row.unless)) for row in load_encounters()]
    rows += [(row.id, row.needs) for row in load_drugs()]
    for code in codes:
        rows += [(row.id, (*row.of, *row.unless)) for row in load_partners().find(code)]
        rows += [(row.id, (*row.of, *row.unless, *row.drops)) for row in load_pregnancy().find(code)]
        rows += [(row.id, (*row.symptoms, *row.of)) for row in load_integral().find(code)]
    for name, patterns in set(rows):
        for pattern in patterns:
            found = codeset.is_billable(pattern.text) if pattern.exact else not beginnings.isdisjoint(pattern.prefixes)
            assert found, (name, pattern.text)


PATIENTS = [
    ("A 62-year-old woman and her husband.", Patient(62, "female")),
    ("This is a 3 month-old boy.", Patient(0, "male")),
    ("A 20-month-old girl.", Patient(1, "female")),
    ("45 y/o M with pain. He is well.", Patient(45, "male")),
    ("She is well.", Patient(None, "female")),
    ("He saw her.", Patient(None, None)),
    ("Newborn male.", Patient(0, "male")),
    ("Nothing known.", Patient()),
    ("", Patient()),
]


@pytest.mark.parametrize(("text", "patient"), PATIENTS)
def test_patient(text: str, patient: Patient) -> None:
    assert find_patient(text) == patient


def test_a_release_on_a_date_decides_what_is_valid() -> None:
    assert CodeSet.on(date(2026, 5, 1)).is_billable("G35.D")


_CODES = """
    E11.9 E11.42 E10.9 I10 I11.0 I13.0 I50.9 I50.22 N18.9 N18.4 N18.6 J44.9 J18.9 R05.9 R50.9 M54.50 M48.061 G89.4
    F10.20 F10.10 C50.911 C79.51 Z85.3 Z86.73 I69.354 S52.501A W19.XXXA O12.00 G35 Z84.1 D64.9 K25.9 K92.1 N19 G30.9
    F02.80 F03.90 I11.9 I13.10 N18.5 E11.21 E11.621 A41.9 R65.21 O24.419 O80 Z33.1 Z34.00 Z3A.20 Z47.1 Z48.815 S52.501D
""".split()


@given(
    st.lists(st.tuples(st.sampled_from(_CODES), st.sampled_from(ASSERTIONS)), max_size=12),
    st.sampled_from(["inpatient", "outpatient"]),
    st.sampled_from(["", "ASSESSMENT: ", "PAST MEDICAL HISTORY: ", "PHYSICAL EXAMINATION: "]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_stated_codes_are_billable_unique_and_explained(
    codeset: CodeSet, stated: list[tuple[str, Assertion]], setting: Setting, heading: str
) -> None:
    marked = heading + ", ".join(f"{{thing|{code}|{assertion}}}" for code, assertion in stated)
    text, mentions = parse_inline(marked, codeset)
    resolved = resolve_codes(mentions, setting, codeset, document=Document(text))
    found = [one.code for one in resolved]
    assert len(found) == len(set(found))
    assert all(codeset.is_billable(code) for code in found)
    assert all(one.trace and all(0 <= i < len(mentions) for i in one.mentions) for one in resolved)
    settled = {"absent", "hypothetical"}
    assert found == [] or not {mention.assertion for mention in mentions} <= settled
    assert resolve_codes(mentions, setting, codeset, document=Document(text)) == resolved
