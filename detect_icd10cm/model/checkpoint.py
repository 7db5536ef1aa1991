"""The folder a trained model is stored in: written by training, read with numpy alone.

==================  ==========================================================================================
file                what
==================  ==========================================================================================
config.json         ``DetectConfig``: the encoder, the release and the hash of its codes, windows, thresholds
model.safetensors   the network; two-dimensional weights as int8 rows with a scale each, or as floats
linker.safetensors  known phrases, counts, siblings by side, the ranker, the word tagger
tokenizer.json      the encoder's tokenizer
encoder.onnx        the network for onnxruntime, its embeddings and matrices left out; written by ``training.export``
heads.onnx          the heads for onnxruntime
terms.onnx          the product of mentions with all terms for onnxruntime, the terms left out
metrics.json        the run's settings and its figures; ``MODEL_CARD.md`` is written from them
==================  ==========================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import CodeSetError, ModelError
from detect_icd10cm.model.families import hash_codes
from detect_icd10cm.model.features import Priors
from detect_icd10cm.model.gazetteer import Gazetteer
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.ranking import Ranker
from detect_icd10cm.model.tagger import Tagger

CONFIG, NETWORK, LINKER, TOKENIZER = "config.json", "model.safetensors", "linker.safetensors", "tokenizer.json"
ENCODER_ONNX, HEADS_ONNX, TERMS_ONNX = "encoder.onnx", "heads.onnx", "terms.onnx"
METRICS = "metrics.json"
SCALE = ".int8_scale"
_SIDES = ("right", "left", "bilateral")


@dataclass(frozen=True, slots=True)
class Linker:
    """What a checkpoint knows beside its network."""

    gazetteer: Gazetteer
    priors: Priors
    siblings: Mapping[str, Mapping[str, str]]
    ranker: Ranker
    tagger: Tagger | None = None


def read_config(folder: Path) -> dict[str, Any]:
    """Return the settings of a checkpoint.

    Raises:
        ModelError: If the folder is no checkpoint of this package.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(
            f"{folder}: found no {CONFIG}, expected a folder written by training.train or training.finetune"
        )
    settings: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if settings.get("model_type") != "detect-icd10cm":
        raise ModelError(f"{path}: found model_type {settings.get('model_type')!r}, expected 'detect-icd10cm'")
    return settings


def load_codeset(folder: Path, settings: Mapping[str, Any]) -> CodeSet:
    """Return the release of a checkpoint.

    Raises:
        ModelError: If the release is not installed, or its codes are not those that the checkpoint was trained on.
    """
    release = settings["release"]
    try:
        codeset = CodeSet.load(release)
    except CodeSetError as error:
        raise ModelError(f"{folder}: the checkpoint gives codes of release {release}: {error}") from error
    found = hash_codes(codeset.billable_codes())
    if found != settings["codes_hash"]:
        raise ModelError(
            f"{folder}: found codes {found} in release {release}, the checkpoint expects {settings['codes_hash']}; "
            "import the official files of that release again, or train on this one"
        )
    return codeset


def save_linker(folder: Path, linker: Linker) -> None:
    """Write what the checkpoint knows beside its network."""
    from safetensors.numpy import save_file

    codes = linker.gazetteer.codes
    ids = {code: i for i, code in enumerate(codes)}
    counted = sorted(linker.priors.codes)
    weights = sorted(linker.priors.word_weights.items())
    sided = sorted(linker.siblings)
    arrays = {f"gazetteer.{name}": array for name, array in linker.gazetteer.to_arrays().items()}
    arrays |= {f"ranker.{name}": array for name, array in linker.ranker.to_arrays().items()}
    if linker.tagger is not None:
        arrays |= {f"tagger.{name}": array for name, array in linker.tagger.to_arrays().items()}
    arrays |= {
        "priors.codes": np.array([ids[code] for code in counted], np.int32),
        "priors.counts": np.array([linker.priors.codes[code] for code in counted], np.int32),
        "priors.words": np.array([word for word, _ in weights], np.int64),
        "priors.weights": np.array([weight for _, weight in weights], np.float32),
        "priors.default": np.array([linker.priors.default_weight], np.float32),
        "siblings.codes": np.array([ids[code] for code in sided], np.int32),
        "siblings.sides": np.array(
            [[ids.get(linker.siblings[code].get(side, ""), -1) for side in _SIDES] for code in sided], np.int32
        ),
    }  # fmt: skip
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / LINKER)


def load_linker(folder: Path, codes: Sequence[str]) -> Linker:
    """Read what ``save_linker`` wrote.

    Args:
        folder: The checkpoint.
        codes: The billable codes of its release, in order.
    """
    from safetensors.numpy import load_file

    arrays = load_file(folder / LINKER)
    counted = [codes[i] for i in arrays["priors.codes"].tolist()]
    counts = dict(zip(counted, arrays["priors.counts"].tolist(), strict=True))
    categories: dict[str, int] = {}
    for code, count in counts.items():
        categories[code[:3]] = categories.get(code[:3], 0) + count
    weights = dict(zip(arrays["priors.words"].tolist(), arrays["priors.weights"].tolist(), strict=True))
    siblings = {
        codes[code]: {side: codes[other] for side, other in zip(_SIDES, row, strict=True) if other >= 0}
        for code, row in zip(arrays["siblings.codes"].tolist(), arrays["siblings.sides"].tolist(), strict=True)
    }
    tagger = _under(arrays, "tagger.")
    return Linker(
        Gazetteer.from_arrays(codes, _under(arrays, "gazetteer.")),
        Priors(counts, categories, weights, float(arrays["priors.default"][0])),
        siblings,
        Ranker.from_arrays(_under(arrays, "ranker.")),
        Tagger.from_arrays(tagger) if tagger else None,
    )


def quantize(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return weights with each large matrix as int8 rows and their scales."""
    packed: dict[str, Array] = {}
    for name, array in weights.items():
        if array.ndim == 2 and array.dtype.kind == "f" and array.size >= 4096:
            scales = np.maximum(np.abs(array).max(1), 1e-8) / 127
            packed[name] = np.rint(array / scales[:, None]).astype(np.int8)
            packed[name + SCALE] = scales.astype(np.float32)
        else:
            packed[name] = array
    return packed


def read_packed(folder: Path) -> dict[str, Array]:
    """Return the network's weights as stored."""
    from safetensors.numpy import load_file

    packed: dict[str, Array] = load_file(folder / NETWORK)
    return packed


def is_quantized(folder: Path) -> bool:
    """Return whether a network's matrices are stored as int8 rows."""
    from safetensors import safe_open

    with safe_open(folder / NETWORK, "np") as stored:
        return any(name.endswith(SCALE) for name in stored.keys())  # noqa: SIM118 - no dictionary


def unpack(packed: Mapping[str, Array], name: str) -> Array:
    """Return one weight, int8 rows made floats again."""
    scales = packed.get(name + SCALE)
    weight: Array = packed[name] if scales is None else packed[name] * scales[:, None]
    return weight


def _under(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
