"""Notes with their findings written inline, as tests and rules files hold them.

``No {pneumonia|J18.9|absent}.`` is the note "No pneumonia." with one absent finding.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from detect_icd10cm.codes.codeset import CodeSet, normalize_code
from detect_icd10cm.codes.kinds import kind_of
from detect_icd10cm.errors import CodeSetError, RulesError
from detect_icd10cm.types import ASSERTIONS, KINDS, Mention

_FINDING = re.compile(r"\{([^{}|]+)\|([^{}|]+)(?:\|([^{}|]+))?(?:\|([^{}|]+))?\}")


class InlineNote(NamedTuple):
    """A note without its marks, and the findings that they named, in order."""

    text: str
    mentions: tuple[Mention, ...]


def parse_inline(marked: str, codeset: CodeSet | None = None) -> InlineNote:
    """Read a note whose findings are written ``{text|code}``, ``{text|code|assertion}`` or with a kind behind that.

    The assertion is ``present`` where none is written, and the kind follows from the code.

    >>> text, (mention,) = parse_inline("No {pneumonia|J18.9|absent}.")
    >>> text, mention.start, mention.end, mention.assertion, mention.kind
    ('No pneumonia.', 3, 12, 'absent', 'diagnosis')

    Args:
        marked: The note with its marks.
        codeset: Where the titles of the codes come from; a code that it lacks is an error. None leaves titles empty.

    Raises:
        RulesError: If a brace is not part of a mark, or a mark names no known code, assertion or kind.
    """
    parts: list[str] = []
    mentions: list[Mention] = []
    length = last = 0
    for mark in _FINDING.finditer(marked):
        before = marked[last : mark.start()]
        text, code, assertion, kind = mark.groups()
        parts += (before, text)
        start = length + len(before)
        length = start + len(text)
        last = mark.end()
        mentions.append(_make_mention(start, text, code, assertion or "present", kind, codeset))
    parts.append(marked[last:])
    plain = "".join(parts)
    if "{" in plain or "}" in plain:
        raise RulesError("found a brace outside a mark; expected findings written as {text|code|assertion}")
    return InlineNote(plain, tuple(mentions))


def _make_mention(
    start: int, text: str, code: str, assertion: str, kind: str | None, codeset: CodeSet | None
) -> Mention:
    try:
        known = normalize_code(code)
        title = codeset.title(known) if codeset else ""
    except CodeSetError as error:
        raise RulesError(f"mark {text!r}: {error}") from error
    said = next((one for one in ASSERTIONS if one == assertion), None)
    named = next((one for one in KINDS if one == (kind or kind_of(known))), None)
    if said is None or named is None:
        raise RulesError(
            f"mark {text!r}: found {assertion!r} and {kind!r}; expected an assertion of {', '.join(ASSERTIONS)} "
            f"and a kind of {', '.join(KINDS)}, or none"
        )
    return Mention(start, start + len(text), text, named, said, known, title=title)
