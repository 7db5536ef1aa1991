"""Detection on a local Spark: the records of the other outputs, one for each row."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm import Detector, Note, NoteError, NoteResult
from detect_icd10cm.frames import result_schema
from detect_icd10cm.spark import detect_dataframe

pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'detect-icd10cm[spark]'")

pytestmark = [
    pytest.mark.skipif(
        not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="Spark needs Java 17, found none"
    ),
    pytest.mark.allow_hosts(["127.0.0.1"]),  # Python talks to Spark by local sockets
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    # Some versions leave a socket to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("codeset"),
]

LONG = 2**60 + 1
ROWS = [
    (LONG, "Assessment: gout. Denies fever.", "2026-05-05", None),
    (2, "Left foot drop for two years.", None, LONG),
    (3, None, None, 3),
    (4, "Pneumonia.", "yesterday", None),
]


@pytest.fixture(scope="module")
def spark(codeset: Any) -> Iterator[Any]:
    """A Spark of one core in this machine, whose Python worker is ours."""
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        options = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
        }
        builder = SparkSession.builder.master("local[1]")
        for name, value in options.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def notes(spark: Any) -> Any:
    return spark.createDataFrame(ROWS, "id bigint, text string, encounter_date string, patient_id bigint").repartition(
        3
    )


def test_the_records_are_those_of_the_detector(notes: Any) -> None:
    found = detect_dataframe(notes, columns={"note_id": "id"}, model="lexicon")
    assert found.columns == result_schema().names
    assert dict(found.dtypes)["mentions"].startswith("array<struct<start:int,end:int,text:string,kind:string,")
    rows = {row["note_id"]: row.asDict(recursive=True) for row in found.collect()}
    reasons = {note_id: row.pop("reason") for note_id, row in rows.items()}
    assert reasons == {
        str(LONG): None,
        "2": None,
        "3": "text is missing",
        "4": "encounter_date is not a date, expected YYYY-MM-DD",
    }
    detector = Detector.from_pretrained("lexicon")
    second = detector(Note("2", str(ROWS[1][1]), patient_id=str(LONG)))
    assert NoteResult.from_dict(rows["2"]) == second
    assert second.mentions


def test_a_worker_loads_the_detector_once(notes: Any) -> None:
    from detect_icd10cm.frames import _load

    def tell(frames: Iterator[Any]) -> Iterator[Any]:
        import pandas as pd

        yield pd.DataFrame({"hits": [_load.cache_info().hits], "loads": [_load.cache_info().misses]})

    found = detect_dataframe(notes, columns={"note_id": "id"}, model="lexicon")
    assert found.count() == found.count() == 4
    (row,) = notes.repartition(1).mapInPandas(tell, "hits long, loads long").collect()
    assert row["loads"] == 1
    assert row["hits"] >= 2


def test_the_lines_of_the_documentation(spark: Any, notes: Any, tmp_path: Path) -> None:
    page = Path(__file__).parents[1].joinpath("docs", "spark.md").read_text("utf-8")
    (lines,) = re.findall(r"^```py\n(from detect_icd10cm.spark.*?)^```$", page, re.MULTILINE | re.DOTALL)
    # Relative names are those of the folder that Spark was started in.
    lines = re.sub(r'"(\w+\.parquet)"', rf'"{tmp_path}/\1"', lines)
    notes.write.parquet(f"{tmp_path}/notes.parquet")
    names: dict[str, Any] = {"spark": spark}
    exec(lines, names)
    assert names["mentions"].count() > 0
    assert {row["note_id"] for row in names["failed"].collect()} == {"3", "4"}


def test_a_missing_column_is_told_before_any_work(notes: Any) -> None:
    with pytest.raises(NoteError, match="the table: found no column 'note_id'"):
        detect_dataframe(notes)
