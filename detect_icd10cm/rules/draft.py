"""The code set of one note while the rules work on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.patterns import CodeGroup
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention, Setting

# Where a note says what it comes to.
FINAL_SECTIONS = frozenset({"assessment", "diagnosis", "plan"})


@dataclass(slots=True)
class Entry:
    """One code with the mentions that state it, by index, and why it is there.

    ``doubts`` are reasons to review it; ``score`` is the probability of a code that no mention states.
    """

    code: str
    mentions: list[int] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    score: float = 0.0

    def note(self, reason: str) -> None:
        """Add a line to the trace, once."""
        if reason not in self.trace:
            self.trace.append(reason)


class Draft:
    """Codes by their spelling, in the order in which they were stated, and what the rules ask of the note.

    The rules change it one after another; a code that goes leaves a line with the code that it went for.

    Attributes:
        mentions: All findings of the note.
        setting: Inpatient or outpatient.
        codeset: The release in force.
        document: The note; one without text where only its findings are known.
        entries: The codes so far.
        reason: The code of what the visit is for, where that is no disease.
    """

    def __init__(
        self, mentions: Sequence[Mention], setting: Setting, codeset: CodeSet, document: Document | None = None
    ) -> None:
        self.mentions = mentions
        self.setting = setting
        self.codeset = codeset
        self.document = document or Document("")
        self.entries: dict[str, Entry] = {}
        self.reason: str | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self.entries))

    def __contains__(self, code: object) -> bool:
        return code in self.entries

    def add(self, code: str, mentions: Iterable[int], reason: str) -> Entry | None:
        """State a code, or more evidence of it; None where the release has no such billable code."""
        if not self.codeset.is_billable(code):
            return None
        entry = self.entries.setdefault(code, Entry(code))
        entry.mentions += [i for i in mentions if i not in entry.mentions]
        entry.note(reason)
        return entry

    def drop(self, code: str, reason: str, heirs: Iterable[str] = ()) -> None:
        """Take a code out; what it went for says so."""
        del self.entries[code]
        for heir in heirs:
            if heir in self.entries:
                self.entries[heir].note(reason)

    def change(self, code: str, new: str, reason: str) -> bool:
        """Replace a code by another that says the same and more; its mentions go along.

        Returns:
            Whether the release has the new code, and so whether it was replaced.
        """
        if new == code or not self.codeset.is_billable(new):
            return False
        old = self.entries[code]
        if new in self.entries:
            entry = self.entries[new]
            del self.entries[code]
        else:
            entry = Entry(new)
            self.entries = {
                key if key != code else new: one if key != code else entry for key, one in self.entries.items()
            }
        entry.mentions += [i for i in old.mentions if i not in entry.mentions]
        for line in old.trace:
            entry.note(line)
        entry.note(reason)
        entry.doubts += old.doubts
        return True

    def find(self, group: CodeGroup) -> list[str]:
        """Return the codes so far that belong to a group."""
        return list(filter(group.matches, self.entries))

    def mentions_of(self, code: str) -> list[Mention]:
        """Return the mentions that state a code."""
        return [self.mentions[i] for i in self.entries[code].mentions]

    def sections_of(self, code: str) -> set[str | None]:
        """Return the sections that state a code."""
        return {self.section_of(mention) for mention in self.mentions_of(code)}

    def section_of(self, mention: Mention) -> str | None:
        """Return the section of a mention, from the note where the mention does not carry it."""
        return mention.section or (self.document.section_at(mention.start) if self.document.text else None)

    def is_stated_as(self, code: str, *assertions: str) -> bool:
        """Return whether every mention of a code has one of these assertions; False for a code without mentions."""
        found = self.mentions_of(code)
        return bool(found) and all(mention.assertion in assertions for mention in found)

    @cached_property
    def diagnoses(self) -> set[str]:
        """The codes that the patient's present diagnoses state, as the mentions carry them."""
        return {m.code for m in self.mentions if m.kind == "diagnosis" and m.assertion == "present"}
