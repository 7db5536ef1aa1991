"""Detection on a Spark cluster; needs the extra ``[spark]``, which such a cluster has already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from detect_icd10cm.frames import detect_table, find_columns, result_schema

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

# Spark hands over 10,000 rows at once unless told otherwise; their results would take a gigabyte.
_ROWS = 256


def detect_dataframe(df: DataFrame, *, columns: Mapping[str, str] | None = None, **options: Any) -> DataFrame:
    """Return a data frame with a row for each note: the fields of ``NoteResult``, and ``reason`` where one failed.

    Each Python worker of Spark loads the detector once and keeps it for all tasks.

    Args:
        df: A note a row, with the columns ``note_id`` and ``text``, and those of the other fields that it has.
        columns: Columns that are called otherwise: ``{"text": "NOTE_TEXT"}``.
        options: As for ``Detector.from_pretrained``. Folders must be there on every node.

    Raises:
        NoteError: If a column is missing; at once, before any work.
    """
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.types import from_arrow_schema

    def detect(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pyarrow as pa

        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False)
            for first in range(0, len(frame), _ROWS):
                yield detect_table(table.slice(first, _ROWS), **options).to_pandas()

    # As strings all: pandas would make floats of whole numbers with gaps, and lose the last digits of long ids.
    found = find_columns(df.columns, columns)
    fields = [col(f"`{name.replace('`', '``')}`").cast("string").alias(field) for field, name in found.items()]
    return df.select(fields).mapInPandas(detect, from_arrow_schema(result_schema()))
