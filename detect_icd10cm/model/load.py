"""A checkpoint loaded for detection, by the lightest runtime that can run it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model import BASE, LEXICON
from detect_icd10cm.model.checkpoint import (
    ENCODER_ONNX,
    SCALE,
    TOKENIZER,
    load_codeset,
    load_linker,
    read_config,
    read_packed,
    unpack,
)
from detect_icd10cm.model.inputs import Array, Framing, Pieces
from detect_icd10cm.model.lexicon import LexiconModel
from detect_icd10cm.model.runtime import Runtime
from detect_icd10cm.model.terms import TermIndex
from detect_icd10cm.model.trained import ModelParts, TrainedModel

if TYPE_CHECKING:
    from detect_icd10cm.model.modeling import DetectModel

RuntimeName = Literal["auto", "onnx", "torch"]
# The checkpoint that comes with the package; a folder, since graphs are opened by path.
BASE_FOLDER = Path(__file__).parent / BASE
_WORDS = "encoder.embeddings.word_embeddings.weight"


def find_checkpoint(model: str | PathLike[str]) -> Path:
    """Return the folder of the packaged checkpoint, or of one of the user's own.

    Raises:
        ModelError: If there is no such folder.
    """
    folder = BASE_FOLDER if model == BASE else Path(model)
    if not folder.is_dir():
        raise ModelError(f"found model {str(model)!r}, expected {BASE!r}, {LEXICON!r} or the folder of a checkpoint")
    return folder


def load_model(
    folder: Path = BASE_FOLDER, runtime: RuntimeName = "auto", codeset: CodeSet | None = None
) -> TrainedModel:
    """Return a checkpoint ready to detect with.

    Args:
        folder: The checkpoint; the packaged one by default.
        runtime: ``"onnx"`` runs the exported graphs on the CPU, ``"torch"`` the network itself, on a GPU where there is
            one; ``"auto"`` takes torch where it and a GPU are there, else the graphs if there are any.
        codeset: The release to give codes of; the checkpoint's own when None.

    Raises:
        ModelError: If the folder is no checkpoint, its release is not installed or another than ``codeset``, or torch
            is needed and missing.
    """
    settings = read_config(folder)
    if codeset is not None and codeset.release != settings["release"]:
        raise ModelError(
            f"the checkpoint gives codes of release {settings['release']}, found code set {codeset.release}; "
            f"pass CodeSet.load({settings['release']!r}) or a checkpoint trained on {codeset.release}"
        )
    codeset = load_codeset(folder, settings)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    linker = load_linker(folder, codeset.billable_codes())
    packed = read_packed(folder)
    category = "category_embedding.weight"
    index = TermIndex.from_weights({**packed, category: unpack(packed, category)}, codeset.billable_codes())
    pieces = Pieces(tokenizer, settings["newline_id"])
    parts = ModelParts(pieces, index, linker, LexiconModel(codeset))
    framing = Framing(**{name: settings[name] for name in Framing.__dataclass_fields__ if name in settings})
    return TrainedModel(settings["name"], codeset, framing, _make_runtime(folder, packed, settings, runtime), parts)


def load_network(folder: Path) -> DetectModel:
    """Return a checkpoint's network in float32, for torch.

    Raises:
        ModelError: If the folder is no checkpoint.
    """
    from detect_icd10cm.model.modeling import DetectModel

    return DetectModel.restore(folder)


def _make_runtime(folder: Path, packed: dict[str, Array], settings: Mapping[str, Any], name: RuntimeName) -> Runtime:
    has_graphs = (folder / ENCODER_ONNX).is_file()
    if name == "onnx" or (name == "auto" and has_graphs and not _has_gpu()):
        if not has_graphs:
            raise ModelError(f"{folder}: found no {ENCODER_ONNX}; run: python -m training.export {folder}")
        from detect_icd10cm.model.onnx import OnnxRuntime

        names = [n for n in packed if n.endswith(("embeddings.weight", "embedding.weight", "tag_bias.weight"))]
        weights = {n: unpack(packed, n) for n in names if n != _WORDS}
        rows = packed[_WORDS]
        return OnnxRuntime(folder, weights, rows, packed.get(_WORDS + SCALE, np.ones(len(rows), np.float32)))
    _need_torch()
    from detect_icd10cm.model.runtime import TorchRuntime

    return TorchRuntime(load_network(folder))


def _has_gpu() -> bool:
    """Return whether torch can use a GPU; torch is imported, which takes seconds, only where a driver is installed."""
    if not (which("nvidia-smi") and find_spec("torch") and find_spec("transformers")):
        return False
    import torch

    return torch.cuda.is_available()


def _need_torch() -> None:
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise ModelError(
                f"found no package {package}, which runs a checkpoint that has no graphs; "
                "run: pip install 'detect-icd10cm[train]'"
            )
