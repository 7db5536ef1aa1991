"""Assertion by this project's cues against medSpaCy's ConText with its default rules, on annotated notes.

    python benchmarks/context_medspacy.py PATH/annotated_notes/dev.jsonl --peer .venv-peer/bin/python

Both get the same spans: those of the gold mentions, and those of the detector's mentions that match one. This project's
rules also use the code that the lexicon gives a span ("history of" a condition that heals says that it is over);
a gold mention that the lexicon does not find comes without one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.metrics.spans import match_spans
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.text.assertion import AssertionRules
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, Mention

PEER = Path(__file__).with_name("medspacy_peer.py")


class Task(NamedTuple):
    """One note's text, the spans to assert as (start, end, code), and their gold assertions."""

    text: str
    spans: list[tuple[int, int, str]]
    gold: list[str]


def read_tasks(path: Path) -> dict[str, list[Task]]:
    """Read annotated notes into two lists of tasks: on the gold spans, and on matched mentions."""
    model = LexiconModel(CodeSet.load())
    tasks: dict[str, list[Task]] = {"gold spans": [], "matched mentions": []}
    for line in path.open(encoding="utf-8"):
        record = json.loads(line)
        gold = [Mention(**mention) for mention in record["mentions"]]
        found = model.detect(Document(record["text"]))
        pairs = dict(match_spans(gold, found))
        codes = [found[pairs[g]].code if g in pairs else "" for g in range(len(gold))]
        spans = [(m.start, m.end, code) for m, code in zip(gold, codes, strict=True)]
        tasks["gold spans"].append(Task(record["text"], spans, [m.assertion for m in gold]))
        matched = [(found[p].start, found[p].end, found[p].code) for p in pairs.values()]
        tasks["matched mentions"].append(Task(record["text"], matched, [gold[g].assertion for g in pairs]))
    return tasks


def assert_here(tasks: Sequence[Task]) -> tuple[list[str], float]:
    """Return this project's assertions, and the milliseconds a note that tokens, sections, sentences and cues take."""
    rules = AssertionRules.load()
    said = []
    begun = time.process_time()
    for task in tasks:
        said += [asserted.assertion for asserted in rules.assert_spans(Document(task.text), task.spans)]
    return said, 1000 * (time.process_time() - begun) / len(tasks)


def assert_by_peer(python: Path, splitter: str, tasks: Sequence[Task]) -> tuple[list[str], float]:
    """Return ConText's assertions, and the milliseconds a note that tokens, sentences and ConText take."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.jsonl"
        with path.open("w", encoding="utf-8") as stream:
            for task in tasks:
                stream.write(json.dumps({"text": task.text, "spans": [span[:2] for span in task.spans]}) + "\n")
        done = subprocess.run([python, PEER, "assert", splitter, path], stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return [said for note in result["assertions"] for said in note], 1000 * result["cpu_s"] / len(tasks)


def print_scores(system: str, gold: Sequence[str], said: Sequence[str], milliseconds: float) -> None:
    """Print accuracy, time, and precision and recall of each assertion."""
    pairs = Counter(zip(gold, said, strict=True))
    right = sum(pairs[assertion, assertion] for assertion in ASSERTIONS)
    cells = []
    for assertion in ASSERTIONS:
        hits = pairs[assertion, assertion]
        n_said = sum(count for (_, s), count in pairs.items() if s == assertion)
        n_gold = sum(count for (g, _), count in pairs.items() if g == assertion)
        cells.append(f"{hits / max(n_said, 1):.2f}/{hits / max(n_gold, 1):.2f}")
    print(f"{system:18} {right / len(gold):8.4f} {milliseconds:8.2f}  ", *(f"{cell:>12}" for cell in cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path, help="annotated notes, JSON Lines")
    parser.add_argument(
        "--peer", type=Path, help="a Python that has medSpaCy; without one only this project is measured"
    )
    arguments = parser.parse_args()
    for kind, tasks in read_tasks(arguments.gold).items():
        gold = [assertion for task in tasks for assertion in task.gold]
        print(f"\n{len(gold)} {kind} of {len(tasks)} notes; precision/recall of each assertion")
        print(f"{'':18} {'accuracy':>8} {'ms/note':>8}  ", *(f"{assertion:>12}" for assertion in ASSERTIONS))
        print_scores("detect-icd10cm", gold, *assert_here(tasks))
        for splitter in ("pyrush", "spacy") if arguments.peer else ():
            print_scores(f"ConText ({splitter})", gold, *assert_by_peer(arguments.peer, splitter, tasks))


if __name__ == "__main__":
    main()
