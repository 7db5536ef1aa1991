"""What kind of finding a code names."""

from __future__ import annotations

from detect_icd10cm.types import Kind

_CAUSES = ("V", "W", "X", "Y")
# Symptoms outside chapter 18: pain in joints, back and limbs, as the project's annotation guide has them.
_SYMPTOMS = ("R", "M25.5", "M54", "M79.6")


def kind_of(code: str) -> Kind:
    """Return the kind of finding that a code names.

    >>> kind_of("R51.9"), kind_of("M54.50"), kind_of("Z79.4"), kind_of("W19.XXXA"), kind_of("I10")
    ('symptom', 'symptom', 'status', 'cause', 'diagnosis')
    """
    if code.startswith("Z"):
        return "status"
    if code.startswith(_CAUSES):
        return "cause"
    return "symptom" if code.startswith(_SYMPTOMS) else "diagnosis"
