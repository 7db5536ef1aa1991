"""Gold and prediction brought together, or refused where they do not belong to the same notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detect_icd10cm.errors import NoteError
from detect_icd10cm.types import AnnotatedNote, NoteResult

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class NotePair:
    """One note's gold labels and what was predicted; None where the prediction lacks the note."""

    gold: AnnotatedNote
    pred: NoteResult | None

    @property
    def note_id(self) -> str:
        """The note's id."""
        return self.gold.note.note_id


def pair_notes(gold: Iterable[AnnotatedNote], pred: Iterable[NoteResult]) -> list[NotePair]:
    """Pair gold notes with their predictions, in order of the note ids, so that no figure depends on file order.

    A gold note that the prediction lacks counts as one in which nothing was found.

    Raises:
        NoteError: If there are no gold notes, a prediction is of a note that gold lacks, or a predicted mention does
            not lie in the gold text as it says.
    """
    results = {result.note_id: result for result in pred}
    pairs = [NotePair(note, results.pop(note.note.note_id, None)) for note in gold]
    if not pairs:
        raise NoteError("gold holds no note; there is nothing to compare")
    if results:
        names = ", ".join(sorted(results)[:_SHOWN])
        raise NoteError(
            f"{len(results)} predicted notes are not in gold (note_id {names}{', ...' * (len(results) > _SHOWN)}); "
            "gold and prediction must be of the same notes"
        )
    for pair in pairs:
        _check_text(pair)
    return sorted(pairs, key=lambda pair: pair.note_id)


def _check_text(pair: NotePair) -> None:
    text = pair.gold.note.text
    for mention in pair.pred.mentions if pair.pred and text else ():
        where = f"note {pair.note_id}: predicted mention {mention.start}-{mention.end}"
        if mention.end > len(text):
            raise NoteError(f"{where} lies outside the gold text of {len(text)} characters; is it of another version?")
        if mention.text and mention.text != text[mention.start : mention.end]:
            raise NoteError(f"{where} quotes another text than gold has there; is it of another version?")
