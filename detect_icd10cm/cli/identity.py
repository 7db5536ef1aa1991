"""What decides on the results of a run of `detect`: a run goes on only where an earlier one was the same in all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from detect_icd10cm import __version__
from detect_icd10cm.model import BASE, LEXICON
from detect_icd10cm.notes.journal import hash_files
from detect_icd10cm.notes.streams import Source


def identify_run(
    source: Source, model: str, rules: Path | None, options: Mapping[str, object]
) -> dict[str, str] | None:
    """Return all that decides on the results, by name; None where the input can't be read a second time.

    Contents are hashes, which start with a hash sign.
    """
    from detect_icd10cm.codes.releases import installed_names

    if not source.files or source.path is None:
        return None
    folder = source.path if source.path.is_dir() else source.path.parent
    return {
        "version": __version__,
        "input": f"#{hash_files(source.files, folder)}",
        "model": _identify_model(model),
        "releases": ", ".join(installed_names()),
        "--rules": _hash_folder(rules) if rules else "none",
        **{name: str(value) for name, value in options.items()},
    }


def _identify_model(model: str) -> str:
    is_own = model not in (BASE, LEXICON) and Path(model).is_dir()
    return _hash_folder(Path(model)) if is_own else model  # the others come with the version


def _hash_folder(folder: Path) -> str:
    return f"#{hash_files(sorted(path for path in folder.rglob('*') if path.is_file()), folder)}"
