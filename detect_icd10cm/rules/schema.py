"""What a procedure file may hold: pydantic models that refuse unknown keys and statements without a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from detect_icd10cm.errors import RulesError
from detect_icd10cm.rules.patterns import CodeGroup, CodePattern, PatternIndex
from detect_icd10cm.types import CoverageFlag

# Stands for the source of a statement that rests on no document.
JUDGEMENT = "judgement of this project"

# Turns of phrase of the AMA's descriptors, which are its copyright; plain language needs none of them.
_DESCRIPTOR_LIKE = re.compile(
    r";|\(e\.?g\.?[,.)]|\(separate procedure\)|list separately|when performed|with or without|each additional|"
    r"\bany (?:method|approach)\b|, including\b",
    re.IGNORECASE,
)


def looks_like_descriptor(text: str) -> bool:
    """Return whether a text is worded as CPT descriptors are; a hint, not a proof."""
    return bool(_DESCRIPTOR_LIKE.search(text))


def any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that finds any of these words or phrases, whole and in either case."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)


def _unwrap(text: str) -> str:
    return " ".join(text.split())


def _parse_pattern(value: Any) -> CodePattern:
    if isinstance(value, CodePattern):
        return value
    if not isinstance(value, str):
        raise ValueError(f"found {type(value).__name__}, expected a code pattern in quotes")
    try:
        return CodePattern.parse(value)
    except RulesError as error:
        raise ValueError(str(error)) from error


Text = Annotated[str, Field(min_length=1), AfterValidator(_unwrap)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
CptCode = Annotated[str, Field(pattern=r"^\d{4}[0-9A-Z]$")]
Pattern = Annotated[CodePattern, BeforeValidator(_parse_pattern)]
# Patterns as a group of codes, which may be empty where ``Patterns`` may not.
if TYPE_CHECKING:
    Group = CodeGroup
    Patterns = CodeGroup
else:
    Group = Annotated[tuple[Pattern, ...], AfterValidator(CodeGroup)]
    Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1), AfterValidator(CodeGroup)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]


class Strict(BaseModel):
    """A frozen record without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Statement(Strict):
    """Something the file says of the world: either ``source`` names a document, or ``judgement`` is true."""

    source: Text | None = None
    judgement: Literal[True] | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Statement:
        if (self.source is None) == (self.judgement is None):
            raise ValueError("expected either 'source' with a document or 'judgement: true'")
        return self

    @property
    def origin(self) -> str:
        """The source, or ``JUDGEMENT``."""
        return self.source or JUDGEMENT


class Fact(Statement):
    """One entry of a procedure's public record."""

    id: Slug
    value: Text


class Steps(Statement):
    """How the procedure goes, in plain words."""

    items: Texts


class Modifier(Statement):
    """A modifier that may be put behind the number; ``cues`` are words of a note that point to it."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")]
    means: Text
    cues: tuple[Text, ...] = ()


class Examples(Strict):
    """Invented notes with findings written as ``{text|code|assertion}`` that do and don't meet a rule."""

    met: Texts
    not_met: Texts

    def each(self) -> Iterator[tuple[str, bool]]:
        """Yield each note with whether it meets the rule."""
        yield from ((marked, True) for marked in self.met)
        yield from ((marked, False) for marked in self.not_met)


class EvidenceRule(Statement):
    """Codes that support an indication.

    With ``needs``, only where the note states one of those codes as present too; with ``unless``, only where it
    states none of those; with ``words``, only where the finding's own sentence holds one of them; with
    ``note_words``, only where the note does anywhere. With ``course: chronic``, an acute finding does not count,
    and one whose course the note does not tell only possibly; with ``not_acute``, only an acute one does not count.
    A rule that ``suggests`` never supports more than possibly.
    """

    id: Slug
    codes: Patterns
    why: Text
    reviewed: date
    examples: Examples
    needs: Group = CodeGroup()
    unless: Group = CodeGroup()
    words: tuple[Text, ...] = ()
    note_words: tuple[Text, ...] = ()
    course: Literal["chronic", "not_acute"] | None = None
    certainty: Literal["supports", "suggests"] = "supports"

    @cached_property
    def words_pattern(self) -> re.Pattern[str] | None:
        """The words of the sentence as one pattern; None where there are none."""
        return any_of(self.words) if self.words else None

    @cached_property
    def note_words_pattern(self) -> re.Pattern[str] | None:
        """The words of the note as one pattern; None where there are none."""
        return any_of(self.note_words) if self.note_words else None


class Needed(Statement):
    """A documentation that a reviewer will look for; missing where the note holds none of ``cues``."""

    id: Slug
    what: Text
    cues: Texts

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The cues as one pattern of word beginnings."""
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, self.cues))})", re.IGNORECASE)


class IndicationRule(Statement):
    """One indication; ``alone`` is said where the note supports no other indication of the procedure."""

    id: Slug
    label: Text
    evidence: Annotated[tuple[EvidenceRule, ...], Field(min_length=1)]
    documentation: tuple[Needed, ...] = ()
    alone: Text | None = None


class Blocker(Statement):
    """A present condition that speaks against the procedure; it is told, it decides nothing."""

    id: Slug
    codes: Patterns
    why: Text


class CoverageRule(Statement):
    """A payer's policy that touches indications of the procedure; never a coverage decision."""

    id: Text
    summary: Text
    points: Literal["for", "against", "neither"]
    indications: Annotated[tuple[Slug, ...], Field(min_length=1)]
    codes: Group = CodeGroup()


class Sibling(Statement):
    """A related procedure and when it fits better."""

    id: CptCode
    fits_when: Text


class Effective(Strict):
    """From when to when the number is valid; a year or None where only that is public."""

    since: date | Text
    until: date | None = None
    changes: tuple[Text, ...] = ()
    source: Text


class Procedure(Statement):
    """One procedure: its record, its steps, what it is used for, and the policies that touch it.

    ``report`` is ``always`` where indications that nothing was found for are told too, and ``when_supported`` where
    possible and contradicted ones are not: related procedures that only stand by.
    """

    id: CptCode
    label: Text
    effective: Effective | None = None
    report: Literal["always", "when_found", "when_supported"] = "when_found"
    names: tuple[Text, ...] = ()
    record: tuple[Fact, ...] = ()
    steps: Steps | None = None
    modifiers: tuple[Modifier, ...] = ()
    indications: Annotated[tuple[IndicationRule, ...], Field(min_length=1)]
    blockers: tuple[Blocker, ...] = ()
    coverage_flags: tuple[CoverageRule, ...] = ()
    siblings: tuple[Sibling, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Procedure:
        known = [indication.id for indication in self.indications]
        for ids in (
            known,
            [rule.id for indication in self.indications for rule in indication.evidence],
            [fact.id for fact in self.record],
            [modifier.code for modifier in self.modifiers],
            [blocker.id for blocker in self.blockers],
            [flag.id for flag in self.coverage_flags],
            [sibling.id for sibling in self.siblings],
        ):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            if twice:
                raise ValueError(f"found {', '.join(twice)} more than once, expected ids of their own")
        named = {name for flag in self.coverage_flags for name in flag.indications} - set(known)
        if named:
            raise ValueError(f"coverage_flags name indications {sorted(named)}, expected some of {known}")
        return self

    def flags_of(self, indication: str, codes: tuple[str, ...]) -> tuple[CoverageFlag, ...]:
        """Return the policies that touch an indication found by these codes."""
        return tuple(
            CoverageFlag(flag.id, flag.summary, flag.points)
            for flag in self.coverage_flags
            if indication in flag.indications and (not flag.codes or any(map(flag.codes.matches, codes)))
        )

    @cached_property
    def lower_names(self) -> tuple[str, ...]:
        """The number, and the words by which notes name the procedure, in lower case."""
        return (self.id, *(name.lower() for name in self.names))

    @cached_property
    def names_pattern(self) -> re.Pattern[str]:
        """The number and the names as one pattern of whole words."""
        return any_of((self.id, *self.names))

    @cached_property
    def categories(self) -> frozenset[str]:
        """The categories that the evidence rules speak of."""
        rules = (rule for indication in self.indications for rule in indication.evidence)
        return frozenset(prefix[:3] for rule in rules for pattern in rule.codes for prefix in pattern.prefixes)

    @cached_property
    def rules_by_code(self) -> PatternIndex[tuple[str, EvidenceRule]]:
        """The evidence rules that a code meets, each with the id of its indication."""
        return PatternIndex(
            (pattern, (indication.id, rule))
            for indication in self.indications
            for rule in indication.evidence
            for pattern in rule.codes
        )

    @cached_property
    def blockers_by_code(self) -> PatternIndex[Blocker]:
        """The blockers that a code meets."""
        return PatternIndex((pattern, blocker) for blocker in self.blockers for pattern in blocker.codes)
