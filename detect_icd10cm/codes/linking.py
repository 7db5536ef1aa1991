"""From a matched term to the code that the note supports: side, specificity, history and family."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.grading import Grader
from detect_icd10cm.codes.history import family_code, history_code
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.codes.laterality import Siblings
from detect_icd10cm.codes.lexicon import SOURCES, Match
from detect_icd10cm.packaged import packaged_file, read_yaml
from detect_icd10cm.text.assertion import Asserted
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Assertion, Candidate, Mention

_SIDE_WORDS = {
    "right": "right", "rt": "right", "right-sided": "right", "left": "left", "lt": "left", "bilateral": "bilateral",
    "bilaterally": "bilateral", "both": "bilateral",
}  # fmt: skip
# How far from a term, in tokens, a side is taken to belong to it.
_SIDE_BEFORE, _SIDE_AFTER = 3, 5
_ONLY_SIDE_BEFORE = 9
_BREAKS_SIDE = frozenset(".;:\n(")
# How far from a term, in tokens, the rest of its phrase is read, and what ends it.
_PHRASE_BEFORE, _PHRASE_AFTER = 4, 10
_BREAKS_PHRASE = frozenset(".;:\n(")
_DENIALS = frozenset({"no", "not", "without", "denies", "negative", "never", "but"})
# Strokes, and the words near one that say that it is past.
_STROKE = ("I60", "I61", "I62", "I63", "I69.3")
_OLD = re.compile(
    r"\b(?:ago|chronic|months|(?<!year.)(?<!years.)old|post|prior|previous|remote|residual|sequelae?|since"
    r"|years(?! old))\b",
    re.IGNORECASE,
)
_OLD_BEFORE, _OLD_AFTER = 7, 3
# An infarction is coded as one for four weeks (Guidelines I.C.9.e.1).
_RECENT = re.compile(
    r"[ ,(]+(?:about |approximately )?"
    r"(?:(?:an?|one|two|three|four|(?:a )?few|several|[1-9]|1\d|2[0-8]) (?:hours?|days?)"
    r"|(?:an?|one|two|three|four|[1-4]) (?:weeks?|wks?)) (?:ago|prior|earlier)\b",
    re.IGNORECASE,
)
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
        # A release may lack codes that the tables name.
        known = partial(_known_only, codeset)
        self._siblings = {**siblings, **{code: known(sides) for code, sides in tables["sided"].items()}}
        self._general = {code: tuple(prefixes) for code, prefixes in tables["general"].items()}
        self._with = {code: known(partners) for code, partners in tables["with"].items()}
        self._by_word = [(frozenset(entry["words"]), known(entry["codes"])) for entry in tables["by_word"]]
        self._grader = Grader(codeset, tables["graded"], tables["graded_words"])
        self._after_stroke = known(tables["after_stroke"])
        self._scores = tables["scores"]

    def link(self, document: Document, matches: Sequence[Match], asserted: Sequence[Asserted]) -> tuple[Mention, ...]:
        """Turn matched terms into mentions with the most specific code that the whole note supports.

        Args:
            document: The note.
            matches: Terms in order of place, not overlapping.
            asserted: The assertion of each.
        """
        asserted = [_as_recent(document, match, said) for match, said in zip(matches, asserted, strict=True)]
        codes = self._with_sides(document, matches)
        codes = self._with_specifics(codes, asserted)
        codes = self._with_words(document, matches, codes)
        codes = self._with_grades(document, matches, codes, asserted)
        codes = self._with_sites(codes)
        codes = self._with_combinations(codes, asserted)
        codes = self._with_sequelae(document, matches, codes, asserted)
        return tuple(
            self._mention(document, match, said, code)
            for match, said, code in zip(matches, asserted, codes, strict=True)
        )

    def _with_sides(self, document: Document, matches: Sequence[Match]) -> list[str]:
        codes: list[str] = []
        for match in matches:
            code = match.meanings[0].code
            siblings = self._siblings.get(code)
            if siblings:
                side = find_side(document, match) or find_only_side(document, match)
                code = siblings.get(side or "", code)
            codes.append(code)
        # A term without a side takes the only side that the note says of it elsewhere.
        said = set(codes)
        for i, code in enumerate(codes):
            sided = set(self._siblings.get(code, {}).values())
            if code not in sided and len(sided & said) == 1:
                codes[i] = next(iter(sided & said))
        return codes

    def _with_words(self, document: Document, matches: Sequence[Match], codes: list[str]) -> list[str]:
        """Give a finding the code that a word of its phrase makes of it: "refractory focal epilepsy"."""
        changed = list(codes)
        for i, code in enumerate(codes):
            for words, becomes in self._by_word:
                if code in becomes and _says(document, matches, i, words):
                    changed[i] = becomes[code]
        return changed

    def _with_grades(
        self, document: Document, matches: Sequence[Match], codes: list[str], asserted: Sequence[Asserted]
    ) -> list[str]:
        """Give a finding the stage, type, degree or place that its own phrase says, or else another one's phrase."""
        graded = list(codes)
        said: dict[str, set[str]] = defaultdict(set)
        for i, code in enumerate(codes):
            if self._grader.covers(code):
                graded[i] = self._grader.grade(
                    code, (document.tokens[j].text.lower() for j in _phrase_of(document, matches, i))
                )
                if graded[i] != code and asserted[i].assertion == "present":
                    said[code].add(graded[i])
        return [
            next(iter(said[code])) if new == code and len(said[code]) == 1 else new
            for code, new in zip(codes, graded, strict=True)
        ]

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
        hypertension = _HYPERTENSION[heart, max(kidney, default=None)]
        combined = {"I10": hypertension if hypertension in self._codeset else "I10"}
        for code, partners in self._with.items():
            found = (both for partner, both in partners.items() if any(c.startswith(partner) for c in present))
            combined[code] = next(found, code)
        return [
            combined.get(code, code) if said.assertion == "present" and not said.of_relative else code
            for code, said in zip(codes, asserted, strict=True)
        ]

    def _with_sequelae(
        self, document: Document, matches: Sequence[Match], codes: list[str], asserted: Sequence[Asserted]
    ) -> list[str]:
        """Code the hemiplegia that an old stroke left behind, and that stroke, as its sequela (Guidelines I.C.9.d)."""
        strokes = [
            i
            for i, (code, said) in enumerate(zip(codes, asserted, strict=True))
            if code.startswith(_STROKE) and said.assertion != "absent" and not said.of_relative
        ]
        if not strokes or not all(_is_old(document, matches[i], codes[i], asserted[i]) for i in strokes):
            return codes
        present = [said.assertion == "present" and not said.of_relative for said in asserted]
        sequelae = [
            self._after_stroke.get(code, code) if here else code for code, here in zip(codes, present, strict=True)
        ]
        left = next((new for new, code in zip(sequelae, codes, strict=True) if new != code), None)
        for i in strokes:
            if left and present[i]:
                sequelae[i] = left
        return sequelae

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
    tables: dict[str, Any] = read_yaml(packaged_file("codes", "linking.yaml"))
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


def find_only_side(document: Document, match: Match) -> str | None:
    """Return the side said in the sentence of a term not far before it, where that is the only one it says."""
    first, last = document.sentence_of(match.first)
    sides = {_SIDE_WORDS.get(token.text.lower()): i for i, token in enumerate(document.tokens[first:last], first)}
    sides.pop(None, None)
    ((side, place),) = sides.items() if len(sides) == 1 else ((None, 0),)
    between = document.tokens[place : match.first]
    return side if 0 < len(between) <= _ONLY_SIDE_BEFORE and all(token.text != "," for token in between) else None


def _phrase_of(document: Document, matches: Sequence[Match], i: int) -> range:
    """Return the tokens of a term and of its phrase around it: its clause, up to a denial or its neighbours."""
    match = matches[i]
    low = matches[i - 1].end if i else 0
    high = matches[i + 1].start if i + 1 < len(matches) else len(document.tokens)
    first, last = document.sentence_of(match.first)
    start, end = match.start, match.end
    while start > max(first, low, match.start - _PHRASE_BEFORE) and not _ends_phrase(document, start - 1, ","):
        start -= 1
    while end < min(last, high, match.end + _PHRASE_AFTER) and not _ends_phrase(document, end):
        end += 1
    return range(start, end)


def _says(document: Document, matches: Sequence[Match], i: int, words: frozenset[str]) -> bool:
    """Say whether the phrase of a term has one of some words, neither denied nor right before the next term."""
    behind = matches[i + 1].start - 1 if i + 1 < len(matches) else -1
    for j in _phrase_of(document, matches, i):
        if document.tokens[j].text.lower() in words and j != behind:
            before = [token.text.lower() for token in document.tokens[max(0, j - 2) : j] if token.text != "-"]
            if before[-1:] not in (["not"], ["non"]):
                return True
    return False


def _ends_phrase(document: Document, i: int, mark: str = ";") -> bool:
    token = document.tokens[i]
    if token.text == "-":
        return document.text[token.start - 1 : token.start].isspace()
    return token.text == mark or token.text in _BREAKS_PHRASE or token.text.lower() in _DENIALS


def _is_old(document: Document, match: Match, code: str, said: Asserted) -> bool:
    """Say whether a note calls a stroke past: "old", "post-stroke", "7 months after a stroke", "sequela of"."""
    if code.startswith("I69") or said.assertion != "present":
        return said.assertion in {"present", "historical"}
    first, last = document.sentence_of(match.first)
    low, high = max(first, match.start - _OLD_BEFORE), min(last, match.end + _OLD_AFTER)
    return bool(_OLD.search(document.text, document.tokens[low].start, document.tokens[high - 1].end))


def _as_recent(document: Document, match: Match, said: Asserted) -> Asserted:
    """Return an infarction of the last weeks as present: "STEMI 2 weeks ago"."""
    recent = match.meanings[0].code.startswith("I21") and _RECENT.match(
        document.text, document.tokens[match.last - 1].end
    )
    return said._replace(assertion="present") if recent and said.assertion == "historical" else said


def _known_only(codeset: CodeSet, codes: Mapping[str, str]) -> dict[str, str]:
    """Return the entries whose code the release has."""
    return {key: code for key, code in codes.items() if code in codeset}


def _one_side(sides: set[str]) -> str:
    return next(iter(sides)) if len(sides) == 1 else "bilateral"
