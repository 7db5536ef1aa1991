"""`detect-icd10cm lookup`: what words, a code or a procedure's number mean."""

from __future__ import annotations

from typing import Annotated

import typer

from detect_icd10cm.cli.terminal import EXIT_SOME_FAILED, loading, stdout_console


def lookup(
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORDS|CODE|PROCEDURE", help="Words, an ICD-10-CM code, or a procedure's number."),
    ],
    release: Annotated[str | None, typer.Option(help="Code set to look in; the newest by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many codes to show for words.")] = 15,
) -> None:
    """Look up what words, a code or a procedure's number mean."""
    from detect_icd10cm import display
    from detect_icd10cm.codes.codeset import CodeSet
    from detect_icd10cm.rules.procedures import load_procedures

    query = " ".join(words).strip()
    console = stdout_console()
    # Five digits: no ICD-10-CM code looks so, and the procedures need no code set.
    procedure = load_procedures().get(query) if query.isdigit() else None
    if procedure:
        display.show_procedure(console, procedure)
        return
    from detect_icd10cm.model.lookup import find_codes

    with loading():
        codeset = CodeSet.load(release)
        found = [] if query in codeset else find_codes(query, codeset, limit)
    if query in codeset:
        display.show_code(console, codeset[query], codeset)
    elif found:
        display.show_codes_found(console, found)
    else:
        words_told = f"no code of release {codeset.release} and no procedure found for {query!r}"
        typer.echo(f"detect-icd10cm: {words_told}", err=True)
        raise typer.Exit(EXIT_SOME_FAILED)
