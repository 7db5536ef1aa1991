"""The codes of conditions that are over, or that a relative has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.tables import find_ancestors
from detect_icd10cm.packaged import packaged_file, read_yaml


def history_code(code: str, codeset: CodeSet) -> str | None:
    """Return the code that says that a condition is over, such as Z85.3 for C50.911.

    A status code that is no entry of the table says it already, and is returned as it is.

    Returns:
        A billable code, or None where the release has none that says so.
    """
    return _find(load_history()["personal"], code, codeset)


def family_code(code: str, codeset: CodeSet) -> str | None:
    """Return the code that says that a relative has a condition, such as Z80.3 for C50.911; else as above."""
    return _find(load_history()["family"], code, codeset)


@cache
def load_history() -> Mapping[str, Mapping[str, str]]:
    """Load ``history.yaml``: by table, the history code of each beginning of a code."""
    tables: dict[str, dict[str, list[str]]] = read_yaml(packaged_file("codes", "history.yaml"))
    return {
        name: {beginning: code for code, beginnings in table.items() for beginning in beginnings}
        for name, table in tables.items()
    }


def _find(table: Mapping[str, str], code: str, codeset: CodeSet) -> str | None:
    found = next((table[code[:size]] for size in range(len(code), 0, -1) if code[:size] in table), None)
    if found is None and code.startswith("Z"):
        found = code
    return _in_release(found, codeset) if found else None


def _in_release(code: str, codeset: CodeSet) -> str | None:
    """Return a code, or what its header means in a release that has not divided it yet, or has since."""
    known = next((one for one in (code, *find_ancestors(code, codeset)) if one in codeset), None)
    return codeset.default_billable(known) if known else None
