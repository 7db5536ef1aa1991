"""Train a checkpoint from labelled notes and terms: ``python -m training.train configs/base.yaml``.

The steps leave their results in the run's folder, and a run that was killed goes on from them:

1. terms of all codes; the encoder learns which of them mean the same (``adapted.safetensors``);
2. a vector for each term of the code head; phrases and counts from terms and training notes;
3. all heads together; after the first epochs, mentions of the notes left out, with their candidate codes
   (``choices.npz``);
4. the ranker on those mentions; thresholds and calibration on the development notes; the checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.checkpoint import Linker
from detect_icd10cm.model.inputs import Array, Pieces
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.model.tagger import Tagger
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import AnnotatedNote
from training.adapt import adapt_encoder, choose_terms, group_terms, make_embedder
from training.assemble import (
    build_gazetteer,
    count_priors,
    encode_terms,
    load_encoder,
    make_network,
    sided_siblings,
    weigh_terms,
)
from training.calibrate import calibrate
from training.data import read_training_notes
from training.examples import Example, ExampleMaker
from training.joint import TrainingData, train_joint
from training.measure import held_choices, load_choices, measure, save_choices
from training.overlap import refuse_overlap
from training.rank import Choice, fit_ranker, untrained_ranker
from training.restore import wrap_network
from training.settings import RunSettings, read_settings, resolve
from training.standoff import read_standoff
from training.tagger import embeddings_of, tag_note, train_tagger
from training.terms import Term, stream_terms
from training.write import write_checkpoint


def train(settings: RunSettings, base: Path) -> Path:
    """Run a training and return the folder of its checkpoint.

    Args:
        settings: The run.
        base: The settings file, from whose folder relative paths start.

    Raises:
        ModelError: If the encoder can't be used.
        NoteError: If a file of notes is not as expected, or a training note holds text of a development note.
    """
    started = time.monotonic()
    output = resolve(settings.output, base)
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    codeset = CodeSet.load(settings.release)
    folder = resolve(settings.data.folder, base) if settings.data.folder else None
    train_notes = _read(settings.data.train, base, codeset)
    if settings.data.standoff:
        if folder is None:
            raise ModelError("data: found standoff without folder, expected the folder that holds the notes' texts")
        for path in settings.data.standoff:
            train_notes += read_standoff(resolve(path, base), folder, codeset)
    dev_notes = _read(settings.data.dev, base, codeset)
    refuse_overlap((one.note for one in train_notes), (one.note for one in dev_notes))
    terms = list(stream_terms(codeset, folder))
    run = _Run(settings, base, output, codeset, terms, folder)
    model, tokenizer = run.start_network()
    gazetteer = build_gazetteer(codeset, terms, train_notes)
    linker = Linker(gazetteer, count_priors(codeset, train_notes), sided_siblings(codeset), untrained_ranker())
    choices = run.train_network(model, tokenizer, linker, train_notes, dev_notes)
    linker = dataclasses.replace(linker, ranker=fit_ranker(choices, settings.rank, settings.seed), tagger=run.tagger)
    checkpoint = run.finish(model, tokenizer, linker, dev_notes)
    _say(f"{checkpoint}: done in {(time.monotonic() - started) / 60:.1f} minutes")
    return checkpoint


class _Run:
    """The steps of one run; each leaves its result in the output folder and is passed over where it is there."""

    def __init__(
        self,
        settings: RunSettings,
        base: Path,
        output: Path,
        codeset: CodeSet,
        terms: Sequence[Term],
        folder: Path | None,
    ) -> None:
        self._settings = settings
        self._base = base
        self._output = output
        self._codeset = codeset
        self._lexicon = LexiconModel(codeset)
        self._terms = terms
        self._folder = folder
        self.tagger: Tagger | None = None

    def start_network(self) -> tuple[DetectModel, Tokenizer]:
        """Adapt the encoder to terms and return the untrained network around it, and its tokenizer."""
        settings = self._settings
        device = "cuda" if torch.cuda.is_available() else "cpu"
        encoder, tokenizer = load_encoder(settings.encoder, self._base, settings.network.layers)
        projection = nn.Linear(encoder.config.hidden_size, settings.network.term_dim, bias=False)  # type: ignore[union-attr, arg-type]
        encoder, projection = encoder.to(device), projection.to(device)
        embed = make_embedder(encoder, tokenizer, projection, settings.joint.precision)
        chosen = choose_terms(self._terms, self._codeset, settings.network.most_terms)
        path = self._output / "adapted.safetensors"
        whole = nn.ModuleDict({"encoder": encoder, "projection": projection})
        if path.exists():
            state = load_file(path)
            vectors = state.pop("vectors")
            whole.load_state_dict(state)
        else:
            for parameter in encoder.get_input_embeddings().parameters():  # type: ignore[operator, union-attr]
                parameter.requires_grad_(False)
            rng = random.Random(settings.seed)  # noqa: S311 - no secret
            with tqdm(total=settings.adapt.steps, desc="adapt", file=sys.stderr) as bar:
                adapt_encoder(
                    embed, [encoder, projection], group_terms(self._terms, self._folder), settings.adapt, rng,
                    lambda _, loss: _advance(bar, loss),
                )  # fmt: skip
            encoder.eval()
            vectors = encode_terms(embed, [text for text, _ in chosen])
            save_file({**whole.state_dict(), "vectors": vectors}, path)
        whole.to("cpu")
        model = make_network(encoder, tokenizer, projection, self._codeset, chosen, vectors, settings.network)
        model.config.name = settings.name
        return model, tokenizer.backend_tokenizer

    def train_network(
        self, model: DetectModel, tokenizer: Tokenizer, linker: Linker, train_notes: Sequence[AnnotatedNote],
        dev_notes: Sequence[AnnotatedNote],
    ) -> list[Choice]:  # fmt: skip
        """Train all heads and return the held-out mentions with their candidates."""
        settings = self._settings
        maker = ExampleMaker(self._lexicon, linker.gazetteer, Pieces(tokenizer, model.config.newline_id), model.config)
        notes = list(train_notes)
        random.Random(settings.seed).shuffle(notes)  # noqa: S311 - no secret
        n_held = round(settings.joint.held_out * len(notes))
        held, kept = notes[:n_held], notes[n_held:]
        kept_examples = [maker.from_note(note, own=True) for note in kept]
        held_examples = [maker.from_note(note, own=True) for note in held]
        pairs, weights = weigh_terms(self._terms, self._codeset)
        data = TrainingData(kept_examples, kept_examples + held_examples, pairs, weights)
        path = self._output / "choices.npz"

        def note_choices(trained: DetectModel) -> None:
            save_choices(path, held_choices(wrap_copy(trained), held))

        def wrap_copy(trained: DetectModel) -> TrainedModel:
            return wrap_network(copy.deepcopy(trained), self._lexicon, linker, tokenizer, settings.name)

        def evaluate(trained: DetectModel) -> dict[str, float]:
            return measure(wrap_copy(trained), dev_notes)

        if settings.tagger.epochs:
            self._train_tagger(notes, held_examples + kept_examples, embeddings_of(model))
        train_joint(model, data, maker, settings.joint, self._output, settings.seed, evaluate, note_choices, _say)
        return load_choices(path) if path.exists() else []

    def _train_tagger(self, notes: Sequence[AnnotatedNote], examples: Sequence[Example], embeddings: Array) -> None:
        path = self._output / "tagger.safetensors"
        if path.exists():
            self.tagger = Tagger.from_arrays(load_arrays(path))
            return
        pairs = zip(notes, examples, strict=True)
        tagged = [tag_note(Document(note.note.text), example, embeddings) for note, example in pairs]
        settings, seed = self._settings.tagger, self._settings.seed
        self.tagger = train_tagger(tagged, settings, seed, lambda n, loss: _say(f"tagger, epoch {n}: {loss:.3f}"))
        save_arrays(self.tagger.to_arrays(), path)

    def finish(
        self, model: DetectModel, tokenizer: Tokenizer, linker: Linker, dev_notes: Sequence[AnnotatedNote]
    ) -> Path:
        """Choose thresholds, calibrate, measure and write the checkpoint."""
        folder = self._output / "checkpoint"
        folder.mkdir(exist_ok=True)

        def wrapped() -> TrainedModel:
            return wrap_network(copy.deepcopy(model), self._lexicon, linker, tokenizer, self._settings.name)

        if dev_notes:
            chosen, linker = calibrate(wrapped(), dev_notes)
            model.config.update(chosen)
        record = {"settings": dataclasses.asdict(self._settings), "dev": measure(wrapped(), dev_notes)}
        write_checkpoint(folder, model, tokenizer, linker, record)
        return folder


def _read(paths: Sequence[str], base: Path, codeset: CodeSet) -> list[AnnotatedNote]:
    return [note for path in paths for note in read_training_notes(resolve(path, base), codeset)]


def _advance(bar: Any, loss: float) -> None:
    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
    bar.update()


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> Any:
    """Train from a YAML file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="settings of the run, such as configs/base.yaml")
    parser.add_argument("--output", help="folder of the run, instead of the file's")
    options = parser.parse_args(arguments)
    overrides = {"output": str(Path(options.output).resolve())} if options.output else None
    return train(read_settings(options.config, overrides), options.config)


if __name__ == "__main__":
    main()
