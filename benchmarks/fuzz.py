"""Mutate notes, detect them, and hold the ids that come back against those that went in.

    python benchmarks/fuzz.py NOTES [--inputs 100000] [--model lexicon] [--workers N] [--seed 0]

NOTES is JSON Lines with `text`. Each input is a piece of a note, cut, doubled, shuffled and salted with characters
that break programs; files of them go the whole way from the reader to the output. Every id must come back once, as a
result or as a reject, and a reject must be the reader's, with its reason: one that could not be processed is a failure.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from detect_icd10cm import Detector, ParallelDetector, read_notes, write_results

# At these, tokens, lines, offsets and patterns go wrong: NUL, halves of pairs, marks of direction and of byte order,
# joiners, combining marks, letters whose case changes their length, breaks of every kind, digits of other scripts.
ODD = [
    *"\0\ud800\udfff\ufeff\u200b\u200d\u202e\u0301\u0345İßŉΐǰ\u2028\u2029\x0b\x0c\x1c\x85\r\t\n\"'\\{}[]()<>|;,:.-–—%/",
    *"\u00a0٣³½Ⅳ𝟗\U0001f9ec\U000e0041",
    *("\r\n", "\n\n\n", "no ", " denies ", "h/o ", " vs. ", "ASSESSMENT:", "1. ", " - ", "E11.9", "left ", "9" * 14),
]
PIECE = 600
FILE_NOTES = 5000
UNPROCESSED = "could not be processed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz and tell; the exit code is 1 if a note was lost, came twice, or could not be processed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--model", default="lexicon")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    texts = [record["text"] for record in records_of(asked.notes)]
    chance = random.Random(asked.seed)  # noqa: S311 - no secret
    load = partial(Detector.from_pretrained, asked.model)
    counts: Counter[str] = Counter()
    begin = time.monotonic()
    with ParallelDetector(load, workers=asked.workers, timeout=60) as detector:
        for first in range(0, asked.inputs, FILE_NOTES):
            given = {
                f"n{i}": mutate(chance.choice(texts), chance.choice(texts), chance)
                for i in range(first, min(first + FILE_NOTES, asked.inputs))
            }
            counts += detect_and_compare(given, detector)
            print(f"{first + len(given):,} inputs, {counts['lost']} lost", flush=True)
    for outcome, n in counts.most_common():
        print(f"{n:>8,}  {outcome}")
    failed = sum(n for outcome, n in counts.items() if outcome in ("lost", "twice") or UNPROCESSED in outcome)
    print(f"{asked.inputs:,} inputs in {time.monotonic() - begin:.0f} s, {failed} failures")
    return int(failed > 0)


def mutate(text: str, other: str, chance: random.Random) -> str:
    """Return a piece of a text after one to eight changes."""
    at = chance.randrange(len(text))
    piece = text[at : at + chance.randrange(1, PIECE)]
    for _ in range(chance.randint(1, 8)):
        low, high = sorted(chance.randrange(len(piece) + 1) for _ in range(2))
        odd = chance.choice(ODD)
        inner = piece[low:high]
        inner = chance.choice(
            (
                odd + inner,
                odd * chance.choice((2, 50)) + inner,
                "",
                inner * 3,
                inner[::-1],
                inner.swapcase(),
                "".join(chance.sample(inner.split(" "), len(inner.split(" ")))),
                re.sub(r"\s", lambda _: odd, inner),  # noqa: B023 - called at once
                other[low:high],
            )
        )
        piece = (piece[:low] + inner + piece[high:])[: 10 * PIECE]
    return piece


def detect_and_compare(given: dict[str, str], detector: Detector | ParallelDetector) -> Counter[str]:
    """Detect notes by way of files, and count what became of each id."""
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "notes.jsonl"), Path(folder, "out.jsonl")
        lines = [json.dumps({"note_id": note_id, "text": text}) + "\n" for note_id, text in given.items()]
        source.write_text("".join(lines), "utf-8")
        done = write_results(detector.stream(read_notes(source)), output)
        results = list(records_of(output))
        rejects = list(records_of(done.rejects_path)) if done.rejects_path else []
    return count_outcomes(given, results, rejects)


def count_outcomes(
    given: dict[str, str], results: Sequence[dict[str, Any]], rejects: Sequence[dict[str, Any]]
) -> Counter[str]:
    """Return how many ids came back as a result, as rejects of each reason, twice, or not at all."""
    counts = Counter(f"rejected: {re.sub(r'[0-9][0-9,]*', 'N', reject['reason'])}" for reject in rejects)
    for result in results:
        text = given[result["note_id"]]
        is_true = all(text[m["start"] : m["end"]] == m["text"] for m in result["mentions"])
        counts["result" if is_true else f"{UNPROCESSED}: wrong offsets"] += 1
    times = Counter(record["note_id"] for record in (*results, *rejects))
    counts["lost"] = len(given.keys() - times.keys())
    counts["twice"] = sum(n > 1 for n in times.values())
    return counts


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of JSON Lines."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    sys.exit(main())
