"""Matched terms that are no findings: people's names, and words in the title of a note or of a section."""

from __future__ import annotations

from detect_icd10cm.codes.lexicon import Match
from detect_icd10cm.text.document import Document

_TITLES = frozenset({"Mr", "Mrs", "Ms", "Miss", "Dr", "Prof"})
_DEGREES = frozenset({"MD", "DO", "RN", "NP", "PA", "PhD", "DPM", "DDS"})
# Given names, initials and the joints of a name between its title and the word in question.
_MAX_NAME = 6
# Words of a heading that names a place, a service or a kind of note, not a problem.
_OF_NOTES = frozenset(
    """assessment center clinic department documentation form institute management note program report
    score scale service summary unit visit""".split()
)
# Behind these a heading names its problem: "VISIT FOR ASTHMA".
_NAMING = frozenset({"for", "of"})
# Findings that a heading names only as a topic: pain, illness, allergy.
_TOPICS = frozenset({"R52", "R69", "T78.40XA"})


def is_finding(document: Document, match: Match) -> bool:
    """Say whether a matched term may be a finding."""
    return not (_is_name(document, match) or _is_heading(document, match))


def _is_name(document: Document, match: Match) -> bool:
    """Say whether a term is part of a name: "Mrs. Odile Graves-Lund", "Ann Stone, M.D."."""
    tokens = document.tokens
    if not all(token.text.istitle() for token in tokens[match.first : match.last]):
        return False
    if any(token.text.endswith(("'s", "’s")) for token in tokens[match.first : match.last]):
        return False
    for i in range(match.first - 1, max(-1, match.first - 1 - _MAX_NAME), -1):
        word = tokens[i].text
        if word in _TITLES:
            return True
        # A stop closes an initial ("Ann B. Stone") or a title; behind another word it ends the sentence.
        joins = word == "-" or (
            word == "." and i > 0 and (len(tokens[i - 1].text) == 1 or tokens[i - 1].text in _TITLES)
        )
        if not (joins or word.istitle()):
            break
    behind = "".join(token.text for token in tokens[match.last : match.last + 5])
    return behind.startswith((",M.D.", ",D.O.")) or (
        behind.startswith(",") and match.last + 1 < len(tokens) and tokens[match.last + 1].text in _DEGREES
    )


def _is_heading(document: Document, match: Match) -> bool:
    start, end = document.tokens[match.first].start, document.tokens[match.last - 1].end
    section = document.section_of(start)
    heading = document.text[section.start : section.body]
    words = {word.strip(":-*#").lower() for word in heading.split()}
    titles = not words.isdisjoint(_OF_NOTES) and words.isdisjoint(_NAMING)
    if end <= section.body:
        return titles or match.meanings[0].code in _TOPICS
    # "HAND CLINIC - POSTOPERATIVE VISIT" is one title.
    goes_on = section.name is None and heading.rstrip().endswith("-")
    return titles and goes_on and document.text[section.start : end].isupper()
