"""The tag of each word that the encoder and the word tagger read: known phrases, and what the lexicon model finds.

The phrases say how often training notes annotate such words; the lexicon says where terms for findings begin and end,
modifiers included. A network that reads both learns when to follow which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from detect_icd10cm.codes.lexicon import Match
from detect_icd10cm.model.gazetteer import N_PHRASE_TAGS

# Each phrase tag outside a term of the lexicon, at its first word, and at a later one.
N_TAGS = 3 * N_PHRASE_TAGS


def mark_terms(phrase_tags: Sequence[int], matches: Iterable[Match]) -> list[int]:
    """Return the phrase tags of a note's words with the lexicon's terms marked in them.

    Args:
        phrase_tags: Tag of each word, from ``Gazetteer.tags``.
        matches: The terms that ``LexiconModel.find`` gives.
    """
    tags = list(phrase_tags)
    for match in matches:
        tags[match.first] += N_PHRASE_TAGS
        for i in range(match.first + 1, match.last):
            tags[i] += 2 * N_PHRASE_TAGS
    return tags
