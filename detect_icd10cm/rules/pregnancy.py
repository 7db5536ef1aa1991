"""Pregnancy and birth (I.C.15): codes of chapter 15 for other conditions, trimester, weeks of gestation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, cast, get_args

from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.rules.tables import Obstetric, load_pregnancy

Time = Literal["pregnancy", "childbirth", "puerperium"]

_DELIVERED, _VISIT_BEHIND_BIRTH = CodeGroup.parse("O80", "O82", "Z37-"), CodeGroup.parse("Z39-")
# What titles say of the time goes ahead of the blocks: an embolism is of any of the three.
_TIME_IN_TITLE = re.compile(
    r"(?P<pregnancy>\btrimester\b|\b(?:in|with|complicating) pregnancy\b(?! and\b))|"
    r"(?P<childbirth>\b(?:in|complicating) (?:childbirth|labor)\b)|"
    r"(?P<puerperium>\b(?:in|of|during|with|complicating) (?:the )?puerperium\b)"
)
# A cardiomyopathy of pregnancy may be of any of them too, and does not say of which (I.C.15.o.5).
_UNTIMED = "O90.3"
_TIMES: tuple[tuple[Time | None, CodeGroup], ...] = (
    (None, CodeGroup.parse(_UNTIMED)),
    ("puerperium", CodeGroup.parse("O72.2", "O85-O87", "O89-O92")),
    ("childbirth", CodeGroup.parse("O67-O77")),
    ("pregnancy", CodeGroup.parse("O09-O66", "Z33.1", "Z34-", "Z3A-")),
)
# The trimester in the titles of these is that of a delivery before or at term.
_DELIVERED_OF_LABOR = CodeGroup.parse("O60.1-", "O60.2-")
_ABORTIVE = CodeGroup.parse("O00-O08", "Z33.2")
_INCIDENTAL_STATE, _SUPERVISED, _NORMAL_DELIVERY = "Z33.1", "Z34", "O80"
# The provider has to say that what is treated does not touch the pregnancy.
_INCIDENTAL = re.compile(
    r"\bincidental(?:ly)? pregnan\w+|\bincidental to (?:the|her) pregnancy\b|"
    # "The pregnancy is incidental", "pregnant, incidental to this visit", but not "pregnant, incidental ovarian cyst"
    r"\bpregnan\w+(?:,|:| \(| -+| state,?)?(?: (?:is|was|remains|considered|to be|purely|entirely|only))* ?"
    r"\bincidental\b(?! (?!to\b)[a-z])|"
    r"\b(?:not affect\w*|unrelated to|no effect on) (?:the |her )?pregnancy\b|"
    r"\bpregnancy is (?:not affected|unaffected)\b",
    re.IGNORECASE,
)

_NUMBER = r"(\d{1,2})(?: ?(?:(?:and )?\d/7|[+-] ?\d))?"
_UNIT = r"[- ]?(?:weeks?|wks?|w)\b(?:(?: and|,)? ?\d ?(?:days?|d)\b)?"
_WEEKS = re.compile(
    rf"\b{_NUMBER}{_UNIT}(?:'|[- ])*(?:of )?(?:gestation\w*|pregnan\w*|intrauterine|IUP|EGA)|"
    r"\b(\d{1,2})w\d ?d\b|"
    rf"\b(?:gestation|gestational age|EGA|IUP)\b[^.\n]{{0,25}}?\b{_NUMBER}{_UNIT}|"
    rf"\b(?:pregnan(?:t|cy)|G\d ?P\d\w*)\b[^.\n]{{0,25}}?\b(?:at|now|currently)(?: (?:about|approximately))? "
    rf"{_NUMBER}{_UNIT}",
    re.IGNORECASE,
)
_TRIMESTER = re.compile(
    r"\b(?:(first|1st)|(second|2nd)|(third|3rd)) trimester\b(?! (?:screen|scan|ultrasound|lab|test))", re.IGNORECASE
)
# What is said of another pregnancy, or of a time to come.
_ANOTHER = re.compile(
    r"\b(?:previous|prior|earlier|last pregnancy|first (?:pregnancy|child|baby)|miscarriage|until|return|induction|"
    r"history of (?:preterm|miscarriage|pregnan)|repeat (?!c-section|cesarean)|schedul\w*|be induced)",
    re.IGNORECASE,
)
# Below 14 weeks, from 14 to below 28, from 28: I.C.15.a.3, and the head of chapter 15.
_TRIMESTERS = (("first", 0, 13), ("second", 14, 27), ("third", 28, 49))
_NAMES = ("first", "second", "third")
_FIRST_WEEK, _LAST_WEEK = 8, 42
_NO_WEEK = "Z3A.00"
_UNTOLD = "unspecified trimester"

_CHAPTER_FIRST = "in a pregnancy, coded by chapter 15 with {code} behind it ({guideline}, row {id})"
_NOT_INCIDENTAL = "{code} is only for a pregnancy of which nothing else is coded (I.C.15.a.1, I.C.21.c.11)"
_NOT_UNCOMPLICATED = "O80 is only for a delivery beside which nothing of chapter 15 is coded (I.C.15.n.1)"
_NOT_NORMAL = "called normal, beside {code}, which chapter 15 has a code for ({guideline}, row {id})"
_INCIDENTAL_DOUBT = "that the pregnancy is incidental is for the provider to say, and not said (I.C.15.a.1)"
_NOT_ALL_INCIDENTAL = "the note calls the pregnancy incidental, and {code} says that it is not (I.C.15.a.1)"
_NOT_SAID = "that it touches the pregnancy goes without saying in the guidelines, not in the note"
_TIME_UNTOLD = "chapter 15 has a code for it, by whether the birth has been, which is not said ({guideline}, row {id})"
_TRIMESTER_SAID = "{said}: {old} became this code (I.C.15.a.3)"
_WEEKS_SAID = "{weeks} completed weeks of gestation said in the note (I.C.15.a.7, I.C.21.c.11)"


def code_pregnancy(draft: Draft) -> None:
    """Put the codes of chapter 15 where they belong: ahead of other chapters, with trimester and weeks."""
    if not any(code.startswith(("O", "Z3")) for code in draft):
        return
    time = _find_time(draft)
    incidental = _INCIDENTAL_STATE in draft and bool(_INCIDENTAL.search(draft.document.text))
    supervised = [code for code in draft if code.startswith(_SUPERVISED)]
    if supervised and not _find_obstetric(draft):
        _doubt_normal(draft, supervised[0])
    elif time and not incidental:
        _add_obstetric(draft, time)
    elif _UNTIMED in draft and not time:
        _doubt_untimed(draft)
    _drop_normal(draft, supervised, incidental)
    # In the weeks behind the birth, those of gestation are of the past (I.C.21.c.11).
    if time != "puerperium":
        _say_trimester(draft)


def _find_obstetric(draft: Draft) -> list[str]:
    return [code for code in draft if code.startswith("O")]


def _find_time(draft: Draft) -> Time | None:
    if draft.find(_ABORTIVE):
        return None
    if draft.find(_DELIVERED):
        return "childbirth"
    if draft.find(_VISIT_BEHIND_BIRTH):
        return "puerperium"
    if draft.find(_DELIVERED_OF_LABOR):
        return "childbirth"
    # What came after the birth tells more than the birth, and that more than the pregnancy.
    told = {_time_of(draft, code) for code in draft}
    return next((time for time in get_args(Time)[::-1] if time in told), None)


def _time_of(draft: Draft, code: str) -> Time | None:
    said = _TIME_IN_TITLE.search(draft.codeset.title(code)) if code.startswith("O") else None
    if said:
        return cast(Time, said.lastgroup)
    return next((time for time, group in _TIMES if group.matches(code)), None)


def _find_conditions(draft: Draft) -> Iterator[tuple[str, Obstetric]]:
    """Yield the patient's conditions that chapter 15 has codes for, each with its row."""
    for code in draft:
        # I.C.15.l speaks of the use of a substance, not of what is in remission.
        given_up = code.startswith("F") and "in remission" in draft.codeset.title(code)
        if not given_up and not draft.is_stated_as(code, "historical", "family"):
            yield from ((code, row) for row in load_pregnancy().find(code))


def _doubt_normal(draft: Draft, supervised: str) -> None:
    """Mark a pregnancy that the note calls normal for review where chapter 15 has a code for what else it states."""
    for code, row in _find_conditions(draft):
        draft.entries[supervised].doubts.append(_NOT_NORMAL.format(code=code, guideline=row.guideline, id=row.id))


def _doubt_untimed(draft: Draft) -> None:
    """Mark what chapter 15 has a code for where the note does not tell the time that the code asks for."""
    for code, row in _find_conditions(draft):
        if not draft.find(row.unless):
            draft.entries[code].doubts.append(_TIME_UNTOLD.format(guideline=row.guideline, id=row.id))


def _add_obstetric(draft: Draft, time: Time) -> None:
    for code, row in _find_conditions(draft):
        new = row.by[time]
        is_new = new not in draft
        if is_new and draft.find(row.unless):
            continue
        reason = _CHAPTER_FIRST.format(code=code, guideline=row.guideline, id=row.id)
        entry = draft.add(new, draft.entries[code].mentions, reason)
        if entry is None:
            continue
        if is_new:
            entry.doubts.append(_NOT_SAID)
        if row.drops.matches(code):
            draft.drop(code, "")


def _drop_normal(draft: Draft, supervised: list[str], incidental: bool) -> None:
    """Take out what calls the delivery or the pregnancy normal or incidental where chapter 15 codes something else."""
    obstetric = _find_obstetric(draft)
    if _NORMAL_DELIVERY in draft and len(obstetric) > 1:
        obstetric.remove(_NORMAL_DELIVERY)
        draft.drop(_NORMAL_DELIVERY, _NOT_UNCOMPLICATED, obstetric[:1])
    unneeded = supervised if obstetric else []
    if supervised or (obstetric and not incidental):
        unneeded = [*unneeded, _INCIDENTAL_STATE]
    for code in unneeded:
        if code in draft:
            draft.drop(code, _NOT_INCIDENTAL.format(code=code), (obstetric or supervised)[:1])
    if _INCIDENTAL_STATE in draft and not incidental:
        draft.entries[_INCIDENTAL_STATE].doubts.append(_INCIDENTAL_DOUBT)
    elif _INCIDENTAL_STATE in draft and obstetric:
        draft.entries[_INCIDENTAL_STATE].doubts.append(_NOT_ALL_INCIDENTAL.format(code=obstetric[0]))


def _say_trimester(draft: Draft) -> None:
    """Give codes of an unspecified trimester the one that the note says, and add its weeks of gestation."""
    text = draft.document.text
    weeks = {int(code[4:]) for code in draft if code.startswith("Z3A.") and code != _NO_WEEK} or set(_find_weeks(text))
    by_weeks = {name for week in weeks for name, low, high in _TRIMESTERS if low <= week <= high}
    by_codes = {name for name in _NAMES for code in draft if f", {name} trimester" in draft.codeset.title(code)}
    found = by_weeks or set(_find_trimesters(text)) or by_codes
    if len(found) == 1:
        trimester = found.pop()
        said = f"{min(weeks)} weeks of gestation" if weeks else f"{trimester} trimester, said in the note"
        for code in draft:
            new = _with_trimester(draft, code, trimester) if code.startswith(("O", _SUPERVISED)) else None
            if new:
                draft.change(code, new, _TRIMESTER_SAID.format(said=said, old=code))
    # Not after an abortive outcome (I.C.21.c.11).
    obstetric = _find_obstetric(draft)
    told = draft.find(_ABORTIVE) or any(code.startswith("Z3A") for code in draft)
    if obstetric and not told and len(weeks) == 1:
        week = weeks.pop()
        mentions = sorted({i for code in obstetric for i in draft.entries[code].mentions})
        draft.add(_code_of_week(week), mentions, _WEEKS_SAID.format(weeks=week))


def _with_trimester(draft: Draft, code: str, trimester: str) -> str | None:
    """Return the code that says the same as one of an unspecified trimester, and the trimester; None for others."""
    codeset, title = draft.codeset, draft.codeset.title(code)
    parent = codeset.parent(code)
    if _UNTOLD not in title or parent is None:
        return None
    wanted = title.replace(_UNTOLD, f"{trimester} trimester")
    # The trimester is the last character, or the last but one where the fetus is told behind it.
    family = list(codeset.children(parent))
    above = codeset.parent(parent)
    for header in codeset.children(above) if above else ():
        family += codeset.children(header)
    return next((one for one in family if codeset.title(one) == wanted), None)


def _code_of_week(week: int) -> str:
    if week < _FIRST_WEEK:
        return "Z3A.01"
    return "Z3A.49" if week > _LAST_WEEK else f"Z3A.{week:02d}"


def _find_weeks(text: str) -> Iterator[int]:
    for match in _WEEKS.finditer(text):
        week = int(next(filter(None, match.groups())))
        if week <= _TRIMESTERS[-1][2] and not _is_of_another(text, match):
            yield week


def _find_trimesters(text: str) -> Iterator[str]:
    for match in _TRIMESTER.finditer(text):
        if not _is_of_another(text, match):
            yield _NAMES[next(i for i, group in enumerate(match.groups()) if group)]


def _is_of_another(text: str, match: re.Match[str]) -> bool:
    low, _ = find_sentence(text, match.start(), match.end())
    low = max(low, text.rfind(",", low, match.start()) + 1)
    return bool(_ANOTHER.search(text, low, match.end()))
