"""Terms as bags of words: the form in which the lexicon compares the code set's terms, our synonyms and a note.

The words of a term are normalised (``text.tokens.normalize_word``), words that mean the same are folded
(``same_words`` of ``synonyms.yaml``), function words are dropped and order is not kept, so that "pain in the left
knee" and "left knee pain" are one term. Modifiers such as side and acuity stand apart, as bits of a mask: a term
needs its own modifiers in the text but lets others stand beside them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from detect_icd10cm.text.tokens import normalize_word, tokenize

# Words that carry no meaning of their own inside a term.
SKIPPED = frozenset(
    """a an and any as at by due for from had has have her his in into is its my of or our over that the their
    this to was were which with your nos
    considerable current fairly likely noted obvious possible pretty probable quite sided significant some somewhat
    terrible very""".split()
)
# "Hepatitis A": an "a" that no word follows is a letter, not an article.
LETTER_A = "a"
SKIPPED_MARKS = frozenset(",-/'’\"")
# Words that sharpen a finding and may stand anywhere in its phrase. The position of each is its bit.
MODIFIERS = tuple(
    """right left bilateral acute chronic subacute mild moderate severe recurrent persistent intermittent primary
    secondary congenital unspecified early progressive generalized localized benign uncomplicated
    big diffuse extreme extremely large marked massive minimal new occasional profound slight slightly small""".split()
)
_BITS = {word: 1 << i for i, word in enumerate(MODIFIERS)} | {"both": 1 << MODIFIERS.index("bilateral")}

_DROPPED = re.compile(
    r"\[[^]]*\]|\b(?:unspecified|nos|not otherwise specified|(?:not )?elsewhere classified|nec)\b"
    r"|,? (?:without (?:mention of )?complications?|uncomplicated)\b",
    re.IGNORECASE,
)
_PARENTHESES = re.compile(r"\([^)]*\)")
_EPISODE = re.compile(r"\b(?:initial|subsequent) encounter\b|, sequela$", re.IGNORECASE)
_RESIDUAL = re.compile(r"^other\b|\bor\b|\bspecified\b|\bclassified\b|\belsewhere\b", re.IGNORECASE)
# How the titles of the Tabular List word what notes say in other words.
_REWORDED = tuple(
    (re.compile(pattern, re.IGNORECASE), said)
    for pattern, said in (
        (r"^secondary malignant neoplasm of (?:unspecified part of )?(.+)", r"\1 metastasis"),
        (r"^(?:primary )?malignant neoplasm of (?:unspecified (?:part|site) of )?(.+)", r"\1 cancer"),
        (r"^malignant neoplasm, (.+)", r"\1 cancer"),
        (r"^malignant (.+) tumou?rs?\b(.*)", r"\1 cancer \2"),
        (r"^carcinoma in situ of (?:unspecified part of )?(.+)", r"\1 cancer in situ"),
        (r"^benign neoplasm of (?:unspecified part of )?(.+)", r"benign \1 tumor"),
        (r"^personal history of (.+)", r"history of \1"),
    )
)


class Bag(NamedTuple):
    """A term's words in alphabetic order and the mask of its modifiers."""

    words: tuple[str, ...]
    modifiers: int


class TermReader:
    """Cuts terms into bags.

    Args:
        same_words: Words that mean the same, each list under the word that stands for it.
    """

    def __init__(self, same_words: Mapping[str, list[str]]) -> None:
        self.folded = {normalize_word(alias): word for word, aliases in same_words.items() for alias in aliases}

    def bag(self, term: str) -> Bag:
        """Return a term as it is compared."""
        words, modifiers = [], 0
        tokens = tokenize(term)
        for token in tokens:
            word = token.text.lower()
            if not word[0].isalnum() or (word in SKIPPED and (word, token) != (LETTER_A, tokens[-1])):
                continue
            if bit := modifier_bit(word):
                modifiers |= bit
            else:
                words.append(self.word(word))
        return Bag(tuple(sorted(words)), modifiers)

    def word(self, word: str) -> str:
        """Return a word as it stands in bags."""
        normal = normalize_word(word)
        return self.folded.get(normal, normal)


def modifier_bit(word: str) -> int:
    """Return the bit of a lower-case word that is a modifier, else 0."""
    return _BITS.get(word) or _BITS.get(normalize_word(word), 0)


def title_variants(term: str) -> list[str]:
    """Return the ways in which a title or inclusion term is said; none for a residual class ("Other ...")."""
    if _RESIDUAL.search(term) or _EPISODE.search(term):
        return []
    plain = _DROPPED.sub(" ", term)
    variants = [_PARENTHESES.sub(" ", plain), plain.replace("(", " ").replace(")", " ")]
    for pattern, said in _REWORDED:
        variants += [pattern.sub(said, variant.strip()) for variant in variants[:2] if pattern.search(variant.strip())]
    return list(dict.fromkeys(variants))


def word_id(word: str) -> int:
    """Return a word's 62-bit number; the sum over a bag's words is its key.

    Adding a word to a window of text so costs one addition, and with some 10^5 terms the chance of any two bags
    sharing a key is about 10^-8.
    """
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest()) >> 2 | 1
