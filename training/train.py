"""Train a checkpoint from labelled notes and terms: ``python -m training.train configs/base.yaml``.

The steps leave their results in the run's folder, and a run that was killed goes on from them:

1. terms of all codes; the encoder learns which of them mean the same (``adapted.safetensors``);
2. a vector for each term of the code head; phrases and counts from terms and training notes;
3. the word tagger (``tagger.safetensors``); all heads together, and what the network proposes for mentions of notes
   that it has not read (``choices.npz``, or ``fold-0/choices.npz`` and so on);
4. the ranker on those mentions; thresholds and calibration on the development notes; the checkpoint.

Parts can be run by processes of their own before the run that needs their results: ``--part terms``, then, side by
side, ``--part tagger``, ``--part fold-0`` and so on.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import random
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from detect_icd10cm.model.inputs import Pieces
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

# Where a run's folder says what its parts were made with, and the settings that none of them depends on.
_SETTINGS, _LATE = "settings.json", ("output", "name", "rank", "tensorboard")


def train(settings: RunSettings, base: Path, part: str | None = None) -> Path:
    """Run a training and return the folder of its checkpoint.

    Args:
        settings: The run.
        base: The settings file, from whose folder relative paths start.
        part: The one part to run, ``"terms"``, ``"tagger"`` or a fold such as ``"fold-0"``; the run's folder is
            returned then.

    Raises:
        ModelError: If the encoder can't be used, or the run's folder holds parts made with other settings.
        NoteError: If a file of notes is not as expected, or a training note holds text of a development note.
    """
    started = time.monotonic()
    output = resolve(settings.output, base)
    output.mkdir(parents=True, exist_ok=True)
    _refuse_other_settings(output, settings)
    torch.manual_seed(settings.seed)
    codeset = CodeSet.load(settings.release)
    folder = resolve(settings.data.folder, base) if settings.data.folder else None
    train_notes = _read(settings.data.train, base, codeset)
    repeated = {one.note.note_id for one in train_notes}
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
    if part == "terms":
        return output
    gazetteer = build_gazetteer(codeset, terms, train_notes)
    linker = Linker(gazetteer, count_priors(codeset, train_notes), sided_siblings(codeset), untrained_ranker())
    lessons = run.make_lessons(model, tokenizer, linker, train_notes, repeated)
    tagger = run.train_tagger(model, lessons) if settings.tagger.epochs and part in (None, "tagger") else None
    folds = [i for i, name in enumerate(settings.joint.fold_names) if part in (None, name)]
    choices = [choice for fold in folds for choice in run.train_fold(model, lessons, fold)]
    if part:
        return output
    choices += run.train_network(model, lessons, dev_notes)
    linker = dataclasses.replace(linker, ranker=fit_ranker(choices, settings.rank, settings.seed), tagger=tagger)
    checkpoint = run.finish(model, tokenizer, linker, dev_notes)
    _say(f"{checkpoint}: done in {(time.monotonic() - started) / 60:.1f} minutes")
    return checkpoint


def _refuse_other_settings(output: Path, settings: RunSettings) -> None:
    """Write the settings into a run's folder, or compare them: parts made with different ones must not be mixed."""
    path = output / _SETTINGS
    here = json.loads(json.dumps(_flatten(dataclasses.asdict(settings))))
    before = json.loads(path.read_text("utf-8")) if path.exists() else here
    changed = sorted(name for name in here.keys() | before.keys() if here.get(name) != before.get(name))
    if changed:
        raise ModelError(
            f"{output}: found parts of a run with other settings ({', '.join(changed)}), expected the same; "
            "give another --output, or delete the folder to begin anew"
        )
    path.write_text(json.dumps(here, indent=2) + "\n", "utf-8")


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the settings that parts depend on, by names such as ``joint.epochs``."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _LATE:
            continue
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


@dataclass(frozen=True, slots=True)
class _Lessons:
    """What the heads learn from: notes, their examples and how often an epoch reads each; terms with their weights."""

    notes: Sequence[AnnotatedNote]
    examples: Sequence[Example]
    times: Sequence[int]
    terms: Sequence[tuple[str, str]]
    term_weights: Sequence[float]
    maker: ExampleMaker
    wrap: Callable[[DetectModel], TrainedModel]

    def data(self, first: Iterable[int], rest: Iterable[int]) -> TrainingData:
        """Return the examples of some notes for the first epochs, and of some for the others."""

        def pool(places: Iterable[int]) -> list[Example]:
            return [self.examples[i] for i in places for _ in range(self.times[i])]

        return TrainingData(pool(first), pool(rest), self.terms, self.term_weights)


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
        joint = settings.joint
        self._joint = dataclasses.replace(joint, held_out_epochs=0) if joint.folds else joint
        self._base = base
        self._output = output
        self._codeset = codeset
        self._lexicon = LexiconModel(codeset)
        self._terms = terms
        self._folder = folder

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

    def make_lessons(
        self, model: DetectModel, tokenizer: Tokenizer, linker: Linker, train_notes: Sequence[AnnotatedNote],
        repeated: Collection[str],
    ) -> _Lessons:  # fmt: skip
        """Return what the heads learn from, the notes in an order of chance."""
        maker = ExampleMaker(self._lexicon, linker.gazetteer, Pieces(tokenizer, model.config.newline_id), model.config)
        notes = list(train_notes)
        random.Random(self._settings.seed).shuffle(notes)  # noqa: S311 - no secret
        terms, weights = weigh_terms(self._terms, self._codeset)

        def wrap(trained: DetectModel) -> TrainedModel:
            return wrap_network(copy.deepcopy(trained), self._lexicon, linker, tokenizer, self._settings.name)

        return _Lessons(
            notes=notes,
            examples=[maker.from_note(note, own=True) for note in notes],
            times=[self._settings.data.repeat if one.note.note_id in repeated else 1 for one in notes],
            terms=terms,
            term_weights=weights,
            maker=maker,
            wrap=wrap,
        )

    def train_tagger(self, model: DetectModel, lessons: _Lessons) -> Tagger:
        """Train the word tagger and return it."""
        path = self._output / "tagger.safetensors"
        if path.exists():
            return Tagger.from_arrays(load_arrays(path))
        embeddings, pairs = embeddings_of(model), zip(lessons.notes, lessons.examples, strict=True)
        tagged = [tag_note(Document(note.note.text), example, embeddings) for note, example in pairs]
        settings, seed = self._settings.tagger, self._settings.seed
        tagger = train_tagger(tagged, settings, seed, lambda n, loss: _say(f"tagger, epoch {n}: {loss:.3f}"))
        save_arrays(tagger.to_arrays(), path)
        return tagger

    def train_fold(self, model: DetectModel, lessons: _Lessons, fold: int) -> list[Choice]:
        """Train a copy of the network without a part of the notes and return that part's mentions with candidates."""
        joint = self._joint
        output = self._output / joint.fold_names[fold]
        path = output / "choices.npz"
        held = range(fold, len(lessons.notes), joint.folds)
        if not path.exists():
            trained = copy.deepcopy(model)
            read = sorted(set(range(len(lessons.notes))) - set(held))
            train_joint(
                trained, lessons.data(read, read), lessons.maker, joint, output, self._settings.seed, lambda _: {},
                report=lambda line: _say(f"fold {fold}: {line}"),
            )  # fmt: skip
            save_choices(path, held_choices(lessons.wrap(trained), [lessons.notes[i] for i in held]))
        return [choice._replace(note=held[choice.note]) for choice in load_choices(path)]

    def train_network(self, model: DetectModel, lessons: _Lessons, dev_notes: Sequence[AnnotatedNote]) -> list[Choice]:
        """Train all heads; return the mentions of notes that the first epochs left out, with their candidates."""
        joint = self._joint
        n_held = round(joint.held_out * len(lessons.notes))
        path = self._output / "choices.npz"

        def note_choices(trained: DetectModel) -> None:
            save_choices(path, held_choices(lessons.wrap(trained), lessons.notes[:n_held]))

        def evaluate(trained: DetectModel) -> dict[str, float]:
            return measure(lessons.wrap(trained), dev_notes)

        held, kept = range(n_held), range(n_held, len(lessons.notes))
        data = lessons.data(kept, [*kept, *held])
        train_joint(model, data, lessons.maker, joint, self._output, self._settings.seed, evaluate, note_choices, _say)
        return load_choices(path) if joint.held_out_epochs and path.exists() else []

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
    parser.add_argument("--part", help="run one part and no more: terms, tagger, or a fold such as fold-0")
    options = parser.parse_args(arguments)
    overrides = {"output": str(Path(options.output).resolve())} if options.output else None
    settings = read_settings(options.config, overrides)
    parts = ["terms", "tagger", *settings.joint.fold_names]
    if options.part not in (None, *parts):
        parser.error(f"--part: found {options.part}, expected one of {', '.join(parts)}")
    return train(settings, options.config, options.part)


if __name__ == "__main__":
    main()
