"""Whether training notes hold text of evaluation notes: word 8-grams in common, note by note.

Clinical notes share stock sentences (a normal examination, an anesthesia paragraph), so some 8-grams in common prove
nothing: between the training and the development notes of MTSamples a third of the notes share one. What gives a copy
away is how much: a large share of the shorter note, or one long run. Texts are compared as lower-case words; only
note ids, line numbers and counts are reported, never text.

``python -m training.overlap train.jsonl dev.jsonl`` prints the overlaps and exits with 1 when there are any.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold import guess_format, read_gold
from detect_icd10cm.notes.gold.records import read_lines
from detect_icd10cm.types import Note

SIZE = 8
# Measured on MTSamples: versions of one note share 60 % and runs of 98 words; notes of one dictating physician on
# different patients at most 24 % and runs of 35.
MAX_SHARE = 0.25
MAX_RUN = 40
_SHOWN = 10
_WORD = re.compile(r"[^\W_]+")


class Overlap(NamedTuple):
    """A training note with the evaluation note that it has most in common with.

    ``share`` is the part of the shorter note's 8-grams that the two have in common, ``run`` the longest stretch of
    the training note, in words, that stands in evaluation notes.
    """

    note_id: str
    line: int
    eval_id: str
    eval_line: int
    share: float
    run: int

    def __str__(self) -> str:
        return (
            f"line {self.line}, note {self.note_id}: shares {self.share:.0%} of its {SIZE}-grams, longest run "
            f"{self.run} words, with line {self.eval_line}, note {self.eval_id}"
        )


class OverlapIndex:
    """The 8-grams of evaluation notes, to look notes up in one by one."""

    def __init__(self, evaluation: Iterable[Note]) -> None:
        self._notes: list[tuple[str, int]] = []
        self._holders: dict[int, set[int]] = defaultdict(set)
        self._ids: dict[str, int] = {}
        for i, note in enumerate(evaluation):
            grams = set(_grams(note.text))
            self._notes.append((note.note_id, len(grams)))
            self._ids[note.note_id] = i
            for gram in grams:
                self._holders[gram].add(i)

    def check(self, note: Note, line: int = 0) -> Overlap | None:
        """Return what a note has in common with the evaluation note nearest to it; None for nothing.

        A note with an evaluation note's id is that note: share 1.
        """
        grams = _grams(note.text)
        if note.note_id in self._ids:
            i = self._ids[note.note_id]
            return Overlap(note.note_id, line, note.note_id, i + 1, 1.0, len(grams) + SIZE - 1)
        shared = Counter(i for gram in set(grams) for i in self._holders.get(gram, ()))
        if not shared:
            return None
        n_own = len(set(grams))
        share, i = max((n / min(n_own, self._notes[i][1]), i) for i, n in shared.items())
        return Overlap(note.note_id, line, self._notes[i][0], i + 1, share, self._longest_run(grams))

    def _longest_run(self, grams: list[int]) -> int:
        longest = current = 0
        for gram in grams:
            current = current + 1 if gram in self._holders else 0
            longest = max(longest, current)
        return longest + SIZE - 1


def find_overlaps(
    training: Iterable[Note], evaluation: Iterable[Note], *, max_share: float = MAX_SHARE, max_run: int = MAX_RUN
) -> list[Overlap]:
    """Return the training notes that hold more of an evaluation note than chance gives, worst first.

    Lines are the positions of the notes, from 1.
    """
    index = OverlapIndex(evaluation)
    found = [index.check(note, line) for line, note in enumerate(training, start=1)]
    leaks = [overlap for overlap in found if overlap and (overlap.share > max_share or overlap.run > max_run)]
    return sorted(leaks, key=lambda overlap: -overlap.share)


def find_file_overlaps(
    training: Path, evaluation: Path, *, max_share: float = MAX_SHARE, max_run: int = MAX_RUN
) -> list[Overlap]:
    """Return the overlaps of two labelled files; lines are those of JSON Lines, else the notes' positions."""
    leaks = find_overlaps(_notes(training), _notes(evaluation), max_share=max_share, max_run=max_run)
    lines, eval_lines = _lines(training), _lines(evaluation)
    return [
        leak._replace(line=lines.get(leak.line, leak.line), eval_line=eval_lines.get(leak.eval_line, leak.eval_line))
        for leak in leaks
    ]


def refuse_overlap(training: Iterable[Note], evaluation: Iterable[Note]) -> None:
    """Refuse training notes that hold text of notes to be measured on.

    Raises:
        NoteError: If any do; the message names their places and ids.
    """
    leaks = find_overlaps(training, evaluation)
    if leaks:
        shown = "\n  ".join(str(leak) for leak in leaks[:_SHOWN])
        raise NoteError(
            f"found text of evaluation notes in {len(leaks)} training notes, expected none: take them out of one "
            f"of the two sets\n  {shown}"
        )


def _notes(path: Path) -> Iterator[Note]:
    return (annotated.note for annotated in read_gold(path))


def _lines(path: Path) -> dict[int, int]:
    """Return the line of each note of a JSON Lines file by its position; nothing for other formats."""
    if guess_format(path) != "jsonl":
        return {}
    return {i: line for i, (line, _) in enumerate(read_lines(path), start=1)}


def _grams(text: str) -> list[int]:
    words = _WORD.findall(text.lower())
    return [hash(tuple(words[i : i + SIZE])) for i in range(len(words) - SIZE + 1)]


def main(arguments: list[str] | None = None, write: Callable[[str], object] = sys.stdout.write) -> int:
    """Compare two labelled files; return 1 when the first holds text of the second."""
    parser = argparse.ArgumentParser(prog="python -m training.overlap", description=__doc__.split("\n", 1)[0])
    parser.add_argument("training", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--max-share", type=float, default=MAX_SHARE)
    parser.add_argument("--max-run", type=int, default=MAX_RUN)
    given = parser.parse_args(arguments)
    leaks = find_file_overlaps(given.training, given.evaluation, max_share=given.max_share, max_run=given.max_run)
    for leak in leaks:
        write(f"{leak}\n")
    write(f"{len(leaks)} notes of {given.training.name} hold text of {given.evaluation.name}\n")
    return 1 if leaks else 0


if __name__ == "__main__":
    raise SystemExit(main())
