r"""Speed of the whole pipeline against peers, on the same notes with the same terms.

    python benchmarks/speed_peers.py PATH/mtsamples/notes.jsonl --peer .venv-peer/bin/python \
        --medcat .venv-medcat/bin/python

This project's pipeline, from note to procedures, with the lexicon in one process and with the trained model in a
process a core, which is what ``detect`` does. medSpaCy's: its tokenizer, sentences, target matcher and ConText with the
default rules. spaCy's PhraseMatcher finds the terms in lower case and does no more. MedCAT finds and links them, see
``medcat_peer.py``. The peers run in one process. The systems take turns, and medians are reported.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

PEER, MEDCAT = (Path(__file__).with_name(name) for name in ("medspacy_peer.py", "medcat_peer.py"))
OURS = {"detect-icd10cm, lexicon": "lexicon", "detect-icd10cm, base": "base"}
PEERS = {
    "medSpaCy (pyrush)": ("detect", "pyrush"),
    "medSpaCy (spacy)": ("detect", "spacy"),
    "spaCy PhraseMatcher": ("match", "spacy"),
}
MAX_WORDS = 7


def detect_here(model: str, notes_path: Path) -> dict[str, Any]:
    """Detect each note with this project; the counterpart of ``detect`` in ``medspacy_peer.py``."""
    started = time.perf_counter()
    from detect_icd10cm import Detector, Note, NoteResult, ParallelDetector
    from detect_icd10cm.machine import count_cores

    workers = 1 if model == "lexicon" else count_cores()
    texts = [json.loads(line)["text"] for line in notes_path.open(encoding="utf-8")]
    notes = [Note(str(i), text) for i, text in enumerate(texts)]
    load = partial(Detector.from_pretrained, model)
    with nullcontext(load()) if workers == 1 else ParallelDetector(load, workers=workers) as detector:
        list(detector.stream(notes[: 16 * workers]))  # all processes have begun
        load_s = time.perf_counter() - started
        begun, cpu_begun = time.perf_counter(), time.process_time()
        results = (result for result in detector.stream(notes) if isinstance(result, NoteResult))
        n_mentions = sum(len(result.mentions) for result in results)
        wall_s = time.perf_counter() - begun
    # That of other processes is known once they have ended, their start included; they share all time that passes.
    cpu_s = time.process_time() - cpu_begun if workers == 1 else wall_s * workers
    rss_mb = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    return {"load_s": load_s, "wall_s": wall_s, "cpu_s": cpu_s, "n_mentions": n_mentions, "rss_mb": rss_mb}


def iter_terms() -> Iterator[tuple[str, str]]:
    """Yield each term of the lexicon as it is written, with its code."""
    from detect_icd10cm.codes.codeset import CodeSet
    from detect_icd10cm.codes.synonyms import load_synonyms
    from detect_icd10cm.codes.terms import title_variants

    codeset = CodeSet.load()
    for synonym in load_synonyms().terms:
        yield synonym.term, synonym.code
    for term, code, _ in codeset.terms():
        if code[0] not in "VWXY":
            for variant in title_variants(term):
                yield " ".join(variant.split()).strip(" ,"), code


def write_inputs(folder: Path, notes_path: Path, n_notes: int) -> tuple[Path, Path, int]:
    """Write the notes and the distinct terms that both systems get; return their files and how many terms there are."""
    notes, terms = folder / "notes.jsonl", folder / "terms.tsv"
    with notes_path.open(encoding="utf-8") as lines, notes.open("w", encoding="utf-8") as stream:
        stream.writelines(islice(lines, n_notes))
    distinct = {term.lower(): code for term, code in iter_terms() if term and len(term.split()) <= MAX_WORDS}
    terms.write_text("\n".join(f"{term}\t{code}" for term, code in distinct.items()), "utf-8")
    return notes, terms, len(distinct)


def run(command: list[str | Path]) -> dict[str, Any]:
    """Run one system in a process of its own and return what it measured."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def print_results(results: dict[str, list[dict[str, Any]]], n_notes: int) -> None:
    """Print the medians of each system, and how many times faster this project is."""
    columns = {"notes/s": "wall_s", "CPU ms/note": "cpu_s", "load s": "load_s", "memory MB": "rss_mb"}
    print(f"{'':28}", *(f"{column:>12}" for column in columns), f"{'mentions':>12}")
    walls, cpus = {}, {}
    for system, runs in results.items():
        wall, cpu, load, memory = (median(one[key] for one in runs) for key in columns.values())
        walls[system], cpus[system] = wall, cpu
        cells = (n_notes / wall, 1000 * cpu / n_notes, load, memory, runs[0]["n_mentions"])
        print(f"{system:28}", *(f"{cell:12.1f}" for cell in cells))
    for ours in OURS:
        for other in results:
            if other not in OURS:
                clock, cpu = walls[other] / walls[ours], cpus[other] / cpus[ours]
                print(f"{ours}: {clock:.2f} times the notes/s of {other}, {cpu:.2f} times by CPU time")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path, help="notes, JSON Lines with a text")
    parser.add_argument(
        "--peer", type=Path, help="a Python that has medSpaCy; without peers only this project is measured"
    )
    parser.add_argument("--medcat", type=Path, help="a Python that has MedCAT")
    parser.add_argument("--n-notes", type=int, default=500)
    parser.add_argument("--n-runs", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(detect_here(arguments.worker, arguments.notes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        notes, terms, n_terms = write_inputs(Path(folder), arguments.notes, arguments.n_notes)
        commands: dict[str, list[str | Path]] = {
            system: [sys.executable, __file__, notes, "--worker", model] for system, model in OURS.items()
        }
        for system, options in PEERS.items() if arguments.peer else ():
            commands[system] = [arguments.peer, PEER, *options, notes, terms]
        if arguments.medcat:
            commands["MedCAT"] = [arguments.medcat, MEDCAT, notes, terms]
        results: dict[str, list[dict[str, Any]]] = {system: [] for system in commands}
        for _ in range(arguments.n_runs):
            for system, command in commands.items():
                results[system].append(run(command))
        n_notes = len(notes.read_text("utf-8").splitlines())
    print(f"{n_notes} notes, {n_terms} terms, median of {arguments.n_runs} runs in turns")
    print_results(results, n_notes)


if __name__ == "__main__":
    main()
