"""All that codes are called: one stream of (term, code, source, weight) for the code head and the synthetic notes.

==============  ==================================================================  ======================  =======
source          what                                                                licence                 shipped
==============  ==================================================================  ======================  =======
synonym         our ``synonyms.yaml``                                               ours, Apache-2.0        yes
title           titles of billable codes                                            US public domain        yes
inclusion       their inclusion terms, and terms of an imported Alphabetic Index    US public domain        yes
spoken          titles as clinicians say them (``phrasing``)                        ours                    yes
header          titles and inclusion terms of headers: the code meant by default    US public domain        yes
includes        "Includes" notes of one category                                    US public domain        yes
doid            Disease Ontology labels and synonyms                                CC0                     yes
ncit            NCIt terms, codes through Mondo                                     CC BY 4.0 (both)        yes
abbreviation    Vanderbilt and Stetson et al. senses of diagnoses                   CC BY 4.0               yes
neoplasm        Neoplasm Table                                                      US public domain        yes
cause           Index to External Causes                                            US public domain        yes
drug            Table of Drugs and Chemicals                                        US public domain        yes
hpo             HPO lay words of concepts that another source codes                 attribution, unaltered  no
==============  ==================================================================  ======================  =======

HPO's licence asks that its content is not altered. A pair of a lay word and a code is a thing that HPO does not say,
so those pairs are made only when asked for and no shipped checkpoint is trained on them.

``python -m training.terms FOLDER`` prints the pairs of each source.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.official.index import Reference, read_drugs, read_index, read_neoplasms
from detect_icd10cm.codes.synonyms import Synonyms, load_synonyms
from detect_icd10cm.text.tokens import normalize_word
from training.ontologies import Concept, read_doid, read_hpo, read_ncit, read_senses
from training.phrasing import split_episode, spoken_forms

# How far a pair of each source is to be trusted; the order is that in which a pair is credited to a source.
WEIGHTS = {
    "synonym": 1.0, "title": 1.0, "inclusion": 1.0, "spoken": 0.9, "header": 0.7, "includes": 0.7, "doid": 0.7,
    "ncit": 0.6, "hpo": 0.5, "abbreviation": 0.6, "neoplasm": 0.5, "cause": 0.4, "drug": 0.2,
}  # fmt: skip
_FUNCTION_WORDS = frozenset("a an and as at by due for from in into is of on or the to was with nos".split())
_TABLES: dict[str, tuple[str, Callable[[Path], Iterator[Reference]]]] = {
    "neoplasm": ("icd10cm-neoplasm-*.xml", read_neoplasms),
    "cause": ("icd10cm-eindex-*.xml", read_index),
    "drug": ("icd10cm-drug-*.xml", read_drugs),
}
# The longest titles have some 250.
_MAX_CHARACTERS = 300
# A concept is known by its words, not by an abbreviation that other concepts share.
_MIN_KEY_CHARACTERS = 5
_BRACKETED = re.compile(r"\s*[\[(]([^\[\]()]*)[\])]")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)*(?:\.\d+)?")
_ACRONYM = re.compile(r"[A-Z][A-Z0-9-]{1,7}")


class Term(NamedTuple):
    """One way to say a billable code; ``weight`` in (0, 1] is how far the pair is to be trusted."""

    text: str
    code: str
    source: str
    weight: float


def stream_terms(
    codeset: CodeSet, folder: Path | None = None, *, with_hpo: bool = False, synonyms: Synonyms | None = None
) -> Iterator[Term]:
    """Yield each pair of a term and a billable code once, best source first.

    Args:
        codeset: The release whose codes are named; codes of other releases are passed over.
        folder: The data folder with ``lexicons/`` and ``reference/``; without it only the code set and our synonyms
            speak.
        with_hpo: Whether to add HPO's lay words too, which may not be shipped.
        synonyms: Our own terms; the packaged ones by default.
    """
    seen: set[tuple[str, str]] = set()
    for term in _all_terms(codeset, folder, with_hpo, synonyms or load_synonyms()):
        text = " ".join(term.text.split())
        key = (text.casefold(), term.code)
        if 1 < len(text) <= _MAX_CHARACTERS and key not in seen:
            seen.add(key)
            yield term._replace(text=text)


def term_key(text: str) -> tuple[str, ...]:
    """Return the words by which terms are compared: normalised, sorted, without function words.

    >>> term_key("Pain in the left knees") == term_key("left knee pain")
    True
    """
    words = _WORD.findall(text)
    return tuple(sorted([normalize_word(word) for word in words if word.lower() not in _FUNCTION_WORDS]))


def count_sources(terms: Iterable[Term]) -> dict[str, int]:
    """Return the number of pairs of each source."""
    return dict(Counter(term.source for term in terms))


def _all_terms(codeset: CodeSet, folder: Path | None, with_hpo: bool, synonyms: Synonyms) -> Iterator[Term]:
    if folder is None:
        yield from _own_terms(codeset, synonyms)
        return
    known = _KnownTerms()
    for term in _own_terms(codeset, synonyms):
        known.add(term)
        yield term
    for term in _concept_terms(codeset, folder / "lexicons", with_hpo, known):
        known.add(term)
        yield term
    for sense in read_senses(folder / "lexicons" / "abbreviations"):
        for code in known.codes_of(sense.long):
            yield Term(sense.short, code, "abbreviation", max(WEIGHTS["abbreviation"] * sense.share, 0.01))
    for source, (pattern, read) in _TABLES.items():
        for path in sorted((folder / "reference").glob(pattern)):
            for text, reference in read(path):
                forms = spoken_forms(text) if source == "neoplasm" and "," not in text else ()
                for form in dict.fromkeys((text, *forms)):
                    yield from _coded(codeset, form, [reference.rstrip("-.")], source)


class _KnownTerms:
    """The codes of the terms met so far, by their normalised words: what another vocabulary's concept is found by."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)

    def add(self, term: Term) -> None:
        if len(term.text) >= _MIN_KEY_CHARACTERS:
            codes = self._codes[term_key(term.text)]
            codes[term.code] = max(term.weight, codes.get(term.code, 0.0))

    def codes_of(self, text: str) -> tuple[str, ...]:
        """Return the one code that the best evidence gives a term; none where two are as good."""
        codes = self._codes.get(term_key(text), {}) if len(text) >= _MIN_KEY_CHARACTERS else {}
        best = [code for code, weight in codes.items() if weight == max(codes.values())]
        return tuple(best) if len(best) == 1 else ()


def _own_terms(codeset: CodeSet, synonyms: Synonyms) -> Iterator[Term]:
    for synonym in synonyms.terms:
        yield from _coded(codeset, synonym.term, [synonym.code], "synonym")
    for text, code, origin in codeset.terms():
        source = "header" if not codeset.is_billable(code) else "title" if origin == "title" else "inclusion"
        for form in bracket_forms(text):
            yield from _coded(codeset, form, [code], source)
    for text, code, _ in codeset.terms():
        # A later encounter is told by the note, not by the words for the injury: those mean the initial one.
        if split_episode(text)[1] in (None, "initial"):
            for form in spoken_forms(text):
                yield from _coded(codeset, form, [code], "spoken")
    for text, code in _includes(codeset):
        for form in bracket_forms(text):
            yield from _coded(codeset, form, [code], "includes")


def _includes(codeset: CodeSet) -> Iterator[tuple[str, str]]:
    """Yield the "Includes" notes that stand at one category only, hence at its own place and not at its block's."""
    places: dict[str, set[str]] = defaultdict(set)
    for code in codeset:
        if len(code) == 3:
            for text in codeset[code].includes:
                places[text].add(code)
    for text, codes in places.items():
        if len(codes) == 1:
            yield text, next(iter(codes))


def _concept_terms(codeset: CodeSet, folder: Path, with_hpo: bool, known: _KnownTerms) -> Iterator[Term]:
    files = [
        ("doid", folder / "doid_lexicon.tsv", read_doid),
        ("ncit", folder / "ncit2018_terms_via_mondo_icd10cm.tsv", read_ncit),
        *([("hpo", folder / "hpo_layperson_synonyms.tsv", read_hpo)] if with_hpo else []),
    ]
    for source, path, read in files:
        for concept in read(path):
            for text, share in concept.terms.items():
                for term in _coded(codeset, text, concept.codes or _codes_by_terms(concept, known), source):
                    yield term._replace(weight=term.weight * share)


def _codes_by_terms(concept: Concept, known: _KnownTerms) -> tuple[str, ...]:
    """Return the code of a concept that has none, from a term of its own that is known to mean one code."""
    codes = {code for text in concept.terms if not text.isupper() for code in known.codes_of(text)}
    return tuple(codes) if len(codes) == 1 else ()


def _coded(codeset: CodeSet, text: str, codes: Iterable[str], source: str) -> Iterator[Term]:
    billable = {codeset.default_billable(code) for code in codes if code in codeset} - {None}
    for code in sorted(filter(None, billable)):
        yield Term(text, code, source, WEIGHTS[source] / len(billable))


def bracket_forms(term: str) -> tuple[str, ...]:
    """Return a term as published and as read: without what stands in brackets, and an acronym in them alone.

    >>> bracket_forms("Gastro-esophageal reflux disease [GERD]")
    ('Gastro-esophageal reflux disease', 'GERD')
    """
    inner = _BRACKETED.findall(term)
    if not inner:
        return (term,)
    bare = _BRACKETED.sub("", term).strip(" ,")
    kept = [] if "[" in term else [" ".join(re.sub(r"[()]", " ", term).split())]
    acronyms = [text for text in inner if _ACRONYM.fullmatch(text) and term.rstrip("])").endswith(text)]
    return tuple(dict.fromkeys(form for form in (bare, *kept, *acronyms) if form))


def main(arguments: list[str]) -> None:
    """Print how many pairs each source gives, and of how many codes."""
    terms = list(stream_terms(CodeSet.load(), Path(arguments[0]) if arguments else None, with_hpo=True))
    codes: dict[str, set[str]] = defaultdict(set)
    for term in terms:
        codes[term.source].add(term.code)
    for source, n_pairs in count_sources(terms).items():
        sys.stdout.write(f"{source:13}{n_pairs:>8} pairs{len(codes[source]):>8} codes\n")
    sys.stdout.write(f"{'all':13}{len(terms):>8} pairs{len({term.code for term in terms}):>8} codes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
