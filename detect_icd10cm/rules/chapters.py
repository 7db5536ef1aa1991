"""Rules of single chapters that no table holds: injuries, pain codes, body mass index, cancer now and before."""

from __future__ import annotations

import re

from detect_icd10cm.codes.history import history_code
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.patterns import CodeGroup

_REGION = 2  # "S6": wrist and hand
_SUPERFICIAL, _UNSPECIFIED = "0", "9"
_SUPERFICIAL_DROPPED = "{code}, a superficial injury of the same region, is not coded beside it (I.C.19.b.1)"
_UNSPECIFIED_DROPPED = "{code}, an unspecified injury of the same region, says less (I.B.18, I.C.19.b)"
_MULTIPLE_DROPPED = "{code} says less than the injuries that are named (I.C.19.b)"

PAIN_ENCOUNTER = re.compile(
    r"\bpain (?:management|control|clinic)\b|\b(?:epidural|facet|nerve block|trigger point|steroid) injection|"
    r"\bneurostimulator\b|\bspinal cord stimulator\b|\bradiofrequency\b",
    re.IGNORECASE,
)
_ACUTE_PAIN = "G89.1"
_PAIN_DROPPED = "{code}: its cause is known, and the encounter is not for the control of pain (I.C.6.b.1)"

_BMI = "Z68"
_WEIGHT = CodeGroup.parse("E40-E46", "E66-", "E88.82", "R62-", "R63-", "F50-", "R64")
_PREGNANCY = CodeGroup.parse("O00-O99", "Z33-Z34")


def drop_lesser_injuries(draft: Draft) -> None:
    """Take out superficial and unspecified injuries beside others of the same region, and unnamed multiple ones."""
    named = [code for code in draft if code.startswith("S") and code[2] not in (_SUPERFICIAL, _UNSPECIFIED)]
    for code in draft:
        if code.startswith(("T07", "T14.8", "T14.90")):
            heirs = [other for other in draft if other.startswith("S")]
            reason = _MULTIPLE_DROPPED
        elif code.startswith("S") and code[2] in (_SUPERFICIAL, _UNSPECIFIED):
            heirs = [other for other in named if other[:_REGION] == code[:_REGION] and other[-1:] == code[-1:]]
            reason = _SUPERFICIAL_DROPPED if code[2] == _SUPERFICIAL else _UNSPECIFIED_DROPPED
        else:
            continue
        unspecific = code[2] != _UNSPECIFIED or "unspecified injur" in draft.codeset.title(code).lower()
        if heirs and unspecific:
            draft.drop(code, reason.format(code=code), heirs)


def drop_expected_pain(draft: Draft) -> None:
    """Take out codes of acute pain where its cause is known and the encounter is not for the pain itself."""
    acute = [code for code in draft if code.startswith(_ACUTE_PAIN)]
    causes = [code for code in draft if code in draft.diagnoses and not code.startswith("G89")] if acute else []
    if causes and not PAIN_ENCOUNTER.search(draft.document.text):
        for code in acute:
            draft.drop(code, _PAIN_DROPPED.format(code=code), causes[:1])


def drop_lone_body_mass(draft: Draft) -> None:
    """Take out a body mass index without a diagnosis that it belongs to, and in pregnancy (I.C.21.c.3)."""
    for code in draft:
        if code.startswith(_BMI) and (not draft.find(_WEIGHT) or draft.find(_PREGNANCY)):
            draft.drop(code, "")


def drop_history_of_current_cancer(draft: Draft) -> None:
    """Take out the history of a cancer that the patient has now (I.C.2.m)."""
    current = {history_code(code, draft.codeset) for code in draft if code.startswith("C")}
    for code in draft:
        if code.startswith("Z85") and code in current:
            heirs = [other for other in draft if history_code(other, draft.codeset) == code]
            draft.drop(code, f"{code} is for a cancer that is over, which this is not (I.C.2.m)", heirs)
