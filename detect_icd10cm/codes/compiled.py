"""The compiled lexicon of a release: built once, then kept in the user's cache.

The file is JSON. Its name carries a hash of what it was made from (the release, our synonyms, the code that compiles
them) and one of its own content, so that a stale or damaged file is never used: it is built again.
"""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

from detect_icd10cm.codes import packing, releases
from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.laterality import Siblings, find_sided_siblings
from detect_icd10cm.codes.lexicon import Lexicon, TermTable, compile_terms
from detect_icd10cm.codes.synonyms import load_synonyms

_SUFFIX = ".lexicon.json"
# What the compiled table depends on, beside the release.
_SOURCES = (
    "codes/compiled.py",
    "codes/laterality.py",
    "codes/lexicon.py",
    "codes/synonyms.py",
    "codes/synonyms.yaml",
    "codes/terms.py",
    "text/tokens.py",
)


def load_lexicon(codeset: CodeSet) -> tuple[Lexicon, Siblings]:
    """Return the lexicon of a release and the sided siblings of its codes, from the cache or built anew.

    Raises:
        CodeSetError: If the cache can't be written.
    """
    folder = releases.cache_folder()
    prefix = f"{codeset.release}.{_source_key(codeset)}."
    for path in sorted(folder.glob(f"{prefix}*{_SUFFIX}")):
        content = _read_intact(path, prefix)
        if content:
            return _unpack(json.loads(content))
        path.unlink(missing_ok=True)
    content = json.dumps(_compile(codeset), separators=(",", ":")).encode()
    _write(folder, f"{prefix}{hashlib.sha256(content).hexdigest()}{_SUFFIX}", content)
    return _unpack(json.loads(content))


def _compile(codeset: CodeSet) -> dict[str, Any]:
    return {"terms": compile_terms(codeset, load_synonyms())._asdict(), "siblings": find_sided_siblings(codeset)}


def _unpack(data: dict[str, Any]) -> tuple[Lexicon, Siblings]:
    return Lexicon(TermTable(**data["terms"])), data["siblings"]


def _source_key(codeset: CodeSet) -> str:
    package = resources.files("detect_icd10cm")
    key = hashlib.sha256(releases.locate(codeset.release).name.encode())  # the name carries the content's hash
    for source in _SOURCES:
        key.update(package.joinpath(source).read_bytes())
    return key.hexdigest()[:16]


def _read_intact(path: Path, prefix: str) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:  # another process has just replaced it
        return None
    return content if path.name == f"{prefix}{hashlib.sha256(content).hexdigest()}{_SUFFIX}" else None


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file in one atomic step; processes may do so at the same time."""
    draft = packing.make_draft(folder, ".compiling-")
    try:
        draft.write_bytes(content)
        draft.replace(folder / name)
    finally:
        draft.unlink(missing_ok=True)
