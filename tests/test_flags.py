"""What is flagged on a code, by table."""

from __future__ import annotations

import dataclasses

import pytest
from resolving import resolve

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.rules.flags import FLAGS
from detect_icd10cm.rules.resolve import resolve_codes
from detect_icd10cm.text.document import Document

FLAG_CASES = [
    ("{Multiple sclerosis|G35.D}.", "G35.D", "chronic", True),
    ("{Pneumonia|J18.9}.", "J18.9", "chronic", False),
    ("{Heart failure|I50.9}.", "I50.9", "CMS-HCC V28 category 226", True),
    ("{Pneumonia|J18.9}.", "J18.9", "CMS-HCC", False),
    ("A 45-year-old man with {prostate cancer|C61}.", "C61", "for male", False),
    ("A 45-year-old woman with {prostate cancer|C61}.", "C61", "for male", True),
    ("A 45-year-old man with {ovarian cyst|N83.209}.", "N83.209", "for female", True),
    ("A 45-year-old woman with {stress incontinence|N39.3}.", "N39.3", "for", False),
    ("A 70-year-old woman, {pregnant|Z33.1}.", "Z33.1", "for ages 9 to 64", True),
    ("A 30-year-old woman, {pregnant|Z33.1}.", "Z33.1", "for ages", False),
    ("A 40-year-old man, {obesity|E66.9}, {BMI|Z68.54}.", "Z68.54", "for ages 2 to 19", True),
    ("{Alcohol abuse|F10.10}, {cirrhosis|K70.30}.", "F10.10", "excludes1", False),
    ("{Nontraumatic bleeding|I61.9}, {traumatic bleeding|S06.360A}.", "I61.9", "excludes1 with S06.360A", True),
    # notes that ask for a seventh character
    ("{Elbow wound|S51.001A}, {forearm fracture|S52.501A}.", "S51.001A", "excludes1", False),
    ("{Elbow wound|S51.001A}, {open forearm fracture|S52.501B}.", "S51.001A", "excludes1 with S52.501B", True),
    ("{Elbow wound|S51.001A}, {open forearm fracture|S52.501M}.", "S51.001A", "excludes1 with S52.501M", True),
    ("{After concussion|F07.81}, {concussion|S06.0X0D}.", "F07.81", "excludes1", False),
    ("{After concussion|F07.81}, {concussion|S06.0X0A}.", "F07.81", "excludes1 with S06.0X0A", True),
    # notes on all codes from one to another
    ("{Eosinophilia|D72.10}, {immunodeficiency|D84.9}.", "D72.10", "excludes1 with D84.9", True),
    ("{Kidney failure|N19}, {CKD|N18.9}.", "N19", "excludes1 with N18.9", True),
    ("{Kidney failure|N19}, {CKD|N18.9}.", "N18.9", "excludes1 with N19", True),
]


@pytest.mark.parametrize(("marked", "code", "flag", "there"), FLAG_CASES)
def test_flags(codeset: CodeSet, marked: str, code: str, flag: str, there: bool) -> None:
    resolved = {one.code: one for one in resolve(marked, codeset)}
    assert any(one.startswith(flag) for one in resolved[code].flags) is there


def test_flags_are_optional(codeset: CodeSet) -> None:
    text, mentions = parse_inline("{Multiple sclerosis|G35.D}, {kidney failure|N19}, {CKD|N18.9}.", codeset)
    document = Document(text)
    with_all = resolve_codes(mentions, "outpatient", codeset, document=document, flags=FLAGS)
    without = resolve_codes(mentions, "outpatient", codeset, document=document, flags=())
    assert any(code.flags for code in with_all)
    assert not any(code.flags for code in without)
    assert [code.code for code in with_all] == [code.code for code in without]


def test_exempt_from_present_on_admission(codeset: CodeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    exempt = dataclasses.replace(codeset["Z95.0"], poa_exempt=True)
    monkeypatch.setitem(codeset._entries, "Z95.0", exempt)
    resolved = {one.code: one for one in resolve("{Pacemaker|Z95.0}, {asthma|J45.909}.", codeset)}
    assert resolved["Z95.0"].flags[0].startswith("exempt from present-on-admission")
    assert not any("present-on-admission" in flag for flag in resolved["J45.909"].flags)


def test_excludes1_conflicts_are_reviewed_not_dropped(codeset: CodeSet) -> None:
    resolved = {one.code: one for one in resolve("{Kidney failure|N19}, {CKD|N18.9}.", codeset)}
    assert resolved["N19"].decision == resolved["N18.9"].decision == "review"
