"""A tiny encoder, a handful of invented notes and a run that trains on them in seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from detect_icd10cm.types import AnnotatedNote, Mention, Note

RELEASE = "2023-10"
ORDER_FILE = Path(__file__).parent / "data" / "codes" / "icd10cm_order_2024.txt"

MARKED = (
    "HPI: She has {type 2 diabetes mellitus|E11.9|present} and {multiple sclerosis|G35|present}.",
    "ASSESSMENT: {Multiple sclerosis|G35|present}, stable. No {cholera|A00.9|absent}.",
    "PAST MEDICAL HISTORY: {Type 2 diabetes|E11.9|present}.\nFAMILY HISTORY: Mother with {cholera|A00.9|family}.",
    "IMPRESSION: Possible {brain metastasis|C79.31|possible}. {Type 2 diabetes mellitus|E11.9|present}.",
    "HPI: {Dog bite|W54.0XXA|present} with {injury|T14.8XXA|present}. Denies {cholera|A00.9|absent}.",
    "PLAN: Return if {cholera|A00.9|hypothetical}. {Multiple sclerosis|G35|present} is followed by neurology.",
    "ASSESSMENT: {Diabetic neuropathy|E11.40|present} in {type 2 diabetes|E11.9|present}.",
    "HISTORY: {Brain cancer|C71.9|historical}, treated. {Multiple sclerosis|G35|present}.",
)
_MARK = re.compile(r"\{([^|}]+)\|([^|}]+)\|([^}]+)\}")


def parse_marked(note_id: str, marked: str) -> AnnotatedNote:
    """Return the note that a text with {mention|code|assertion} marks says."""
    text, mentions, at = "", [], 0
    for match in _MARK.finditer(marked):
        text += marked[at : match.start()]
        words, code, assertion = match.groups()
        kind = "cause" if code[0] in "VWXY" else "diagnosis"
        mentions.append(Mention(len(text), len(text) + len(words), words, kind, assertion, code))  # type: ignore[arg-type]
        text += words
        at = match.end()
    return AnnotatedNote(Note(note_id, text + marked[at:]), tuple(mentions))


def make_notes() -> list[AnnotatedNote]:
    """Return the invented notes with their labels."""
    return [parse_marked(f"tiny-{i}", marked) for i, marked in enumerate(MARKED)]


def write_notes(path: Path, notes: list[AnnotatedNote]) -> Path:
    """Write labelled notes as JSON Lines."""
    fields = ("start", "end", "code", "assertion", "kind")
    records = [
        {
            "note_id": note.note.note_id,
            "text": note.note.text,
            "mentions": [{name: getattr(mention, name) for name in fields} for mention in note.mentions],
        }
        for note in notes
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def make_encoder(folder: Path) -> Path:
    """Write an untrained encoder of two layers, 32 wide, with a tokenizer of the notes' words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    words = sorted({word for note in make_notes() for word in re.findall(r"\w+|[^\w\s]", note.note.text.lower())})
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocabulary += [word for word in words if word not in vocabulary]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    return folder


def write_settings(folder: Path, **changes: Any) -> Path:
    """Write the settings of a run on the notes and the encoder in a folder."""
    settings: dict[str, Any] = {
        "output": "run",
        "encoder": "encoder",
        "name": "tiny",
        "release": RELEASE,
        "data": {"train": ["train.jsonl"], "dev": []},
        "network": {"term_dim": 16, "hidden_dim": 32, "window": 24, "margin": 4, "frozen_layers": 0},
        "adapt": {"steps": 2, "pairs": 8},
        "joint": {
            "epochs": 60,
            "held_out_epochs": 8,
            "notes": 2,
            "terms": 4,
            "precision": "no",
            "learning_rate": 0.003,
        },
        "tagger": {"epochs": 6, "dim": 8, "width": 8},
        "rank": {"epochs": 30},
        **changes,
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path
