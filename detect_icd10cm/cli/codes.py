"""`detect-icd10cm codes`: the installed releases of the code set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detect_icd10cm.cli.terminal import stdout_console

app = typer.Typer(name="codes", help="The installed releases of the code set.", no_args_is_help=True)


@app.command("list")
def codes_list() -> None:
    """List the installed releases of ICD-10-CM."""
    from detect_icd10cm import display
    from detect_icd10cm.codes.codeset import installed_releases

    display.show_releases(stdout_console(), installed_releases())


@app.command("import")
def codes_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Official files of one release, unpacked.")],
    release: Annotated[
        str | None, typer.Option(help="Such as 2026-10 or FY2027; needed where the files do not say it.")
    ] = None,
) -> None:
    """Add a release of ICD-10-CM from its official files, or more about an installed one.

    Order file, tabular XML, Alphabetic Index, external-cause index, Neoplasm and drug tables, addenda, POA-exempt list.
    """
    from detect_icd10cm import display
    from detect_icd10cm.codes.importing import import_release

    display.show_import(stdout_console(), import_release(files, release))
