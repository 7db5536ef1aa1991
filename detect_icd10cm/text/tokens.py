"""Words of a note with their offsets, and the normal form in which terms and text meet."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

# A word keeps an inner apostrophe (Crohn's) and an inner decimal point (39.5); hyphens split.
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*(?:\.\d+)?|\n|[^\w\s]|_")

# British to American spelling, applied to lower-case words of five letters or more.
_UK_TO_US = tuple(
    (re.compile(pattern), repl)
    for pattern, repl in (
        (r"oe(?=soph|dem|str|nter|coel)", "e"),
        (r"^foet", "fet"),
        (r"^coel(?=iac)", "cel"),
        (r"rrhoe", "rrhe"),
        (r"dyspnoe", "dyspne"),
        (r"apnoe", "apne"),
        (r"homoe", "home"),
        (r"manoeuv", "maneuv"),
        (r"haem", "hem"),
        (r"aem(?=i)", "em"),
        (r"aes(?=th)", "es"),
        (r"aec(?=o|a|es)", "ec"),
        (r"paed", "ped"),
        (r"caes(?=ar)", "ces"),
        (r"leuka", "leuke"),
        (r"leukeem", "leukem"),
        (r"(?<=[a-z])tumour|^tumour", "tumor"),
        (r"(?<=[bln])our(?=$|s$|ed$|ing$|less$)", "or"),
        (r"fibre", "fiber"),
        (r"^litre", "liter"),
        (r"centre", "center"),
        (r"sulph", "sulf"),
        (r"grey", "gray"),
        (r"paralys(?=e)", "paralyz"),
        (r"isation$", "ization"),
    )
)
_IRREGULAR = {
    "children": "child", "diagnoses": "diagnosis", "feet": "foot", "metastases": "metastasis",
    "prostheses": "prosthesis", "stenoses": "stenosis", "teeth": "tooth", "vertebrae": "vertebra",
    "bruits": "bruit", "calculi": "calculus", "thrombi": "thrombus", "emboli": "embolus", "polypi": "polyp",
    "nevi": "nevus", "naevi": "nevus", "naevus": "nevus", "varices": "varix", "hernias": "hernia",
    "herniae": "hernia", "sequelae": "sequela", "fibrillations": "fibrillation", "foci": "focus",
    "fundi": "fundus", "lice": "louse", "fasciculi": "fasciculus", "diverticula": "diverticulum",
    "adenomata": "adenoma", "fibromata": "fibroma", "stomata": "stoma", "ulcera": "ulcer",
    "bilaterally": "bilateral", "rt": "right", "lt": "left",
}  # fmt: skip
_NOT_PLURAL = ("ss", "us", "is", "as", "os", "ics")


class Token(NamedTuple):
    """A word or punctuation mark; ``start`` and ``end`` are characters of the note, end exclusive."""

    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Split a note into words, numbers, single punctuation marks and line breaks."""
    return [Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(text)]


@lru_cache(maxsize=200_000)
def normalize_word(word: str) -> str:
    """Return a word in the form terms are compared in: lower case, singular, American spelling, no 's.

    The form is a key, not a lemma: both sides of a comparison must pass through here.
    """
    word = word.lower().replace("’", "'")
    if word.endswith("'s"):
        word = word[:-2]
    word = word.replace("'", "")
    if len(word) < 3:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) >= 5:
        for pattern, replacement in _UK_TO_US:
            word = pattern.sub(replacement, word)
    return _singular(word)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(_NOT_PLURAL):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]
