"""Every notebook runs from top to bottom, and is stored without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def notebook_id(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_outputs_are_stripped(path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_notebooks_run(path: Path, tmp_path: Path) -> None:
    # In a process of its own: the kernel is spoken to over local ports, which these tests block.
    run = subprocess.run(
        [sys.executable, "-c", "from nbclient.cli import main; main()", str(path), "--timeout=400"],
        env={**os.environ, "PYTHONPATH": str(path.parents[1]), "IPYTHONDIR": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    if path.stem == "evaluation":
        assert (next(tmp_path.glob("*/report.html"))).stat().st_size > 10_000
