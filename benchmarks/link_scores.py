"""The `scores` of detect_icd10cm/codes/linking.yaml: how often the lexicon's code is right, by evidence.

python benchmarks/link_scores.py annotated_notes/train.jsonl

A mention is right where it overlaps a labelled one of the same code, paired one to one. Where there are few mentions
of a sort, the figure leans towards that of all: it counts as if _PRIOR more had been seen.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.linking import evidence_of
from detect_icd10cm.metrics.spans import match_spans
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.notes.gold import read_gold
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import KINDS

_PRIOR = 5
_TOLD = ("plain", "plain absent", "vague", "vague absent")


def main() -> None:
    """Measure and print YAML."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gold", type=Path)
    seen, right = count(parser.parse_args().gold)
    overall = right.total() / seen.total()
    for origin in ("synonym", "code set"):
        print(f"  {origin}:")
        for kind in KINDS:
            keys = {told: (origin, kind, told) for told in _TOLD}
            scores = {told: (right[key] + _PRIOR * overall) / (seen[key] + _PRIOR) for told, key in keys.items()}
            print(f"    {kind}: {{{', '.join(f'{told}: {score:.2f}' for told, score in scores.items())}}}")


def count(gold: Path) -> tuple[Counter[tuple[str, str, str]], Counter[tuple[str, str, str]]]:
    """Return how many mentions of each sort there are, and how many of them are right."""
    seen, right = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    model = LexiconModel(CodeSet.load())
    for annotated in read_gold(gold):
        document = Document(annotated.note.text)
        matches, mentions = model.find(document), model.detect(document)
        partners = {p: annotated.mentions[g] for g, p in match_spans(annotated.mentions, mentions)}
        for i, (match, mention) in enumerate(zip(matches, mentions, strict=True)):
            origin, told = evidence_of(match, mention.assertion, mention.title)
            key = (origin, mention.kind, told)
            seen[key] += 1
            right[key] += i in partners and partners[i].code == mention.code
    return seen, right


if __name__ == "__main__":
    main()
