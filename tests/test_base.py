"""The checkpoint that comes with the package: what a first user sees of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detect_icd10cm import CodeSet, Detector
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.checkpoint import ENCODER_ONNX, NETWORK
from detect_icd10cm.model.load import BASE_FOLDER, load_model, load_network
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.notes.gold import read_gold
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention
from training.export import export_onnx

EXAMPLES = Path(__file__).parents[1] / "examples" / "labelled.jsonl"
NOTE = (
    "HPI: 64-year-old man with a history of breast cancer in his sister, seen for left foot drop since a stroke. "
    "No chest pain or fever. Possible neuropathy.\nPMH: Type 2 diabetes, hypertension."
)

pytestmark = pytest.mark.usefixtures("codeset")


@pytest.fixture(scope="module")
def model(codeset: CodeSet) -> TrainedModel:
    return load_model(BASE_FOLDER, "onnx")


def said(mentions: tuple[Mention, ...]) -> dict[str, tuple[str, str]]:
    return {mention.text.lower(): (mention.assertion, mention.code) for mention in mentions}


def test_it_is_the_default_and_small() -> None:
    assert sum(path.stat().st_size for path in BASE_FOLDER.iterdir()) <= 60 * 2**20
    assert Detector.from_pretrained()("No fever.").model == "detect-icd10cm-base"


def test_its_graph_multiplies_with_the_matrices_of_its_network(tmp_path: Path) -> None:
    """A graph holds none of the layers' matrices; one of another network than the folder's is not written."""
    assert (BASE_FOLDER / ENCODER_ONNX).stat().st_size < 2**20
    network = load_network(BASE_FOLDER)
    (tmp_path / NETWORK).symlink_to(BASE_FOLDER / NETWORK)
    export_onnx(network, tmp_path)
    assert (tmp_path / ENCODER_ONNX).stat().st_size < 2**20
    network.layers()[0].output.dense.weight.data[0] *= -1
    with pytest.raises(ModelError, match=r"found another encoder\.encoder\.layer\.0\.output\.dense\.weight"):
        export_onnx(network, tmp_path)


def test_it_reads_a_note(model: TrainedModel) -> None:
    found = said(model.detect(Document(NOTE)))
    assert found["chest pain"] == ("absent", "R07.9")
    assert found["fever"] == ("absent", "R50.9")
    assert found["left foot drop"] == ("present", "M21.372")
    assert found["type 2 diabetes"][0] == "present"
    assert found["hypertension"] == ("present", "I10")
    assert found["neuropathy"][0] == "possible"


def test_runtimes_find_the_same_in_the_examples(model: TrainedModel) -> None:
    network = load_model(BASE_FOLDER, "torch")
    notes = [note.note.text for note in read_gold(EXAMPLES)]
    pairs = [(said(model.detect(Document(text))), said(network.detect(Document(text)))) for text in notes]
    same = sum(len(quick.items() & exact.items()) for quick, exact in pairs)
    assert same >= 0.9 * sum(max(len(quick), len(exact)) for quick, exact in pairs)


def test_rounded_products_find_the_terms_of_an_exhaustive_search(model: TrainedModel) -> None:
    terms = model._parts.terms.logit_vectors()
    rng = np.random.default_rng(0)
    near = terms[rng.integers(len(terms), size=40)]
    noise = rng.normal(size=near.shape) * np.linalg.norm(near, axis=1, keepdims=True) / near.shape[1] ** 0.5
    vectors = near + noise  # as far from the term as the term from nothing
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = model._runtime.nearest_terms(vectors)
    exact = np.argsort(-(vectors @ terms.T), 1)
    assert (found == exact[:, :1]).any(1).all()
    assert np.mean([np.isin(best, own).mean() for best, own in zip(exact[:, :32], found, strict=True)]) > 0.95


def test_the_card_tells_its_figures() -> None:
    figures = json.loads((BASE_FOLDER / "metrics.json").read_text("utf-8"))["dev"]
    card = (BASE_FOLDER / "MODEL_CARD.md").read_text("utf-8")
    assert all(f"{figures[name]:.3f}" in card for name in ("overlap_f1", "exact_f1", "code_f1", "calibration_error"))
    assert "Silver labels" in card
