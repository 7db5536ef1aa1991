"""A checkpoint loaded for detection, by the lightest runtime that can run it."""

from __future__ import annotations

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Literal

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model import BASE, LEXICON
from detect_icd10cm.model.checkpoint import (
    ENCODER_ONNX,
    SCALE,
    TERMS_ONNX,
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
Device = Literal["auto", "cpu", "cuda"]
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
    folder: Path = BASE_FOLDER,
    runtime: RuntimeName = "auto",
    codeset: CodeSet | None = None,
    *,
    device: Device = "auto",
    batch_tokens: int | None = None,
) -> TrainedModel:
    """Return a checkpoint ready to detect with.

    Args:
        folder: The checkpoint; the packaged one by default.
        runtime: ``"onnx"`` runs the exported graphs on the CPU, ``"torch"`` the network itself; ``"auto"`` takes torch
            on a GPU, else the graphs if there are any.
        codeset: The release to give codes of; the checkpoint's own when None.
        device: ``"cpu"``, ``"cuda"`` (a GPU), or ``"auto"``: a GPU where torch finds one.
        batch_tokens: Pieces of words that a GPU reads at once, padding included.

    Raises:
        ModelError: If the folder is no checkpoint, its release is not installed or another than ``codeset``, torch is
            needed and missing, there is no GPU, or ``batch_tokens`` is given for a CPU.
    """
    on_gpu = uses_gpu(device)
    if batch_tokens is not None and not on_gpu:
        raise ModelError(
            f"found batch_tokens {batch_tokens} on a CPU, which reads one window at a time: the fastest there, and a "
            "result then depends on its note alone; leave it out, or take a GPU"
        )
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
    if runtime == "onnx" or (runtime == "auto" and not on_gpu and (folder / ENCODER_ONNX).is_file()):
        return TrainedModel(settings["name"], codeset, framing, _run_graphs(folder, packed, index), parts)
    _need_torch()
    from detect_icd10cm.model.runtime import TorchRuntime

    network = TorchRuntime(load_network(folder), "cuda" if on_gpu else "cpu", batch_tokens)
    return TrainedModel(settings["name"], codeset, framing, network, parts)


def load_network(folder: Path) -> DetectModel:
    """Return a checkpoint's network in float32, for torch.

    Raises:
        ModelError: If the folder is no checkpoint.
    """
    from detect_icd10cm.model.modeling import DetectModel

    return DetectModel.restore(folder)


def _run_graphs(folder: Path, packed: dict[str, Array], index: TermIndex) -> Runtime:
    for graph in (ENCODER_ONNX, TERMS_ONNX):
        if not (folder / graph).is_file():
            raise ModelError(f"{folder}: found no {graph}; run: python -m training.export {folder}")
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail  # type: ignore[import-untyped]

    from detect_icd10cm.model.onnx import OnnxRuntime, layer_matrices

    names = [n for n in packed if n.endswith(("embeddings.weight", "embedding.weight", "tag_bias.weight"))]
    weights = {n: unpack(packed, n) for n in names if n != _WORDS}
    rows = packed[_WORDS]
    scales = packed.get(_WORDS + SCALE, np.ones(len(rows), np.float32))
    try:
        return OnnxRuntime(folder, layer_matrices(packed), weights, rows, scales, index.logit_vectors())
    except Fail as error:
        raise ModelError(
            f"{folder}: found graphs that another version exported, or of another network; "
            f"run: python -m training.export {folder}"
        ) from error


def uses_gpu(device: Device) -> bool:
    """Return whether to compute on a GPU.

    Raises:
        ModelError: If one is asked for and there is none.
    """
    if device == "cpu":
        return False
    has_gpu = _has_gpu()
    if device == "cuda" and not has_gpu:
        raise ModelError(
            "found no GPU that torch can use, expected one for the device cuda; take cpu, or install torch for CUDA "
            "with: pip install 'detect-icd10cm[train]'"
        )
    return has_gpu


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
