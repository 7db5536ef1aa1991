"""Fine-tune a checkpoint on your own labelled notes.

``python -m training.finetune configs/finetune.yaml --train mine.jsonl --output my-model`` checks the notes first and
reports what is wrong with line numbers; then the words and codes of the training mentions join the checkpoint's own,
all heads go on learning, and thresholds are chosen on a part of the notes that is held out.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.checkpoint import TOKENIZER, Linker, load_codeset, load_linker, read_config
from detect_icd10cm.model.gazetteer import GazetteerBuilder
from detect_icd10cm.model.inputs import Pieces
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.load import BASE_FOLDER, load_network
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.notes.gold import GoldIssue
from detect_icd10cm.notes.gold.audit import audit_codes
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import AnnotatedNote
from training.assemble import count_categories, learn_mentions
from training.calibrate import calibrate_ranker, choices_of, choose_thresholds, link_gold
from training.data import read_training_notes
from training.examples import ExampleMaker
from training.joint import TrainingData, train_joint
from training.measure import held_choices, load_choices, measure, save_choices
from training.overlap import refuse_overlap
from training.rank import fit_ranker
from training.restore import wrap_network
from training.settings import FinetuneSettings, read_finetune_settings
from training.tagger import embeddings_of, tag_note, train_tagger
from training.write import write_checkpoint

# Fewer held-out mentions than this say too little to calibrate on; the checkpoint's own calibration stays.
_MIN_TO_CALIBRATE = 200
# Fewer mentions left out of the first epochs than this don't make a better ranker than the checkpoint's own.
_MIN_TO_RANK = 1000


def finetune(
    settings: FinetuneSettings, notes: Sequence[AnnotatedNote], output: Path, base: Path = BASE_FOLDER
) -> Path:
    """Write a checkpoint that has learned from notes too and return its folder.

    Args:
        settings: The run.
        notes: Labelled notes, their codes of the checkpoint's release.
        output: Folder of the run; the checkpoint is ``checkpoint`` in it.
        base: The checkpoint to start from; the packaged one by default.

    Raises:
        ModelError: If the base is no checkpoint, or there are too few notes to hold one out.
    """
    config = read_config(base)
    codeset = load_codeset(base, config)
    held, kept = split_notes(notes, settings)
    output.mkdir(parents=True, exist_ok=True)
    model = load_network(base)
    tokenizer = Tokenizer.from_file(str(base / TOKENIZER))
    linker = grow_linker(load_linker(base, codeset.billable_codes()), codeset, kept)
    lexicon = LexiconModel(codeset)
    maker = ExampleMaker(lexicon, linker.gazetteer, Pieces(tokenizer, model.config.newline_id), model.config)
    examples = [maker.from_note(note, own=True) for note in kept]
    if linker.tagger is not None and settings.tagger.epochs:
        table, pairs = embeddings_of(model), zip(kept, examples, strict=True)
        tagged = [tag_note(Document(note.note.text), example, table) for note, example in pairs]
        tagger = train_tagger(tagged, settings.tagger, settings.seed, lambda *_: None, start=linker.tagger)
        linker = dataclasses.replace(linker, tagger=tagger)
    name = settings.name or f"{config['name']}-finetuned"

    def wrap(trained: DetectModel) -> TrainedModel:
        return wrap_network(copy.deepcopy(trained), lexicon, linker, tokenizer, name)

    n_later = round(settings.joint.held_out * len(kept)) if settings.joint.held_out_epochs else 0
    data = TrainingData(examples[n_later:], examples, [], [])
    path = output / "choices.npz"

    def evaluate(trained: DetectModel) -> dict[str, float]:
        return measure(wrap(trained), held)

    def note_choices(trained: DetectModel) -> None:
        save_choices(path, held_choices(wrap(trained), kept[:n_later]))

    train_joint(
        model, data, maker, settings.joint, output, settings.seed, evaluate, note_choices if n_later else None, _say
    )
    later = load_choices(path) if n_later else []
    if len(later) >= _MIN_TO_RANK:
        linker = dataclasses.replace(linker, ranker=fit_ranker(later, settings.rank, settings.seed))
    model.config.name = name
    chosen = choose_thresholds(wrap(model), held)
    model.config.update(chosen.settings)
    choices = choices_of(link_gold(wrap(model), held))
    if len(choices) >= _MIN_TO_CALIBRATE:
        linker = dataclasses.replace(linker, ranker=calibrate_ranker(linker.ranker, choices))
    folder = output / "checkpoint"
    record = {"settings": dataclasses.asdict(settings), "notes": len(kept), "held": len(held)}
    record["dev"] = measure(wrap(model), held)
    write_checkpoint(folder, model, tokenizer, linker, record)
    return folder


def split_notes(
    notes: Sequence[AnnotatedNote], settings: FinetuneSettings
) -> tuple[list[AnnotatedNote], list[AnnotatedNote]]:
    """Return the notes that choose the thresholds, and those that are learned from.

    Raises:
        ModelError: If there are too few.
    """
    shuffled = list(notes)
    random.Random(settings.seed).shuffle(shuffled)  # noqa: S311 - no secret
    n_held = max(1, round(settings.held_out * len(shuffled)))
    if n_held >= len(shuffled):
        raise ModelError(f"found {len(notes)} labelled notes, expected two at least: one chooses the thresholds")
    return shuffled[:n_held], shuffled[n_held:]


def grow_linker(linker: Linker, codeset: CodeSet, notes: Sequence[AnnotatedNote]) -> Linker:
    """Return what a checkpoint knows with the mentions of notes added."""
    gazetteer = learn_mentions(GazetteerBuilder.of(linker.gazetteer), notes)
    counted = Counter(linker.priors.codes)
    counted.update(mention.code for note in notes for mention in note.mentions if codeset.is_billable(mention.code))
    priors = dataclasses.replace(linker.priors, codes=dict(counted), categories=count_categories(counted))
    return dataclasses.replace(linker, gazetteer=gazetteer, priors=priors)


def check_notes(path: Path, codeset: CodeSet) -> tuple[list[AnnotatedNote], list[GoldIssue]]:
    """Return the usable notes of a labelled file and what is wrong with the rest of it.

    Raises:
        NoteError: If the file as a whole can't be read.
    """
    issues: list[GoldIssue] = []
    notes = list(read_training_notes(path, codeset, issues))
    issues += audit_codes(notes, codeset)
    return notes, issues


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Fine-tune from a YAML file and labelled notes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="settings, such as configs/finetune.yaml")
    parser.add_argument("--train", type=Path, required=True, help="JSONL, CodiEsp TSV, MDACE JSON, BRAT folder or CSV")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--test", type=Path, help="labelled notes that the model will be measured on: none may be in --train"
    )
    parser.add_argument("--start", type=Path, default=BASE_FOLDER, help="checkpoint to start from; the packaged one")
    options = parser.parse_args(arguments)
    settings = read_finetune_settings(options.config)
    codeset = load_codeset(options.start, read_config(options.start))
    notes, issues = check_notes(options.train, codeset)
    for issue in issues:
        _say(f"{options.train.name}: {issue}")
    if options.test:
        test = read_training_notes(options.test, codeset, [])
        refuse_overlap((one.note for one in notes), (one.note for one in test))
    folder = finetune(settings, notes, options.output, options.start)
    _say(f"{folder}: written, trained on {len(notes)} notes")
    return folder


if __name__ == "__main__":
    main()
