"""medSpaCy's side of the comparisons, run by a Python that has medSpaCy.

medSpaCy needs spaCy below 3.8 and so numpy below 2, which this project's other packages have left behind: it lives in
an environment of its own, and this file imports nothing else that is not in it. It reads JSON Lines and prints one JSON
object. Sentences are cut by ``pyrush``, medSpaCy's default, or by ``spacy``, the much faster sentencizer of spaCy.

    python3 -m venv .venv-peer && .venv-peer/bin/pip install 'medspacy>=1.3,<2' 'numpy<2'
    .venv-peer/bin/python benchmarks/medspacy_peer.py assert pyrush SPANS.jsonl
    .venv-peer/bin/python benchmarks/medspacy_peer.py detect pyrush NOTES.jsonl TERMS.tsv
    .venv-peer/bin/python benchmarks/medspacy_peer.py match spacy NOTES.jsonl TERMS.tsv
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Where several of ConText's categories modify a finding, the first of these decides, as in this project.
CATEGORIES = {
    "HYPOTHETICAL": "hypothetical",
    "FAMILY": "family",
    "NEGATED_EXISTENCE": "absent",
    "POSSIBLE_EXISTENCE": "possible",
    "HISTORICAL": "historical",
}
TARGETS = "medspacy_spans"
SPLITTERS = ("pyrush", "spacy")


def main(command: str, splitter: str, *paths: str) -> None:
    """Run one command and print its result."""
    started = time.perf_counter()
    try:
        import medspacy
        from loguru import logger
    except ImportError as error:
        raise SystemExit(f"{error}; run this file with a Python that has medSpaCy, see its head") from None
    logger.remove()  # PyRuSH logs every sentence, text and all: it would cost time, and note text stays out of logs
    commands: dict[str, Callable[..., dict[str, Any]]] = {"assert": assert_spans, "detect": detect, "match": match}
    if command not in commands or splitter not in SPLITTERS:
        raise SystemExit(f"found {command} {splitter}, expected one of {list(commands)} and one of {list(SPLITTERS)}")
    print(json.dumps(commands[command](load(medspacy, splitter), started, *(Path(path) for path in paths))))


def load(medspacy: Any, splitter: str) -> Any:
    """Return medSpaCy's default pipeline without its matcher and context: tokens and sentences."""
    parts = {"medspacy_tokenizer", "medspacy_pyrush"} if splitter == "pyrush" else {"medspacy_tokenizer"}
    nlp = medspacy.load(medspacy_enable=parts)
    if splitter == "spacy":
        nlp.add_pipe("sentencizer")
    return nlp


def assert_spans(nlp: Any, _started: float, spans_path: Path) -> dict[str, Any]:
    """Assert given spans with ConText's default rules, from the text on: tokens, sentences, context."""
    (_, sentences), *_ = nlp.pipeline
    context = nlp.add_pipe("medspacy_context", config={"input_span_type": "group", "span_group_name": TARGETS})
    assertions = []
    records = read_lines(spans_path)
    begun = time.process_time()
    for record in records:
        doc = nlp.make_doc(record["text"])
        spans = [doc.char_span(start, end, "FINDING", alignment_mode="expand") for start, end in record["spans"]]
        doc.spans[TARGETS] = spans
        doc = context(sentences(doc))
        assertions.append([assertion_of(span._.modifiers) for span in doc.spans[TARGETS]])
    return {"cpu_s": time.process_time() - begun, "assertions": assertions}


def detect(nlp: Any, started: float, notes_path: Path, terms_path: Path) -> dict[str, Any]:
    """Find terms with the target matcher and assert them with ConText's default rules."""
    from medspacy.target_matcher import TargetRule

    nlp.add_pipe("medspacy_target_matcher").add([TargetRule(term, code) for term, code in read_terms(terms_path)])
    nlp.add_pipe("medspacy_context")
    return take_time(lambda text: [assertion_of(span._.modifiers) for span in nlp(text).ents], started, notes_path)


def match(_nlp: Any, started: float, notes_path: Path, terms_path: Path) -> dict[str, Any]:
    """Find terms with spaCy's PhraseMatcher, which asserts nothing."""
    import spacy
    from spacy.matcher import PhraseMatcher

    nlp = spacy.blank("en")
    matcher = PhraseMatcher(nlp.vocab, attr="LOWER")
    for term, code in read_terms(terms_path):
        matcher.add(code, [nlp.make_doc(term)])
    return take_time(lambda text: spacy.util.filter_spans(matcher(nlp(text), as_spans=True)), started, notes_path)


def take_time(find: Callable[[str], list[Any]], started: float, notes_path: Path) -> dict[str, Any]:
    """Find mentions in each note, once warm, and return times, memory and their number."""
    records = read_lines(notes_path)
    find("Warm-up.")
    load_s = time.perf_counter() - started
    begun, cpu_begun = time.perf_counter(), time.process_time()
    n_mentions = sum(len(find(record["text"])) for record in records)
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
    return {"load_s": load_s, "wall_s": wall_s, "cpu_s": cpu_s, "n_mentions": n_mentions, **memory()}


def read_terms(path: Path) -> list[list[str]]:
    """Return pairs of a term and its code."""
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def assertion_of(modifiers: Any) -> str:
    """Return this project's assertion for the modifiers that ConText found."""
    found = {modifier.category for modifier in modifiers}
    return next((said for category, said in CATEGORIES.items() if category in found), "present")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def memory() -> dict[str, float]:
    """Return the most memory that this process has held, in MB."""
    return {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
