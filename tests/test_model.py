from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModel, BertConfig

from detect_icd10cm.model.checkpoint import quantize
from detect_icd10cm.model.config import DetectConfig
from detect_icd10cm.model.inputs import Framing, Pieces, encode_note, make_windows
from detect_icd10cm.model.modeling import IGNORED, DetectModel, pool_spans
from detect_icd10cm.model.runtime import pool_spans as pool_arrays
from detect_icd10cm.text.document import Document
from training.examples import Example, collate

SIZE = 32


def make_model(**settings: int) -> DetectModel:
    torch.manual_seed(0)
    encoder = BertConfig(
        vocab_size=60, hidden_size=SIZE, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config = DetectConfig(
        encoder=encoder.to_dict(), n_terms=6, n_categories=3, term_dim=16, hidden_dim=24, window=20, margin=4,
        dropout=0.0, cls_id=3, sep_id=4, **settings,
    )  # fmt: skip
    model = DetectModel(config)
    vectors = torch.nn.functional.normalize(torch.randn(6, 16), dim=-1)
    model.set_terms(vectors, torch.tensor([0, 0, 1, 2, 3, 4]), torch.tensor([0, 0, 0, 1, 1, 2]))
    return model


def make_example(seed: int, n: int = 12) -> Example:
    rng = np.random.default_rng(seed)
    note = encode_note(Document("a " * n), rng.integers(0, 9, n), _LetterPieces(rng.integers(5, 60, n)))  # type: ignore[arg-type]
    labels = np.zeros(n, np.int64)
    labels[2], labels[3], labels[7] = 1, 2, 1
    spans = np.array([[2, 4, 0, n], [7, 8, 0, n]])
    return Example(
        note, make_windows(note, [(0, n)], 20, 4), labels, spans, np.array([0, 1]), np.array([0, 1]), np.array([0, 2]),
        np.array([seed % 5, (seed + 1) % 5]),
    )  # fmt: skip


class _LetterPieces:
    """Gives each word in turn a piece of its own."""

    def __init__(self, ids: np.ndarray) -> None:
        self._ids = iter(ids.tolist())

    def __call__(self, word: str) -> tuple[int, ...]:
        return (next(self._ids),)


def test_saved_and_loaded_is_equal_with_buffers(tmp_path: Path) -> None:
    model = make_model().eval()
    model.save_pretrained(tmp_path)
    loaded = DetectModel.from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    batch = collate([make_example(1)], model.config)
    assert torch.equal(model(**batch).loss, loaded.eval()(**batch).loss)
    assert (tmp_path / "model.safetensors").is_file()


def test_int8_checkpoint_is_loaded_as_floats(tmp_path: Path) -> None:
    model = make_model().eval()
    weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    packed = {name: np.array(array, order="C") for name, array in quantize(weights).items()}
    save_file(packed, tmp_path / "model.safetensors")
    model.config.save_pretrained(tmp_path)
    for loaded in (DetectModel.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
        for name, value in model.state_dict().items():
            difference = (loaded.state_dict()[name].float() - value.float()).abs().max()
            assert difference < 0.005 * max(1.0, float(value.float().abs().max())), name


def test_auto_classes_know_the_model(tmp_path: Path) -> None:
    make_model(frozen_layers=1).save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, DetectConfig)
    assert config.frozen_layers == 1
    assert config.encoder.hidden_size == SIZE
    assert isinstance(AutoModel.from_pretrained(tmp_path), DetectModel)


def test_a_nested_wish_for_remote_code_is_dropped() -> None:
    encoder = {**BertConfig(hidden_size=SIZE).to_dict(), "trust_remote_code": True}
    assert not hasattr(DetectConfig(encoder=encoder).encoder, "trust_remote_code")


def test_eight_examples_overfit() -> None:
    model = make_model()
    batch = collate([make_example(seed) for seed in range(8)], model.config)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    before = model(**batch).loss.item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * before


def test_ignored_labels_give_no_loss() -> None:
    model = make_model().eval()
    batch = collate([make_example(1)], model.config)
    for name in ("labels", "assertions", "kinds", "codes"):
        batch[name] = torch.full_like(batch[name], IGNORED)
    assert model(**batch).loss.item() == 0.0


def test_code_loss_is_that_of_a_loop() -> None:
    model = make_model().eval()
    torch.nn.init.normal_(model.category_embedding.weight)
    vectors = torch.nn.functional.normalize(torch.randn(3, 16), dim=-1)
    gold = [0, 3, 1]
    expected = 0.0
    for vector, code in zip(vectors, gold, strict=True):
        scores = []
        for term in range(6):
            similarity = vector @ (model.terms[term].float() * model.term_scales[term])
            scores.append(
                model.log_scale.exp() * similarity
                + vector @ model.category_embedding.weight[model.term_categories[term]]
            )
        shares = torch.stack(scores).softmax(0)
        expected -= sum(shares[t] for t in range(6) if model.term_codes[t] == code).log().item() / 3
    assert model._code_loss(vectors, torch.tensor(gold)).item() == pytest.approx(expected, rel=1e-4)


def test_terms_are_kept_to_a_percent() -> None:
    model = make_model()
    vectors = torch.nn.functional.normalize(torch.randn(6, 16), dim=-1)
    model.set_terms(vectors, torch.arange(6), torch.zeros(6))
    assert (model.float_terms() - vectors).abs().max() < 0.01


def test_frozen_layers_stay_and_tags_reach_the_next() -> None:
    model = make_model(frozen_layers=1)
    model.freeze()
    batch = collate([make_example(1)], model.config)
    model(**batch).loss.backward()
    lower, upper = model.layers()
    assert all(p.grad is None for p in lower.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in upper.parameters())
    assert model.tag_embedding.weight.grad is not None
    assert model.tag_embedding.weight.grad.abs().sum() > 0


def test_pooled_spans_are_those_of_a_loop() -> None:
    flat = torch.randn(10, 4)
    spans = torch.tensor([[2, 5, 0, 10], [7, 8, 6, 9]])
    pooled, around = pool_spans(flat, spans)
    for row, (first, end, low, high) in enumerate(spans.tolist()):
        expected = torch.cat([flat[first], flat[end - 1], flat[first:end].mean(0)])
        assert torch.allclose(pooled[row], expected, atol=1e-5)
        assert torch.allclose(around[row], flat[low:high].mean(0), atol=1e-5)
    arrays = pool_arrays(flat.numpy(), spans.numpy())
    assert np.allclose(arrays[0], pooled.numpy(), atol=1e-5)
    assert np.allclose(arrays[1], around.numpy(), atol=1e-5)


@pytest.mark.parametrize("n_words", [1, 19, 20, 21, 57, 200])
def test_windows_keep_each_piece_once(n_words: int) -> None:
    document = Document("Word. " * n_words)
    note = encode_note(document, [0] * len(document.tokens), _LetterPieces(np.full(2 * n_words, 7)))  # type: ignore[arg-type]
    windows = make_windows(note, document.sentences, 20, 4)
    kept = [piece for window in windows for piece in range(window.core_start, window.core_end)]
    assert kept == list(range(len(note.ids)))
    for window in windows:
        assert window.end - window.start <= 20
        assert window.start <= window.core_start < window.core_end <= window.end
        if window.end < len(note.ids):
            assert window.end - window.core_end >= 4 or window.end == len(note.ids)


def test_an_empty_note_has_no_window() -> None:
    note = encode_note(Document(""), [], _LetterPieces(np.zeros(0)))  # type: ignore[arg-type]
    assert make_windows(note, [], 20, 4) == []


def test_framing_holds_fields_of_the_configuration() -> None:
    config = DetectConfig()
    assert all(hasattr(config, name) for name in Framing.__dataclass_fields__)


def test_pieces_of_a_word_do_not_depend_on_padding_rules() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordPiece({"[UNK]": 0, "cold": 1, "##s": 2, "[PAD]": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_padding(length=16)
    pieces = Pieces(tokenizer, newline_id=9)
    assert pieces("colds") == (1, 2)
    assert pieces("\n") == (9,)
