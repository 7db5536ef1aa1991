"""Find diagnoses in clinical notes, code them to ICD-10-CM and link them to procedure indications, offline."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detect_icd10cm.codes.codeset import CodeSet, normalize_code
    from detect_icd10cm.detector import Detector
    from detect_icd10cm.errors import CodeSetError, DetectError, ModelError, NoteError, RulesError
    from detect_icd10cm.notes.read import read_notes
    from detect_icd10cm.notes.table import to_dataframe
    from detect_icd10cm.notes.write import write_results
    from detect_icd10cm.parallel import ParallelDetector
    from detect_icd10cm.types import Mention, Note, NoteResult, Reject

# Where each public name lives; it is imported when first asked for, so that `import detect_icd10cm` stays light.
_HOMES = {
    "CodeSet": "codes.codeset",
    "CodeSetError": "errors",
    "DetectError": "errors",
    "Detector": "detector",
    "Mention": "types",
    "ModelError": "errors",
    "Note": "types",
    "NoteError": "errors",
    "NoteResult": "types",
    "ParallelDetector": "parallel",
    "Reject": "types",
    "RulesError": "errors",
    "normalize_code": "codes.codeset",
    "read_notes": "notes.read",
    "to_dataframe": "notes.table",
    "write_results": "notes.write",
}

__all__ = [
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
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
