"""Document codes of CodiEsp's English cases by a checkpoint, its phrases grown by the training cases.

python benchmarks/codiesp_english.py DATA CHECKPOINT

DATA holds ``codiesp/`` and ``lexicons/``. The Spanish evidence of the training cases is projected to English; its words
and codes join what the checkpoint knows, and the ranker is fitted anew on its mentions, each case's own share left out;
the network stays as it is. 80 training cases are left out of that: they calibrate the ranker and choose the score from
which a code is predicted. Codes of 2018 are carried to the checkpoint's release.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from detect_icd10cm.metrics.codes import score_codes
from detect_icd10cm.metrics.codiesp import score_codiesp_ranking
from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.model.load import load_model
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.types import AnnotatedNote, Assertion
from training.calibrate import calibrate_ranker
from training.data import read_codiesp_english
from training.finetune import grow_linker
from training.measure import detect_notes, held_choices
from training.rank import fit_ranker
from training.settings import RankSettings
from training.terms import stream_terms

# CodiEsp codes findings whatever is said of them; how often each kind is coded, chosen on the cases left out.
WEIGHTS: Mapping[Assertion, float] = {
    "present": 1.0, "possible": 0.9, "historical": 0.8, "absent": 0.6, "hypothetical": 0.6, "family": 0.5,
}  # fmt: skip
N_CHOOSING = 80
N_CANDIDATES = 5
RANK, SEED = RankSettings(members=2, epochs=12), 7
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(2, 16))

Scores = dict[str, dict[str, float]]


def score_documents(model: TrainedModel, notes: Sequence[AnnotatedNote]) -> Scores:
    """Return the probability of each code of each case: that one at least of its mentions means it."""
    scores: Scores = {}
    for note, mentions in detect_notes(model, notes):
        missed: dict[str, float] = {}
        for mention in mentions:
            for candidate in mention.candidates[:N_CANDIDATES]:
                share = candidate.score * WEIGHTS[mention.assertion]
                missed[candidate.code] = missed.get(candidate.code, 1.0) * (1.0 - share)
        scores[note.note.note_id] = {code: 1.0 - left for code, left in missed.items()}
    return scores


def count(scores: Scores, gold: Mapping[str, Collection[str]], threshold: float) -> PRF:
    """Return the counts of the codes from a score on."""
    chosen = {case: {code for code, score in own.items() if score >= threshold} for case, own in scores.items()}
    return sum((score_codes(gold[case], codes) for case, codes in chosen.items()), PRF())


def main() -> None:
    """Print the threshold, micro-F1 and MAP."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkpoint", type=Path)
    arguments = parser.parse_args()
    data: Path = arguments.data
    model = load_model(arguments.checkpoint)
    terms = list(stream_terms(model.codeset, data))
    train = sorted(read_codiesp_english(data / "codiesp" / "train", model.codeset, terms), key=lambda n: n.note.note_id)
    dev = list(read_codiesp_english(data / "codiesp" / "dev", model.codeset, terms))
    random.Random(0).shuffle(train)  # noqa: S311 - no secret
    choosing, rest = train[:N_CHOOSING], train[N_CHOOSING:]
    gold = {note.note.note_id: note.codes for note in [*train, *dev]}

    partly = model.with_linker(grow_linker(model.linker, model.codeset, rest))
    ranker = calibrate_ranker(fit_ranker(held_choices(partly, rest), RANK, SEED), held_choices(partly, choosing))
    held = score_documents(partly.with_linker(replace(partly.linker, ranker=ranker)), choosing)
    threshold = max(THRESHOLDS, key=lambda t: count(held, gold, t).f1)
    whole = replace(grow_linker(model.linker, model.codeset, train), ranker=ranker)
    scores = score_documents(model.with_linker(whole), dev)
    ranked = {case: sorted(own, key=lambda code: (-own[code], code)) for case, own in scores.items()}
    mean = score_codiesp_ranking({case: gold[case] for case in scores}, ranked)
    result = count(scores, gold, threshold)
    print(f"threshold {threshold}, chosen on {len(choosing)} training cases")
    print(f"{len(dev)} cases: micro-F1 {result.f1:.3f} (precision {result.precision:.3f}, recall {result.recall:.3f})")
    print(f"MAP {mean.official:.3f} over cases with a prediction, {mean.all_cases:.3f} over all")


if __name__ == "__main__":
    main()
