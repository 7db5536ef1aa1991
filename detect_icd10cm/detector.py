"""From a note to its result: the hops of the pipeline in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from detect_icd10cm.codes.codeset import CodeSet, choose_release
from detect_icd10cm.errors import DetectError, NoteError
from detect_icd10cm.model import BASE, LEXICON
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.rules.indications import link_procedures
from detect_icd10cm.rules.named import find_procedures
from detect_icd10cm.rules.procedures import load_procedures
from detect_icd10cm.rules.resolve import find_uncodable, resolve_codes
from detect_icd10cm.rules.schema import Procedure
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention, Note, NoteResult, Reject, Setting

if TYPE_CHECKING:
    from detect_icd10cm.model.load import Device


class MentionModel(Protocol):
    """What finds, asserts and links the mentions of notes."""

    name: str
    codeset: CodeSet
    notes_at_once: int

    def detect_batch(self, documents: Sequence[Document]) -> list[tuple[Mention, ...]]:
        """Return the mentions of each note in order of place."""


class Detector:
    """Finds, codes and resolves the findings of clinical notes.

    With the lexicon, notes with an encounter date are coded with the release in force on it, the others with the
    model's own; a trained model knows one release and warns of dates that another was in force on. A note of unknown
    setting is taken as ``setting``: outpatient unless said otherwise, where uncertain diagnoses are not coded
    (Official Guidelines IV.H).
    """

    def __init__(
        self,
        model: MentionModel,
        procedures: Mapping[str, Procedure],
        *,
        setting: Setting = "outpatient",
        accept_threshold: float = 0.95,
    ) -> None:
        self._default = model.codeset.release
        self._models: dict[str, MentionModel] = {self._default: model}
        self._by_release = isinstance(model, LexiconModel)
        self._procedures = procedures
        self._setting: Setting = setting
        self._accept_threshold = accept_threshold

    @classmethod
    def from_pretrained(
        cls,
        model: str | PathLike[str] = BASE,
        *,
        release: str | None = None,
        setting: Setting = "outpatient",
        accept_threshold: float = 0.95,
        rules: str | PathLike[str] | None = None,
        device: Device = "auto",
        batch_tokens: int | None = None,
    ) -> Detector:
        """Load a detector by the name of its model.

        Args:
            model: ``"base"``, the packaged checkpoint; ``"lexicon"``, terms and rules, many times faster; or the
                folder of a trained checkpoint.
            release: Code set release such as ``"2026-04"``; for the lexicon the newest installed one when None, for a
                checkpoint its own.
            setting: What a note that does not say is taken to be.
            accept_threshold: Score from which a document code is accepted without review, a probability.
            rules: A folder of procedure files that join, or replace, the packaged ones.
            device: Where a checkpoint is computed: ``"cpu"``, ``"cuda"`` (a GPU), or ``"auto"``, a GPU where torch
                finds one.
            batch_tokens: Pieces of words that a GPU reads at once; 16,384 when None.

        Raises:
            ModelError: If no such model exists, it was trained on another release, there is no GPU, or
                ``batch_tokens`` is given for a CPU.
            CodeSetError: If the release is not installed.
            RulesError: If a procedure file is not as expected.
        """
        loaded = _load_model(model, release, device, batch_tokens)
        procedures = load_procedures(None if rules is None else Path(rules))
        return cls(loaded, procedures, setting=setting, accept_threshold=accept_threshold)

    def __call__(self, note: Note | str) -> NoteResult:
        """Return all that is found in one note; a string is a note without identifiers.

        Raises:
            NoteError: If the text is empty.
        """
        if isinstance(note, str):
            note = Note("text", note)
        if not note.text.strip():
            raise NoteError(f"note {note.note_id}: the text is empty; expected a clinical note")
        model, warnings = self._model_for(note.encounter_date)
        document = Document(note.text)
        return self._conclude(note, document, model, warnings, model.detect_batch([document])[0])

    def _conclude(
        self,
        note: Note,
        document: Document,
        model: MentionModel,
        warnings: tuple[str, ...],
        mentions: tuple[Mention, ...],
    ) -> NoteResult:
        """Return what follows from a note's mentions."""
        setting = note.setting or self._setting
        codes = resolve_codes(
            mentions, setting, model.codeset, document=document, accept_threshold=self._accept_threshold
        )
        warnings += find_uncodable(mentions, setting, model.codeset, document)
        indications = link_procedures(mentions, codes, note.text, self._procedures)
        return NoteResult(
            note_id=note.note_id,
            release=model.codeset.release,
            model=model.name,
            setting=setting,
            mentions=mentions,
            codes=codes,
            indications=indications,
            warnings=warnings,
            patient_id=note.patient_id,
            encounter_id=note.encounter_id,
            procedures=find_procedures(document, indications, self._procedures),
        )

    def stream(self, notes: Iterable[Note | Reject]) -> Iterator[NoteResult | Reject]:
        """Detect a few notes at a time, in order; rejects of reading pass through, and no note stops the rest."""
        remaining = iter(notes)
        while batch := list(islice(remaining, self._models[self._default].notes_at_once)):
            yield from self._detect_some(batch)

    def _detect_some(self, batch: Sequence[Note | Reject]) -> Iterator[NoteResult | Reject]:
        found: dict[int, tuple[Document, MentionModel, tuple[str, ...], tuple[Mention, ...]]] = {}
        with suppress(Exception):  # one of them is at fault: each is tried by itself below
            found = self._find_mentions(batch)
        for i, note in enumerate(batch):
            if isinstance(note, Reject):
                yield note
                continue
            try:
                if i in found:
                    document, model, warnings, mentions = found[i]
                    result: NoteResult | Reject = self._conclude(note, document, model, warnings, mentions)
                else:
                    result = self(note)
            except Exception as error:  # one note must never stop a batch
                # Our own errors never quote a note; of others, whose words could, only the kind is told.
                why = str(error) if isinstance(error, DetectError) else type(error).__name__
                result = Reject(note.note_id, f"note {note.note_id}", f"could not be processed: {why}")
            yield result

    def _find_mentions(
        self, batch: Sequence[Note | Reject]
    ) -> dict[int, tuple[Document, MentionModel, tuple[str, ...], tuple[Mention, ...]]]:
        """Return document, model, warnings and mentions of the notes that have text, by their place in the batch."""
        by_model: dict[str, list[tuple[int, Document, tuple[str, ...]]]] = {}
        for i, note in enumerate(batch):
            if isinstance(note, Note) and note.text.strip():
                model, warnings = self._model_for(note.encounter_date)
                by_model.setdefault(model.codeset.release, []).append((i, Document(note.text), warnings))
        found = {}
        for release, members in by_model.items():
            model = self._models[release]
            for (i, document, warnings), mentions in zip(
                members, model.detect_batch([document for _, document, _ in members]), strict=True
            ):
                found[i] = (document, model, warnings, mentions)
        return found

    def _model_for(self, day: date | None) -> tuple[MentionModel, tuple[str, ...]]:
        if day is None:
            return self._models[self._default], ()
        release, warning = choose_release(day)
        if not self._by_release and release != self._default:
            warning = f"release {release} was in force on the date; the model gives codes of {self._default}"
            release = self._default
        if release not in self._models:
            self._models[release] = LexiconModel(CodeSet.load(release))
        return self._models[release], (warning,) if warning else ()


def _load_model(
    model: str | PathLike[str], release: str | None, device: Device, batch_tokens: int | None
) -> MentionModel:
    if model == LEXICON:
        return LexiconModel(CodeSet.load(release))
    from detect_icd10cm.model.load import find_checkpoint, load_model

    codeset = CodeSet.load(release) if release else None
    return load_model(find_checkpoint(model), codeset=codeset, device=device, batch_tokens=batch_tokens)
