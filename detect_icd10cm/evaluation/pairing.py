"""Gold and prediction brought together, or refused where they do not belong to the same notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detect_icd10cm.errors import NoteError
from detect_icd10cm.notes.gold.records import shown_id
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


def check_gold(notes: Sequence[AnnotatedNote]) -> None:
    """Refuse a labelled set against which nothing can be compared.

    Raises:
        NoteError: If it holds no note, or no label in any of them.
    """
    if not notes:
        raise NoteError("gold holds no note; there is nothing to compare")
    if not any(note.mentions or note.codes or note.indications for note in notes):
        raise NoteError(
            f"found no label in any of the {len(notes)} gold notes; expected mentions, codes or indications: is it the "
            "labelled set?"
        )


def pair_notes(gold: Iterable[AnnotatedNote], pred: Iterable[NoteResult]) -> list[NotePair]:
    """Pair gold notes with their predictions, in order of the note ids, so that no figure depends on file order.

    A gold note that the prediction lacks counts as one in which nothing was found.

    Raises:
        NoteError: If gold has no notes or no labels, a prediction is of a note that gold lacks, or a predicted mention
            does not lie in the gold text as it says.
    """
    results = {result.note_id: result for result in pred}
    pairs = [NotePair(note, results.pop(note.note.note_id, None)) for note in gold]
    check_gold([pair.gold for pair in pairs])
    if results:
        names = ", ".join(map(shown_id, sorted(results)[:_SHOWN]))
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
        where = f"note {shown_id(pair.note_id)}: predicted mention {mention.start}-{mention.end}"
        if mention.end > len(text):
            raise NoteError(f"{where} lies outside the gold text of {len(text)} characters; is it of another version?")
        if mention.text and mention.text != text[mention.start : mention.end]:
            raise NoteError(f"{where} quotes another text than gold has there; is it of another version?")
