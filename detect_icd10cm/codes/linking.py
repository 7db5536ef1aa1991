"""From a matched term to the code that the note supports: side, specificity, history and family."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import yaml

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.history import family_code, history_code
from detect_icd10cm.codes.laterality import Siblings
from detect_icd10cm.codes.lexicon import SOURCES, Match
from detect_icd10cm.text.assertion import Asserted
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Assertion, Candidate, Kind, Mention

_SIDE_WORDS = {
    "right": "right", "rt": "right", "right-sided": "right", "left": "left", "lt": "left", "bilateral": "bilateral",
    "bilaterally": "bilateral", "both": "bilateral",
}  # fmt: skip
# How far from a term, in tokens, a side is taken to belong to it.
_SIDE_BEFORE, _SIDE_AFTER = 3, 5
_BREAKS_SIDE = frozenset(".;:\n(")
# Symptoms outside chapter 18: pain in joints, back and limbs (annotation practice of the project's training notes).
_SYMPTOM_PREFIXES = ("R", "M25.5", "M54", "M79.6")
_CAUSE_CHAPTER = "VWXY"
# Assertions under which a mention is the same condition as one that the note has elsewhere.
_STANDING = ("present", "possible")
# Chapters where a general code beside a specific one is as often another finding: symptoms, status, injuries, causes.
_NOT_REFINED = "RZSTVWXY"
# Titles that leave something open.
_VAGUE = re.compile(r"unspecified|other|\bNOS\b", re.IGNORECASE)
# Hypertension by (heart failure, end-stage kidney disease; None: no chronic kidney disease).
_HYPERTENSION = {
    (False, None): "I10",
    (True, None): "I11.0",
    (False, False): "I12.9",
    (False, True): "I12.0",
    (True, False): "I13.0",
    (True, True): "I13.2",
}
_END_STAGE = ("N18.5", "N18.6")


class Linker:
    """Chooses the billable code of each matched term by what the note says of it."""

    def __init__(self, codeset: CodeSet, siblings: Siblings) -> None:
        tables = load_tables()
        self._codeset = codeset
        self._siblings = {**siblings, **tables["sided"]}
        self._general = {code: tuple(prefixes) for code, prefixes in tables["general"].items()}
        self._with: Mapping[str, Mapping[str, str]] = tables["with"]
        self._scores = tables["scores"]

    def link(self, document: Document, matches: Sequence[Match], asserted: Sequence[Asserted]) -> tuple[Mention, ...]:
        """Turn matched terms into mentions with the most specific code that the whole note supports.

        Args:
            document: The note.
            matches: Terms in order of place, not overlapping.
            asserted: The assertion of each.
        """
        codes = self._with_sides(document, matches)
        codes = self._with_specifics(codes, asserted)
        codes = self._with_sites(codes)
        codes = self._with_combinations(codes, asserted)
        return tuple(
            self._mention(document, match, said, code)
            for match, said, code in zip(matches, asserted, codes, strict=True)
        )

    def _with_sides(self, document: Document, matches: Sequence[Match]) -> list[str]:
        codes: list[str] = []
        said: dict[str, set[str]] = defaultdict(set)  # the sided codes of the note, by their right one
        for match in matches:
            code = match.meanings[0].code
            siblings = self._siblings.get(code)
            if siblings:
                code = siblings.get(find_side(document, match) or "", code)
                if code in siblings.values():
                    said[siblings["right"]].add(code)
            codes.append(code)
        # A term without a side takes the only side that the note says of it elsewhere.
        for i, code in enumerate(codes):
            siblings = self._siblings.get(code, {})
            if siblings and code not in siblings.values() and len(said[siblings["right"]]) == 1:
                codes[i] = next(iter(said[siblings["right"]]))
        return codes

    def _with_specifics(self, codes: list[str], asserted: Sequence[Asserted]) -> list[str]:
        """Give a mention whose code is what a header means unsaid the specific code under it that the note says."""
        specifics: dict[str, Counter[str]] = defaultdict(Counter)
        for code, said in zip(codes, asserted, strict=True):
            if said.assertion == "present":
                for size in range(3, len(code)):
                    specifics[code[:size]][code] += 1
        refined = []
        for code, said in zip(codes, asserted, strict=True):
            if said.assertion in _STANDING and code[0] not in _NOT_REFINED:
                code = self._refine(code, specifics)
            refined.append(code)
        return refined

    def _refine(self, code: str, specifics: Mapping[str, Counter[str]]) -> str:
        for size in range(len(code) - 1, 2, -1):
            header = code[:size]
            if header not in self._codeset or self._codeset.default_billable(header) != code:
                continue
            sides = self._siblings.get(code, {}).values()  # two sides said are no reason to take one
            others = [other for other, _ in specifics[header].most_common() if other != code and other not in sides]
            if others:
                return others[0]
        return code

    def _with_sites(self, codes: list[str]) -> list[str]:
        """Give a finding that names no site ("pain", "tumor") the code of the last one before it that does."""
        placed = list(codes)
        for i, code in enumerate(codes):
            prefixes = self._general.get(code)
            if prefixes:
                placed[i] = next(
                    (c for c in [*reversed(codes[:i]), *codes[i:]] if c.startswith(prefixes) and c != code), code
                )
        return placed

    def _with_combinations(self, codes: list[str], asserted: Sequence[Asserted]) -> list[str]:
        """Combine conditions that the classification takes to go together (Guidelines I.A.15, I.C.9.a)."""
        present = [code for code, said in zip(codes, asserted, strict=True) if said.assertion == "present"]
        heart = any(code.startswith("I50") for code in present)
        kidney = {code in _END_STAGE for code in present if code.startswith("N18")}
        combined = {"I10": _HYPERTENSION[heart, max(kidney, default=None)]}
        for code, partners in self._with.items():
            found = (both for partner, both in partners.items() if any(c.startswith(partner) for c in present))
            combined[code] = next(found, code)
        return [
            combined.get(code, code) if said.assertion == "present" and not said.of_relative else code
            for code, said in zip(codes, asserted, strict=True)
        ]

    def _mention(self, document: Document, match: Match, said: Asserted, code: str) -> Mention:
        kind = kind_of(code)
        if said.of_relative:
            code = family_code(code, self._codeset) or code
        elif said.assertion == "historical":
            code = history_code(code, self._codeset) or code
        start, end = document.tokens[match.start].start, document.tokens[match.end - 1].end
        origin, told = evidence_of(match, said.assertion, self._codeset.title(code))
        score = self._scores[origin][kind][told]
        others = list(dict.fromkeys(m.code for m in match.meanings if m.code != code))[:4]
        candidates = [Candidate(code, self._codeset.title(code), score)]
        candidates += [
            Candidate(other, self._codeset.title(other), round((1 - score) / (rank + 2), 4))
            for rank, other in enumerate(others)
        ]
        return Mention(
            start=start,
            end=end,
            text=document.text[start:end],
            kind=kind,
            assertion=said.assertion,
            code=code,
            section=document.section_at(start),
            title=self._codeset.title(code),
            score=score,
            candidates=tuple(candidates),
        )


@cache
def load_tables() -> dict[str, Any]:
    """Load the packaged ``linking.yaml``."""
    path = resources.files("detect_icd10cm") / "codes" / "linking.yaml"
    tables: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return tables


def evidence_of(match: Match, assertion: Assertion, title: str) -> tuple[str, str]:
    """Return what a mention's score depends on beside its kind: where its term comes from, and how much it tells.

    Args:
        match: The mention's term.
        assertion: Its assertion.
        title: The title of its code.
    """
    told = "vague" if _VAGUE.search(title) else "plain"
    return (
        "synonym" if match.meanings[0].source == SOURCES.index("synonym") else "code set",
        f"{told} absent" if assertion == "absent" else told,
    )


def kind_of(code: str) -> Kind:
    """Return the kind of finding that a code names."""
    if code.startswith("Z"):
        return "status"
    if code[0] in _CAUSE_CHAPTER:
        return "cause"
    return "symptom" if code.startswith(_SYMPTOM_PREFIXES) else "diagnosis"


def find_side(document: Document, match: Match) -> str | None:
    """Return the side said in a term or close to it in its sentence: right, left, bilateral or None."""
    tokens = document.tokens
    first, last = document.sentence_of(match.first)
    inside = {
        _SIDE_WORDS[word] for i in range(match.first, match.last) if (word := tokens[i].text.lower()) in _SIDE_WORDS
    }
    if inside:
        return _one_side(inside)
    for i in range(match.first - 1, max(first, match.first - _SIDE_BEFORE) - 1, -1):
        word = tokens[i].text.lower()
        if word in _SIDE_WORDS:
            return _SIDE_WORDS[word]
        if word in _BREAKS_SIDE or word == ",":
            break
    for i in range(match.last, min(last, match.last + _SIDE_AFTER)):
        word = tokens[i].text.lower()
        if word in _SIDE_WORDS:
            return _SIDE_WORDS[word]
        if word in _BREAKS_SIDE:
            break
    return None


def _one_side(sides: set[str]) -> str:
    return next(iter(sides)) if len(sides) == 1 else "bilateral"
