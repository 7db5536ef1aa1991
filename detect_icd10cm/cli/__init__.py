"""The command line: each verb parses, calls one public function and prints. A module a verb, or a group of them."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from detect_icd10cm.cli import codes, rules
from detect_icd10cm.cli.detect import detect
from detect_icd10cm.cli.evaluate import evaluate
from detect_icd10cm.cli.lookup import lookup
from detect_icd10cm.cli.terminal import EXIT_WRONG_USAGE
from detect_icd10cm.errors import DetectError

app = typer.Typer(
    name="detect-icd10cm",
    help="Find diagnoses in clinical notes, code them to ICD-10-CM and link them to procedure indications. Offline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show note text
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(detect)
app.command()(evaluate)
app.command()(lookup)
app.add_typer(codes.app)
app.add_typer(rules.app)


def main() -> None:
    """Run the command line; errors that we raise on purpose become one line on stderr and exit code 2."""
    # Ended from outside, leave as if by an error: unfinished files that no later run can go on with are removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except DetectError as error:
        typer.echo(f"detect-icd10cm: {error}", err=True)
        sys.exit(EXIT_WRONG_USAGE)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        from detect_icd10cm import __version__

        typer.echo(__version__)
        raise typer.Exit
