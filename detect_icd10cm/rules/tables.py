"""The tables in ``coding/`` that the document-level rules read; pydantic refuses unknown keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field

from detect_icd10cm.packaged import packaged_file, read_yaml
from detect_icd10cm.rules.patterns import CodeGroup, CodePattern, PatternIndex
from detect_icd10cm.rules.schema import Group, Patterns, Slug, Strict, Text, Texts, any_of
from detect_icd10cm.types import Setting

T = TypeVar("T", bound=BaseModel)


class IntegralRow(Strict):
    """Symptoms that routinely go with diseases."""

    id: Slug
    symptoms: Patterns
    of: Patterns
    source: Text | None = None


class Combination(Strict):
    """Findings that the classification takes together; see the head of ``combinations.yaml``."""

    id: Slug
    when: Annotated[tuple[Patterns, ...], Field(min_length=2)]
    to: str
    drops: Group = CodeGroup()
    guideline: Text
    doubt: Text | None = None


class Partner(Strict):
    """A code that the classification asks for beside another; see the head of ``partners.yaml``."""

    id: Slug
    of: Patterns
    add: str
    guideline: Text
    doubt: Text
    unless: Group = CodeGroup()
    words: tuple[Text, ...] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The words as one pattern of whole words; None where there are none."""
        return any_of(self.words) if self.words else None


class Obstetric(Strict):
    """A condition that chapter 15 has a code for, by time; see the head of ``pregnancy.yaml``."""

    id: Slug
    of: Patterns
    by: dict[Literal["pregnancy", "childbirth", "puerperium"], str]
    unless: Patterns
    guideline: Text
    drops: Group = CodeGroup()


class Drug(Strict):
    """A drug whose lasting use is coded; see the head of ``drugs.yaml``."""

    id: Slug
    code: str
    names: Texts
    guideline: Text
    needs: Group = CodeGroup()
    listed: bool = False

    @cached_property
    def lower_names(self) -> tuple[str, ...]:
        """The names in lower case."""
        return tuple(name.lower() for name in self.names)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The names as one pattern of whole words."""
        return any_of(self.names)


class Encounter(Strict):
    """What a visit is for where that is no disease; see the head of ``encounters.yaml``."""

    id: Slug
    code: str
    cues: Texts
    guideline: Text
    needs: Group = CodeGroup()
    unless: Group = CodeGroup()
    about: tuple[Text, ...] = ()
    setting: Setting | None = None
    ages: tuple[int, int] | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The cues as one pattern of whole words."""
        return any_of(self.cues)

    @cached_property
    def about_pattern(self) -> re.Pattern[str] | None:
        """What the cue's sentence has to speak of, as one pattern of whole words; None where it may be anything."""
        return any_of(self.about) if self.about else None


class Detail(Strict):
    """What words add to a code; see the head of ``detail.yaml``."""

    of: str
    by: dict[str, Texts]


class AgeRow(Strict):
    """Codes for ages from ``low`` to ``high`` years."""

    codes: Patterns
    low: int = Field(alias="from")
    high: int = Field(alias="to")
    why: Text


class FlagTable(Strict):
    """What codes are flagged by; see ``flags.yaml``."""

    chronic: Patterns
    female: Patterns
    male: Patterns
    ages: tuple[AgeRow, ...]

    @cached_property
    def chronic_index(self) -> PatternIndex[bool]:
        """True for codes of chronic conditions."""
        return PatternIndex((pattern, True) for pattern in self.chronic)


@cache
def load_integral() -> PatternIndex[IntegralRow]:
    """Load ``coding/symptoms.yaml``: the rows of each symptom."""
    return PatternIndex((pattern, row) for row in _load("symptoms.yaml", IntegralRow) for pattern in row.symptoms)


@cache
def load_combinations() -> tuple[Combination, ...]:
    """Load ``coding/combinations.yaml``."""
    return _load("combinations.yaml", Combination)


@cache
def index_combinations() -> PatternIndex[int]:
    """Return the places, in ``load_combinations``, of the rows whose first group a code belongs to."""
    return PatternIndex((pattern, place) for place, row in enumerate(load_combinations()) for pattern in row.when[0])


@cache
def load_partners() -> PatternIndex[Partner]:
    """Load ``coding/partners.yaml``: the rows of each code that asks for another."""
    return PatternIndex((pattern, row) for row in _load("partners.yaml", Partner) for pattern in row.of)


@cache
def load_pregnancy() -> PatternIndex[Obstetric]:
    """Load ``coding/pregnancy.yaml``: the row of each condition."""
    return PatternIndex((pattern, row) for row in _load("pregnancy.yaml", Obstetric) for pattern in row.of)


@cache
def load_drugs() -> tuple[Drug, ...]:
    """Load ``coding/drugs.yaml``."""
    return _load("drugs.yaml", Drug)


@cache
def load_encounters() -> tuple[Encounter, ...]:
    """Load ``coding/encounters.yaml``."""
    return _load("encounters.yaml", Encounter)


@cache
def load_details() -> Mapping[str, Mapping[str, re.Pattern[str]]]:
    """Load ``coding/detail.yaml``: by code, the codes that say more and the words for them."""
    return {row.of: {new: any_of(words) for new, words in row.by.items()} for row in _load("detail.yaml", Detail)}


@cache
def load_flags() -> FlagTable:
    """Load ``coding/flags.yaml``."""
    return FlagTable.model_validate(_read("flags.yaml"))


@cache
def load_risk_categories() -> PatternIndex[int]:
    """Load ``coding/hcc_v28.yaml``: the CMS-HCC categories of each code."""
    categories: dict[int, list[str]] = _read("hcc_v28.yaml")
    return PatternIndex(
        (CodePattern.parse(pattern), category) for category, patterns in categories.items() for pattern in patterns
    )


def _load(name: str, row: type[T]) -> tuple[T, ...]:
    return tuple(row.model_validate(record) for record in _read(name))


def _read(name: str) -> Any:
    return read_yaml(packaged_file("rules", "coding", name))
