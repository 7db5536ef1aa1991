"""The list of codes exempt from reporting whether the condition was present on admission."""

from __future__ import annotations

import csv
from pathlib import Path

from detect_icd10cm.codes.official.recognise import open_text
from detect_icd10cm.errors import CodeSetError

_COLUMNS = 3


def read_poa_exempt(path: Path) -> dict[str, int]:
    """Read a POA-exempt list (``POAexemptCodes*.txt``, tab-separated: number, code, description).

    Returns:
        The line of each code; codes are as written.

    Raises:
        CodeSetError: If a line does not have three columns or the list is empty.
    """
    exempt: dict[str, int] = {}
    with open_text(path) as stream:
        rows = csv.reader(stream, delimiter="\t")
        next(rows, None)
        for row in rows:
            if not any(row):
                continue
            if len(row) < _COLUMNS or not row[0].strip().isdigit():
                raise CodeSetError(
                    f"{path.name}, line {rows.line_num}: expected a number, a code and a description between "
                    "tabs; the file may be cut short: get it again"
                )
            exempt[row[1].strip()] = rows.line_num
    if not exempt:
        raise CodeSetError(f"{path.name}: holds no codes; get the file again")
    return exempt
