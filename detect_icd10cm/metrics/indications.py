"""Procedure indications compared: which the notes support."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from detect_icd10cm.metrics.spans import PRF
from detect_icd10cm.types import Indication


def score_indications(
    notes: Iterable[tuple[Mapping[str, Sequence[str]], Sequence[Indication]]],
) -> dict[str, dict[str, PRF]]:
    """Count supported indications: procedure -> indication -> counts over notes.

    A prediction counts where its status is ``supported``. Only the procedures that a note is labelled for count in it:
    a note without labels says nothing about them.
    """
    counts: dict[str, dict[str, PRF]] = {}
    for gold, pred in notes:
        for procedure, supported in gold.items():
            expected = set(supported)
            found = {i.indication for i in pred if i.procedure == procedure and i.status == "supported"}
            own = counts.setdefault(procedure, {})
            for name in expected | found:
                one = PRF(int(name in expected and name in found), int(name in found), int(name in expected))
                own[name] = own.get(name, PRF()) + one
    return {procedure: dict(sorted(own.items())) for procedure, own in sorted(counts.items())}
