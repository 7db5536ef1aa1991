"""Findings that are coded together: combination codes and the "with" convention (I.A.15, I.B.9)."""

from __future__ import annotations

import re

from detect_icd10cm.rules.chronicity import find_sentence
from detect_icd10cm.rules.draft import Draft
from detect_icd10cm.rules.tables import Combination, index_combinations, load_combinations

# Official Guidelines I.A.15: unless the documentation clearly says that the two have nothing to do with each other.
_UNRELATED = re.compile(
    r"\b(?:not (?:due|related|secondary) to|unrelated to|non-?diabetic|independent of)\b", re.IGNORECASE
)
_TOGETHER = "{codes} are coded together by this code ({guideline}, row {id})"
_SUPERSEDED = "{dropped} says nothing more beside this code ({guideline}, row {id})"
_CURRENT = ("present", "possible")


def combine_codes(draft: Draft) -> None:
    """Add the codes that take findings of the note together, and take out what they say already."""
    index = index_combinations()
    live = {place for code in draft for place in index.find(code)}
    for place, row in enumerate(load_combinations()):
        if place not in live:
            continue
        found = [_find_current(draft, row, group) for group in range(len(row.when))]
        if not all(found) or _are_unrelated(draft, [code for codes in found for code in codes]):
            continue
        base = found[0][0]
        new = row.to.replace("*", base[:3])
        parts = list(dict.fromkeys(code for codes in found for code in codes if code != new))
        if new:
            mentions = sorted({i for code in parts for i in draft.entries[code].mentions})
            reason = _TOGETHER.format(codes=", ".join(parts), guideline=row.guideline, id=row.id)
            if parts and draft.add(new, mentions, reason) is None:
                continue
            live.update(index.find(new))
        for code in draft.find(row.drops):
            if code == new or code not in parts:
                continue
            draft.drop(code, _SUPERSEDED.format(dropped=code, guideline=row.guideline, id=row.id), (new or base,))
            if row.doubt and row.doubt not in draft.entries[new or base].doubts:
                draft.entries[new or base].doubts.append(row.doubt)


def _find_current(draft: Draft, row: Combination, group: int) -> list[str]:
    """Return the draft's codes of one group; a history beside its disease counts too where the row names it."""
    return [
        code
        for code in draft.find(row.when[group])
        if code.startswith("Z") or draft.is_stated_as(code, *_CURRENT) or not draft.entries[code].mentions
    ]


def _are_unrelated(draft: Draft, codes: list[str]) -> bool:
    text = draft.document.text
    for code in codes:
        for mention in draft.mentions_of(code):
            low, high = find_sentence(text, mention.start, mention.end) if text else (0, 0)
            if text and _UNRELATED.search(text, low, high):
                return True
    return False
