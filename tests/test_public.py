"""The public surface: what `detect_icd10cm` exports, and that nothing heavy loads before it is used."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import detect_icd10cm

# Packages that take a tenth of a second or more to import; each is imported by the function that needs it.
HEAVY = {
    "datasets",
    "hccinfhir",
    "ijson",
    "matplotlib",
    "numpy",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scipy",
    "simple_icd_10_cm",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "yaml",
}

PUBLIC = {
    "CodeSet",
    "CodeSetError",
    "DetectError",
    "Detector",
    "Mention",
    "ModelError",
    "Note",
    "NoteError",
    "NoteResult",
    "ParallelDetector",
    "Reject",
    "RulesError",
    "normalize_code",
    "read_notes",
    "to_dataframe",
    "write_results",
}

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]

HELP = """
import sys
from detect_icd10cm.cli import main
sys.argv = ["detect-icd10cm", {arguments}]
try:
    main()
except SystemExit as stopped:
    assert not stopped.code, stopped.code
"""


def modules_after(program: str) -> set[str]:
    """Run a program in a fresh interpreter and return the top-level modules that it has loaded."""
    program += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_all_is_exact() -> None:
    assert set(detect_icd10cm.__all__) == PUBLIC
    assert len(detect_icd10cm.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_resolve_to_their_home(name: str) -> None:
    thing = getattr(detect_icd10cm, name)
    assert thing.__name__ == name
    assert thing.__doc__
    assert getattr(import_module(thing.__module__), name) is thing


def test_dir_lists_what_is_public() -> None:
    assert set(dir(detect_icd10cm)) >= PUBLIC


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'detect_icd10cm' has no attribute 'detect'"):
        _ = detect_icd10cm.detect


def test_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from detect_icd10cm import *", names)
    assert names.keys() - {"__builtins__"} == PUBLIC


def test_version_is_that_of_the_project() -> None:
    assert detect_icd10cm.__version__ == PROJECT["version"]


def test_import_loads_nothing_heavy() -> None:
    loaded = modules_after("import detect_icd10cm")
    assert not loaded & (HEAVY | {"typer", "rich"})


@pytest.mark.parametrize("arguments", ['"--help"', '"--version"', '"detect", "--help"', '"codes", "--help"'])
def test_help_loads_nothing_heavy(arguments: str) -> None:
    loaded = modules_after(HELP.format(arguments=arguments))
    assert not loaded & HEAVY


def test_the_script_is_the_command_line() -> None:
    # Not the typer app itself: `main` turns the errors that we raise on purpose into one line and exit code 2.
    assert PROJECT["scripts"] == {"detect-icd10cm": "detect_icd10cm.cli:main"}
