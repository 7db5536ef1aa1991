"""Pregnancy and birth by table: trimester, weeks, and chapter 15 ahead of the others."""

from __future__ import annotations

import pytest
from resolving import codes_of, resolve

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.tables import load_pregnancy

WEEKS = [
    # the first trimester ends with 13 weeks and 6 days, the second with 27 and 6
    ("{Gestational edema|O12.00} at 32 weeks gestation.", ["O12.03", "Z3A.32"]),
    ("Gestational age 10 weeks, {gestational edema|O12.00}.", ["O12.01", "Z3A.10"]),
    ("{Gestational edema|O12.00} at 13 6/7 weeks gestation.", ["O12.01", "Z3A.13"]),
    ("{Gestational edema|O12.00} at 14 weeks gestation.", ["O12.02", "Z3A.14"]),
    ("{Gestational edema|O12.00} at 27w6d.", ["O12.02", "Z3A.27"]),
    ("{Gestational edema|O12.00} at 28 weeks of gestation.", ["O12.03", "Z3A.28"]),
    # weeks are completed ones
    ("{Gestational edema|O12.00} at 39 weeks and 6 days gestation.", ["O12.03", "Z3A.39"]),
    ("{Gestational edema|O12.00}, G2P1 at 28+3 weeks.", ["O12.03", "Z3A.28"]),
    ("{Gestational edema|O12.00}, now pregnant, currently 6 weeks.", ["O12.01", "Z3A.01"]),
    ("{Gestational edema|O12.00} at 43 weeks gestation.", ["O12.03", "Z3A.49"]),
    # stated by a code, or as a trimester
    ("{Gestational edema|O12.00}, {20 weeks|Z3A.20}.", ["O12.02", "Z3A.20"]),
    ("{Gestational edema|O12.00} in the third trimester.", ["O12.03"]),
    ("{Gestational edema|O12.00}, {high-risk pregnancy|O09.92}.", ["O12.02", "O09.92"]),
    ("{Prenatal visit|Z34.00} at 20 weeks gestation.", ["Z34.02"]),
    ("{Oligohydramnios|O41.00X0} at 30 weeks gestation.", ["O41.03X0", "Z3A.30"]),
    # not said, or not said clearly
    ("{Gestational edema|O12.00}.", ["O12.00"]),
    ("{Gestational edema|O12.00} at 20 weeks gestation, then at 32 weeks gestation.", ["O12.00"]),
    ("{Gestational edema|O12.00} at 20 weeks gestation, then at 24 weeks gestation.", ["O12.02"]),
    ("{Gestational edema|O12.00}. A previous pregnancy ended at 36 weeks gestation.", ["O12.00"]),
    ("{Gestational edema|O12.00}. Return at 36 weeks gestation.", ["O12.00"]),
    ("{Gestational edema|O12.00}. Nausea for 3 weeks.", ["O12.00"]),
    ("Nausea for 3 weeks, pregnant, {gestational edema|O12.00}.", ["O12.00"]),
    ("{Gestational edema|O12.00}; the first trimester screen was normal.", ["O12.00"]),
    ("Prior cesarean, at 30 weeks gestation, {gestational edema|O12.00}.", ["O12.03", "Z3A.30"]),
    ("{Pregnancy-induced hypertension|O13.9} at 30 weeks gestation.", ["O13.3", "Z3A.30"]),
    ("{Asthma|J45.909} in a child born at 32 weeks gestation.", ["J45.909"]),
    # not after an abortive outcome, nor after the birth
    ("{Miscarriage|O03.9} at 8 weeks gestation.", ["O03.9"]),
    ("{Hypertension after the birth|O16.5}, delivered at 39 weeks gestation.", ["O16.5"]),
    ("{Postpartum visit|Z39.2}, {anemia|O99.019}, delivered at 39 weeks gestation.", ["Z39.2", "O99.019"]),
    # of O88 and O90 to O92, some are of the pregnancy
    ("{Abscess of the breast|O91.119} at 30 weeks gestation.", ["O91.113", "Z3A.30"]),
    ("{Mastitis of lactation|O91.23}, delivered at 39 weeks gestation.", ["O91.23"]),
    ("{Cardiomyopathy of pregnancy|O90.3} at 36 weeks gestation.", ["O90.3", "Z3A.36"]),
    ("{Pregnant|Z33.1} at 20 weeks. {Breast cancer|C50.911}.", ["O9A.112", "C50.911", "Z3A.20"]),
]


@pytest.mark.parametrize(("marked", "expected"), WEEKS)
def test_trimester_and_weeks(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


CHAPTER = [
    # diabetes, hypertension and others have a code in chapter 15, which goes first
    ("{Diabetes|E11.9}, {pregnant|Z3A.20}.", ["O24.112", "E11.9", "Z3A.20"]),
    ("{Type 1 diabetes|E10.9}, {high-risk pregnancy|O09.93}.", ["O24.013", "O09.93", "E10.9"]),
    ("{Hypertension|I10}, {pregnant|Z3A.30}.", ["O10.013", "Z3A.30"]),
    ("{Hypertension|I10}, {CKD stage 3|N18.30}, {pregnant|Z3A.30}.", ["O10.213", "I12.9", "N18.30", "Z3A.30"]),
    ("{Hypertension|I10}, {gestational edema|O12.03}, {delivered|Z37.0}.", ["O10.02", "O12.03", "Z37.0"]),
    ("{Smoker|F17.210}, {pregnant|Z3A.30}.", ["O99.333", "F17.210", "Z3A.30"]),
    ("{HIV|Z21}, {pregnant|Z3A.30}.", ["O98.713", "Z21", "Z3A.30"]),
    ("{Breast cancer|C50.911}, {pregnant|Z3A.30}.", ["O9A.113", "C50.911", "Z3A.30"]),
    ("{Obesity|E66.9}, {postpartum visit|Z39.2}.", ["Z39.2", "O99.215", "E66.9"]),
    ("{Wrist fracture|S62.101A}, {pregnant|Z33.1}.", ["O9A.219", "S62.101A"]),
    # the time of the pregnancy, by the titles of the codes
    ("{Injury|O9A.212}, {hypertension|I10}.", ["O9A.212", "O10.012"]),
    ("{Embolism|O88.211}, {diabetes|E11.9}.", ["O88.211", "O24.111", "E11.9"]),
    ("{Embolism|O88.23}, {diabetes|E11.9}.", ["O88.23", "O24.13", "E11.9"]),
    (
        "{Abscess of the breast|O91.113}, {anemia|D64.9}, at 30 weeks gestation.",
        ["O91.113", "O99.013", "D64.9", "Z3A.30"],
    ),
    ("{Disorder of the breast|O92.29}, {anemia|D64.9}.", ["O92.29", "O99.03", "D64.9"]),
    ("{Cardiomyopathy of pregnancy|O90.3}, {hypertension|I10}, {30 weeks|Z3A.30}.", ["O90.3", "O10.013", "Z3A.30"]),
    ("{Gestational diabetes behind the birth|O24.435}, {anemia|D64.9}.", ["O24.435", "O99.03", "D64.9"]),
    ("{Sequela of childbirth|O94}, {hypertension|I10}.", ["O94", "I10"]),
    # the injury of a patient with cancer, abuse, COVID-19
    (
        "{Breast cancer|C50.911}, {wrist fracture|S62.101A}, {pregnant|Z3A.30}.",
        ["O9A.113", "O9A.213", "C50.911", "S62.101A", "Z3A.30"],
    ),
    ("{Abuse|O9A.313}, {wrist fracture|S62.101A}.", ["O9A.313", "S62.101A"]),
    ("{Physical abuse|T74.11XA}, {pregnant|Z3A.30}.", ["O9A.313", "Z3A.30"]),
    ("{Suspected sexual abuse|T76.21XA}, {pregnant|Z3A.30}.", ["O9A.413", "Z3A.30"]),
    ("{Broken rib|S22.31XA}, {physical abuse|T74.11XA}, {pregnant|Z3A.30}.", ["O9A.313", "S22.31XA", "Z3A.30"]),
    ("{Late effect of abuse|T74.11XS}, {pregnant|Z3A.30}.", ["T74.11XS", "Z3A.30"]),
    ("{COVID-19|U07.1}, {pregnant|Z3A.30}.", ["O98.513", "U07.1", "Z3A.30"]),
    ("{COVID-19|U07.1}, {postpartum visit|Z39.2}.", ["Z39.2", "O98.53", "U07.1"]),
    ("{COVID-19|U07.1}, {virus in pregnancy|O98.513}.", ["O98.513", "U07.1"]),
    # use of substances, not what is in remission
    ("{Alcohol dependence in remission|F10.21}, {pregnant|Z3A.30}.", ["F10.21", "Z3A.30"]),
    ("{Former smoker|F17.211}, {pregnant|Z3A.30}.", ["F17.211", "Z3A.30"]),
    ("{Alcohol dependence|F10.20}, {pregnant|Z3A.30}.", ["O99.313", "F10.20", "Z3A.30"]),
    # diabetes of an unspecified kind says no drugs
    ("{Diabetes in pregnancy|O24.913}. MEDICATIONS: Metformin.", ["O24.913", "Z79.84"]),
    # unless the note has the code, or no pregnancy
    ("{Hypertension|I10}, {chronic hypertension of pregnancy|O10.011}.", ["O10.011"]),
    ("{Hypertension|I10}, {with pre-eclampsia|O11.3}.", ["O11.3"]),
    ("{Hypertension|I10}, {of pregnancy|O10.019|absent}.", ["I10"]),
    ("{Diabetes|E11.9}, {diabetes in pregnancy|O24.112}.", ["O24.112", "E11.9"]),
    # both are kept and reviewed, see below
    ("{Hypertension|I10}, {pre-eclampsia|O14.93}.", ["O14.93", "I10"]),
    ("{Diabetes|E11.9}, not {pregnant|Z33.1|absent}.", ["E11.9"]),
    ("{Diabetes|E11.9}, {miscarriage|O03.9}.", ["O03.9", "E11.9"]),
    ("{Asthma|J45.909}, {pregnant|Z3A.20}.", ["J45.909", "Z3A.20"]),
    # incidental only where the note says so
    ("{Wrist fracture|S62.101A}, {pregnant|Z33.1}. The pregnancy is incidental.", ["S62.101A", "Z33.1"]),
    ("{Gestational diabetes|O24.410}, {pregnant|Z33.1}.", ["O24.410"]),
    ("{Prenatal visit|Z34.01}, {pregnant|Z33.1}.", ["Z34.01"]),
    ("{Prenatal visit|Z34.01}, {gestational edema|O12.01}.", ["O12.01"]),
    ("{Hyperemesis|O21.0}, {pregnant|Z33.1}. The pregnancy is incidental.", ["O21.0", "Z33.1"]),
    ("{Hyperemesis|O21.0}, {pregnant|Z33.1}.", ["O21.0"]),
    ("{Pregnant|Z33.1}, incidental ovarian cyst. {Hypertension|I10}.", ["O10.019"]),
    ("{Pregnant|Z33.1}, incidental to this visit. {Hypertension|I10}.", ["I10", "Z33.1"]),
    ("{Hypertension|I10}, {pregnancy|Z33.1} (incidental).", ["I10", "Z33.1"]),
    ("{Hypertension|I10}, {pregnant|Z33.1}; the pregnancy is not incidental.", ["O10.019"]),
    # a pregnancy that chapter 15 has a code of is not called normal
    ("{Prenatal visit|Z34.90}, {gestational diabetes|O24.419}, {hypertension|I10}.", ["O24.419", "O10.019"]),
    ("{Prenatal visit|Z34.90}, {hypertension|I10}.", ["Z34.90", "I10"]),
    # gestational diabetes says its control, other diabetes does not
    ("{Gestational diabetes|O24.414}, {on insulin|Z79.4}.", ["O24.414"]),
    ("{Gestational diabetes|O24.414}. MEDICATIONS: Insulin.", ["O24.414"]),
    ("{Gestational diabetes|O24.410}, {now on insulin|O24.414}.", ["O24.414"]),
    ("{Diabetes|E11.9}, {pregnant|Z3A.20}. MEDICATIONS: Insulin.", ["O24.112", "E11.9", "Z3A.20", "Z79.4"]),
]


@pytest.mark.parametrize(("marked", "expected"), CHAPTER)
def test_chapter_15_goes_ahead_of_others(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset) == expected


BIRTHS = [
    ("{Normal delivery|O80}.", ["O80", "Z37.0"]),
    ("{Normal delivery|O80}, {single live birth|Z37.0}.", ["O80", "Z37.0"]),
    ("{Normal delivery|O80} at 39 weeks gestation.", ["O80", "Z37.0", "Z3A.39"]),
    ("{Delivery|O80}, {tear|O70.1}, {single live birth|Z37.0}.", ["O70.1", "Z37.0"]),
    ("{Normal delivery|O80}, {high-risk pregnancy|O09.93}, {single live birth|Z37.0}.", ["O80", "Z37.0"]),
    ("{Normal delivery|O80}, {gout|M10.9}.", ["O80", "M10.9", "Z37.0"]),
    ("{Normal delivery|O80}, {smoker|F17.210}.", ["O99.334", "F17.210", "Z37.0"]),
    ("{Tear|O70.1}.", ["O70.1"]),
    # what happens only in a birth tells of one, as titles do
    ("{Tear|O70.1}, {hypertension|I10}.", ["O70.1", "O10.02"]),
    ("{Preterm delivery|O60.14X0}, {obesity|E66.9}.", ["O60.14X0", "O99.214", "E66.9"]),
    ("{Pre-eclampsia in childbirth|O14.94}, {obesity|E66.9}.", ["O14.94", "O99.214", "E66.9"]),
    ("{Preterm labor|O60.03}, {obesity|E66.9}.", ["O60.03", "O99.213", "E66.9"]),
    ("{Rupture before labor|O71.03}, {obesity|E66.9}.", ["O71.03", "O99.213", "E66.9"]),
    ("{Late hemorrhage|O72.2}, {obesity|E66.9}.", ["O72.2", "O99.215", "E66.9"]),
    ("{Tear|O70.1}, {postpartum visit|Z39.2}, {obesity|E66.9}.", ["Z39.2", "O70.1", "O99.215", "E66.9"]),
]


@pytest.mark.parametrize(("marked", "expected"), BIRTHS)
def test_normal_delivery(codeset: CodeSet, marked: str, expected: list[str]) -> None:
    assert codes_of(marked, codeset, "inpatient") == expected


REVIEWED = [
    ("{Cough|R05.9}, {pregnant|Z33.1}.", "Z33.1", "for the provider to say"),
    ("{Cough|R05.9}, {pregnant|Z33.1}. The cough is unrelated to the pregnancy.", "Z33.1", None),
    ("{Prenatal visit|Z34.01}, {smoker|F17.210}.", "Z34.01", "called normal"),
    ("{Prenatal visit|Z34.01}, {gout|M10.9}.", "Z34.01", None),
    ("{Diabetes|E11.9}, {20 weeks|Z3A.20}.", "O24.112", "goes without saying"),
    ("{Hypertension|I10}, {of pregnancy|O10.019}.", "O10.019", None),
    ("{Anemia|D64.9}, {anemia of pregnancy|O99.019}.", "O99.019", None),
    ("{Cardiomyopathy of pregnancy|O90.3}, {hypertension|I10}.", "I10", "whether the birth has been"),
    ("{Cardiomyopathy of pregnancy|O90.3}, {gout|M10.9}.", "M10.9", None),
    ("{Hypertension|I10}, {pre-eclampsia|O14.93}.", "I10", "conflict with O14.93 (Excludes1)"),
    ("{Hypertension|I10}, {pre-eclampsia|O14.93}.", "O14.93", "conflict with I10 (Excludes1)"),
    ("{Hyperemesis|O21.0}, {pregnant|Z33.1}. The pregnancy is incidental.", "Z33.1", "calls the pregnancy incidental"),
    ("{Normal delivery|O80}.", "Z37.0", "outcome of the delivery"),
]


@pytest.mark.parametrize(("marked", "code", "reason"), REVIEWED)
def test_what_the_provider_has_to_say_is_reviewed(codeset: CodeSet, marked: str, code: str, reason: str | None) -> None:
    resolved = {one.code: one for one in resolve(marked, codeset)}
    assert resolved[code].decision == ("review" if reason else "accept")
    assert reason is None or reason in resolved[code].trace[-1]


def test_every_time_has_a_billable_code(codeset: CodeSet) -> None:
    found = [row for code in codeset.billable_codes() for row in load_pregnancy().find(code)]
    assert found
    for row in found:
        assert set(row.by) == {"pregnancy", "childbirth", "puerperium"}
        assert all(codeset.is_billable(code) for code in row.by.values()), row.id
