"""Writing a checkpoint folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from detect_icd10cm.model.checkpoint import CONFIG, METRICS, NETWORK, TOKENIZER, Linker, quantize, save_linker
from detect_icd10cm.model.modeling import DetectModel
from training.model_card import write_model_card


def write_checkpoint(
    folder: Path, model: DetectModel, tokenizer: Tokenizer, linker: Linker, record: Mapping[str, Any]
) -> None:
    """Write a checkpoint folder, large matrices as int8 rows, with its card.

    Args:
        folder: The folder.
        model: The network.
        tokenizer: Its tokenizer.
        linker: What it knows beside the network.
        record: The run's settings and figures, for ``metrics.json`` and the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
        for name, tensor in model.state_dict().items()
    }
    save_file({name: np.array(array, order="C") for name, array in quantize(weights).items()}, folder / NETWORK)
    settings = model.config.to_dict()
    for part in (settings, settings["encoder"]):
        part.pop("_name_or_path", None)  # a folder of the machine that trained it
    (folder / CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / TOKENIZER))
    save_linker(folder, linker)
    write_record(folder, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the settings and figures of a checkpoint's run, and the card from them."""
    (folder / METRICS).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    write_model_card(folder)
