"""The sentence frames of synthetic notes: read from ``synth.yaml``, checked, cut into text and slots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from detect_icd10cm.types import ASSERTIONS, Assertion

_SLOT = re.compile(r"\{(\w+)(\*?)(?::(\w+))?\}")


class Slot(NamedTuple):
    """A place in a frame: a pool, whether it takes a list, and the assertion of what is put there."""

    name: str
    many: bool
    assertion: Assertion
    capital: bool


class Frame(NamedTuple):
    """A sentence as pieces of text and slots; ``about`` is the sort of main finding it needs."""

    pieces: tuple[str | Slot, ...]
    about: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a note: its headings, its frames, how many of these it has, and lines that may stand in between."""

    headings: tuple[str, ...]
    opening: tuple[Frame, ...]
    frames: tuple[Frame, ...]
    neutral: tuple[Frame, ...]
    lines: tuple[int, int]
    style: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """What ``synth.yaml`` holds: findings as (code, terms), words, sections and layouts."""

    findings: dict[str, list[tuple[str, list[str]]]]
    words: dict[str, list[str]]
    sections: dict[str, Section]
    layouts: list[list[str]]

    @property
    def n_frames(self) -> int:
        """The number of sentence frames."""
        return sum(
            len(section.opening) + len(section.frames) + len(section.neutral) for section in self.sections.values()
        )


@cache
def load_grammar() -> Grammar:
    """Load ``synth.yaml``."""
    data = yaml.safe_load(Path(__file__).with_name("synth.yaml").read_text("utf-8"))
    findings = {
        name: [(code, said) for row in rows for code, said in row.items()] for name, rows in data["findings"].items()
    }
    findings["status_post"] = [(code, [f"status post {term}" for term in said]) for code, said in findings["operation"]]
    sections = {name: _read_section(section) for name, section in data["sections"].items()}
    return Grammar(findings, data["words"], sections, data["layouts"])


def _read_section(section: dict[str, Any]) -> Section:
    least, most = section["lines"]
    return Section(
        headings=tuple(section["headings"]),
        opening=tuple(_read_frame(frame) for frame in section.get("opening", ())),
        frames=tuple(_read_frame(frame) for frame in section["frames"]),
        neutral=tuple(_read_frame(frame) for frame in section.get("neutral", ())),
        lines=(least, most),
        style=section.get("style", "sentences"),
    )


def _read_frame(frame: str | dict[str, str]) -> Frame:
    text, about = (frame, None) if isinstance(frame, str) else (frame["is"], frame["about"])
    pieces: list[str | Slot] = []
    at = 0
    for match in _SLOT.finditer(text):
        name, many, assertion = match.groups()
        if assertion and assertion not in ASSERTIONS:
            raise ValueError(f"synth.yaml: found assertion {assertion!r} in a frame, expected one of types.ASSERTIONS")
        slot = Slot(name.lower(), bool(many), cast(Assertion, assertion or "present"), name[0].isupper())
        pieces += [text[at : match.start()], slot]
        at = match.end()
    return Frame((*(piece for piece in pieces if piece), text[at:]), about)
