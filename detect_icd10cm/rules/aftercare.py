"""Care of an injury that heals: the injury's own code, never one of aftercare (I.C.21.c.7, I.C.19.a)."""

from __future__ import annotations

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.patterns import CodeGroup

_AFTERCARE = ("Z47", "Z48")
_SEVENTH_LENGTH = 8  # with the dot
# Injuries, burns, and fractures of sick bones; poisonings, allergies and complications (T36-T88) are none.
_INJURIES = CodeGroup.parse("S00-S99", "T07-T34", "M80-", "M84.3-", "M84.4-", "M84.5-", "M84.6-")
_SUBSEQUENT = {"A": "D", "B": "E", "C": "F"}
_KEPT = "{code} is not for injuries: their aftercare is this code, of a subsequent encounter (I.C.21.c.7, I.C.19.a)"


def drop_aftercare_of_injuries(draft: Draft) -> None:
    """Take out aftercare whose sentence names the injury that it follows, and say so by the injury's 7th character."""
    if not draft.document.text:
        return
    for code in (code for code in draft if code.startswith(_AFTERCARE)):
        reason = _KEPT.format(code=code)
        healing = [
            injury
            for injury in draft.find(_INJURIES)
            if _is_of_episode(injury) and _share_sentence(draft, code, injury)
        ]
        if healing:
            draft.drop(code, reason, [_make_subsequent(draft, injury, reason) for injury in healing])


def _is_of_episode(code: str) -> bool:
    return len(code) == _SEVENTH_LENGTH and code[-1] != "S"


def _share_sentence(draft: Draft, code: str, other: str) -> bool:
    spans = [find_sentence(draft.document.text, m.start, m.end) for m in draft.mentions_of(code)]
    return any(low <= m.start < high for low, high in spans for m in draft.mentions_of(other))


def _make_subsequent(draft: Draft, code: str, reason: str) -> str:
    new = subsequent_code(code, draft.codeset)
    return new if draft.change(code, new, reason) else code


def subsequent_code(code: str, codeset: CodeSet) -> str:
    """Return the code of an injury under care behind its treatment; one that is so already as it is."""
    new = code[:-1] + _SUBSEQUENT.get(code[-1], code[-1])
    return new if codeset.is_billable(new) else code[:-1] + "D"
