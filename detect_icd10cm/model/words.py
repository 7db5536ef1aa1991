"""What stands around a word, as hashed features: the words themselves, their shapes, tags and section.

A linear layer over these remembers how single words and pairs of words are annotated, which an encoder of few layers
learns slowly from few notes; the two are added up (see ``DetectModel.score_labels``).
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from itertools import chain

import numpy as np

from detect_icd10cm.model.inputs import Array
from detect_icd10cm.text.document import Document

N_BUCKETS = 1 << 17
_DIGITS = re.compile(r"\d+")
_EDGE = 2  # words beyond the note on either side
_CACHED_WORDS = 100_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


def word_features(document: Document, tags: Array, sections: Array) -> Array:
    """Return the features of each word of a note as buckets, shape (words, features).

    Args:
        document: The note.
        tags: Tag of each word.
        sections: Section id of each word.
    """
    n = len(document.tokens)
    hashes = chain.from_iterable(_word(token.text) for token in document.tokens)
    rows = np.fromiter(hashes, np.uint64, 4 * n).reshape(n, 4)
    padded = np.zeros((n + 2 * _EDGE, 4), np.uint64)
    padded[_EDGE : n + _EDGE] = rows
    word = [padded[_EDGE + k : n + _EDGE + k, 0] for k in range(-_EDGE, _EDGE + 1)]
    before2, before, here, after, after2 = word
    suffix, prefix, shape = rows[:, 1], rows[:, 2], rows[:, 3]
    suffix_before, suffix_after = padded[_EDGE - 1 : n + _EDGE - 1, 1], padded[_EDGE + 1 : n + _EDGE + 1, 1]
    tag = np.zeros(n + 2, np.uint64)
    tag[1:-1] = np.asarray(tags).astype(np.uint64) + np.uint64(1)
    section = np.asarray(sections).astype(np.uint64) + np.uint64(1)
    tag_here = tag[1:-1]
    around = tag[:-2] * np.uint64(1024) + tag_here * np.uint64(32) + tag[2:]
    parts = (
        (here,), (before,), (after,), (before2,), (after2,), (before, here), (here, after), (before2, before),
        (after, after2), (before, here, after), (before, after), (suffix,), (prefix,), (shape,),
        (suffix_before, suffix), (suffix, suffix_after), (around,), (tag_here, here), (around, here),
        (section, shape), (section, here),
        (tag_here, before), (tag_here, after),
    )  # fmt: skip
    return np.stack([_bucket(k, *values) for k, values in enumerate(parts)], 1)


N_FEATURES = 23


def _bucket(kind: int, *values: Array) -> Array:
    with np.errstate(over="ignore"):
        mixed = np.full(len(values[0]), kind + 1, np.uint64)
        for value in values:
            mixed = (mixed ^ value) * _MIX
            mixed ^= mixed >> np.uint64(29)
    return (mixed % np.uint64(N_BUCKETS)).astype(np.int64)


@lru_cache(maxsize=_CACHED_WORDS)
def _word(word: str) -> tuple[int, int, int, int]:
    """Return the hashes of a word, its end, its beginning and its shape."""
    lower = _DIGITS.sub("0", word.lower())
    case = "A" if word.isupper() else "a" if word.islower() else "Aa" if word[:1].isupper() else "0"
    shape = f"{case}{min(len(word), 4)}"
    return _hash(lower), _hash(f"{lower[-4:]}$"), _hash(f"^{lower[:4]}"), _hash(f"{shape} {word == chr(10)}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())
