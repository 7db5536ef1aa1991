"""`detect-icd10cm detect`: notes in, results out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detect_icd10cm.cli.terminal import (
    EXIT_SOME_FAILED,
    StopRequest,
    loading,
    progress,
    signals_held,
    stop_requests,
)
from detect_icd10cm.errors import NoteError
from detect_icd10cm.model import BASE, LEXICON

if TYPE_CHECKING:
    from detect_icd10cm.cli.output import Target
    from detect_icd10cm.detector import Detector
    from detect_icd10cm.notes.streams import Source
    from detect_icd10cm.parallel import ParallelDetector
    from detect_icd10cm.types import NoteResult, Reject

# From so many bytes of notes on further processes gain more than their start takes: some thousand notes with the
# lexicon, some eighty with a checkpoint.
_WORTH, _WORTH_TRAINED = 4 * 2**20, 2**18
# What reads, writes and hands over keeps so many busy.
_MOST_WORKERS = 8


class SettingName(StrEnum):
    """The settings that `--setting` takes."""

    inpatient = "inpatient"
    outpatient = "outpatient"


class DeviceName(StrEnum):
    """The devices that `--device` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def detect(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="CSV, TSV, JSONL, Parquet, FHIR Bundle or NDJSON, .txt, a folder of .txt, or - for standard input "
            "(JSON Lines, or the text of one note).",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Where to write: .jsonl, .csv, .tsv, .parquet, .ndjson (FHIR Conditions)."),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option("--to", help="Output format, where the suffix does not say it; also: omop, comprehend, table."),
    ] = None,
    input_format: Annotated[
        str | None, typer.Option("--from", help="Input format, where the suffix does not say it.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="Name a column that is called otherwise: --column text=NOTE_TEXT. Repeatable."),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    model: Annotated[
        str,
        typer.Option(
            help="What finds the mentions: base, the trained model; lexicon, terms and rules, less often right but "
            "many times faster; or the folder of a checkpoint."
        ),
    ] = BASE,
    release: Annotated[
        str | None, typer.Option(help="Code set for notes without an encounter date, such as 2026-04.")
    ] = None,
    setting: Annotated[
        SettingName, typer.Option(help="Setting of notes that do not say theirs.")
    ] = SettingName.outpatient,
    accept_at: Annotated[
        float, typer.Option(min=0, max=1, help="Score from which a code is accepted without review.")
    ] = 0.95,
    rules: Annotated[
        Path | None, typer.Option(help="A folder of procedure files that join, or replace, the packaged ones.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"How many processes detect. By itself one a core, at most {_MOST_WORKERS}, where the notes are many "
            "enough to be worth their start; with a GPU too, of whose memory each takes a gigabyte.",
        ),
    ] = None,
    device: Annotated[
        DeviceName, typer.Option(help="Where a checkpoint is computed; by itself on a GPU where torch finds one.")
    ] = DeviceName.auto,
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Pieces of words that a GPU reads at once; 16384 by itself.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds that a note may take; one that takes longer is listed with the rejects."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take no more than so many notes.")] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever an earlier run that was ended has left.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no closing line.")] = False,
) -> None:
    """Detect findings in notes and write them with their codes and indications.

    Without --output the records go to standard output: as a table for a single text on a terminal, as JSON Lines
    otherwise. A note that cannot be read or processed is listed in OUTPUT.rejects.jsonl and the exit code is 1. A run
    that was ended, in whatever way, goes on when it is called again in the same way.
    """
    from detect_icd10cm.cli.identity import identify_run
    from detect_icd10cm.cli.output import closing_line, open_target
    from detect_icd10cm.notes.read import read_notes

    start = time.monotonic()
    output = None if output == "-" else output
    named = _renamed(columns)
    notes = read_notes(source, format=input_format, columns=named, encoding=encoding)
    identity = None
    if output is not None:
        options: dict[str, object] = {
            "--from": input_format, "--column": named, "--encoding": encoding, "--release": release,
            "--setting": setting, "--accept-at": accept_at, "--limit": limit, "--device": device.value,
            "--batch-tokens": batch_tokens,
        }  # fmt: skip
        with loading(quiet=quiet):
            identity = identify_run(notes.source, model, rules, options)
    with ExitStack() as opened:
        with signals_held():
            target = opened.enter_context(open_target(source, output, output_format, identity, restart))
        if target.n_read and not quiet:
            typer.echo(f"going on after {target.n_read:,} notes of an earlier run", err=True)
        if not target.is_whole:
            with loading(quiet=quiet):
                from detect_icd10cm.detector import Detector

                n_workers = workers or _choose_workers(notes.source, model)
                load = partial(
                    Detector.from_pretrained,
                    model,
                    release=release,
                    setting=setting.value,
                    accept_threshold=accept_at,
                    rules=rules,
                    device=device.value,
                    batch_tokens=batch_tokens,
                )
                detector = opened.enter_context(_open_detector(load, n_workers, timeout))
            results = detector.stream(islice(notes, target.n_read, limit))
            # Results that are printed there say enough of the progress.
            shows = not quiet and sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())
            with progress(results, notes.source, limit, target.n_read) if shows else nullcontext(results) as shown:
                stopped_by = _write_all(shown, target, can_resume=identity is not None)
            if stopped_by is not None:
                typer.echo(f"stopped after {target.n_read:,} notes; the same command goes on from there", err=True)
                raise typer.Exit(128 + stopped_by)
    if not quiet:
        typer.echo(closing_line(target.summary, output, time.monotonic() - start), err=True)
    if target.summary.n_rejects:
        raise typer.Exit(EXIT_SOME_FAILED)


@contextmanager
def _open_detector(
    load: Callable[[], Detector], n_workers: int, timeout: float | None
) -> Iterator[Detector | ParallelDetector]:
    """Load a detector here, or others in processes of their own, which alone can be stopped at a note."""
    from detect_icd10cm.machine import keep_loaded
    from detect_icd10cm.parallel import ParallelDetector

    if n_workers == 1 and timeout is None:
        detector = load()
        keep_loaded()
        yield detector
    else:
        with ParallelDetector(load, workers=n_workers, timeout=timeout) as parallel:
            yield parallel


def _write_all(results: Iterable[NoteResult | Reject], target: Target, can_resume: bool) -> int | None:
    """Write results; return a signal that asked to stop, once that loses nothing, None at the end of the results."""
    with stop_requests() if can_resume else nullcontext(StopRequest()) as request:
        for result in results:
            target.write(result)
            if request.signal is not None and target.can_stop:
                return request.signal
    return None


def _choose_workers(source: Source, model: str) -> int:
    """Return how many processes gain time; on a GPU as many as on a CPU, since most of their work is beside it."""
    from detect_icd10cm.machine import count_cores

    if sum(path.stat().st_size for path in source.files) < (_WORTH if model == LEXICON else _WORTH_TRAINED):
        return 1
    return min(count_cores(), _MOST_WORKERS)


def _renamed(columns: list[str] | None) -> dict[str, str]:
    pairs = [column.partition("=") for column in columns or ()]
    for field, _, name in pairs:
        if not field or not name:
            raise NoteError("found a --column without a name, expected FIELD=NAME such as text=NOTE_TEXT")
    return {field: name for field, _, name in pairs}
