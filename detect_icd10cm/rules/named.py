"""Procedures that a note itself names: done, planned, considered, refused or removed, and what bears them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.schema import Procedure, any_of
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Indication, NamedProcedure, ProcedureStatus

# In this order: "declined the planned stimulator" is refused, "removal of the stimulator placed in 2019" removed.
_STATUS_WORDS: tuple[tuple[ProcedureStatus, re.Pattern[str]], ...] = (
    ("refused", re.compile(r"\b(?:declin\w+|refus\w+|does not (?:want|wish)|not interested|opted against)\b", re.I)),
    ("removed", re.compile(r"\b(?:remov\w+|explant\w*|extract\w+|taken out)\b", re.I)),
    (
        "planned",
        re.compile(
            r"\b(?:plan(?:s|ned|ning)?|schedul\w+|will (?:undergo|have|proceed)|to undergo|upcoming|consented)\b", re.I
        ),
    ),
    (
        "considered",
        re.compile(
            r"\b(?:consider\w*|discuss\w*|candidate|options?|evaluat\w+|may benefit|would benefit|could benefit|"
            r"recommend\w*|refer\w*|possib\w+|if .{0,40}fails?)\b",
            re.I,
        ),
    ),
    (
        "done",
        re.compile(
            r"\b(?:underwent|performed|placed|placement|implanted|implantation|inserted|insertion|status post|s/p|"
            r"has an?|was done|in place|since)\b",
            re.I,
        ),
    ),
)
_NOT_THERE = re.compile(r"\b(?:no|without|never had|denies)\s+(?:[\w-]+\s+){0,3}$", re.IGNORECASE)
_BY_SECTION: Mapping[str | None, ProcedureStatus] = {
    "procedure": "done",
    "past_surgical_history": "done",
    "past_medical_history": "done",
    "plan": "planned",
}
# These modifiers say something of one place in the note, the others of the whole operation.
_SIDES = ("LT", "RT", "50")
_REACH = 40


def find_procedures(
    document: Document, indications: Sequence[Indication], procedures: Mapping[str, Procedure]
) -> tuple[NamedProcedure, ...]:
    """Return the procedures that a note names, each once, with what supports it and what is missing.

    Where a note names one several times, the first mention in the order done, removed, planned, refused, considered
    stands for it. Necessity is answered by the indications that the findings support, never by the naming itself.

    Args:
        document: The note.
        indications: What ``link_procedures`` found in it.
        procedures: The procedures to look for.
    """
    lower = document.text.lower()
    found = []
    for procedure in procedures.values():
        if not any(name in lower for name in procedure.lower_names):
            continue
        mentions = list(_find_mentions(document, procedure))
        if mentions:
            status, match = min(mentions, key=lambda one: _STRENGTH.index(one[0]))
            found.append(_report(document.text, procedure, status, match, indications))
    return tuple(found)


_STRENGTH: tuple[ProcedureStatus, ...] = ("done", "removed", "planned", "refused", "considered")


def _find_mentions(document: Document, procedure: Procedure) -> Iterator[tuple[ProcedureStatus, re.Match[str]]]:
    text = document.text
    for match in procedure.names_pattern.finditer(text):
        low, high = find_sentence(text, match.start(), match.end())
        if _NOT_THERE.search(text, max(low, match.start() - _REACH), match.start()):
            continue
        said = next((status for status, words in _STATUS_WORDS if words.search(text, low, high)), None)
        yield said or _BY_SECTION.get(document.section_at(match.start()), "considered"), match


def _report(
    text: str, procedure: Procedure, status: ProcedureStatus, match: re.Match[str], indications: Sequence[Indication]
) -> NamedProcedure:
    own = [one for one in indications if one.procedure == procedure.id]
    supported = [one for one in own if one.status == "supported"]
    missing = [what for one in supported or own for what in one.missing]
    if not supported:
        missing.insert(0, "a finding of the patient that supports an indication")
    return NamedProcedure(
        procedure=procedure.id,
        status=status,
        start=match.start(),
        end=match.end(),
        supported_by=tuple(one.indication for one in supported),
        missing=tuple(dict.fromkeys(missing)),
        modifiers=tuple(_find_modifiers(text, procedure, match)),
    )


def _find_modifiers(text: str, procedure: Procedure, match: re.Match[str]) -> Iterator[str]:
    low, high = find_sentence(text, match.start(), match.end())
    for modifier in procedure.modifiers:
        if not modifier.cues:
            continue
        place = (low, high) if modifier.code in _SIDES else (0, len(text))
        if any_of(modifier.cues).search(text, *place):
            yield modifier.code
