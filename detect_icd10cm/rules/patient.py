"""The patient's age and sex, as a note's first words on them have it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Sex = Literal["female", "male"]

_REACH = 3000  # notes introduce the patient early; further on they speak of others
_AGE = re.compile(
    r"\b(?P<number>\d{1,3})[- ](?:(?P<year>years?|yrs?|y)[- /]?(?:old|o\b)|(?P<month>months?|mo)[- ]old|"
    r"(?P<day>days?|weeks?)[- ]old)|\b(?P<bare>\d{1,3}) ?y/?o\b",
    re.IGNORECASE,
)
_FEMALE = r"female|woman|lady|girl|mrs|ms|she|her"
_MALE = r"male|man|gentleman|boy|mr|he|his"
_NEWBORN = re.compile(r"\bnewborn\b|\bneonate\b", re.IGNORECASE)
_SEX = re.compile(rf"\b(?:(?P<female>{_FEMALE})|(?P<male>{_MALE}))\b", re.IGNORECASE)
_BEHIND_AGE = 60
_MAX_AGE = 120


class Patient(NamedTuple):
    """What is known of a patient; None where it is not. ``age`` is in whole years."""

    age: int | None = None
    sex: Sex | None = None


def find_patient(text: str) -> Patient:
    """Return the age, and the sex said beside it or else the one that the note's first words agree on.

    >>> find_patient("This 62-year-old woman was seen with her husband. He drove.")
    Patient(age=62, sex='female')
    """
    age = _AGE.search(text, 0, _REACH)
    if age:
        years = _years(age)
        beside = _SEX.search(text, age.end(), min(len(text), age.end() + _BEHIND_AGE))
        sex = _sex_of(beside) if beside else _agreed_sex(text)
        return Patient(years, sex)
    return Patient(0 if _NEWBORN.search(text, 0, _REACH) else None, _agreed_sex(text))


def _years(age: re.Match[str]) -> int | None:
    if age["month"]:
        return int(age["number"]) // 12
    if age["day"]:
        return 0
    years = int(age["number"] or age["bare"])
    return years if years <= _MAX_AGE else None


def _agreed_sex(text: str) -> Sex | None:
    found = {_sex_of(match) for match in _SEX.finditer(text, 0, _REACH)}
    return found.pop() if len(found) == 1 else None


def _sex_of(match: re.Match[str]) -> Sex:
    return "female" if match["female"] else "male"
