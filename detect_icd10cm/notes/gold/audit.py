"""Gold codes against their release: what is not in it, not billable or repeated is reported, never dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.notes.gold.records import GoldIssue
from detect_icd10cm.types import AnnotatedNote


def audit_codes(notes: Iterable[AnnotatedNote], codeset: CodeSet) -> list[GoldIssue]:
    """Return the issues of all codes, note by note; each code of a note is reported once.

    The release should be the one that the gold was coded with: a code of 2018 may have become a header since.
    """
    issues = []
    for note in notes:
        note_id = note.note.note_id
        for code in dict.fromkeys([*(mention.code for mention in note.mentions), *note.codes]):
            if code not in codeset:
                issues.append(GoldIssue("not in release", note_id, code, f"{codeset.release} has no such code"))
            elif not codeset.is_billable(code):
                issues.append(GoldIssue("not billable", note_id, code, f"a header in {codeset.release}"))
        issues += [
            GoldIssue("repeated", note_id, code, f"stands {n} times among the note's codes; counted once")
            for code, n in Counter(note.codes).items()
            if n > 1
        ]
    return issues
