"""Synthetic annotated notes, without end: rare codes, sides, episodes of care, assertions, lists and templates.

Each note has a main finding, drawn so that every chapter and category comes up as often as any other, and others that
notes have beside it. They are put into sentence frames of our own (``synth.yaml``), those into parts with the
headings and layouts of transcribed US notes. Labels follow the project's annotation guide: a span holds the words
that decide the code; what is over takes its personal-history code, what a relative has its family-history code, what
is denied, suspected or feared the code that it would have.

A note depends on its seed and number only: any part of the stream can be made anywhere, in any order.

``python -m training.synth 1000 notes.jsonl --data FOLDER`` writes notes as JSON Lines.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.history import family_code, history_code
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.types import AnnotatedNote, Assertion, Mention, Note
from training.frames import Frame, Grammar, Section, Slot, load_grammar
from training.termbank import TermBank, suits
from training.terms import stream_terms

_SEVERITY = ("severe", "mild", "moderate", "worsening", "persistent", "progressive", "intermittent", "significant")
_GRADED = re.compile(r"^(?:acute|chronic|severe|mild|moderate|history|status|old|open|recurrent)\b|[A-Z]{2}", re.I)
_PERSONS = {"male": ("male", "man", "gentleman"), "female": ("female", "woman", "lady")}
_CHILDREN = {"male": "boy", "female": "girl"}
# Notes on file have some 8 mentions in 1,000 characters.
_NEUTRAL = 0.6
_CAUSES_CHAPTER = "20"
_DX_CHAPTERS = tuple("1 2 3 4 5 6 7 8 9 10 11 12 13 14 17".split())
_JOINTS = {
    "present": (" and ", ", and ", ", "), "absent": (" or ", ", or ", ", ", " and ", ", and ", " nor "),
    "possible": (" versus ", " or "), "hypothetical": (", or ", " or ", ", "), "family": (" and ", ", and "),
    "historical": (" and ", ", and "),
}  # fmt: skip


def generate_notes(bank: TermBank, seed: int, start: int = 0) -> Iterator[AnnotatedNote]:
    """Yield synthetic notes from number ``start`` on, without end."""
    number = start
    while True:
        yield make_note(bank, seed, number)
        number += 1


def make_note(bank: TermBank, seed: int, number: int) -> AnnotatedNote:
    """Return one note of the stream of a seed."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311
    return _Writer(rng, bank, load_grammar()).write(f"synth-{seed}-{number}")


@dataclass(slots=True)
class _Patient:
    sex: str
    age: int
    main: str
    cause: str | None
    about: str

    @property
    def pronouns(self) -> dict[str, str]:
        if self.sex == "male":
            return {"he": "he", "his": "his", "him": "him", "name": "Mr. X"}
        return {"he": "she", "his": "her", "him": "her", "name": "Ms. X"}


@dataclass(slots=True)
class _Style:
    """How one physician's notes look."""

    heading: str
    gap: str
    own_lines: bool
    bullet: str
    upper: bool
    wrap: int
    case: str


@dataclass(slots=True)
class _Text:
    """Text that grows, with its mentions."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    mentions: list[tuple[int, int, str, Assertion]] = field(default_factory=list)

    def add(self, words: str) -> None:
        if words.startswith(".") and self.ends_with("."):
            words = words[1:]  # "b.i.d." ends its sentence
        self.parts.append(words)
        self.length += len(words)

    def ends_with(self, marks: str) -> bool:
        return any(part[-1] in marks for part in [next((part for part in reversed(self.parts) if part), " ")])

    def mention(self, words: str, code: str, assertion: Assertion) -> None:
        self.mentions.append((self.length, self.length + len(words), code, assertion))
        self.add(words)


class _Writer:
    """Writes one note."""

    def __init__(self, rng: random.Random, bank: TermBank, grammar: Grammar) -> None:
        self._rng = rng
        self._bank = bank
        self._grammar = grammar
        self._patient = self._draw_patient()
        self._style = self._draw_style()
        self._text = _Text()
        self._short: tuple[str, str] | None = None

    def write(self, note_id: str) -> AnnotatedNote:
        layout = self._rng.choice(self._grammar.layouts)
        names = [name.removeprefix("?") for name in layout if not name.startswith("?") or self._rng.random() < 0.6]
        for name in names:
            if self._text.length:
                self._text.add(self._style.gap)
            self._write_section(self._grammar.sections[name])
        text = "".join(self._text.parts)
        if self._style.upper and len(text.upper()) == len(text):
            text = text.upper()
        text = _wrap(text, self._style.wrap) if self._style.wrap else text
        mentions = tuple(
            Mention(start, end, text[start:end], kind=kind_of(code), assertion=assertion, code=code)
            for start, end, code, assertion in self._text.mentions
        )
        codes = dict.fromkeys(m.code for m in mentions if m.assertion in ("present", "historical", "family"))
        note = Note(note_id, text, setting="inpatient" if "course" in names else "outpatient")
        return AnnotatedNote(note, mentions, tuple(codes))

    def _draw_patient(self) -> _Patient:
        rng = self._rng
        chapter = rng.choice(self._bank.chapters)
        cause = self._bank.draw_code(rng, chapter) if chapter == _CAUSES_CHAPTER else None
        main = self._bank.draw_code(rng, "19" if cause else chapter)
        possible = [sex for sex in ("male", "female") if suits(main, sex)]
        sex = rng.choice(possible or ["female"])
        about = _sort_of(main)
        age = rng.randint(19, 42) if about == "pregnancy" else 0 if about == "newborn" else rng.randint(2, 94)
        return _Patient(sex, age, main, cause, about)

    def _draw_style(self) -> _Style:
        rng = self._rng
        return _Style(
            heading=rng.choice(("inline", "inline", "inline", "line", "bare")),
            gap=rng.choice(("\n\n", "\n\n", "\n", "\n\n\n")),
            own_lines=rng.random() < 0.4,
            bullet=rng.choice(("1. ", "1. ", "1) ", "- ", "* ", "", ", ", ", ", ". ")),
            upper=rng.random() < 0.03,
            wrap=rng.randint(60, 95) if rng.random() < 0.25 else 0,
            case=rng.choice(("sentence", "sentence", "sentence", "title", "upper", "lower")),
        )

    def _write_section(self, section: Section) -> None:
        rng, style = self._rng, self._style
        heading = rng.choice(section.headings)
        if heading:
            self._text.add(heading + {"inline": ": ", "line": ":\n", "bare": "\n"}[style.heading])
        frames = self._choose_frames(section)
        bullet = style.bullet if section.style == "items" or style.bullet != ", " else ". "
        if section.style == "sentences" or bullet == ". ":
            self._write_sentences(frames)
        elif bullet == ", ":
            for i, frame in enumerate(frames):
                self._write_frame(frame, "lower" if i else "sentence", end=", " if i + 1 < len(frames) else ".")
        else:
            self._write_lines(frames, bullet)

    def _write_sentences(self, frames: Sequence[Frame]) -> None:
        for i, frame in enumerate(frames):
            if i:
                self._text.add("\n" if self._style.own_lines and len(frames) > 2 else " ")
            self._write_frame(frame, "sentence", end=".")

    def _write_lines(self, frames: Sequence[Frame], bullet: str) -> None:
        for i, frame in enumerate(frames):
            if i or (self._style.heading == "inline" and len(frames) > 1):
                self._text.add("\n")
            if len(frames) > 1:
                self._text.add(bullet.replace("1", str(i + 1)))
            self._write_frame(frame, self._style.case, end="")

    def _choose_frames(self, section: Section) -> list[Frame]:
        rng, about = self._rng, self._patient.about
        opening = [frame for frame in section.opening if frame.about in (None, about)]
        fitting = [frame for frame in opening if frame.about] if rng.random() < 0.7 else []
        frames = [rng.choice(fitting or opening)] if opening else []
        body = [frame for frame in section.frames if frame.about in (None, about)]
        n_more = max(1, rng.randint(*section.lines)) - len(frames)
        frames += rng.sample(body, min(len(body), max(0, n_more)))
        n_neutral = sum(rng.random() < _NEUTRAL for _ in frames) * 2 if section.neutral else 0
        for frame in rng.sample(section.neutral, min(n_neutral, len(section.neutral))):
            frames.insert(rng.randint(min(1, len(frames)), len(frames)), frame)
        return frames

    def _write_frame(self, frame: Frame, case: str, end: str) -> None:
        first = True
        for piece in frame.pieces:
            if isinstance(piece, str):
                self._text.add(_cased(piece, case, first))
            else:
                self._write_slot(piece, case, first)
            first = False
        if end != "." or not self._text.ends_with('.?":'):
            self._text.add(end)

    def _write_slot(self, slot: Slot, case: str, first: bool) -> None:
        words = self._words(slot.name)
        if words is not None:
            self._text.add(_cased(words, "sentence" if slot.capital or first else case, first or slot.capital))
            return
        chosen: dict[str, str] = {}
        for _ in range(self._rng.randint(2, 6) if slot.many else 1):
            code, said = self._finding(slot)
            chosen.setdefault(code, said)
        joint = self._rng.choice(_JOINTS[slot.assertion])
        joint = joint.replace(", ", " ", 1) if len(chosen) == 2 and joint != ", " else joint
        for i, (code, said) in enumerate(chosen.items()):
            if i:
                self._text.add(joint if i == len(chosen) - 1 else ", ")
            words = _cased(self._graded(slot, said), case, (first or slot.capital) and not i)
            self._text.mention(words, self._asserted(code, slot.assertion), slot.assertion)

    def _finding(self, slot: Slot) -> tuple[str, str]:
        """Return a code and words for it."""
        rng, bank, patient = self._rng, self._bank, self._patient
        if slot.name == "main":
            return patient.main, bank.say(rng, patient.main)
        if slot.name == "again":
            return patient.main, bank.say_again(rng, patient.main)
        if slot.name == "long":
            pairs = [(c, t) for c, t in self._grammar.findings["common"] if _acronym(t) and len(t) > 1]
            code, terms = rng.choice(pairs)
            self._short = (code, _acronym(terms) or "")
            return code, terms[0] if not terms[0].isupper() else terms[1]
        if slot.name == "short" and self._short:
            return self._short
        if slot.name == "cause" and patient.cause:
            return patient.cause, bank.say(rng, patient.cause)
        pool = {"dx": "common", "sx": "ros"}.get(slot.name, slot.name)
        if slot.name == "dx" and rng.random() < 0.8:
            code = self._other_code()
            return code, bank.say(rng, code)
        code, terms = rng.choice([item for item in self._grammar.findings[pool] if suits(item[0], patient.sex)])
        return code, rng.choice(terms)

    def _other_code(self) -> str:
        """Return a diagnosis beside the main one: half of them as often as they are met, half any."""
        for _ in range(20):
            if self._rng.random() < 0.5:
                code = self._bank.draw_frequent(self._rng)
            else:
                code = self._bank.draw_code(self._rng, self._rng.choice(_DX_CHAPTERS))
            if suits(code, self._patient.sex) and code[0] not in "OPRSTVWXYZ":
                return code
        return self._patient.main

    def _graded(self, slot: Slot, said: str) -> str:
        graded = slot.name in ("sx", "main", "dx") and slot.assertion == "present" and self._rng.random() < 0.12
        return f"{self._rng.choice(_SEVERITY)} {said}" if graded and not _GRADED.search(said) else said

    def _asserted(self, code: str, assertion: Assertion) -> str:
        """Return the code of a finding that is over, or a relative's."""
        if assertion not in ("historical", "family"):
            return code
        find = history_code if assertion == "historical" else family_code
        return find(code, self._bank.codeset) or code

    def _words(self, name: str) -> str | None:
        """Return words that are no finding; None where the slot takes one."""
        rng, patient = self._rng, self._patient
        if name in self._grammar.words:
            return rng.choice(self._grammar.words[name])
        if name in patient.pronouns:
            return patient.pronouns[name]
        numbers = {
            "age": (patient.age or 1, patient.age or 1), "young": (19, 42), "year": (1985, 2024), "pulse": (58, 104),
            "breaths": (12, 22), "sat": (93, 100), "weight": (98, 260), "small": (1, 9),
        }  # fmt: skip
        if name in numbers:
            return str(rng.randint(*numbers[name]))
        if name == "sex":
            return rng.choice(_PERSONS[patient.sex]) if patient.age else _CHILDREN[patient.sex]
        if name == "bp":
            return f"{rng.randint(98, 168)}/{rng.randint(55, 98)}"
        return f"9{rng.randint(7, 9)}.{rng.randint(0, 9)}" if name == "temperature" else None


def _acronym(terms: Sequence[str]) -> str | None:
    return next((term for term in terms if term.isupper()), None)


def _cased(words: str, case: str, first: bool) -> str:
    """Return words in a style; the length never changes."""
    if case == "upper" and len(words.upper()) == len(words):
        return words.upper()
    if case == "title":
        return re.sub(r"\b[a-z](?=[a-z]{3})", lambda match: match.group().upper(), words)
    return words[0].upper() + words[1:] if first and case == "sentence" and words[:1].isascii() and words else words


def _wrap(text: str, width: int) -> str:
    """Return text with spaces turned into line breaks, so that no line is much longer than ``width`` characters."""
    lines = []
    for line in text.split("\n"):
        wrapped, column = list(line), 0
        for match in re.finditer(r" |$", line):
            after = line.find(" ", match.end())
            if match.group() and (after if after >= 0 else len(line)) - column > width:
                wrapped[match.start()] = "\n"
                column = match.end()
        lines.append("".join(wrapped))
    return "\n".join(lines)


def _sort_of(code: str) -> str:
    """Return which frames suit a main finding."""
    if code[0] in "ST":
        return {"D": "subsequent", "G": "subsequent", "K": "subsequent", "P": "subsequent", "S": "sequela"}.get(
            code[-1] if len(code) > 7 else "A", "injury"
        )
    sorts = {"O": "pregnancy", "P": "newborn", "Z": "status", "C": "neoplasm", "R": "symptom"}
    return sorts.get(code[0], "neoplasm" if code < "D50" and code[0] == "D" else "disease")


def to_record(annotated: AnnotatedNote) -> dict[str, Any]:
    """Return a note as the gold JSON Lines form has it."""
    return {
        "note_id": annotated.note.note_id,
        "setting": annotated.note.setting,
        "text": annotated.note.text,
        "mentions": [
            {"start": m.start, "end": m.end, "text": m.text, "code": m.code, "assertion": m.assertion, "kind": m.kind}
            for m in annotated.mentions
        ],
        "codes": list(annotated.codes),
    }


def main(arguments: list[str] | None = None) -> None:
    """Write notes to a file."""
    parser = argparse.ArgumentParser(prog="python -m training.synth", description=__doc__.split("\n", 1)[0])
    parser.add_argument("n_notes", type=int)
    parser.add_argument("output", type=Path)
    parser.add_argument("--data", type=Path, help="data folder with lexicons/ and reference/")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    codeset = CodeSet.load()
    bank = TermBank(codeset, stream_terms(codeset, given.data))
    with given.output.open("w", encoding="utf-8") as stream:
        for annotated in islice(generate_notes(bank, given.seed), given.n_notes):
            stream.write(json.dumps(to_record(annotated), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
