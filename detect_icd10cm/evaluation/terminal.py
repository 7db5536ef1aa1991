"""An evaluation on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from detect_icd10cm.evaluation.results import Evaluation
from detect_icd10cm.evaluation.rows import TextTable, make_tables

_SHOWN_GROUPS = 10


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print all tables and the groups of errors that cost most; no text of a note."""
    console.print(f"{evaluation.pred} against {evaluation.gold}: {evaluation.n_notes} notes", highlight=False)
    if evaluation.n_without_prediction:
        console.print(f"{evaluation.n_without_prediction} of them have no prediction.", highlight=False)
    for warning in evaluation.warnings:
        console.print(warning, highlight=False, markup=False)
    for table in make_tables(evaluation):
        _print(table, console)
    groups = evaluation.mistakes[:_SHOWN_GROUPS]
    rows = tuple((group.label, group.cause, str(len(group.mistakes)), f"{group.gain:+.4f}") for group in groups)
    if rows:
        _print(TextTable("Errors that cost most", ("", "cause", "errors", "gain"), rows), console)


def _print(table: TextTable, console: Console) -> None:
    drawn = Table(title=table.title, title_justify="left", caption=table.note or None, caption_justify="left")
    for i, name in enumerate(table.header):
        drawn.add_column(name, justify="right" if i else "left")
    for row in table.rows:
        drawn.add_row(*row)
    console.print()
    console.print(drawn)
