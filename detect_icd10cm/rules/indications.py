"""Which indications of which procedures the findings of a note support.

A supported indication says that the note names a condition the procedure is used for. Whether a payer covers it is
another matter, kept apart in ``coverage_flags``.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from detect_icd10cm.rules.chronicity import find_course, find_sentence
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.rules.schema import Blocker, EvidenceRule, IndicationRule, Procedure
from detect_icd10cm.types import Indication, Mention, NoteCode, Status

_REPORTED: Mapping[str, tuple[Status, ...]] = {
    "always": ("supported", "possible", "contradicted", "not_found"),
    "when_found": ("supported", "possible", "contradicted"),
    "when_supported": ("supported",),
}
_UNCERTAIN = "the note is not certain of it"
_NO_COURSE = "the note does not say that it is chronic"
_SUGGESTS = "it alone does not settle the matter"


def link_procedures(
    mentions: Sequence[Mention], codes: Sequence[NoteCode], text: str, procedures: Mapping[str, Procedure]
) -> tuple[Indication, ...]:
    """Return the indications of each procedure with what the note says of them.

    Only conditions of the patient that are present, or possible, count. An indication is ``supported`` by a present
    one, ``possible`` where it is uncertain or where its course is not said to be the one asked for, and
    ``contradicted`` where the note denies a disorder that would support it by itself and names no other in any way;
    denied symptoms, such as those of a review of systems, contradict nothing. What was not found is told only for
    procedures that are always reported.

    Args:
        mentions: Findings of the note.
        codes: The note's resolved codes; those that differ from the codes of their mentions count as well.
        text: The note, for the words around a finding that say its course.
        procedures: The procedures to hold the note against, as from ``load_procedures``.
    """
    note = _NoteFindings(mentions, codes, text)
    linked = [indication for procedure in procedures.values() for indication in _link(procedure, note)]
    return tuple(_name_better(indication, procedures[indication.procedure], linked) for indication in linked)


class _Finding(NamedTuple):
    """One code stated by one mention; ``at`` is the mention's."""

    code: str
    title: str
    at: int
    mention: Mention


class _Hit(NamedTuple):
    """One finding that an evidence rule takes up; ``doubt`` says why it only possibly supports the indication."""

    rule: EvidenceRule
    finding: _Finding
    doubt: str


class _NoteFindings:
    """The findings of one note, and what its words say of them."""

    def __init__(self, mentions: Sequence[Mention], codes: Sequence[NoteCode], text: str) -> None:
        self.text = text
        titles = {code.code: code.title for code in codes}
        self.all = [
            _Finding(mention.code, mention.title or titles.get(mention.code, ""), i, mention)
            for i, mention in enumerate(mentions)
        ]
        self.all += [
            _Finding(code.code, code.title, i, mentions[i])
            for code in codes
            for i in code.mentions
            if mentions[i].code != code.code
        ]
        self.categories = {finding.code[:3] for finding in self.all}
        self.present = {finding.code for finding in self.all if _is_present(finding.mention)}
        self.to_review = {code.code for code in codes if code.decision == "review"}
        self._said: dict[re.Pattern[str], bool] = {}

    def has_any(self, group: CodeGroup) -> bool:
        """Return whether a present finding is of one of these codes."""
        return any(map(group.matches, self.present))

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Return whether the note has such words; many procedures ask for the same."""
        if pattern not in self._said:
            self._said[pattern] = bool(pattern.search(self.text))
        return self._said[pattern]

    def course_of(self, finding: _Finding) -> str | None:
        """Return the course that the words around a finding give it."""
        mention = finding.mention
        others = [(o.mention.start, o.mention.end) for o in self.all if o.code[:1] != finding.code[:1]]
        return find_course(self.text, mention.start, mention.end, others)

    def meets(self, rule: EvidenceRule, mention: Mention) -> bool:
        """Return whether what a rule asks for beside its finding is in the note."""
        if (rule.needs and not self.has_any(rule.needs)) or (rule.unless and self.has_any(rule.unless)):
            return False
        if rule.note_words_pattern and not self.says(rule.note_words_pattern):
            return False
        if not rule.words_pattern:
            return True
        low, high = find_sentence(self.text, mention.start, mention.end)
        return bool(rule.words_pattern.search(self.text, low, high))


def _is_present(mention: Mention) -> bool:
    """Return whether the patient has it now; a status after something of the past is one that he has now."""
    return mention.assertion == "present" or (mention.assertion == "historical" and mention.code.startswith("Z"))


def _is_uncertain(mention: Mention) -> bool:
    """Return whether the patient may have it now; a status that is only possible is an operation to come."""
    return mention.assertion == "possible" and mention.kind != "status"


def _name_better(indication: Indication, procedure: Procedure, linked: Sequence[Indication]) -> Indication:
    """Name the siblings that the same findings support, where the indication is one that they serve better."""
    rule = next(one for one in procedure.indications if one.id == indication.indication)
    if not rule.alone or rule.alone not in indication.rationale:
        return indication
    siblings = {sibling.id: sibling.fits_when for sibling in procedure.siblings}
    better = {
        one.procedure: siblings[one.procedure]
        for one in linked
        if one.procedure in siblings and one.status == "supported" and set(one.mentions) & set(indication.mentions)
    }
    if not better:
        return indication
    told = "; ".join(f"{number}, {fits_when}" for number, fits_when in better.items())
    return dataclasses.replace(indication, rationale=f"{indication.rationale} The findings support: {told}.")


def _link(procedure: Procedure, note: _NoteFindings) -> Iterator[Indication]:
    if procedure.report != "always" and procedure.categories.isdisjoint(note.categories):
        return
    named: defaultdict[str, list[tuple[EvidenceRule, _Finding]]] = defaultdict(list)
    for finding in note.all:
        for indication_id, rule in procedure.rules_by_code.find(finding.code):
            named[indication_id].append((rule, finding))
    if not named and procedure.report != "always":
        return
    hits = {one.id: list(_take_up(named[one.id], note)) for one in procedure.indications}
    supported = {name for name, found in hits.items() if any(not hit.doubt for hit in found)}
    against = tuple(_find_against(procedure, note))
    for one in procedure.indications:
        found = hits[one.id]
        if one.id in supported:
            found = [hit for hit in found if not hit.doubt]
        status = _find_status(found, named[one.id])
        if status not in _REPORTED[procedure.report]:
            continue
        codes = tuple(dict.fromkeys(hit.finding.code for hit in found))
        rationale = _explain(status, found, named[one.id], note.to_review)
        if found and one.alone and supported <= {one.id}:
            rationale += f" {one.alone}"
        yield Indication(
            procedure=procedure.id,
            indication=one.id,
            status=status,
            mentions=tuple(sorted({hit.finding.at for hit in found})),
            codes=codes,
            rationale=rationale,
            coverage_flags=procedure.flags_of(one.id, codes) if found else (),
            sources=tuple(dict.fromkeys(hit.rule.origin for hit in found)),
            missing=tuple(_find_missing(one, note)) if found else (),
            against=against if found else (),
        )


def _take_up(named: Iterable[tuple[EvidenceRule, _Finding]], note: _NoteFindings) -> Iterator[_Hit]:
    for rule, finding in named:
        certain = _is_present(finding.mention)
        if not (certain or _is_uncertain(finding.mention)) or not note.meets(rule, finding.mention):
            continue
        doubt = "" if certain else _UNCERTAIN
        if rule.course:
            course = note.course_of(finding)
            if course == "acute":
                continue
            if rule.course == "chronic" and course is None:
                doubt = doubt or _NO_COURSE
        yield _Hit(rule, finding, doubt or (_SUGGESTS if rule.certainty == "suggests" else ""))


def _find_status(found: Sequence[_Hit], named: Iterable[tuple[EvidenceRule, _Finding]]) -> Status:
    if found:
        return "possible" if all(hit.doubt for hit in found) else "supported"
    said = {finding.mention.assertion for rule, finding in named if _would_settle(rule, finding)}
    return "contradicted" if said == {"absent"} else "not_found"


def _would_settle(rule: EvidenceRule, finding: _Finding) -> bool:
    """Return whether a finding, were it present, would support the indication with nothing else."""
    return (
        rule.certainty == "supports"
        and not (rule.needs or rule.words or rule.note_words)
        and finding.mention.kind == "diagnosis"
    )


def _find_missing(rule: IndicationRule, note: _NoteFindings) -> Iterator[str]:
    for needed in rule.documentation:
        if not note.says(needed.pattern):
            yield needed.what


def _find_against(procedure: Procedure, note: _NoteFindings) -> Iterator[str]:
    told: set[str] = set()
    for finding in note.all:
        if not _is_present(finding.mention):
            continue
        for blocker in procedure.blockers_by_code.find(finding.code):
            if blocker.id not in told:
                told.add(blocker.id)
                yield _tell_blocker(blocker, finding)


def _tell_blocker(blocker: Blocker, finding: _Finding) -> str:
    return f"{finding.code}: {blocker.why} ({blocker.origin})"


def _explain(
    status: Status,
    found: Sequence[_Hit],
    named: Iterable[tuple[EvidenceRule, _Finding]],
    to_review: Collection[str],
) -> str:
    if status == "not_found":
        return "The note names no finding of the patient that supports it."
    if status == "contradicted":
        denied = ", ".join(dict.fromkeys(finding.code for rule, finding in named if _would_settle(rule, finding)))
        return f"The note denies {denied} and names nothing else that would support it."
    reasons: dict[str, list[str]] = defaultdict(list)
    for hit in found:
        why = f"{hit.rule.why} (rule {hit.rule.id}{f'; only possibly: {hit.doubt}' if hit.doubt else ''})"
        name = f"{hit.finding.code} {hit.finding.title}".strip()
        reasons[why].append(f"{name}, to be reviewed" if hit.finding.code in to_review else name)
    return " ".join(f"{'; '.join(dict.fromkeys(names))}: {why}." for why, names in reasons.items())
