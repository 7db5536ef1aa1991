"""Tables of notes: every row comes back, with what the detector says of it, whoever hands the batches over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detect_icd10cm import Detector, Note, NoteError, NoteResult
from detect_icd10cm.frames import _load, detect_table, result_schema

TEXTS = ["Assessment: gout. Denies fever.", "Left foot drop for two years.", None, " ", "No findings.", "Pneumonia."]
NOTES = pa.table({
    "note_id": [f"n{i}" for i in range(6)],
    "text": TEXTS,
    "encounter_date": [date(2026, 5, 5)] * 6,
    "setting": ["inpatient", None, None, None, None, "abroad"],
    "ward": list(range(6)),
})  # fmt: skip
REASONS = [
    None,
    None,
    "text is missing",
    "text is empty",
    None,
    "setting is unknown, expected one of: inpatient, outpatient",
]

LEXICON = partial(Detector.from_pretrained, "lexicon")

pytestmark = pytest.mark.usefixtures("codeset")


@pytest.fixture(scope="module")
def expected() -> list[NoteResult | None]:
    """What the detector says of each note that is one."""
    detector = LEXICON()
    day = date(2026, 5, 5)
    notes = [Note("n0", str(TEXTS[0]), encounter_date=day, setting="inpatient")]
    notes += [Note(f"n{i}", str(TEXTS[i]), encounter_date=day) for i in (1, 4)]
    by_id = {note.note_id: detector(note) for note in notes}
    return [by_id.get(f"n{i}") for i in range(6)]


def records_of(table: pa.Table) -> list[NoteResult | None]:
    return [record_of(row) for row in table.to_pylist()]


def record_of(row: dict[str, Any]) -> NoteResult | None:
    reason = row.pop("reason")
    return None if reason else NoteResult.from_dict(row)


def test_every_row_comes_back(expected: list[NoteResult | None]) -> None:
    table = detect_table(NOTES, model="lexicon")
    assert table.schema == result_schema()
    assert table["note_id"].to_pylist() == NOTES["note_id"].to_pylist()
    assert table["reason"].to_pylist() == REASONS
    assert records_of(table) == expected
    assert any(result.mentions for result in expected if result)


def test_the_schema_holds_every_field() -> None:
    assert result_schema().names == [*NoteResult.__dataclass_fields__, "reason"]
    assert str(result_schema().field("codes").type) == (
        "list<item: struct<code: string, title: string, score: double, decision: string, mentions: list<item: int32>, "
        "trace: list<item: string>, flags: list<item: string>>>"
    )


def test_the_detector_is_loaded_once_for_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Nothing:
        def stream(self, notes: list[Any]) -> Iterator[Any]:
            return iter(())

    _load.cache_clear()
    monkeypatch.setattr(Detector, "from_pretrained", lambda **options: asked.append(options) or Nothing())
    for setting in ("inpatient", "inpatient", "outpatient", "inpatient"):
        detect_table(NOTES, setting=setting)
    assert asked == [{"setting": "inpatient"}, {"setting": "outpatient"}]
    _load.cache_clear()


def test_columns_that_are_called_otherwise() -> None:
    named = {"note_id": "id", "text": "body"}
    table = pa.table({"id": [7, 2**60 + 1], "body": ["Gout.", "Gout."]})
    assert detect_table(table, columns=named, model="lexicon")["note_id"].to_pylist() == ["7", "1152921504606846977"]
    with pytest.raises(
        NoteError, match="the table: found no column 'note_id', there are: 'id', 'body'; name the column"
    ):
        detect_table(table)


def test_no_rows() -> None:
    assert detect_table(NOTES.slice(0, 0), model="lexicon").num_rows == 0


def test_datasets_map(expected: list[NoteResult | None]) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra [train] is not installed")
    notes = datasets.Dataset(NOTES).with_format("arrow")
    results = notes.map(
        detect_table,
        batched=True,
        batch_size=2,
        fn_kwargs={"model": "lexicon"},
        remove_columns=notes.column_names,
        features=datasets.Features.from_arrow_schema(result_schema()),
        keep_in_memory=True,
    )
    assert records_of(results.data.table) == expected


@pytest.mark.enable_socket
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_by_the_lines_of_the_documentation(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    page = Path(__file__).parents[1].joinpath("docs", "spark.md").read_text("utf-8")
    (lines,) = re.findall(r"^```py\n(import ray.*?)^```$", page, re.MULTILINE | re.DOTALL)
    pq.write_table(NOTES.rename_columns({"note_id": "id"}), tmp_path / "notes.parquet")
    names: dict[str, Any] = {}
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        exec(lines.replace("notes.parquet", f"{tmp_path}/notes.parquet"), names)
        rows = names["results"].take_all()
    finally:
        ray.shutdown()
    assert {row["note_id"]: row["reason"] for row in rows} == dict(
        zip(NOTES["note_id"].to_pylist(), REASONS, strict=True)
    )
    (first,) = (record_of(row) for row in rows if row["note_id"] == "n1")
    assert first == record_of(detect_table(NOTES, setting="inpatient").slice(1, 1).to_pylist()[0])
