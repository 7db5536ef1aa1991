"""``MODEL_CARD.md`` of a checkpoint, written from its own settings and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from detect_icd10cm.model.checkpoint import METRICS, read_config

_FIGURES = {
    "overlap_f1": "Mention F1, spans that overlap",
    "exact_f1": "Mention F1, exact spans",
    "category_f1": "Mention and category (3 characters) F1",
    "code_f1": "Mention and code F1",
    "assertion_accuracy": "Assertion accuracy on matched mentions",
    "code_accuracy": "Code accuracy on annotated mentions",
    "code_accuracy_seen": "... codes that training notes have",
    "code_accuracy_unseen": "... codes that no training note has",
    "top5_accuracy": "Right code among five candidates",
    "assertion_macro_f1": "Assertion macro-F1",
    "calibration_error": "Expected calibration error of the code score",
}


def write_model_card(folder: Path) -> Path:
    """Write the card into a checkpoint folder and return its path."""
    config = read_config(folder)
    record = json.loads((folder / METRICS).read_text("utf-8"))
    path = folder / "MODEL_CARD.md"
    path.write_text(_card(config, record), "utf-8")
    return path


def _card(config: dict[str, Any], record: dict[str, Any]) -> str:
    settings, dev = record["settings"], record.get("dev", {})
    figures = "\n".join(f"| {label} | {dev[name]:.3f} |" for name, label in _FIGURES.items() if name in dev)
    labels = (("notes", "for training"), ("held", "held out"))
    sizes = ", ".join(f"{record[key]} {label}" for key, label in labels if key in record)
    encoder, start = config["encoder"], settings.get("encoder", "the base checkpoint")
    return f"""# {config["name"]}

Finds diagnoses, symptoms, status and external causes in English clinical notes and gives each an assertion and ranked
ICD-10-CM codes of release {config["release"]}.

## Model
- Encoder: {encoder["model_type"]}, {encoder["num_hidden_layers"]} layers of width {encoder["hidden_size"]},
  started from `{start}` (all-MiniLM-L6-v2 is Apache-2.0).
- Heads: spans (begin, inside, outside, mixed with a tagger over hashed words, share {config["tagger_share"]}; both read
  where the lexicon finds terms),
  assertion (the cue rules' answer weighs {config["rule_weight"]}), kind, and a code head that compares a mention with
  {config["n_terms"]} terms of all billable codes. A ranker weighs that with what the lexicon links the words to, and
  what training mentions, terms, sides, sections and the note's other findings say; its scores are calibrated.
- Licence: Apache-2.0, as the package.

## Data
- {f"Notes: {sizes}. " if sizes else ""}Those of the base recipe are 2,161 notes of MTSamples, public samples with names
  changed, and 207 of ACI-Bench (CC BY 4.0). **Silver labels**: large language models annotated them once by a written
  guide, 372 before and 1,996 for this checkpoint; offsets and codes were checked by machine, no human coder reviewed
  them.
- Terms: ICD-10-CM titles, inclusion terms and Neoplasm Table (US public domain), our own synonyms (Apache-2.0), Disease
  Ontology (CC0), NCIt and Mondo (CC BY 4.0), abbreviation senses of Vanderbilt and Stetson et al. (CC BY 4.0).

## Figures
On notes that were not trained on; thresholds and calibration were chosen on them:

| what | value |
|---|---|
{figures}

## Intended use
Reading notes for research, quality work and as a first proposal to a professional coder, offline. Each code has a
calibrated score and a decision to accept or review.

## Limits
- Not a medical device; no claim may be sent on its word alone.
- Trained on transcribed US notes of one collection; other styles, languages and abbreviations will do worse.
- Figures are against silver labels, so they measure agreement with one annotator that is itself not always right. Two
  annotations of the same notes agree at 0.95 (mentions, by overlap) and 0.86 (mentions and codes).
- A code that no training note has is found far less often than one that many have.
- The table of known phrases holds words of the training mentions as hashes, never whole notes.
"""
