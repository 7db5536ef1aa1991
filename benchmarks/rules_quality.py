"""Quality and speed of the rules alone: gold mentions in, the note's codes and 64580's indications out.

python benchmarks/rules_quality.py PATH/annotated_notes/dev.jsonl [--errors]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.rules.indications import link_procedures
from detect_icd10cm.rules.procedures import load_procedures
from detect_icd10cm.rules.resolve import resolve_codes
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention

N_TIMED = 1000


def read_gold(path: Path) -> list[dict[str, Any]]:
    """Return the annotated notes, their mentions as records with the section that each stands in."""
    notes = [json.loads(line) for line in path.open(encoding="utf-8")]
    for note in notes:
        document = note["document"] = Document(note["text"])
        note["mentions"] = tuple(Mention(section=document.section_at(m["start"]), **m) for m in note["mentions"])
    return notes


def count(gold: Iterable[str], found: Iterable[str], counts: Counter[str]) -> None:
    """Add true positives, false positives and false negatives of one note."""
    gold, found = set(gold), set(found)
    counts.update(tp=len(gold & found), fp=len(found - gold), fn=len(gold - found))


def describe(name: str, counts: Counter[str]) -> str:
    """Return one line with precision, recall and F1."""
    tp, fp, fn = (counts[key] for key in ("tp", "fp", "fn"))
    precision, recall = tp / max(tp + fp, 1), tp / max(tp + fn, 1)
    return f"{name:16} P {precision:.3f}  R {recall:.3f}  F1 {2 * tp / max(2 * tp + fp + fn, 1):.3f}  ({tp} {fp} {fn})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", type=Path, help="annotated notes, JSON Lines")
    parser.add_argument("--procedure", default="64580")
    parser.add_argument("--errors", action="store_true", help="list the codes wrongly found and missed")
    arguments = parser.parse_args()
    notes, codeset, procedures = read_gold(arguments.gold), CodeSet.load(), load_procedures()
    codes_counts: Counter[str] = Counter()
    indication_counts: Counter[str] = Counter()
    first_right = 0
    for note in notes:
        codes = resolve_codes(note["mentions"], note["setting"], codeset, document=note["document"])
        linked = link_procedures(note["mentions"], codes, note["text"], procedures)
        count(note["codes"], [code.code for code in codes], codes_counts)
        first_right += bool(codes and note["codes"] and codes[0].code == note["codes"][0])
        supported = [i.indication for i in linked if i.procedure == arguments.procedure and i.status == "supported"]
        count(note[f"indications_{arguments.procedure}"], supported, indication_counts)
        if arguments.errors:
            print_errors(note, [code.code for code in codes], supported, arguments.procedure)
    print(f"{arguments.gold.name}: {len(notes)} notes")
    print(describe("codes", codes_counts))
    print(describe("indications", indication_counts))
    print(f"first-listed right in {first_right / len(notes):.3f}")
    start = time.process_time()
    for i in range(N_TIMED):
        note = notes[i % len(notes)]
        codes = resolve_codes(note["mentions"], note["setting"], codeset, document=note["document"])
        link_procedures(note["mentions"], codes, note["text"], procedures)
    print(f"{N_TIMED} notes resolved and linked in {time.process_time() - start:.2f} s of one core")


def print_errors(note: dict[str, Any], codes: list[str], supported: list[str], procedure: str) -> None:
    """Print what differs from the gold, by note id and code, never text."""
    gold = note["codes"]
    print(note["note_id"], note["setting"], "extra:", *(set(codes) - set(gold)), "| missed:", *(set(gold) - set(codes)))
    expected = note[f"indications_{procedure}"]
    if set(expected) != set(supported):
        print("   indications", expected, "found", supported)


if __name__ == "__main__":
    main()
