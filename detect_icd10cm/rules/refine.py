"""More specific codes by the words around a finding, never invented: side, episode, stage (I.B.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.tables import load_details
from detect_icd10cm.types import Mention

SIDES = ("right", "left", "bilateral")
_SIDE_OF_WORD = {"right": "right", "rt": "right", "left": "left", "lt": "left", "bilateral": "bilateral"}
_SIDE = re.compile(r"\b(right|left|bilateral|rt|lt|both)(?:-?sided|ly)?\b", re.IGNORECASE)
# Right before a finding ("left knee ", "right-sided chronic "), and right behind it (" of the left knee").
_BEFORE = re.compile(r"(?:[\w-]+[ /]+){0,3}$")
_BEHIND = re.compile(
    r"(?: +(?:of|in|on|to|at|over|the|his|her|a))* +(?:right|left|bilateral|rt|lt|both)\b", re.IGNORECASE
)
_WINDOW = 40
# "no exacerbation", "without obstruction"; "return in ten days for suture removal"
_DENIED = re.compile(
    r"\b(?:no|not|without|denies|never|return|will|next \w+|in [\w-]+ (?:days?|weeks?|months?))\s+(?:[\w-]+\s+){0,2}$",
    re.IGNORECASE,
)
_UNCERTAIN = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|likely|suspected|questionable|rule out|consistent with)\s+(?:[\w-]+\s+){0,2}$",
    re.IGNORECASE,
)
_DENIAL = 30
_BREAK = re.compile(r"[,;:()]|\b(?:and|or|with|but)\b", re.IGNORECASE)
_ADJECTIVE = re.compile(
    r"acute|chronic|persistent|paroxysmal|recurrent|intractable|refractory|external|aspiration|lobar|open|compound|"
    r"healed|healing|aftercare|morbid|decompensated|combined|bilateral",
    re.IGNORECASE,
)
_FOLLOWED = re.compile(r"[ -]+\w")

_SEVENTH_LENGTH = 8  # with the dot
_EPISODES = (
    ("S", re.compile(r"\b(?:sequelae?|late effects?|residuals? (?:of|from))\b", re.IGNORECASE)),
    ("K", re.compile(r"\bnon-?union\b", re.IGNORECASE)),
    ("P", re.compile(r"\bmal-?union\b", re.IGNORECASE)),
    ("G", re.compile(r"\bdelayed (?:healing|union)\b", re.IGNORECASE)),
    (
        "D",
        re.compile(
            # What is to come is none: "follow-up in two weeks".
            r"\b(?:healing|healed|subsequent encounter|aftercare|rehabilitation (?:after|following)|"
            r"post-? ?op(?:erative)? (?:visit|check)|"
            r"(?:follow-?up|(?:cast|suture|staple) removal(?! (?:on|after) (?:day|\d)))"
            r"(?! (?:(?:is|are) )?(?:in|with|at|as|by|appointment|to be|next|planned|scheduled|due|should|will)\b)"
            r")\b",
            re.IGNORECASE,
        ),
    ),
    # Of the fracture, not of its operation, nor of a pelvis that opens like a book.
    (
        "B",
        re.compile(
            r"\b(?:open|compound)\b(?![ -](?:reduc|treat|repair|surg|procedure|operat|approach|manner|book))",
            re.IGNORECASE,
        ),
    ),
)
_SIDE_SAID = "{side} side said beside the finding: {old} became this code (I.B.13)"
_EPISODE_SAID = "{old} became this code by the words on healing or episode in its sentence (I.C.19.a, I.C.19.c)"
_DETAIL_SAID = "the finding's sentence says more than {old} (I.B.2)"


def refine_codes(draft: Draft) -> None:
    """Change codes to the more specific ones that the note's own words ask for."""
    for code in draft:
        refine_code(draft, code)


def refine_code(draft: Draft, code: str) -> None:
    """Change one code to the more specific one that the words around its mentions ask for."""
    if draft.document.text:
        new = _refine_detail(draft, code)
        new = _refine_side(draft, new)
        _refine_episode(draft, new)


def _refine_detail(draft: Draft, code: str) -> str:
    for _ in range(2):  # a type of heart failure, then its course
        row = load_details().get(code)
        if row is None:
            return code
        near = {
            new: place for new, pattern in row.items() if (place := _find_nearest(draft, code, pattern)) is not None
        }
        # The nearest words are meant; of "acute on chronic", which says "chronic" too, the longer, which comes first.
        new = min(near, key=lambda one: near[one], default=None)
        if new is None or not draft.change(code, new, _DETAIL_SAID.format(old=code)):
            return code
        code = new
    return code


def _find_nearest(draft: Draft, code: str, pattern: re.Pattern[str]) -> int | None:
    """Return how far from a finding, in characters, words are said of it in its sentence; None where they are not."""
    text = draft.document.text
    distances = [
        distance
        for mention in draft.mentions_of(code)
        for match in pattern.finditer(text, *find_sentence(text, mention.start, mention.end))
        if (distance := _distance(text, mention, match)) is not None and not _is_uncertain(draft, match)
    ]
    return min(distances, default=None)


def _is_uncertain(draft: Draft, match: re.Match[str]) -> bool:
    """Return whether words are uncertain where only what is certain is coded (IV.H)."""
    low = max(0, match.start() - _DENIAL)
    return draft.setting == "outpatient" and bool(_UNCERTAIN.search(draft.document.text, low, match.start()))


def _distance(text: str, mention: Mention, match: re.Match[str]) -> int | None:
    """Return how far words stand from a finding; None where they are denied, to come, or belong to something else."""
    if _DENIED.search(text, max(0, match.start() - _DENIAL), match.start()):
        return None
    first, last = sorted(((match.start(), match.end()), (mention.start, mention.end)))
    between = text[first[1] : last[0]]
    # "systolic heart failure, acute bronchitis": an adjective beyond a comma, or an aftercare, is of what follows it.
    if _BREAK.search(between) and _ADJECTIVE.fullmatch(match[0]) and _FOLLOWED.match(text, match.end()):
        return None
    return len(between)


def _refine_side(draft: Draft, code: str) -> str:
    siblings = find_sides(draft.codeset, code)
    if not siblings:
        return code
    said = {side for mention in draft.mentions_of(code) if (side := _side_of(draft.document.text, mention))}
    side = said.pop() if len(said) == 1 else "bilateral" if said == {"right", "left"} else None
    new = siblings.get(side or "")
    if new and draft.change(code, new, _SIDE_SAID.format(side=side, old=code)):
        return new
    return code


@lru_cache(maxsize=1 << 14)
def find_sides(codeset: CodeSet, code: str) -> Mapping[str, str]:
    """Return the codes by side that say the same as a code of unspecified side; none for other codes."""
    title = codeset.title(code)
    if "unspecified" not in title or code not in codeset:
        return {}
    parent = codeset.parent(code)
    if parent is None:
        return {}
    above = codeset.parent(parent)
    # The side is the last character, or the last but one: ahead of an episode, or of the depth of an ulcer.
    families = [] if len(code) == _SEVENTH_LENGTH else [_below(codeset, parent, "")]
    families += [_below(codeset, above, code[-1])] if above else []
    return next(filter(None, (_match_sides(codeset, title, family) for family in families)), {})


def _match_sides(codeset: CodeSet, title: str, codes: list[str]) -> Mapping[str, str]:
    """Return those of some codes whose title is the one given but for the side."""
    family = {codeset.title(one): one for one in codes}
    places = [match.start() for match in re.finditer("unspecified", title)]
    found = {}
    for side in SIDES:
        for place in places:
            wanted = title[:place] + side + title[place + len("unspecified") :]
            # "right knee", but "bilateral knees" or only "bilateral"
            one = family.get(wanted) or family.get(f"{wanted}s") or family.get(title[:place] + side)
            if one:
                found[side] = one
    return found if "right" in found and "left" in found else {}


def _below(codeset: CodeSet, header: str, tail: str) -> list[str]:
    children = codeset.children(header)
    if not tail:
        return [child for child in children if codeset.is_billable(child)]
    return [code for child in children for code in codeset.children(child) if code.endswith(tail)]


def _side_of(text: str, mention: Mention) -> str | None:
    inside = {_name_side(match) for match in _SIDE.finditer(text, mention.start, mention.end)}
    if inside:
        return inside.pop() if len(inside) == 1 else "bilateral" if inside == {"right", "left"} else None
    low, high = find_sentence(text, mention.start, mention.end)
    before = None
    for match in _SIDE.finditer(text, max(low, mention.start - _WINDOW), mention.start):
        if _BEFORE.fullmatch(text[match.end() : mention.start].lstrip(" -")):
            before = _name_side(match)
    if before:
        return before
    behind = _BEHIND.match(text, mention.end, min(high, mention.end + _WINDOW))
    side = _SIDE.search(behind[0]) if behind else None
    return _name_side(side) if side else None


def _name_side(match: re.Match[str]) -> str:
    return _SIDE_OF_WORD.get(match[1].lower(), "bilateral")


def _refine_episode(draft: Draft, code: str) -> None:
    if len(code) != _SEVENTH_LENGTH or not code.endswith("A") or code[0] not in "STM":
        return
    for seventh, pattern in _EPISODES:
        new = code[:-1] + seventh
        if draft.codeset.is_billable(new) and _find_nearest(draft, code, pattern) is not None:
            draft.change(code, new, _EPISODE_SAID.format(old=code))
            return
