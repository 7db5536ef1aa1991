"""From mentions to the codes of the note, by the Official Guidelines for Coding and Reporting FY2026.

Sections named in the modules of this room and in the trace of each code are sections of those guidelines. Each step
is a function that changes the draft of the note's code set, and leaves a line in its trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules import stated
from detect_icd10cm.rules.aftercare import drop_aftercare_of_injuries
from detect_icd10cm.rules.chapters import (
    drop_expected_pain,
    drop_history_of_current_cancer,
    drop_lesser_injuries,
    drop_lone_body_mass,
)
from detect_icd10cm.rules.combine import combine_codes
from detect_icd10cm.rules.draft import Draft, Entry
from detect_icd10cm.rules.encounters import add_reason_of_encounter
from detect_icd10cm.rules.flags import FLAGS, Flag, flag_codes
from detect_icd10cm.rules.long_term import add_long_term_drugs
from detect_icd10cm.rules.partners import add_partners, complete_pairs
from detect_icd10cm.rules.pregnancy import code_pregnancy
from detect_icd10cm.rules.refine import refine_codes
from detect_icd10cm.rules.sequence import order_codes
from detect_icd10cm.rules.specificity import replace_unspecific
from detect_icd10cm.rules.stated import drop_irrelevant_history, state_codes
from detect_icd10cm.rules.symptoms import drop_integral_symptoms, drop_unsettled_findings
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Decision, Mention, NoteCode, Setting

# In this order: a code is made as specific as it gets before others are held against it, and what is taken together
# before what goes without saying.
_STEPS: tuple[Callable[[Draft], None], ...] = (
    state_codes,
    refine_codes,
    replace_unspecific,
    add_partners,
    combine_codes,
    replace_unspecific,
    code_pregnancy,
    drop_lesser_injuries,
    drop_history_of_current_cancer,
    drop_expected_pain,
    drop_lone_body_mass,
    drop_integral_symptoms,
    drop_unsettled_findings,
    drop_aftercare_of_injuries,
    add_reason_of_encounter,
    drop_irrelevant_history,
    add_long_term_drugs,
    complete_pairs,
)
_ONCE = "stated {n} times, reported once (I.B.12)"
_LOW_SCORE = "score {score:.2f} is below {threshold:.2f}"
_REVIEW = "to be reviewed: {reasons}"


def resolve_codes(
    mentions: Sequence[Mention],
    setting: Setting,
    codeset: CodeSet,
    *,
    document: Document | None = None,
    accept_threshold: float = 0.95,
    flags: Collection[Flag] = FLAGS,
) -> tuple[NoteCode, ...]:
    """Return the note's codes, first-listed first, each with its evidence and the rules that led to it.

    The score of a code is the best score of its mentions: they repeat one another's words, so they are not
    independent evidence, and combining them as such would overstate it.

    Args:
        mentions: Findings in the order of the text.
        setting: Decides whether uncertain diagnoses are coded.
        codeset: Release whose billable codes may be reported.
        document: The note, for what only its words say: sections, drugs, sides. Without it, less is found.
        accept_threshold: Probability from which a code is accepted; below, it is marked for review.
        flags: The kinds of flags to put on codes.
    """
    draft = Draft(mentions, setting, codeset, document)
    for step in _STEPS:
        step(draft)
    flag_codes(draft, flags)
    return tuple(_finish(draft, entry, accept_threshold) for entry in order_codes(draft))


def find_uncodable(
    mentions: Sequence[Mention], setting: Setting, codeset: CodeSet, document: Document | None = None
) -> tuple[str, ...]:
    """Return a warning for each stated code that the release neither has as billable nor has a successor of."""
    return stated.find_uncodable(Draft(mentions, setting, codeset, document))


def _finish(draft: Draft, entry: Entry, threshold: float) -> NoteCode:
    score = max((draft.mentions[i].score for i in entry.mentions), default=entry.score)
    if len(entry.mentions) > 1:
        entry.note(_ONCE.format(n=len(entry.mentions)))
    doubts = list(entry.doubts)
    if score < threshold:
        doubts.append(_LOW_SCORE.format(score=score, threshold=threshold))
    decision: Decision = "review" if doubts else "accept"
    if doubts:
        entry.note(_REVIEW.format(reasons="; ".join(doubts)))
    return NoteCode(
        code=entry.code,
        title=draft.codeset.title(entry.code),
        score=score,
        decision=decision,
        mentions=tuple(entry.mentions),
        trace=tuple(entry.trace),
        flags=tuple(entry.flags),
    )
