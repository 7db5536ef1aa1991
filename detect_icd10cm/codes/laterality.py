"""The left, right and bilateral siblings of a code, read off the titles of the code set."""

from __future__ import annotations

import re
from collections import defaultdict

from detect_icd10cm.codes.codeset import CodeSet

# Code -> side -> code.
Siblings = dict[str, dict[str, str]]

SIDES = ("right", "left", "bilateral")
_SIDE = re.compile(r"\b(right|left|bilateral|unspecified|both)\b", re.IGNORECASE)
_EPISODE_LENGTH = 8  # with the dot
# "Primary osteoarthritis, right shoulder" pairs with "..., bilateral": the organ may go with the side.
_AFTER_SIDE = re.compile(r"\b(right|left|bilateral|unspecified|both)\b(?: (?:upper |lower )?\w+)?", re.IGNORECASE)


def find_sided_siblings(codeset: CodeSet) -> Siblings:
    """Map each code with an unspecified or named side to its siblings by side.

    Two codes are siblings when they have the same parent and their titles differ only in the side. Codes of an
    episode of care are paired with codes of the same 7th character.

    Returns:
        Code -> {"right": code, "left": code, "bilateral": code}, as far as those exist.
    """
    families: dict[tuple[str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for code in codeset.billable_codes():
        title = codeset.title(code)
        if not _SIDE.search(title):
            continue
        parent, episode = codeset.parent(code) or "", ""
        if len(code) == _EPISODE_LENGTH:
            parent, episode = codeset.parent(parent) or "", code[-1]
        for pattern in (_SIDE, _AFTER_SIDE):
            for match in pattern.finditer(title):
                template = title[: match.start()] + "*" + title[match.end() :]
                side = match.group(1).lower().replace("both", "bilateral")
                families[parent, episode, template.lower()][side].add(code)
    siblings: Siblings = {}
    for family in families.values():
        sides = {side: next(iter(family[side])) for side in SIDES if len(family.get(side, ())) == 1}
        if not {"right", "left"} <= set(sides):
            continue
        for codes in family.values():
            for code in codes:
                siblings.setdefault(code, {}).update(
                    {s: c for s, c in sides.items() if s not in siblings.get(code, {})}
                )
    return siblings
