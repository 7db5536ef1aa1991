"""Notes with marked findings in, their codes out: what the tests of the document-level rules share."""

from __future__ import annotations

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.examples import parse_inline
from detect_icd10cm.rules.resolve import resolve_codes
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import NoteCode, Setting


def resolve(marked: str, codeset: CodeSet, setting: Setting = "outpatient") -> tuple[NoteCode, ...]:
    """Resolve a note whose findings are written as ``{text|code|assertion}``."""
    text, mentions = parse_inline(marked, codeset)
    return resolve_codes(mentions, setting, codeset, document=Document(text))


def codes_of(marked: str, codeset: CodeSet, setting: Setting = "outpatient") -> list[str]:
    """Return the codes of such a note, first-listed first."""
    return [code.code for code in resolve(marked, codeset, setting)]
