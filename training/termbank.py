"""Which codes a synthetic note speaks of, and in which words."""

from __future__ import annotations

import random
import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import accumulate

from detect_icd10cm.codes.codeset import CodeSet
from training.phrasing import lower_first
from training.terms import Term

# What nobody writes in a note, though it stands in a title.
_UNSAID = re.compile(
    r"\b(?:unspecified|NOS|NEC|other|elsewhere|classified|specified|encounter|occupant|fetus \d|sequela)\b|[][();]"
    r"|,.*,|\bwithout\b.*\bwithout\b|\band/or\b|\d{4}",
    re.IGNORECASE,
)
_MAX_WORDS = 9
_SIDE = re.compile(
    r"\b(?:of the |in the |on the )?(?:right|left|bilateral|both)(?:-sided)?\b ?(?:side\b)?|,? bilaterally\b", re.I
)
# How often a term of each source is chosen: titles and ontologies word things as few notes do.
_SOURCES = {
    "synonym": 3.0, "note": 3.0, "title": 0.6, "spoken": 1.0, "includes": 0.7, "header": 0.7, "doid": 0.6, "ncit": 0.4,
}  # fmt: skip
# Codes of one sex by their first characters.
_MALE = tuple("C60 C61 C62 C63 D29 D40 N4 N50 N51 N52 N53".split())
_FEMALE = tuple("C51 C52 C53 C54 C55 C56 C57 C58 D25 D26 D27 D28 D39 N7 N8 N9 O Z3 Z90.71".split())
# How the 7th character of an injury is said of it; a later encounter or a sequela is told by the note.
_EPISODES = {
    "B": ("open {}", "{}, open"), "G": ("{} with delayed healing", "delayed healing of {}"),
    "K": ("{} with nonunion", "nonunion of {}"), "P": ("{} with malunion", "malunion of {}"),
    "D": ("{}",), "S": ("{}", "old {}"),
}  # fmt: skip
_WITH_EPISODE = 8


class TermBank:
    """Codes by chapter and category with what each is called, for drawing at random.

    Args:
        codeset: The release.
        terms: What codes are called, such as ``stream_terms`` gives; terms of training notes may come on top.
        frequent: How often each code is met, for the part of the draws that is to be realistic; by default all
            codes that our synonyms name count alike.
    """

    def __init__(self, codeset: CodeSet, terms: Iterable[Term], frequent: Mapping[str, float] | None = None) -> None:
        self.codeset = codeset
        terms = list(terms)
        self._said: dict[str, tuple[list[str], list[float]]] = {}
        for code, options in _best_by_code(terms).items():
            self._said[code] = (list(options), list(accumulate(options.values())))
        self._places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        chapters: dict[str, str] = {}
        for code in codeset.billable_codes():
            if self.can_say(code):
                category = code[:3]
                if category not in chapters:
                    chapters[category] = codeset[category].chapter
                self._places[chapters[category]][category].append(code)
        met = dict(frequent or dict.fromkeys((term.code for term in terms if term.source == "synonym"), 1.0))
        weights = {code: weight for code, weight in met.items() if self.can_say(code)}
        self._frequent = (list(weights), list(accumulate(weights.values())))

    @property
    def chapters(self) -> tuple[str, ...]:
        """The chapters of which some code can be said."""
        return tuple(self._places)

    def can_say(self, code: str) -> bool:
        """Return whether there are words for a code."""
        return code in self._said or self._base(code) is not None

    def draw_code(self, rng: random.Random, chapter: str | None = None) -> str:
        """Return a code of a chapter, rare ones as likely as common ones: any category, then any code of it."""
        categories = self._places[chapter or rng.choice(self.chapters)]
        return rng.choice(categories[rng.choice(list(categories))])

    def draw_frequent(self, rng: random.Random) -> str:
        """Return a code as often as it is met; any code where that is not known."""
        return _draw(rng, *self._frequent) if self._frequent[0] else self.draw_code(rng)

    def say(self, rng: random.Random, code: str) -> str:
        """Return words for a code; a later encounter is not said in them."""
        if code in self._said:
            return _draw(rng, *self._said[code])
        base = self._base(code)
        if base is None:
            raise KeyError(f"no words for {code}; ask can_say first")
        return rng.choice(_EPISODES[code[-1]]).format(_draw(rng, *self._said[base]))

    def say_again(self, rng: random.Random, code: str) -> str:
        """Return words for a code that has been named before: often without its side, as notes do."""
        said = self.say(rng, code)
        bare = " ".join(_SIDE.sub("", said).split())
        return bare if len(bare) > 3 and rng.random() < 0.6 else said

    def _base(self, code: str) -> str | None:
        if len(code) != _WITH_EPISODE or code[-1] not in _EPISODES:
            return None
        base = f"{code[:-1]}A"
        return base if base in self._said else None


def suits(code: str, sex: str) -> bool:
    """Return whether a code can be a patient's of that sex, ``"male"`` or ``"female"``."""
    return not code.startswith(_FEMALE if sex == "male" else _MALE)


def _best_by_code(terms: Iterable[Term]) -> dict[str, dict[str, float]]:
    """Return the sayable terms of each code with weights; a term that means two codes is said of the likelier."""
    best: dict[str, tuple[float, str, str]] = {}
    for term in terms:
        weight = _SOURCES.get(term.source, 0.0) * term.weight
        if not weight or _UNSAID.search(term.text) or len(term.text.split()) > _MAX_WORDS:
            continue
        key = term.text.casefold()
        if weight > best.get(key, (0.0,))[0]:
            best[key] = (weight, term.code, lower_first(term.text))
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for weight, code, text in best.values():
        found[code][text] = weight
    return found


def _draw(rng: random.Random, options: list[str], cumulative: list[float]) -> str:
    return options[bisect(cumulative, rng.random() * cumulative[-1], hi=len(options) - 1)]
