"""Codes of another year brought to one release, so that a gold set of then and a prediction of now can be compared.

A code is mapped by the first of these that gives a billable code of the release:

1. itself, if it is billable;
2. the successor of a code that was divided, where the old meaning went into one of the new codes (table below);
3. the default of the longest header that the code begins with: ``E11`` -> ``E11.9``, ``W19.XXX`` -> ``W19.XXXA``.

Otherwise it stays as it is. Gold and prediction are mapped alike, and figures are given unmapped as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from detect_icd10cm.codes.codeset import CodeSet

# Codes that became headers after 2018, and the code that a record which says no more now gets. Each pair was read off
# the titles of the header and of the codes below it; none of these headers has an unspecified code of its own.
SUCCESSORS: Mapping[str, str] = {
    "A04.7": "A04.72",  # enterocolitis due to Clostridium difficile: not specified as recurrent
    "C83.39": "C83.398",  # diffuse large B-cell lymphoma, extranodal sites: other than the brain's
    "D48.1": "D48.19",  # neoplasm of uncertain behaviour of soft tissue: other than desmoid tumour
    "I31.3": "I31.39",  # pericardial effusion: other than malignant
    "N35.9": "N35.919",  # urethral stricture, unspecified: male, unspecified site
    "R74.0": "R74.01",  # elevated transaminase or lactic dehydrogenase: transaminase
}


class ReleaseMapper:
    """Maps codes into a release."""

    def __init__(self, codeset: CodeSet) -> None:
        self._codeset = codeset
        self._mapped: dict[str, str] = {}

    def __call__(self, code: str) -> str:
        """Return the code of the release that a code is compared as; itself where there is none."""
        if code not in self._mapped:
            self._mapped[code] = self._map(code)
        return self._mapped[code]

    def _map(self, code: str) -> str:
        if self._codeset.is_billable(code):
            return code
        if code in SUCCESSORS and self._codeset.is_billable(SUCCESSORS[code]):
            return SUCCESSORS[code]
        for length in range(len(code), 2, -1):
            header = code[:length].removesuffix(".")
            if header in self._codeset:
                return self._codeset.default_billable(header) or code
        return code
