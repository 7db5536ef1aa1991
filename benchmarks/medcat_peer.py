"""MedCAT's side of the speed comparison, run by a Python that has MedCAT 2.

MedCAT's own models come with a UMLS licence; here its concept database is made of the terms that all systems get. It
reads notes as JSON Lines and prints one JSON object. Its defaults stand, but for the spelling: the tokenizer of regular
expressions drops what the spell checker corrects, so it takes half the time and changes no mention. The linker, since
nothing has trained it, takes what a name alone says. It asserts nothing, which MetaCAT would.

    python3 -m venv .venv-medcat && .venv-medcat/bin/pip install 'medcat>=2.9,<3'
    .venv-medcat/bin/python benchmarks/medcat_peer.py NOTES.jsonl TERMS.tsv
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from medspacy_peer import read_terms, take_time


def main(notes: str, terms: str) -> None:
    """Detect the notes and print times, memory and the number of mentions."""
    started = time.perf_counter()
    try:
        detector = load(Path(terms))
    except ImportError as error:
        raise SystemExit(f"{error}; run this file with a Python that has MedCAT, see its head") from None
    print(json.dumps(take_time(lambda text: list(detector.get_entities(text)["entities"]), started, Path(notes))))


def load(terms: Path) -> Any:
    """Return MedCAT's pipeline with a concept database of the terms."""
    import pandas as pd
    from medcat.cat import CAT
    from medcat.config import Config
    from medcat.model_creation.cdb_maker import CDBMaker
    from medcat.vocab import Vocab

    config = Config()
    config.general.spell_check = False
    names = pd.DataFrame(read_terms(terms), columns=["name", "cui"])
    return CAT(cdb=CDBMaker(config).prepare_csvs([names]), vocab=Vocab(), config=config)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()  # note text stays out of logs
    main(*sys.argv[1:])
