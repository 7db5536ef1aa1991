from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detect_icd10cm import evaluation
from detect_icd10cm.cli import app, main
from detect_icd10cm.errors import CodeSetError, ModelError, NoteError
from detect_icd10cm.evaluation import Predictions, evaluate, evaluate_files, files, read_predictions, write_json
from detect_icd10cm.metrics.spans import CRITERIA, PRF, RULES
from detect_icd10cm.notes.write import write_results
from detect_icd10cm.types import AnnotatedNote, Indication, Mention, Note, NoteCode, NoteResult

TEXT = "Known asthma. Denies fever. Mother had a stroke."
MENTIONS = (
    Mention(6, 12, "asthma", "diagnosis", "present", "J45.909"),
    Mention(21, 26, "fever", "symptom", "absent", "R50.9"),
    Mention(41, 47, "stroke", "diagnosis", "family", "Z82.3"),
)
GOLD = tuple(
    AnnotatedNote(Note(f"n{i}", TEXT), MENTIONS, ("J45.909", "Z82.3"), {"64580": ("pain",) if i % 2 else ()})
    for i in range(6)
)


def result(note_id: str, mentions: tuple[Mention, ...] = MENTIONS, *codes: str, pain: bool = False) -> NoteResult:
    made = tuple(NoteCode(code, "", 0.9 - i / 10, "review", ()) for i, code in enumerate(codes))
    indications = (Indication("64580", "pain", "supported" if pain else "not_found"),)
    return NoteResult(note_id, "2026-04", "test", "outpatient", mentions, made, indications)


def perfect() -> Predictions:
    return Predictions(
        tuple(result(f"n{i}", MENTIONS, "J45.909", "Z82.3", pain=bool(i % 2)) for i in range(6)), "perfect"
    )


def write_gold(path: Path, notes: tuple[AnnotatedNote, ...] = GOLD) -> Path:
    def record(note: AnnotatedNote) -> dict[str, Any]:
        mentions = [
            {"start": m.start, "end": m.end, "text": m.text, "code": m.code, "assertion": m.assertion, "kind": m.kind}
            for m in note.mentions
        ]
        own = {"note_id": note.note.note_id, "text": note.note.text, "codes": list(note.codes), "mentions": mentions}
        return {**own, "indications": {name: list(names) for name, names in note.indications.items()}}

    path.write_text("".join(f"{json.dumps(record(note))}\n" for note in notes))
    return path


def test_gold_as_prediction_is_perfect_everywhere() -> None:
    found = evaluate(GOLD, perfect(), perfect(), n_resamples=20)
    assert found.spans is not None
    assert found.codes is not None
    assert all(found.spans.scores[rule][c] == PRF(18, 18, 18) for rule in RULES for c in CRITERIA)
    assert found.spans.assertion_accuracy == 1.0
    assert found.codes.sets.exact_match == 1.0
    assert {(i.value, i.low, i.high) for i in found.intervals.values()} == {(1.0, 1.0, 1.0)}
    assert found.indications == {"64580": {"pain": PRF(3, 3, 3)}}
    assert (found.mistakes, found.issues, found.mapped, found.n_without_prediction) == ((), (), None, 0)
    assert found.comparison is not None
    assert {(c.difference, c.p) for c in found.comparison.values()} == {(0.0, 1.0)}


def test_an_empty_prediction_is_zero_everywhere() -> None:
    for nothing in (Predictions((), "none"), Predictions(tuple(result(f"n{i}", ()) for i in range(6)), "empty")):
        found = evaluate(GOLD, nothing, n_resamples=20)
        assert found.spans is not None
        assert all(found.spans.scores[rule][c] == PRF(0, 0, 18) for rule in RULES for c in CRITERIA)
        assert {(i.value, i.low, i.high) for i in found.intervals.values()} == {(0.0, 0.0, 0.0)}
        assert (found.calibration, found.decided) == (None, None)
        assert [group.cause for group in found.mistakes] == ["missed mention"] * 3


def test_order_of_notes_changes_no_figure() -> None:
    pred = Predictions(
        tuple(result(f"n{i}", MENTIONS[i % 3 :], "J45.909", *(["I10"] * (i % 2))) for i in range(6)), "p"
    )
    backwards = Predictions(pred.results[::-1], "p")
    assert evaluate(GOLD, pred, n_resamples=20).to_dict() == evaluate(GOLD[::-1], backwards, n_resamples=20).to_dict()


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(NoteError, match=r"1 predicted notes are not in gold \(note_id x\)"):
        evaluate(GOLD, Predictions((result("x"),), "p"))
    far = replace(MENTIONS[0], start=100, end=106)
    with pytest.raises(NoteError, match="note n0: predicted mention 100-106 lies outside the gold text of 48"):
        evaluate(GOLD, Predictions((result("n0", (far,)),), "p"))
    shifted = replace(MENTIONS[0], start=7, end=13)
    with pytest.raises(NoteError, match="7-13 quotes another text") as error:
        evaluate(GOLD, Predictions((result("n0", (shifted,)),), "p"))
    assert "asthma" not in str(error.value)
    with pytest.raises(NoteError, match="gold holds no note"):
        evaluate((), Predictions((), "p"))
    bare = tuple(AnnotatedNote(note.note) for note in GOLD)
    with pytest.raises(NoteError, match="found no label in any of the 6 gold notes; expected mentions, codes or indi"):
        evaluate(bare, perfect())
    for labelled in ({"codes": ("I10",)}, {"mentions": MENTIONS}, {"indications": {"64580": ()}}):
        assert evaluate((replace(bare[0], **labelled), *bare[1:]), perfect(), n_resamples=2).n_notes == 6
    with pytest.raises(NoteError, match=r"\(note_id of 12 characters\)"):
        evaluate(GOLD, Predictions((result("Known asthma"),), "p"))


def test_old_codes_are_reported_and_compared_raw_and_mapped() -> None:
    gold = (AnnotatedNote(Note("a", ""), codes=("E11", "W19.XXX", "QQ9.9", "I10", "I10")),)
    pred = Predictions((result("a", (), "E11.9", "W19.XXXA", "I10"),), "p")
    found = evaluate(gold, pred, n_resamples=5)
    assert [(i.kind, i.source) for i in found.issues] == [
        ("not billable", "E11"),
        ("not in release", "W19.XXX"),
        ("not in release", "QQ9.9"),
        ("repeated", "I10"),
    ]
    assert found.codes is not None
    assert found.mapped is not None
    assert found.codes.sets.micro == PRF(1, 3, 4)
    assert found.mapped.sets.micro == PRF(3, 3, 4)
    assert found.intervals["codes, mapped, F1"].value == pytest.approx(6 / 7)


def test_gold_is_checked_against_its_own_release() -> None:
    gold = (AnnotatedNote(Note("a", "", encounter_date=date(2019, 5, 1)), codes=("I10",)),)
    found = evaluate(gold, Predictions((), "p"), n_resamples=5)
    assert len(found.warnings) == 1
    assert "2018-10" in found.warnings[0]
    with pytest.raises(CodeSetError):
        evaluate(gold, Predictions((), "p"), gold_release="FY2018")


def test_training_notes_tell_codes_seen_and_unseen() -> None:
    train = (AnnotatedNote(Note("t", ""), codes=("J45.909",)),)
    found = evaluate(GOLD, perfect(), train=train, n_resamples=5)
    assert found.codes is not None
    assert found.codes.seen == {"seen": PRF(6, 6, 6), "unseen": PRF(6, 6, 6)}
    assert (found.codes.bands_from, list(found.codes.bands)) == ("training", ["0", "1"])


def test_confidence_needs_scores() -> None:
    scored = evaluate(GOLD, perfect(), n_resamples=5)
    assert scored.calibration is not None
    assert scored.calibration.n == 12
    bare = Predictions(tuple(replace(r, codes=r.codes[:1]) for r in perfect().results), "p")
    assert evaluate(GOLD, bare, n_resamples=5).calibration is None
    accepted = tuple(replace(r, codes=tuple(replace(c, decision="accept") for c in r.codes)) for r in perfect().results)
    decided = evaluate(GOLD, Predictions(accepted, "p"), n_resamples=5).decided
    assert decided is not None
    assert (decided.n_accepted, decided.n_correct, decided.n) == (12, 12, 12)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet", "jsonl.gz", "jsonl.zst", "csv.gz", "tsv.zst"])
def test_what_detect_writes_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"pred.{suffix}"
    write_results(perfect().results, path)
    found = evaluate_files(write_gold(tmp_path / "gold.jsonl"), [path], n_resamples=5)
    assert found.spans is not None
    assert found.codes is not None
    assert found.spans.scores["exact"]["assertion"] == PRF(18, 18, 18)
    assert found.codes.sets.micro == PRF(12, 12, 12)
    assert found.indications == {"64580": {"pain": PRF(3, 3, 3)}}


def test_tables_of_codes_and_of_mentions(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("note_id,code,score\na,e119,0.5\na,I10,0.75\na,E11.9,0.25\nb,,\n")
    read = read_predictions(codes)
    assert not read.has_mentions
    assert [[(c.code, c.score) for c in r.codes] for r in read.results] == [[("E11.9", 0.5), ("I10", 0.75)], []]
    spans = tmp_path / "spans.csv"
    spans.write_text("note_id,start,end,code,assertion\na,6,12,J45.909,\na,21,26,R50.9,absent\n")
    read = read_predictions(spans)
    assert [m.assertion for m in read.results[0].mentions] == ["present", "absent"]
    assert [c.code for c in read.results[0].codes] == ["J45.909"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", '{"note_id": "a"}\n{"note_id": "a"}\n', "note_id a stands there twice"),
        ("p.jsonl", '{"note_id": "a"\n', "p.jsonl, line 1: not valid JSON"),
        ("p.jsonl", '{"mentions": []}\n', "p.jsonl, line 1: found no note_id"),
        ("p.jsonl", "[]\n", "p.jsonl, line 1: not a result as detect writes it"),
        ("p.jsonl", '{"note_id": "a", "codes": [{"score": 1}]}\n', r"line 1: not a result .* \(KeyError\)"),
        ("p.jsonl", '{"note_id": "a", "codes": [{"code": "I10", "score": 7}]}\n', "found score 7.0 of a code"),
        ("p.jsonl", '{"note_id": "a", "mentions": [{"start": 3, "end": 1, "code": "I10"}]}\n', "mention 3-1"),
        ("p.csv", "note_id,code,score\na,I10,high\n", "p.csv, line 2: start, end and score must be numbers"),
        ("p.csv", "note_id,code\n,I10\n", "p.csv, line 2: found no note_id"),
        ("p.bin", "", r"cannot tell the format of p\.bin"),
        ("p.jsonl.gz", "no gzip", r"p\.jsonl\.gz could not be read: BadGzipFile"),
        ("p.csv.zst", "no zstd", r"p\.csv\.zst could not be read: OSError"),
        ("p.parquet", "no parquet", r"p\.parquet is no whole Parquet file"),
    ],
)
def test_broken_predictions_name_their_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(NoteError, match=message):
        read_predictions(tmp_path / name)


def test_missing_and_unknown_predictions(tmp_path: Path) -> None:
    gold = write_gold(tmp_path / "gold.jsonl")
    with pytest.raises(NoteError, match="found no file"):
        read_predictions(tmp_path / "none.jsonl")
    with pytest.raises(NoteError, match="found prediction format 'xml'"):
        read_predictions(gold, format="xml")
    with pytest.raises(NoteError, match="expected one prediction to evaluate, or two to compare"):
        evaluate_files(gold)
    with pytest.raises(ModelError):
        evaluate_files(gold, model="none")
    (tmp_path / "codes.csv").write_text("note_id,code\na,I10\n")
    with pytest.raises(NoteError, match="has no note texts"):
        evaluate_files(tmp_path / "codes.csv", model="lexicon")
    gold.write_text(gold.read_text().replace("asthma.", "asthmas", 1).replace('"end": 12', '"end": 1200', 1))
    with pytest.raises(NoteError, match=r"gold.jsonl, line 1: mention 6-1200 lies outside"):
        evaluate_files(gold, [gold])


def test_json_holds_every_figure_and_no_text(tmp_path: Path) -> None:
    pred = Predictions((result("n0", (replace(MENTIONS[0], code="J45.901"),), "I10", "B20"),), "p")
    path = tmp_path / "figures.json"
    write_json(evaluate(GOLD, pred, n_resamples=5), path)
    written = path.read_text()
    figures = json.loads(written)
    assert figures["spans"]["scores"]["overlap"]["mention"]["n_correct"] == 1
    assert figures["codes"]["levels"]["chapter"]["counts"]["n_gold"] == 12
    assert figures["n_without_prediction"] == 5
    assert figures["mistakes"][0]["mistakes"][0]["gold"]["start"] >= 0
    assert "asthma" not in written


def test_the_verb(tmp_path: Path) -> None:
    gold, one, two = (tmp_path / name for name in ("gold.jsonl", "one.jsonl", "two.jsonl"))
    write_gold(gold)
    write_results(perfect().results, one)
    write_results((replace(r, mentions=r.mentions[:2], codes=r.codes[:1]) for r in perfect().results), two)
    run = CliRunner().invoke(
        app,
        ["evaluate", *map(str, (gold, one, two)), "--resamples", "10", "--json", str(tmp_path / "x.json")],
        env={"COLUMNS": "120"},
        catch_exceptions=False,
    )
    assert run.exit_code == 0
    assert "one.jsonl against gold.jsonl: 6 notes" in run.output
    assert "two.jsonl against one.jsonl" in run.output
    assert "asthma" not in run.output
    assert json.loads((tmp_path / "x.json").read_text())["comparison"]["codes recall"]["difference"] == -0.5
    plain = CliRunner().invoke(app, ["evaluate", str(gold), str(one), "--resamples", "5", "--json", "-"])
    assert json.loads(plain.output)["n_notes"] == 6


def test_a_labelled_set_without_labels_is_refused_before_a_model_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "predict", lambda *_: pytest.fail("a model ran"))
    (tmp_path / "notes.jsonl").write_text(json.dumps({"note_id": "a", "text": TEXT, "labels": ["I10"]}))
    with pytest.raises(NoteError, match="found no label in any of the 1 gold notes"):
        evaluate_files(tmp_path / "notes.jsonl", model="lexicon")


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Return the one line that a command ends with, exit code 2, before any work."""
    monkeypatch.setattr(evaluation, "evaluate_files", lambda *_, **__: pytest.fail("the work has begun"))
    monkeypatch.setattr("sys.argv", ["detect-icd10cm", "evaluate", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_a_target_that_is_read_or_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    gold, pred, train, link, new = (tmp_path / name for name in ("gold.jsonl", "pred", "train", "link", "new"))
    for path in (gold, pred, train):
        path.write_text("kept")
    link.symlink_to(gold)
    (tmp_path / "texts").mkdir()
    command = (gold, pred, "--train", train, "--texts", tmp_path / "texts", option)
    for path in (gold, pred, train, link, tmp_path / "texts" / ".." / "pred", tmp_path / "texts" / "S1.txt"):
        assert "expected another file" in refused(monkeypatch, capsys, *command, path)
    other = "--html" if option == "--json" else "--json"
    assert "expected another file" in refused(monkeypatch, capsys, *command, new, other, tmp_path / "texts/../new")
    assert "could not be written: No such file" in refused(monkeypatch, capsys, *command, tmp_path / "none" / "x")
    assert "could not be written: Not a directory" in refused(monkeypatch, capsys, *command, gold / "x")
    assert "found a folder or a device" in refused(monkeypatch, capsys, *command, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"gold.jsonl", "pred", "train", "link", "texts"}
    assert [path.read_text() for path in (gold, pred, train)] == ["kept"] * 3


def test_figures_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("before")
    path.chmod(0o644)
    write_json(evaluate(GOLD, perfect(), n_resamples=2), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["figures.json"]
