"""From a document to what the encoder reads: pieces of words, tags, sections, and windows over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from detect_icd10cm.text.document import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Array = np.ndarray[Any, Any]

SECTIONS = (
    "family_history", "past_surgical_history", "social_history", "history_of_present_illness", "review_of_systems",
    "past_medical_history", "allergies", "instructions", "medications", "chief_complaint", "diagnosis", "indication",
    "physical_exam", "assessment", "laboratory", "findings", "plan", "hospital_course", "procedure",
)  # fmt: skip
_SECTION_IDS = {name: i + 1 for i, name in enumerate(SECTIONS)}
N_SECTIONS = len(SECTIONS) + 1
_CACHED_WORDS = 100_000


class Pieces:
    """Cuts words into the encoder's pieces; a word's pieces do not depend on its neighbours."""

    def __init__(self, tokenizer: Tokenizer, newline_id: int) -> None:
        tokenizer.no_padding()  # some tokenizer files ask for one length for all
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._newline = (newline_id,)
        self._cut = lru_cache(_CACHED_WORDS)(self._cut_word)

    def __call__(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word's pieces, at least one."""
        return self._newline if word == "\n" else self._cut(word)

    def _cut_word(self, word: str) -> tuple[int, ...]:
        # The space makes byte-level tokenizers see the start of a word; others pass over it.
        ids = self._tokenizer.encode(f" {word}", add_special_tokens=False).ids
        return tuple(ids) or self._newline


@dataclass(frozen=True, slots=True)
class EncodedNote:
    """A note in pieces; arrays run over its pieces, ``starts`` over its words plus one for the end."""

    ids: Array
    tags: Array
    sections: Array
    starts: Array

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the pieces of words ``first`` to ``last`` (exclusive), end exclusive."""
        return int(self.starts[first]), int(self.starts[last])


@dataclass(frozen=True, slots=True)
class Framing:
    """How notes are cut and what stands around a window; the fields of the same names in ``DetectConfig``."""

    window: int
    margin: int
    cls_id: int
    sep_id: int
    pad_id: int
    outside_bias: float = 0.0
    inside_bias: float = 0.0
    tagger_share: float = 0.0
    rule_weight: float = 0.0
    assertion_biases: Sequence[float] = ()


class Window(NamedTuple):
    """A stretch of pieces read at once; results are kept for its core alone. All ends exclusive."""

    start: int
    end: int
    core_start: int
    core_end: int


def encode_note(document: Document, tags: Sequence[int], pieces: Pieces) -> EncodedNote:
    """Cut a note into pieces; every piece of a word carries the word's tag and section."""
    cut = [pieces(token.text) for token in document.tokens]
    sizes = np.fromiter((len(ids) for ids in cut), np.int64, len(cut))
    sections = np.zeros(len(cut), np.int64)
    starts = np.array([token.start for token in document.tokens])
    for section in document.sections:
        low, high = np.searchsorted(starts, (section.start, section.end))
        sections[low:high] = _SECTION_IDS.get(section.name or "", 0)
    return EncodedNote(
        ids=np.fromiter((i for ids in cut for i in ids), np.int64, int(sizes.sum())),
        tags=np.repeat(np.asarray(tags, np.int64), sizes),
        sections=np.repeat(sections, sizes),
        starts=np.concatenate([[0], np.cumsum(sizes)]),
    )


def make_windows(note: EncodedNote, sentences: Sequence[tuple[int, int]], size: int, margin: int) -> list[Window]:
    """Cut a note into windows whose cores follow each other; cores end with a sentence where one ends in reach.

    The cuts depend on the note alone, so that neither batch nor padding changes a result.

    Args:
        note: The note in pieces.
        sentences: Its sentences as words, end exclusive.
        size: Longest window, in pieces.
        margin: Pieces read on either side of a core, where there are any.
    """
    n = len(note.ids)
    ends = note.starts[[last for _, last in sentences]]
    windows, at = [], 0
    while at < n:
        start = max(0, at - margin)
        end = min(n, start + size)
        core_end = end
        if end < n:
            latest = end - margin
            reachable = ends[(ends <= latest) & (ends > at + (latest - at) // 2)]
            core_end = int(reachable[-1]) if len(reachable) else latest
            end = min(end, core_end + margin)
        windows.append(Window(start, end, at, core_end))
        at = core_end
    return windows


def pad_windows(windows: Sequence[tuple[EncodedNote, Window]], framing: Framing) -> dict[str, Array]:
    """Return windows of notes as arrays of one length, with the pieces that go before and behind."""
    length = max(window.end - window.start for _, window in windows) + 2
    shape = (len(windows), length)
    ids = np.full(shape, framing.pad_id, np.int64)
    mask, tags, sections = (np.zeros(shape, np.int64) for _ in range(3))
    for i, (note, window) in enumerate(windows):
        size = window.end - window.start
        ids[i, 0], ids[i, size + 1] = framing.cls_id, framing.sep_id
        ids[i, 1 : size + 1] = note.ids[window.start : window.end]
        tags[i, 1 : size + 1] = note.tags[window.start : window.end]
        sections[i, 1 : size + 1] = note.sections[window.start : window.end]
        mask[i, : size + 2] = 1
    return {"input_ids": ids, "attention_mask": mask, "tags": tags, "sections": sections}


def section_id(name: str | None) -> int:
    """Return the id of a section's name; 0 for a stretch of no known kind."""
    return _SECTION_IDS.get(name or "", 0)
