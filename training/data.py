"""The notes that the model learns from: labelled ones brought to one release, and unlabelled ones for adaptation.

What no annotator said is told apart by scores, so that a loss can leave it out or weigh it:

- ``mention.score`` is 1.0 where a human or the silver annotation set span and code, less where a projection did;
- ``mention.assertion_score`` is 0.0 where the source says nothing of the assertion (CodiEsp codes negated findings
  too), which then stands as ``present``.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.mapping import ReleaseMapper
from detect_icd10cm.notes.gold import CodiespRow, GoldIssue, read_codiesp_rows, read_gold
from detect_icd10cm.notes.gold.records import make_mention, read_lines, read_text, unique
from detect_icd10cm.types import AnnotatedNote, Mention, Note
from training.overlap import MAX_RUN, OverlapIndex
from training.projection import Bitext, Reference, project_cases
from training.terms import Term

# Unlabelled notes are many: of those, anything near an evaluation note is left out.
MAX_TEXTS_SHARE = 0.15
# Pieces of evidence further apart than this, in characters, are not one phrase any more.
_MAX_HULL = 60
_TEXTS = ("mtsamples/notes.jsonl", "aci_bench_notes.jsonl")


def read_training_notes(path: Path, codeset: CodeSet, issues: list[GoldIssue] | None = None) -> Iterator[AnnotatedNote]:
    """Yield the labelled notes of a file or folder in any gold format, their codes carried to a release.

    Mentions whose code can't be carried are left out and reported as "not in release".

    Args:
        path: JSON Lines, CodiEsp TSV, MDACE, BRAT, or CSV of document codes.
        codeset: The release that the model is trained for.
        issues: Takes what is wrong with single notes and codes; without it broken notes raise.

    Raises:
        NoteError: If the source can't be read, or a note is broken and ``issues`` is not given.
    """
    for annotated in read_gold(path, issues=issues):
        yield carry_note(annotated, codeset, issues)


def read_codiesp_spanish(folder: Path, codeset: CodeSet) -> Iterator[AnnotatedNote]:
    """Yield the Spanish cases of a CodiEsp split with their human evidence; assertions are unknown.

    A discontinuous reference stands whole where its pieces are close, else as the piece that names the finding; where
    it can't be told which does, the code stands without a mention.

    Args:
        folder: A split's folder, such as ``codiesp/train``.
        codeset: The release that codes of 2018 are carried to.

    Raises:
        NoteError: If a file is missing or has another shape.
    """
    cases: dict[str, list[CodiespRow]] = defaultdict(list)
    for row in read_codiesp_rows(folder / f"{folder.name}X.tsv"):
        if row.label == "diagnosis":
            cases[row.note_id].append(row)
    alone = Counter(_spelled(row.reference) for rows in cases.values() for row in rows if len(row.spans) == 1)
    for note_id, rows in cases.items():
        text = read_text(folder / "text_files" / f"{note_id}.txt")
        placed = ((_compact_span(text, row, alone), row.code) for row in rows)
        mentions = (make_mention(text, *span, code) for span, code in placed if span)
        spans = {(mention.start, mention.end, mention.code): mention for mention in mentions}
        unasserted = tuple(dataclasses.replace(spans[span], assertion_score=0.0) for span in sorted(spans))
        yield carry_note(AnnotatedNote(Note(note_id, text), unasserted, unique(row.code for row in rows)), codeset)


def read_codiesp_english(
    folder: Path, codeset: CodeSet, terms: Iterable[Term], *, whole: bool = True
) -> Iterator[AnnotatedNote]:
    """Yield the English cases of a CodiEsp split with the Spanish evidence carried over (see ``projection``).

    Args:
        folder: A split's folder, such as ``codiesp/train``.
        codeset: The release that codes of 2018 are carried to.
        terms: What codes are called in English.
        whole: Whether to keep lines in which a mention is lost.
    """
    cases = []
    for annotated in read_codiesp_spanish(folder, codeset):
        note = annotated.note
        references = [Reference(mention.start, mention.end, mention.code) for mention in annotated.mentions]
        english = read_text(folder / "text_files_en" / f"{note.note_id}.txt")
        cases.append(Bitext(note.note_id, note.text, english, references, annotated.codes))
    return project_cases(cases, terms, whole=whole)


def unlabelled_notes(folder: Path, exclude: Iterable[Note]) -> Iterator[Note]:
    """Yield the unlabelled notes of a data folder but for evaluation notes and what is near them.

    The unlabelled MTSamples hold the annotated notes again, evaluation notes among them, and versions of these under
    other ids: a note is left out when it has the id of an excluded one, shares more than 15 % of the shorter one's
    word 8-grams with it, or a run of more than 40 words.

    Args:
        folder: The data folder with ``mtsamples/`` and ``aci_bench_notes.jsonl``; what is missing is passed over.
        exclude: The evaluation notes.
    """
    index = OverlapIndex(exclude)
    for note in read_texts(folder):
        overlap = index.check(note)
        if overlap is None or (overlap.share <= MAX_TEXTS_SHARE and overlap.run <= MAX_RUN):
            yield note


def read_texts(folder: Path) -> Iterator[Note]:
    """Yield the texts of MTSamples and ACI-Bench in a data folder; a file that is missing is passed over."""
    for name in _TEXTS:
        path = folder / name
        for _, line in read_lines(path) if path.exists() else ():
            record = json.loads(line)
            yield Note(record["note_id"], record["text"])


def carry_code(code: str, codeset: CodeSet) -> str | None:
    """Return the billable code of a release that a code of another year stands for now; None where there is none."""
    carried = _mapper(codeset)(code)
    return carried if codeset.is_billable(carried) else None


@cache
def _mapper(codeset: CodeSet) -> ReleaseMapper:
    return ReleaseMapper(codeset)


def carry_note(annotated: AnnotatedNote, codeset: CodeSet, issues: list[GoldIssue] | None = None) -> AnnotatedNote:
    """Return a labelled note with its codes carried to a release; codes without one there are left out."""
    note_id = annotated.note.note_id
    mentions = []
    for mention in annotated.mentions:
        code = carry_code(mention.code, codeset)
        if code:
            mentions.append(mention if code == mention.code else dataclasses.replace(mention, code=code))
        elif issues is not None:
            issues.append(GoldIssue("not in release", note_id, mention.code, f"no successor in {codeset.release}"))
    codes = dict.fromkeys(code for old in annotated.codes if (code := carry_code(old, codeset)))
    return dataclasses.replace(annotated, mentions=tuple(mentions), codes=tuple(codes))


def mention_terms(notes: Iterable[AnnotatedNote]) -> Iterator[Term]:
    """Yield the mentions of labelled notes as terms of their codes, source ``"note"``, each pair once.

    What is over or a relative's is left out: there the words name a condition and the code its history. The weight
    is the share of a text's mentions that have the code.
    """
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for annotated in notes:
        for mention in annotated.mentions:
            if mention.assertion not in ("historical", "family"):
                codes[" ".join(mention.text.split())][mention.code] += 1
    for text, counts in codes.items():
        for code, n in counts.items():
            yield Term(text, code, "note", n / counts.total())


def without_overlaps(mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    """Return mentions of which no two share a character, in order of place: the surer one stays, then the longer."""
    kept: list[Mention] = []
    for mention in sorted(mentions, key=lambda m: (-m.score, m.start - m.end, m.start)):
        if all(mention.end <= other.start or other.end <= mention.start for other in kept):
            kept.append(mention)
    return tuple(sorted(kept, key=lambda mention: mention.start))


def _compact_span(text: str, row: CodiespRow, alone: Counter[str]) -> tuple[int, int] | None:
    """Return the characters of a reference, or, where its pieces lie apart, of the piece that names the finding.

    Such a reference joins a finding to its site, often sentences away; the finding is the piece that is a reference
    of its own most often in the corpus. Where none ever is, none is chosen.
    """
    start, end = row.hull
    if end - start <= _MAX_HULL and "\n" not in text[start:end]:
        return start, end
    known = [span for span in row.spans if alone[_spelled(text[slice(*span)])]]
    return max(known, key=lambda span: alone[_spelled(text[slice(*span)])], default=None)


def _spelled(words: str | None) -> str:
    return " ".join((words or "").lower().split())
