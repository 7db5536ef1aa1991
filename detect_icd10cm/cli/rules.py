"""`detect-icd10cm rules`: the procedures and their rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detect_icd10cm.cli.terminal import stdout_console

app = typer.Typer(name="rules", help="The procedures and their rules.", no_args_is_help=True)


@app.command("list")
def rules_list(
    rules: Annotated[Path | None, typer.Option(help="A folder of procedure files beside the packaged ones.")] = None,
) -> None:
    """List the procedures that have rules."""
    from detect_icd10cm import display
    from detect_icd10cm.rules.procedures import load_procedures

    display.show_procedures(stdout_console(), load_procedures(rules).values())


@app.command("show")
def rules_show(
    number: Annotated[str, typer.Argument(metavar="PROCEDURE", help="Such as 64580.")],
    rules: Annotated[Path | None, typer.Option(help="A folder of procedure files beside the packaged ones.")] = None,
) -> None:
    """Show a procedure, and each rule by which findings support it."""
    from detect_icd10cm import display
    from detect_icd10cm.rules.procedures import find_procedure

    procedure = find_procedure(number, rules)
    display.show_procedure(stdout_console(), procedure)
    display.show_evidence_rules(stdout_console(), procedure)


@app.command("check")
def rules_check(
    path: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="One procedure file, or a folder of them.")],
    release: Annotated[str | None, typer.Option(help="Code set to hold them against; the newest by default.")] = None,
) -> None:
    """Check procedure files: keys, sources, codes of the release, and that every example does what it says."""
    from detect_icd10cm.codes.codeset import CodeSet
    from detect_icd10cm.rules.procedures import check_procedures, read_procedures

    procedures = read_procedures(path)
    check_procedures(procedures, CodeSet.load(release))
    typer.echo(f"{path}: {len(procedures)} procedure(s) checked: {', '.join(procedures)}")
