"""The official metrics of CodiEsp (CLEF eHealth 2020), from the task's published description.

Source: https://temu.bsc.es/codiesp/index.php/2019/09/19/evaluation/ and the README of the task's evaluation script.

D and P are scored by mean average precision over the cases that have a prediction, X by the micro-averaged precision,
recall and F1 of the codes of each case: a code is correct where one of its predicted spans holds one of its gold
references and stands out at most 10 characters on either side. A discontinuous reference reaches from the start of its
first listed piece to the end of its last. A code counts once for each case, however often it stands there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from detect_icd10cm.metrics.spans import CODIESP_TOLERANCE, PRF

Evidence = tuple[str, str, int, int]
"""A case, a code, and where its reference starts and ends."""


@dataclass(frozen=True, slots=True)
class CodiespMap:
    """Mean average precision: over the gold cases that have a prediction (official), and over all gold cases."""

    official: float
    all_cases: float
    n_predicted: int
    n_cases: int


def score_codiesp_ranking(
    gold: Mapping[str, Iterable[str]],
    ranked: Mapping[str, Sequence[str]],
    valid_codes: Collection[str] | None = None,
) -> CodiespMap:
    """Score ranked codes as sub-tracks D and P do.

    Args:
        gold: The codes of each case; repeated ones count once.
        ranked: The predicted codes of each case, best first; a code's first place counts.
        valid_codes: The task's list of codes: predicted codes that are not in it are passed over.
    """
    precisions = []
    for case, codes in gold.items():
        relevant = set(codes)
        listed = dict.fromkeys(ranked.get(case, ()))
        retrieved = [code for code in listed if valid_codes is None or code in valid_codes]
        if retrieved and relevant:
            precisions.append(_average_precision(relevant, retrieved))
    n_cases = sum(1 for codes in gold.values() if set(codes))
    total = sum(sorted(precisions))
    return CodiespMap(
        official=total / len(precisions) if precisions else 0.0,
        all_cases=total / n_cases if n_cases else 0.0,
        n_predicted=len(precisions),
        n_cases=n_cases,
    )


def _average_precision(relevant: set[str], retrieved: Sequence[str]) -> float:
    hits, total = 0, 0.0
    for rank, code in enumerate(retrieved, start=1):
        if code in relevant:
            hits += 1
            total += hits / rank
    return total / len(relevant)


def score_codiesp_evidence(
    gold: Iterable[Evidence], pred: Iterable[Evidence], valid_codes: Collection[str] | None = None
) -> PRF:
    """Score codes with their references as sub-track X does; diagnoses and procedures count alike."""
    references: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for case, code, start, end in gold:
        references.setdefault((case, code), []).append((start, end))
    predicted: dict[tuple[str, str], bool] = {}
    for case, code, start, end in pred:
        if valid_codes is None or code in valid_codes:
            key = (case, code)
            held = any(
                0 <= gold_start - start <= CODIESP_TOLERANCE and 0 <= end - gold_end <= CODIESP_TOLERANCE
                for gold_start, gold_end in references.get(key, ())
            )
            predicted[key] = predicted.get(key, False) or held
    return PRF(sum(predicted.values()), len(predicted), len(references))
