"""Drugs that the patient takes for long, which have status codes (I.C.21.c.3, I.C.4.a.3)."""

from __future__ import annotations

import re

from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.tables import Drug, load_drugs

_LISTED_IN = frozenset({"medications", "past_medical_history"})
# Words before or behind a drug, in its line, that say that it is not taken, or not now.
_NOT_TAKEN = re.compile(
    r"\b(?:allerg\w*|intoleran\w*|reaction to|discontinu\w*|stop(?:ped)?|hold|held|avoid\w*|den(?:y|ies)|"
    r"not (?:on|taking)|no longer|off (?:of )?|never|previously|refus\w*)\b",
    re.IGNORECASE,
)
_TAKES = re.compile(
    r"\b(?:takes?|taking|is on|was on|on (?:chronic |long[- ]term )?|continue[sd]?|maintained on|chronically|home|"
    r"daily)\b",
    re.IGNORECASE,
)
_REACH = 60
# 43 of the 67 that were added to the project's annotated notes (train and dev) were right.
_PRECISION = 0.64
_REASON = "{name} among what the patient takes; lasting use has a code ({guideline})"
_DOUBT = "read from the name of a drug; that its use lasts is not sure"


def add_long_term_drugs(draft: Draft) -> None:
    """Add the codes of drugs that the note names as taken, where no mention has done so."""
    if not draft.document.text:
        return
    text = draft.document.text.lower()
    for drug in load_drugs():
        if drug.code in draft or (drug.needs and not draft.find(drug.needs)):
            continue
        # A look at the letters is far quicker than the pattern, and mostly enough.
        if not any(name in text for name in drug.lower_names):
            continue
        match = _find_taken(draft, drug)
        if match is None:
            continue
        entry = draft.add(drug.code, (), _REASON.format(name=drug.id, guideline=drug.guideline))
        if entry:
            entry.score = _PRECISION
            entry.doubts.append(_DOUBT)


def _find_taken(draft: Draft, drug: Drug) -> re.Match[str] | None:
    text = draft.document.text
    for match in drug.pattern.finditer(text):
        section = draft.document.section_at(match.start())
        low, high = max(0, match.start() - _REACH), min(len(text), match.end() + _REACH)
        low = max(low, text.rfind("\n", low, match.start()) + 1)
        newline = text.find("\n", match.end(), high)
        high = high if newline < 0 else newline
        if section in ("allergies", "family_history") or _NOT_TAKEN.search(text, low, high):
            continue
        if not drug.listed or section in _LISTED_IN or _TAKES.search(text, low, match.start()):
            return match
    return None
