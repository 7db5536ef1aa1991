"""The order file, all codes of a release with their titles, and the addenda that make the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from detect_icd10cm.codes.official.recognise import ADDENDA_LINE, ORDER_LINE, open_text
from detect_icd10cm.codes.tables import CodeRow, find_ancestors, with_dot
from detect_icd10cm.errors import CodeSetError

Action = Literal["Add", "Delete", "Revise from", "Revise to"]

# Columns as published: order number 1-5, code 7-13, 0 for a header and 1 for a billable code at 15, short
# title 17-76, long title from 78. In the addenda what was done stands in columns 1-13, then the same from the
# 0 or 1 on.
_CODE, _BILLABLE, _SHORT, _LONG = slice(6, 13), 14, slice(16, 76), 77
_ACTION, _ADDENDA_BILLABLE, _ADDENDA_CODE, _ADDENDA_LONG = slice(0, 13), 13, slice(15, 22), 84
_ACTIONS: dict[str, Action] = {action: action for action in get_args(Action)}
_TOTAL = re.compile(r"(\d+) (additions|deletions|revisions)$")
_COUNTED = {"additions": "Add", "deletions": "Delete", "revisions": "Revise to"}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of an addenda."""

    line: int
    action: Action
    code: str
    billable: bool
    title: str


def read_order(path: Path) -> list[CodeRow]:
    """Read an order file (``icd10cm_order_*.txt``), in its order.

    Raises:
        CodeSetError: If a line is malformed, or codes or headers are missing so that the file must be cut
            short.
    """
    rows: dict[str, CodeRow] = {}
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        if not ORDER_LINE.match(line) or len(line) <= _LONG:
            raise _malformed(path, number, "an order number, a code, 0 or 1, a short and a long title in fixed columns")
        code, title = with_dot(line[_CODE].strip()), line[_LONG:].strip()
        if code in rows:
            raise CodeSetError(f"{path.name}, line {number}: lists {code} again, first in line {lines[code]}")
        if len(title) < len(short := line[_SHORT].strip()) and short.startswith(title):
            raise CodeSetError(f"{path.name}, line {number}: the long title of {code} is cut short; get the file again")
        rows[code], lines[code] = CodeRow(code, title, line[_BILLABLE] == "1"), number
    _check_tree(path, rows, lines)
    return list(rows.values())


def read_addenda(path: Path) -> list[Change]:
    """Read an order addenda (``icd10cm_order_addenda_*.txt``).

    Raises:
        CodeSetError: If a line is malformed, or the file's own counts are not met.
    """
    changes: list[Change] = []
    totals = dict.fromkeys(_COUNTED.values(), 0)
    counted = False
    for number, line in _lines(path):
        if ADDENDA_LINE.match(line) and len(line) > _ADDENDA_LONG:
            changes.append(_change(number, line))
        elif total := _TOTAL.search(line):
            totals[_COUNTED[total[2]]] += int(total[1])
            counted = True
        elif line[:1].isalpha() and ":" in line[:13]:
            raise _malformed(
                path, number, "Add, Delete, Revise from or Revise to with a code and titles in fixed columns"
            )
    for action, total_of_file in totals.items():
        found = sum(change.action == action for change in changes)
        if counted and found != total_of_file:
            raise CodeSetError(
                f"{path.name}: found {found} lines '{action}', its closing counts say {total_of_file}; get "
                "the file again"
            )
    return changes


def apply_addenda(path: Path, rows: list[CodeRow], changes: list[Change], base: str) -> list[CodeRow]:
    """Return the codes of the next release.

    Args:
        path: The addenda, for messages.
        rows: The codes of the release before, in order.
        changes: What the addenda say.
        base: The name of the release before, for messages.

    Raises:
        CodeSetError: If a line deletes or revises what is not there, or adds what is.
    """
    known = {row.code: row for row in rows}
    deleted: dict[str, CodeRow] = {}
    for change in changes:
        _check_change(path, change, known.get(change.code), base)
        if change.action == "Add":
            # A billable code that becomes a header is deleted and added; its notes stay.
            row = deleted.pop(change.code, None) or CodeRow(change.code, "", change.billable)
            row.title, row.billable = change.title, change.billable
            known[change.code] = row
        elif change.action == "Delete":
            deleted[change.code] = known.pop(change.code)
        elif change.action == "Revise to":
            known[change.code].title = change.title
    return _in_order(rows, known)


def _check_change(path: Path, change: Change, there: CodeRow | None, base: str) -> None:
    if change.action == "Add":
        problem = f"adds {change.code}, which release {base} has already" if there else ""
    elif there is None:
        problem = f"changes {change.code}, which release {base} does not have"
    elif there.billable != change.billable:
        state = "billable" if there.billable else "a header"
        problem = f"changes {change.code}, which in release {base} is {state}"
    elif change.action != "Revise to" and there.title != change.title:
        problem = f"changes {change.code} {change.title!r}, which release {base} has as {there.title!r}"
    else:
        problem = ""
    if problem:
        raise CodeSetError(
            f"{path.name}, line {change.line}: {problem}; the addenda belong to another release: import the "
            "one before theirs first"
        )


def _in_order(rows: list[CodeRow], known: dict[str, CodeRow]) -> list[CodeRow]:
    """Return the known codes in the order of the release before, new ones by spelling below their header."""
    ordered = [known[row.code] for row in rows if row.code in known]
    placed = {row.code for row in ordered}
    for code in sorted(known.keys() - placed):  # a header sorts before what is below it
        parent = next(iter(find_ancestors(code, placed)), "")
        start = next((i + 1 for i, row in enumerate(ordered) if row.code == parent), 0)
        later = (
            i for i in range(start, len(ordered)) if not ordered[i].code.startswith(parent) or ordered[i].code > code
        )
        ordered.insert(next(later, len(ordered)), known[code])
        placed.add(code)
    return ordered


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def _change(number: int, line: str) -> Change:
    return Change(
        number,
        _ACTIONS[line[_ACTION].strip().rstrip(":")],
        with_dot(line[_ADDENDA_CODE].strip()),
        line[_ADDENDA_BILLABLE] == "1",
        line[_ADDENDA_LONG:].strip(),
    )


def _check_tree(path: Path, rows: dict[str, CodeRow], lines: dict[str, int]) -> None:
    childless = {row.code for row in rows.values() if not row.billable}
    for code in rows:
        above = find_ancestors(code, rows)
        if len(code) > 3 and code[:3] not in rows:
            raise CodeSetError(f"{path.name}, line {lines[code]}: {code} has no header {code[:3]}; lines are missing")
        for parent in above[:1]:
            if rows[parent].billable:
                raise CodeSetError(
                    f"{path.name}, line {lines[code]}: {code} stands below {parent}, which is billable; "
                    "expected a header"
                )
            childless.discard(parent)
    if childless:
        code = min(childless, key=lines.__getitem__)
        raise CodeSetError(
            f"{path.name}, line {lines[code]}: the header {code} has no codes below it; the file is cut "
            "short: get it again"
        )


def _malformed(path: Path, number: int, expected: str) -> CodeSetError:
    return CodeSetError(f"{path.name}, line {number}: expected {expected}; the file is damaged: get it again")
