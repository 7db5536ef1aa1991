"""Codes for the words that someone types."""

from __future__ import annotations

from detect_icd10cm.codes.codeset import CodeEntry, CodeSet
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention

_STEM = 4  # characters; enough to tell whether a code's terms hold a word in any of its forms


def find_codes(words: str, codeset: CodeSet, limit: int = 15) -> list[CodeEntry]:
    """Return the codes that words may mean, best first.

    First what the lexicon takes all of the words for, then codes whose own terms hold all of them, then what the
    lexicon takes some of them for, then codes that hold some.
    """
    document = Document(words)
    mentions = LexiconModel(codeset).detect(document)
    searched = [entry.code for entry in codeset.search(words, limit)]
    whole = [mention for mention in mentions if _is_whole(mention, document)]
    partly = [mention for mention in mentions if not _is_whole(mention, document)]
    complete = bool(searched) and _holds_all(codeset[searched[0]], document)
    ranked = [*_codes_of(whole), *(searched if complete else ()), *_codes_of(partly), *searched]
    return [codeset[code] for code in dict.fromkeys(ranked)][:limit]


def _codes_of(mentions: list[Mention]) -> list[str]:
    return [code for mention in mentions for code in (mention.code, *(each.code for each in mention.candidates))]


def _is_whole(mention: Mention, document: Document) -> bool:
    """Return whether no word stands outside a mention."""
    return all(
        mention.start <= token.start and token.end <= mention.end
        for token in document.tokens
        if token.text[0].isalnum()
    )


def _holds_all(entry: CodeEntry, document: Document) -> bool:
    text = " ".join((entry.title, *entry.inclusion_terms, *entry.index_terms)).lower()
    return all(word[:_STEM] in text for word in document.words if word[0].isalnum())
