"""Write the graphs that onnxruntime runs on a CPU: ``python -m training.export CHECKPOINT``.

The word embeddings stay out of the graph: they are looked up in the checkpoint's int8 rows. The layers' matrix products
run in int8, with the very matrices of the checkpoint's network, which stay out, too; the heads run in float32. Only
encoders built like BERT have a graph; others are run by torch.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.checkpoint import ENCODER_ONNX, HEADS_ONNX, TERMS_ONNX, read_packed
from detect_icd10cm.model.inputs import Array
from detect_icd10cm.model.load import load_network
from detect_icd10cm.model.modeling import DetectModel
from detect_icd10cm.model.onnx import LAYERS, TERMS_TOGETHER, ZERO, layer_matrices

_OPSET, _IR = 17, 8


class _PlainLayers(nn.Module):
    """A BERT encoder after its embeddings, written plainly so that tracing holds for every shape.

    It has no mask: a CPU reads one window at a time, which has no padding.
    """

    def __init__(self, model: DetectModel) -> None:
        super().__init__()
        self.embeddings = model.encoder.embeddings
        self.layers = model.layers()
        self.label_head = model.label_head
        self.frozen_layers = model.config.frozen_layers
        self.n_heads = model.config.encoder.num_attention_heads
        self.head_size = model.config.encoder.hidden_size // self.n_heads

    def forward(self, embedded: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
        hidden, added = self.embeddings.LayerNorm(embedded)[0], added[0]
        for i, layer in enumerate(self.layers):
            if i == self.frozen_layers:
                hidden = hidden + added
            hidden = self._layer(layer, hidden)
        return hidden[None], self.label_head(hidden)[None]

    def _layer(self, layer: Any, hidden: Tensor) -> Tensor:
        attention = layer.attention.self
        query, key, value = (self._split(part(hidden)) for part in (attention.query, attention.key, attention.value))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        mixed = (scores.softmax(-1) @ value).permute(1, 0, 2).reshape(-1, self.n_heads * self.head_size)
        output = layer.attention.output
        hidden = output.LayerNorm(output.dense(mixed) + hidden)
        inner = functional.gelu(layer.intermediate.dense(hidden))
        result: Tensor = layer.output.LayerNorm(layer.output.dense(inner) + hidden)
        return result

    def _split(self, hidden: Tensor) -> Tensor:
        """Return shape (heads, pieces, head size): sizes that are told beforehand, the graph need not work out."""
        return hidden.reshape(-1, self.n_heads, self.head_size).permute(1, 0, 2)


class _Heads(nn.Module):
    def __init__(self, model: DetectModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, span: Tensor, context: Tensor, rules: Tensor, sections: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.model.score_mentions(span, context, rules, sections)


def export_onnx(model: DetectModel, folder: Path) -> None:
    """Write a checkpoint's graphs into its folder.

    Args:
        model: The checkpoint's network, in float32.
        folder: The checkpoint.

    Raises:
        ModelError: If the encoder is of another build than BERT's, or the network is not the folder's.
    """
    if model.config.encoder.model_type != "bert" or model.config.encoder.hidden_act != "gelu":
        raise ModelError(
            f"found an encoder of type {model.config.encoder.model_type}, expected bert: torch runs the others"
        )
    model = model.eval().float()
    size = model.config.encoder.hidden_size
    rows, ids = torch.zeros(2, 3 * size), torch.zeros(2, dtype=torch.long)
    with tempfile.TemporaryDirectory() as temporary:
        plain = Path(temporary) / ENCODER_ONNX
        _trace(
            _PlainLayers(model), (torch.zeros(1, 5, size), torch.zeros(1, 5, size)), plain, ["embedded", "added"],
            ["hidden", "labels"], {1: "pieces"},
        )  # fmt: skip
        quantized = plain.with_suffix(".int8")
        _quantize(plain, quantized)
        _leave_out(quantized, folder / ENCODER_ONNX, layer_matrices(read_packed(folder)))
    _trace(
        _Heads(model), (rows, torch.zeros(2, size), ids, ids), folder / HEADS_ONNX,
        ["span", "context", "rules", "sections"], ["assertions", "kinds", "vectors"], {0: "mentions"},
    )  # fmt: skip
    _write_term_graph(model, folder / TERMS_ONNX)


def _write_term_graph(model: DetectModel, path: Path) -> None:
    """Write the product of mention vectors with all terms, whose table is given when the graph is loaded."""
    import onnx

    n_terms, dim = model.terms.shape
    table = onnx.TensorProto(
        name="terms", data_type=onnx.TensorProto.INT8, dims=(dim, n_terms + -n_terms % TERMS_TOGETHER),
        data_location=onnx.TensorProto.EXTERNAL, external_data=[onnx.StringStringEntryProto(key="location", value="-")],
    )  # fmt: skip
    zero = onnx.helper.make_tensor("zero", onnx.TensorProto.UINT8, [], [ZERO])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMulInteger", ["vectors", "terms", "zero"], ["logits"])],
        "terms",
        [onnx.helper.make_tensor_value_info("vectors", onnx.TensorProto.UINT8, ["mentions", dim])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.INT32, ["mentions", "terms"])],
        [table, zero],
    )
    version = [onnx.helper.make_opsetid("", _OPSET)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=version, ir_version=_IR).SerializeToString())


def _trace(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    axes: dict[int, str],
) -> None:
    with warnings.catch_warnings():
        # The tracing exporter needs no further package; that it is no longer the default is known.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), example, str(path), input_names=inputs, output_names=outputs, opset_version=_OPSET,
            dynamic_axes=dict.fromkeys([*inputs, *outputs], axes), dynamo=False,
        )  # fmt: skip


def _quantize(source: Path, target: Path) -> None:
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    quantize_dynamic(source, target, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8, per_channel=True)


def _leave_out(source: Path, target: Path, matrices: Mapping[str, Array]) -> None:
    """Write a quantized graph without matrices, which are given when it is loaded, by their names in the network."""
    import onnx

    model = onnx.load(source)
    traced = {initializer.name: initializer for initializer in model.graph.initializer}
    names = {_name_in_graph(name): name for name in matrices}
    for old, name in names.items():
        matrix = traced.get(old)
        if matrix is None:
            raise ModelError(f"{target.parent}: found no {old} in the traced graph")
        if not np.array_equal(onnx.numpy_helper.to_array(matrix), matrices[name]):
            raise ModelError(f"{target.parent}: found another {name} than the network's, expected its own checkpoint")
        matrix.ClearField("raw_data")
        matrix.name, matrix.data_location = name, onnx.TensorProto.EXTERNAL
        matrix.external_data.add(key="location", value="-")
    for node in model.graph.node:
        node.input[:] = [names.get(read, read) for read in node.input]
    target.write_bytes(model.SerializeToString())


def _name_in_graph(name: str) -> str:
    """Return what tracing and quantizing call a matrix: ``layers.0.output.dense.weight_Transposed_quantized``."""
    return f"layers.{name.removeprefix(LAYERS)}_Transposed_quantized"


def main(arguments: Sequence[str] | None = None) -> None:
    """Export a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    options = parser.parse_args(arguments)
    export_onnx(load_network(options.checkpoint), options.checkpoint)


if __name__ == "__main__":
    main()
