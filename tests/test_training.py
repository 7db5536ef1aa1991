from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import make_notes, parse_marked, write_notes, write_settings

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.errors import ModelError, NoteError
from detect_icd10cm.model.checkpoint import METRICS, read_config
from detect_icd10cm.model.features import FEATURES
from detect_icd10cm.model.gazetteer import CURRENT, Gazetteer, phrase_key
from detect_icd10cm.model.inputs import Framing
from detect_icd10cm.model.load import load_model
from detect_icd10cm.model.ranking import Candidates, describe_company
from detect_icd10cm.model.tagger import average_pieces, even_lengths
from detect_icd10cm.model.trained import LinkedSpan
from detect_icd10cm.model.words import N_BUCKETS, N_FEATURES, word_features
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import ASSERTIONS, Mention
from training.adapt import choose_terms
from training.assemble import build_gazetteer, count_priors
from training.calibrate import calibrate_ranker, choose_assertion_weights, expected_calibration_error
from training.examples import own_counts
from training.measure import load_choices, save_choices
from training.overlap import refuse_overlap
from training.rank import Choice, fit_ranker, join_choices
from training.settings import RankSettings, TaggerSettings, read_settings
from training.tagger import TaggedNote, TaggerNetwork, train_tagger
from training.terms import Term


def make_choices(n: int, seed: int = 0) -> list[Choice]:
    """Return choices in which the third feature tells the right code, most of the time."""
    rng = np.random.default_rng(seed)
    choices = []
    for i in range(n):
        features = np.zeros((4, len(FEATURES)), np.float32)
        features[:, :4] = rng.normal(size=(4, 4))
        best = int(features[:, 2].argmax()) if rng.random() < 0.8 else int(rng.integers(4))
        choices.append(Choice(features, list("abcd"), "abcd"[best], i // 5))
    return choices


def test_ranker_learns_and_is_calibrated() -> None:
    ranker = fit_ranker(make_choices(600), RankSettings(epochs=8), seed=0)
    ranker = calibrate_ranker(ranker, make_choices(600, seed=1))
    fresh = make_choices(600, seed=2)
    scores, right = [], []
    for choice in fresh:  # each in a note of its own
        logits = ranker.score(join_choices([choice]))
        probabilities = ranker.probabilities(logits, np.array([len(logits)]))
        assert probabilities.sum() <= 1 + 1e-5
        assert probabilities[logits.argmax()] == probabilities.max()
        scores.append(float(probabilities.max()))
        right.append(float(choice.codes[int(logits.argmax())] == choice.gold))
    assert np.mean(right) > 0.75
    assert expected_calibration_error(np.array(scores), np.array(right)) < 0.07


def make_note_choices(n_notes: int, seed: int) -> list[Choice]:
    """Return choices in which one mention of each note tells its code, and nothing but that tells the other's."""
    rng = np.random.default_rng(seed)
    codes = ["A00.0", "B00.0", "C00.0"]
    choices = []
    for note in range(n_notes):
        right = int(rng.integers(3))
        telling = np.zeros((3, len(FEATURES)), np.float32)
        telling[right, 2] = 1.0
        choices.append(Choice(telling, codes, codes[right], note))
        choices.append(Choice(np.zeros((3, len(FEATURES)), np.float32), codes, codes[right], note))
    return choices


def test_ranker_reads_what_other_mentions_of_the_note_mean() -> None:
    ranker = fit_ranker(make_note_choices(200, seed=0), RankSettings(epochs=20, width=8), seed=0)
    fresh = make_note_choices(50, seed=1)
    candidates = join_choices(fresh)
    found = [int(scores.argmax()) for scores in candidates.split(ranker.score(candidates))]
    right = [choice.codes.index(choice.gold) for choice in fresh]
    assert np.mean([f == r for f, r in zip(found, right, strict=True)]) > 0.97
    alone = [int(ranker.score(join_choices([choice])).argmax()) for choice in fresh[1::2]]
    assert np.mean([f == r for f, r in zip(alone, right[1::2], strict=True)]) < 0.6, "alone it can only guess"


def test_company_is_that_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    codes = ["M54.50", "M54.2", "G35", "M54.59", "S06.317A", "S06.31AA", "G35"]
    sizes, notes = np.array([2, 0, 3, 2]), np.array([0, 0, 0, 1])
    scores = rng.normal(size=7)
    company = describe_company(Candidates(np.zeros((7, 1)), codes, sizes, notes), scores)
    mention_of = [0, 0, 2, 2, 2, 3, 3]
    raised = np.exp(scores)
    shares = [raised[i] / sum(raised[j] for j in range(7) if mention_of[j] == mention_of[i]) for i in range(7)]
    note_of = notes[mention_of]
    for i in range(7):
        others = [j for j in range(7) if mention_of[j] != mention_of[i] and note_of[j] == note_of[i]]
        for column, letters in ((1, 8), (2, 5), (3, 3)):
            elsewhere = sum(shares[j] for j in others if codes[j][:letters] == codes[i][:letters])
            assert company[i, column] == pytest.approx(np.log1p(elsewhere), abs=1e-5)


def test_assertion_weights_make_up_for_what_is_rare() -> None:
    """A head that doubts all but the frequent assertion is right again with biases; rules that are wrong weigh none."""
    rng = np.random.default_rng(0)
    gold = rng.choice(len(ASSERTIONS), size=400, p=[0.7, 0.1, 0.05, 0.05, 0.05, 0.05])
    logits = rng.normal(size=(400, len(ASSERTIONS)))
    logits[np.arange(400), gold] += 4
    logits[:, 0] += 3  # what it saw most
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wrong = (gold + 1) % len(ASSERTIONS)
    nothing = np.zeros((0, len(FEATURES)))
    linked = [
        (
            Mention(0, 1, "x", "diagnosis", ASSERTIONS[g], ""),
            LinkedSpan((0, 1), int(rule), p, np.zeros(4), [], nothing),
            0,
        )
        for g, rule, p in zip(gold, wrong, probabilities, strict=True)
    ]
    chosen = choose_assertion_weights(linked, Framing(254, 24, 1, 2, 0))
    assert chosen["rule_weight"] == 0
    biases = np.array(chosen["assertion_biases"])
    assert biases[0] == biases.min()
    right = (logits.argmax(1) == gold).mean(), ((logits + biases).argmax(1) == gold).mean()
    assert right[1] > right[0] + 0.03


def test_calibration_error_of_known_scores() -> None:
    assert expected_calibration_error(np.array([0.95, 0.95]), np.array([1.0, 0.0])) == pytest.approx(0.45)
    assert expected_calibration_error(np.array([0.05, 0.55]), np.array([0.0, 1.0])) == pytest.approx(0.25)


def test_choices_come_back_from_their_file(tmp_path: Path) -> None:
    choices = [*make_choices(3), Choice(np.zeros((0, len(FEATURES)), np.float32), [], "z", 7)]
    save_choices(tmp_path / "choices.npz", choices)
    for before, after in zip(choices, load_choices(tmp_path / "choices.npz"), strict=True):
        assert np.array_equal(before.features, after.features)
        assert before[1:] == after[1:]


def test_tagger_learns_and_freezes_to_the_same_scores() -> None:
    rng = np.random.default_rng(0)
    features = rng.integers(0, 50, (40, N_FEATURES))
    labels = (features[:, 0] > 25).astype(np.int64)
    settings = TaggerSettings(epochs=30, dim=8, width=8, learning_rate=0.02)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    tagger = train_tagger([TaggedNote(features, vectors, labels)] * 4, settings, 0, lambda *_: None)
    assert (tagger.score(features, vectors @ tagger.static).argmax(1) == labels).mean() > 0.95
    network = TaggerNetwork(settings, 6).eval()
    network.start_from(tagger)
    scores = network(torch.from_numpy(features), torch.from_numpy(vectors)).log_softmax(-1).detach().numpy()
    assert np.abs(scores - tagger.score(features, vectors @ tagger.static)).max() < 1e-4


def test_word_vectors_are_means_of_pieces_of_one_length() -> None:
    pieces = np.array([[2.0, 0.0], [0.0, 5.0], [3.0, 4.0]])
    vectors = average_pieces(even_lengths(pieces), np.array([0, 2, 3]))
    assert np.allclose(vectors, [[2.0, 2.0], [2.4, 3.2]])
    assert average_pieces(pieces[:0], np.array([0])).shape == (0, 2)


def test_word_features_see_two_words_around() -> None:
    document = Document("No fever or chills at night today")
    zeros = np.zeros(len(document.tokens), int)
    base = word_features(document, zeros, zeros)
    assert base.shape == (len(document.tokens), N_FEATURES)
    assert 0 <= base.min() <= base.max() < N_BUCKETS
    changed = word_features(Document("No fever or chills at night tomorrow"), zeros, zeros)
    same = (base == changed).all(1)
    assert same[:4].all()
    assert not same[4:].any()


@pytest.fixture
def table(codeset: CodeSet) -> Gazetteer:
    terms = [Term("Cholera, unspecified", "A00.9", "title", 1.0), Term("dog bite", "W54.0XXA", "title", 1.0)]
    return build_gazetteer(
        codeset, terms, [parse_marked("1", "Knee {pain in the left knee|M25.562|present}. No {cholera|A00.9|absent}.")]
    )


def test_gazetteer_counts_mentions_in_any_word_order(table: Gazetteer) -> None:
    assert table.evidence(phrase_key("left knee pain")) == {("M25.562", CURRENT): 1}
    assert table.evidence(phrase_key("dog bite")) == {}, "titles of external causes are not said"


def test_a_note_does_not_know_itself(table: Gazetteer) -> None:
    note = parse_marked("1", "Knee {pain in the left knee|M25.562|present}.")
    assert table.evidence(phrase_key("left knee pain"), own_counts(note)) == {}
    document = Document("Left knee pain.")
    phrases = table.phrases(document)
    assert table.tags(phrases, len(document.tokens))[0] > 0
    assert table.tags(phrases, len(document.tokens), own_counts(note), {}) == [0] * len(document.tokens)


def test_gazetteer_comes_back_from_its_arrays(table: Gazetteer) -> None:
    again = Gazetteer.from_arrays(table.codes, table.to_arrays())
    document = Document("No cholera; pain in left knee.")
    phrases = table.phrases(document)
    assert again.phrases(document) == phrases
    assert len(again) == len(table)
    n = len(document.tokens)
    assert again.tags(phrases, n) == table.tags(phrases, n)
    assert all(again.evidence(p.key) == table.evidence(p.key) for p in phrases)


def test_priors_count_codes_and_weigh_rare_words_more(codeset: CodeSet) -> None:
    priors = count_priors(codeset, make_notes())
    counts = Counter(m.code for note in make_notes() for m in note.mentions)
    assert priors.codes == dict(counts)
    assert priors.word_weights[phrase_key("cholera")] > priors.word_weights[phrase_key("unspecified")]


def test_every_code_family_has_a_term(codeset: CodeSet) -> None:
    chosen = choose_terms([Term("cholera nos", "A00.9", "inclusion", 1.0)], codeset, most=2)
    codes = {code for _, code in chosen}
    assert {"A00.9", "S93.401A", "G35.A"} <= codes
    assert "S93.401D" not in codes, "a later encounter shares the terms of the first"
    assert ("cholera nos", "A00.9") in chosen


def test_settings_refuse_unknown_keys_and_types(tmp_path: Path) -> None:
    path = write_settings(tmp_path, joint={"epoch": 3})
    with pytest.raises(ModelError, match=r"run\.yaml, joint: found unknown keys epoch"):
        read_settings(path)
    with pytest.raises(ModelError, match="YAML reads 1e-4 as text"):
        read_settings(write_settings(tmp_path, joint={"learning_rate": "1e-4"}))
    (tmp_path / "empty.yaml").write_text("seed: 3", "utf-8")
    with pytest.raises(ModelError, match="found no output"):
        read_settings(tmp_path / "empty.yaml")


@pytest.mark.parametrize("name", ["base", "tiny"])
def test_shipped_settings_are_read(name: str) -> None:
    assert read_settings(Path(__file__).parent.parent / "configs" / f"{name}.yaml").encoder


def test_development_notes_are_refused_for_training() -> None:
    notes = make_notes()
    with pytest.raises(NoteError, match="in 1 training notes"):
        refuse_overlap([one.note for one in notes], [notes[2].note])


def test_run_writes_figures_of_each_epoch(tiny_checkpoint: Path) -> None:
    lines = (tiny_checkpoint.parent / "metrics.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["epoch"] for row in rows] == list(range(60))
    assert rows[-1]["loss_labels"] < rows[0]["loss_labels"]


def test_a_killed_run_goes_on(
    tiny_checkpoint: Path, tiny_release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that lacks the last of its epochs reads that one; with settings that are not its own it is refused."""
    from training.train import main

    folder, output = tiny_checkpoint.parent.parent, tmp_path / "run"
    shutil.copytree(tiny_checkpoint.parent, output)
    path = str(write_settings(folder, joint={**_joint(folder), "epochs": 61}))
    with pytest.raises(ModelError, match=r"found parts of a run with other settings \(joint\.epochs\)"):
        main([path, "--output", str(output)])
    kept = output / "settings.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text("utf-8")), "joint.epochs": 61}), "utf-8")
    main([path, "--output", str(output)])
    assert "going on after epoch 60" in capsys.readouterr().err
    assert len((output / "metrics.jsonl").read_text("utf-8").splitlines()) == 61


def test_folds_give_the_ranker_all_notes(
    tiny_checkpoint: Path, tiny_release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Networks that each leave notes out propose codes for these; parts that were run alone are not run again."""
    from training.train import main

    folder = tiny_checkpoint.parent.parent
    joint = {**_joint(folder), "epochs": 1, "folds": 2}
    path = write_settings(folder, joint=joint, data={"train": ["train.jsonl"], "repeat": 2})
    output = tmp_path / "folds"
    for part in ("terms", "fold-1"):
        assert main([str(path), "--output", str(output), "--part", part]) == output
    assert {entry.name for entry in output.iterdir()} == {"adapted.safetensors", "fold-1", "settings.json"}
    before = (output / "fold-1" / "choices.npz").stat().st_mtime_ns
    assert main([str(path), "--output", str(output)]) == output / "checkpoint"
    assert (output / "fold-1" / "choices.npz").stat().st_mtime_ns == before
    gold = Counter(
        choice.gold for fold in ("fold-0", "fold-1") for choice in load_choices(output / fold / "choices.npz")
    )
    assert gold == Counter(mention.code for note in make_notes() for mention in note.mentions)
    assert not (output / "choices.npz").exists()
    assert load_model(output / "checkpoint", "torch").linker.ranker.draft
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main([str(path), "--part", "fold-2"])
    assert "found fold-2, expected one of terms, tagger, fold-0, fold-1" in capsys.readouterr().err


def _joint(folder: Path) -> dict[str, object]:
    import yaml

    settings: dict[str, object] = yaml.safe_load((folder / "run.yaml").read_text("utf-8"))["joint"]
    return settings


def test_notes_with_marks_are_parsed(tmp_path: Path) -> None:
    notes = make_notes()
    path = write_notes(tmp_path / "notes.jsonl", notes)
    assert len(path.read_text("utf-8").splitlines()) == len(notes)
    assert all(n.note.text[m.start : m.end] == m.text for n in notes for m in n.mentions)


@pytest.mark.slow
def test_tiny_settings_train_a_checkpoint_on_all_codes(tmp_path: Path) -> None:
    from detect_icd10cm.model.load import load_model
    from training.train import main

    folder = main([str(Path(__file__).parent.parent / "configs" / "tiny.yaml"), "--output", str(tmp_path)])
    model = load_model(folder, "torch")
    for mention in model.detect(Document("Assessment: left leg weakness, multiple sclerosis.")):
        assert model.codeset.is_billable(mention.code)


def test_a_checkpoint_is_calibrated_in_place(
    tiny_checkpoint: Path, tiny_release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.calibrate import main

    folder = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    main([str(folder), str(write_notes(tmp_path / "dev.jsonl", make_notes()))])
    chosen = json.loads(capsys.readouterr().out)
    config = read_config(folder)
    assert chosen.items() <= config.items()
    assert set(chosen) == {"outside_bias", "inside_bias", "tagger_share", "rule_weight", "assertion_biases"}
    assert config.keys() == read_config(tiny_checkpoint).keys() | chosen.keys()
    figures = json.loads((folder / METRICS).read_text("utf-8"))["dev"]
    assert figures["overlap_f1"] > 0.9
    assert f"{figures['code_accuracy']:.3f}" in (folder / "MODEL_CARD.md").read_text("utf-8")
    assert load_model(folder).framing.assertion_biases == chosen["assertion_biases"]
