"""What coders and risk teams want to see on a code: conflicts, risk category, chronic, age, sex and the like."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, get_args

from detect_icd10cm.rules.draft import Draft, Entry
from detect_icd10cm.rules.instructions import find_references
from detect_icd10cm.rules.patient import Patient, find_patient
from detect_icd10cm.rules.tables import load_flags, load_risk_categories

Flag = Literal["excludes1", "poa_exempt", "hcc", "chronic", "age_sex"]
FLAGS: tuple[Flag, ...] = get_args(Flag)

_EXCLUDES = (
    "excludes1 with {other}, by the note at {owner} ({note}): not coded together unless the two have nothing to do "
    "with each other, which is to be asked of the provider (I.A.12.a)"
)
_CONFLICT = "conflict with {other} (Excludes1)"
_WORD_OF_SEX = {"female": re.compile(r"\bfemale\b"), "male": re.compile(r"\bmale\b")}
_NOT_OF_THE_PATIENT = ("V", "W", "X", "Y", "Z80", "Z81", "Z82", "Z83", "Z84")


def flag_codes(draft: Draft, flags: Collection[Flag] = FLAGS) -> None:
    """Put the flags of the kinds asked for on the codes of a draft."""
    if "excludes1" in flags:
        _flag_conflicts(draft)
    patient = find_patient(draft.document.text) if "age_sex" in flags else Patient()
    for entry in draft.entries.values():
        if "poa_exempt" in flags and draft.codeset[entry.code].poa_exempt:
            entry.flags.append("exempt from present-on-admission reporting")
        if "hcc" in flags:
            entry.flags += [f"CMS-HCC V28 category {hcc}" for hcc in load_risk_categories().find(entry.code)]
        if "chronic" in flags and any(load_flags().chronic_index.find(entry.code)):
            entry.flags.append("chronic")
        _flag_patient(draft, entry, patient)


def _flag_conflicts(draft: Draft) -> None:
    for owner in draft:
        for reference in find_references(draft.codeset, owner, "excludes1"):
            for other in draft:
                if other == owner or not reference.matches(other):
                    continue
                for code, opposite in ((owner, other), (other, owner)):
                    _flag_conflict(draft.entries[code], opposite, owner, reference.note)


def _flag_conflict(entry: Entry, other: str, owner: str, note: str) -> None:
    doubt = _CONFLICT.format(other=other)
    if doubt not in entry.doubts:
        entry.flags.append(_EXCLUDES.format(other=other, owner=owner, note=note))
        entry.doubts.append(doubt)


def _flag_patient(draft: Draft, entry: Entry, patient: Patient) -> None:
    if entry.code.startswith(_NOT_OF_THE_PATIENT):
        return
    table = load_flags()
    named = _sexes_in(draft.codeset.title(entry.code))
    for sex, group in (("female", table.female), ("male", table.male)):
        only = named == {sex} or group.matches(entry.code)
        if only and patient.sex not in (sex, None):
            entry.flags.append(f"for {sex} patients, the note speaks of a {patient.sex} one")
            entry.doubts.append("sex")
    for row in table.ages:
        if patient.age is None or row.low <= patient.age <= row.high:
            continue
        if row.codes.matches(entry.code):
            entry.flags.append(f"for ages {row.low} to {row.high} ({row.why}), the note speaks of {patient.age} years")
            entry.doubts.append("age")


@lru_cache(maxsize=1 << 14)
def _sexes_in(title: str) -> frozenset[str]:
    return frozenset(sex for sex, word in _WORD_OF_SEX.items() if word.search(title.lower()))
