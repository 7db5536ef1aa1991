from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import make_notes

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.detector import Detector
from detect_icd10cm.errors import ModelError
from detect_icd10cm.model.checkpoint import CONFIG, ENCODER_ONNX, TERMS_ONNX, quantize
from detect_icd10cm.model.load import RuntimeName, load_model
from detect_icd10cm.model.runtime import NEAREST_TERMS, _batches
from detect_icd10cm.model.trained import TrainedModel
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, Mention, Note, NoteResult


@pytest.fixture
def model(tiny_checkpoint: Path, tiny_release: str) -> TrainedModel:
    return load_model(tiny_checkpoint, "onnx")


DOCUMENTS = [Document(note.note.text) for note in make_notes()]
LONG = Document("\n\n".join(note.note.text for note in make_notes()))


def bare(mentions: tuple[Mention, ...]) -> list[tuple[int, int, str, str]]:
    return [(m.start, m.end, m.assertion, m.code) for m in mentions]


def test_mentions_are_records_of_their_note(model: TrainedModel) -> None:
    mentions = model.detect(LONG)
    assert mentions
    assert list(mentions) == sorted(mentions, key=lambda m: m.start)
    for before, after in pairwise(mentions):
        assert before.end <= after.start
    for mention in mentions:
        assert LONG.text[mention.start : mention.end] == mention.text
        assert model.codeset.is_billable(mention.code)
        assert mention.title == model.codeset.title(mention.code)
        assert mention.candidates[0].code == mention.code
        assert [c.score for c in mention.candidates] == sorted((c.score for c in mention.candidates), reverse=True)
        assert 0 <= mention.score <= 1
        assert 0 <= mention.assertion_score <= 1


def test_trained_notes_are_read_right(model: TrainedModel) -> None:
    found = {(m.text.lower(), m.code) for document in DOCUMENTS for m in model.detect(document)}
    assert ("multiple sclerosis", "G35") in found
    assert ("cholera", "A00.9") in found


def test_batches_padding_and_order_change_nothing(model: TrainedModel) -> None:
    alone = [bare(model.detect(document)) for document in [*DOCUMENTS, LONG]]
    together = [bare(mentions) for mentions in model.detect_batch([*DOCUMENTS, LONG])]
    backwards = [bare(mentions) for mentions in model.detect_batch([LONG, *reversed(DOCUMENTS)])]
    assert together == alone
    assert [*backwards[:0:-1], backwards[0]] == alone


def test_runtimes_agree(model: TrainedModel, tiny_checkpoint: Path) -> None:
    network = load_model(tiny_checkpoint, "torch")
    for document in [*DOCUMENTS, LONG]:
        (heads, _), (other, _) = model.label_scores([document])[0], network.label_scores([document])[0]
        assert np.abs(np.exp(heads) - np.exp(other)).max() < 0.1  # int8 against bfloat16
        assert bare(network.detect(document)) == bare(model.detect(document))


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_nearest_terms_are_those_of_the_highest_logits(
    tiny_checkpoint: Path, tiny_release: str, runtime: RuntimeName
) -> None:
    model = load_model(tiny_checkpoint, runtime)
    terms = model._parts.terms.logit_vectors()
    rng = np.random.default_rng(0)
    vectors = terms[rng.integers(len(terms), size=20)] + rng.normal(size=(20, terms.shape[1]))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    nearest = model._runtime.nearest_terms(vectors)
    assert min(NEAREST_TERMS, len(terms)) <= nearest.shape[1] <= NEAREST_TERMS
    logits = vectors @ terms.T
    assert (nearest == logits.argmax(1)[:, None]).any(1).all()
    alone = np.concatenate([model._runtime.nearest_terms(vector[None]) for vector in vectors])
    assert (np.sort(alone, 1) == np.sort(nearest, 1)).all()
    assert len(model._runtime.nearest_terms(vectors[:0])) == 0


def test_similar_codes_are_those_of_an_exhaustive_search(tiny_checkpoint: Path, tiny_release: str) -> None:
    index = load_model(tiny_checkpoint, "torch")._parts.terms
    terms = index.logit_vectors()
    vectors = terms[:7] / np.linalg.norm(terms[:7], axis=1, keepdims=True)
    everything = np.tile(np.arange(len(terms)), (7, 1))
    for vector, found in zip(vectors, index.similar(vectors, everything), strict=True):
        logits = terms @ vector
        order = np.argsort(-logits, kind="stable")
        codes = list(dict.fromkeys(index._codes[i] for i in index._term_codes[order]))
        assert [similar.code for similar in found[:5]] == codes[:5]
        assert found[0].behind == 0
        assert [s.behind for s in found] == sorted((s.behind for s in found), reverse=True)
        assert all(-1.001 <= similar.similarity <= 1.001 for similar in found)


@given(sizes=st.lists(st.integers(1, 300), max_size=30), tokens=st.integers(0, 2000))
def test_batches_of_windows_fit_what_is_read_at_once(sizes: list[int], tokens: int) -> None:
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    batches = list(_batches(order, sizes, tokens))
    assert [i for batch in batches for i in batch] == order
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (max(sizes[i] for i in batch) + 2) <= tokens


@given(text=st.text(max_size=80))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gives_mentions_inside_it(model: TrainedModel, text: str) -> None:
    for mention in model.detect(Document(text)):
        assert text[mention.start : mention.end] == mention.text != ""


def test_nothing_gives_nothing(model: TrainedModel) -> None:
    assert model.detect_batch([]) == []
    assert model.detect(Document("")) == ()


def test_weights_turn_assertions_and_leave_codes(model: TrainedModel) -> None:
    absent = ASSERTIONS.index("absent")
    biased = model.with_settings(assertion_biases=[50.0 if i == absent else 0.0 for i in range(len(ASSERTIONS))])
    plain, turned = model.detect(LONG), biased.detect(LONG)
    assert {m.assertion for m in turned} == {"absent"} != {m.assertion for m in plain}
    assert [(m.start, m.end, m.candidates) for m in turned] == [(m.start, m.end, m.candidates) for m in plain]
    assert biased.framing.assertion_biases[absent] == 50
    assert model.framing.assertion_biases == []


def test_detector_takes_a_folder(tiny_checkpoint: Path, tiny_release: str) -> None:
    detector = Detector.from_pretrained(tiny_checkpoint)
    result = detector("ASSESSMENT: Multiple sclerosis, stable. No cholera.")
    assert result.release == tiny_release
    assert result.model == "tiny"
    assert [code.code for code in result.codes] == ["G35"]


def test_stream_is_the_same_as_one_by_one(tiny_checkpoint: Path, tiny_release: str) -> None:
    detector = Detector.from_pretrained(tiny_checkpoint)
    notes = [note.note for note in make_notes()] + [Note("empty", " ")]
    streamed = list(detector.stream(notes))
    results = [result for result in streamed if isinstance(result, NoteResult)]
    assert [bare(r.mentions) for r in results] == [bare(detector(note).mentions) for note in notes[:-1]]
    assert "the text is empty" in streamed[-1].reason  # type: ignore[union-attr]


def test_a_date_of_another_release_is_warned_of(tiny_checkpoint: Path, tiny_release: str) -> None:
    from datetime import date

    detector = Detector.from_pretrained(tiny_checkpoint)
    result = detector(Note("1", "Multiple sclerosis.", encounter_date=date(2026, 5, 1)))
    assert result.release == tiny_release
    assert any(tiny_release in warning for warning in result.warnings)


@pytest.mark.usefixtures("tiny_release")
class TestErrors:
    def test_no_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"found no config\.json"):
            load_model(tmp_path)
        with pytest.raises(ModelError, match="or the folder of a checkpoint"):
            Detector.from_pretrained("nonsense")

    def test_no_gpu(self, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("detect_icd10cm.model.load.which", lambda _: None)
        with pytest.raises(ModelError, match="found no GPU that torch can use"):
            Detector.from_pretrained(tiny_checkpoint, device="cuda")
        with pytest.raises(ModelError, match="found batch_tokens 512 on a CPU"):
            Detector.from_pretrained(tiny_checkpoint, batch_tokens=512)

    @pytest.mark.parametrize("graph", [ENCODER_ONNX, TERMS_ONNX])
    def test_no_graph(self, tiny_checkpoint: Path, tmp_path: Path, graph: str) -> None:
        folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
        (folder / graph).unlink()
        with pytest.raises(ModelError, match=f"found no {graph}; run: python -m training.export"):
            load_model(folder, "onnx")

    def test_graph_of_another_network(self, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        unknown = {"encoder.encoder.layer.9.output.dense.weight": np.zeros((4, 4), np.int8)}
        monkeypatch.setattr("detect_icd10cm.model.onnx.layer_matrices", lambda _: unknown)
        with pytest.raises(ModelError, match=r"of another network; run: python -m training\.export"):
            load_model(tiny_checkpoint, "onnx")

    def test_another_model(self, tmp_path: Path) -> None:
        (tmp_path / CONFIG).write_text('{"model_type": "bert"}', "utf-8")
        with pytest.raises(ModelError, match="found model_type 'bert'"):
            load_model(tmp_path)

    def test_another_release(self, tiny_checkpoint: Path) -> None:
        with pytest.raises(ModelError, match=r"pass CodeSet\.load\('2023-10'\)"):
            load_model(tiny_checkpoint, codeset=CodeSet.load("2026-04"))

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [("codes_hash", "0", "the checkpoint expects 0"), ("release", "2019-10", "found no release 2019-10")],
    )
    def test_other_codes(self, tiny_checkpoint: Path, tmp_path: Path, key: str, value: str, message: str) -> None:
        folder = tmp_path / "copy"
        shutil.copytree(tiny_checkpoint, folder)
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        (folder / CONFIG).write_text(json.dumps({**config, key: value}), "utf-8")
        with pytest.raises(ModelError, match=message):
            load_model(folder)


def test_int8_rows_are_near_their_floats() -> None:
    weights = {"large": np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32), "small": np.ones((2, 2))}
    packed = quantize(weights)
    assert packed["large"].dtype == np.int8
    restored = packed["large"] * packed["large.int8_scale"][:, None]
    assert np.abs(restored - weights["large"]).max() < np.abs(weights["large"]).max() / 127
    assert packed["small"] is weights["small"]
