"""What the command line shows: results, codes, procedures and releases as tables for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from detect_icd10cm.codes.codeset import CodeEntry, CodeSet, Release
    from detect_icd10cm.codes.importing import ImportSummary
    from detect_icd10cm.rules.schema import Procedure
    from detect_icd10cm.types import Indication, NamedProcedure, NoteResult

_ASSERTION_STYLES = {
    "present": "bold",
    "possible": "yellow",
    "absent": "dim",
    "historical": "cyan",
    "family": "magenta",
    "hypothetical": "dim italic",
}
_DECISION_STYLES = {"accept": "green", "review": "yellow"}
_STATUS_STYLES = {"supported": "bold green", "possible": "yellow"}
# As clinicians write them: the long names would take half the width of a terminal.
_SECTIONS = {
    "history_of_present_illness": "HPI",
    "past_medical_history": "PMH",
    "past_surgical_history": "PSH",
    "review_of_systems": "ROS",
}
_INDENT = 2
# What goes on of a line that is too long for the terminal stands further in than its beginning.
_HANG = 2
# A rationale is a reason after the other; each ends with the rule that it comes from, in brackets.
_REASON_END = re.compile(r"(?<=\)\.) ")


def plain(text: str) -> str:
    """Return a text fit for a line of a terminal: white space as blanks, no control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def show_result(console: Console, result: NoteResult) -> None:
    """Show one note's mentions, its codes, and the indications that they may support."""
    told = ", ".join((f"ICD-10-CM {result.release}", f"model {result.model}", result.setting))
    console.print(Text.assemble((plain(result.note_id), "bold"), f"  {told}\n"))
    if not result.mentions:
        console.print("No findings.\n")
    else:
        _show_mentions(console, result)
        console.print()
        _show_codes(console, result)
        console.print()
    for indication in result.indications:
        if indication.status in _STATUS_STYLES:
            _show_indication(console, indication)
    for named in result.procedures:
        _show_named_procedure(console, named)
    for warning in result.warnings:
        console.print(Text(f"Warning: {warning}", "yellow"))


def _show_mentions(console: Console, result: NoteResult) -> None:
    table = _table("Mention", "Assertion", "Code", "Title", "Section")
    for mention in result.mentions:
        style = _ASSERTION_STYLES[mention.assertion]
        section = _SECTIONS.get(mention.section or "", (mention.section or "").replace("_", " "))
        table.add_row(
            Text(plain(mention.text), style), Text(mention.assertion, style), mention.code, Text(mention.title), section
        )
    console.print(table)


def _show_codes(console: Console, result: NoteResult) -> None:
    if not result.codes:
        console.print("No codes for this note.")
        return
    table = _table("Code", "Title", "Score", "Decision", title="Codes of the note")
    for code in result.codes:
        decision = Text(code.decision, _DECISION_STYLES[code.decision])
        table.add_row(code.code, Text(code.title), f"{code.score:.2f}", decision)
    console.print(table)
    _show_lines(console, [f"{code.code}: {flag}" for code in result.codes for flag in code.flags])


def _show_indication(console: Console, indication: Indication) -> None:
    name = f"{indication.procedure} {indication.indication}: "
    codes = f"  ({', '.join(indication.codes)})" if indication.codes else ""
    console.print(Text.assemble((name, "bold"), (indication.status, _STATUS_STYLES[indication.status]), codes))
    lines = _REASON_END.split(indication.rationale)
    lines += [f"against: {text}" for text in indication.against]
    lines += [f"not documented: {text}" for text in indication.missing]
    lines += [f"coverage, {flag.id} ({flag.points}): {flag.summary}" for flag in indication.coverage_flags]
    _show_lines(console, lines)


def _show_named_procedure(console: Console, named: NamedProcedure) -> None:
    modifiers = f", modifiers that the words point to: {', '.join(named.modifiers)}" if named.modifiers else ""
    console.print(Text.assemble((f"{named.procedure} named in the note: {named.status}", "bold"), modifiers))
    borne_out = f"borne out by: {', '.join(named.supported_by)}" if named.supported_by else "borne out by nothing"
    _show_lines(console, [borne_out, *(f"missing: {text}" for text in named.missing)])


def show_code(console: Console, entry: CodeEntry, codeset: CodeSet) -> None:
    """Show one code with its place in the Tabular List and its notes."""
    billable = ("billable", "green") if entry.billable else ("not billable, see the codes below it", "yellow")
    console.print(Text.assemble((entry.code, "bold"), f"  {entry.title}  (", billable, f", {codeset.release})"))
    default = codeset.default_billable(entry.code)
    if default and default != entry.code:
        console.print(Text(f"Means without further detail: {default}  {codeset.title(default)}"))
    lineage = [f"{code}  {codeset.title(code)}" for code in reversed(codeset.ancestors(entry.code))]
    _show_list(console, "Above", [f"Chapter {entry.chapter}, block {entry.block}", *lineage])
    _show_list(console, "Below", [f"{code}  {codeset.title(code)}" for code in entry.children])
    _show_list(console, "Also called", entry.inclusion_terms)
    _show_list(console, "Includes", entry.includes)
    _show_list(console, "Excludes1, not coded here", entry.excludes1)
    _show_list(console, "Excludes2, not included here", entry.excludes2)
    _show_list(console, "Code first", entry.code_first)
    _show_list(console, "Use additional code", entry.use_additional)
    _show_list(console, "Code also", entry.code_also)
    _show_list(console, "7th character", [f"{key}  {value}" for key, value in entry.seventh_characters.items()])
    if entry.poa_exempt is not None:
        console.print(f"Exempt from present-on-admission: {'yes' if entry.poa_exempt else 'no'}")


def show_codes_found(console: Console, entries: Iterable[CodeEntry]) -> None:
    """Show codes, best first."""
    table = _table("Code", "Title", "Billable")
    for entry in entries:
        billable = Text("yes", "green") if entry.billable else Text("no", "dim")
        table.add_row(Text(entry.code, "bold" if entry.billable else ""), Text(entry.title), billable)
    console.print(table)


def show_procedure(console: Console, procedure: Procedure) -> None:
    """Show the record of a procedure, its indications, and the policies that touch it."""
    _show_hanging(console, Text.assemble((procedure.id, "bold"), f"  {procedure.label}"))
    effective = procedure.effective
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    if effective:
        table.add_row("effective", Text(f"{effective.since} to {effective.until or 'today'}"))
    if effective and effective.changes:
        table.add_row("changed", ", ".join(effective.changes))
    for fact in procedure.record:
        table.add_row(fact.id.replace("-", " "), Text(fact.value))
    console.print(Padding.indent(table, _INDENT))
    _show_list(console, "Modifiers", [f"{modifier.code}  {modifier.means}" for modifier in procedure.modifiers])
    steps = procedure.steps.items if procedure.steps else ()
    _show_list(console, "Steps", [f"{number}. {step}" for number, step in enumerate(steps, 1)])
    _show_list(console, "Indications", [f"{each.id}: {each.label}" for each in procedure.indications])
    _show_list(console, "Speaks against it", [f"{each.id}: {each.why}" for each in procedure.blockers])
    flags = [f"{flag.id} ({flag.points}): {flag.summary}" for flag in procedure.coverage_flags]
    _show_list(console, "Coverage policies; what is supported need not be covered", flags)
    _show_list(console, "Related", [f"{each.id}: {each.fits_when}" for each in procedure.siblings])
    origins = [
        procedure.origin,
        *((effective.source,) if effective else ()),
        *(fact.origin for fact in procedure.record),
    ]
    origins += [flag.origin for flag in procedure.coverage_flags]
    _show_list(console, "Sources", list(dict.fromkeys(origins)))


def show_procedures(console: Console, procedures: Iterable[Procedure]) -> None:
    """Show procedures, each with what it is indicated for."""
    table = _table("Procedure", "Indications", "What it is")
    for procedure in procedures:
        indications = ", ".join(indication.id for indication in procedure.indications)
        table.add_row(Text(procedure.id, "bold"), indications, Text(procedure.label))
    console.print(table)


def show_evidence_rules(console: Console, procedure: Procedure) -> None:
    """Show the rules of a procedure: codes, what they ask for besides, and where each comes from."""
    for indication in procedure.indications:
        lines = []
        for rule in indication.evidence:
            codes = " ".join(pattern.text for pattern in rule.codes)
            beside = f", with {' '.join(pattern.text for pattern in rule.needs)}" if rule.needs else ""
            doubt = ", only possibly" if rule.certainty == "suggests" else ""
            lines.append(f"{rule.id}: {codes}{beside}{doubt}: {rule.why} ({rule.origin})")
        _show_list(console, f"Supports {indication.id}", lines)


def show_releases(console: Console, releases: Sequence[Release]) -> None:
    """Show the installed releases of the code set."""
    table = _table("Release", "In force from", "to", "Origin", "Files")
    for release in releases:
        files = Text(", ".join(release.sources))
        table.add_row(release.name, str(release.starts), str(release.ends), release.origin, files)
    console.print(table)


def show_import(console: Console, summary: ImportSummary) -> None:
    """Show what an import brought."""
    console.print(f"Release {summary.release}: {summary.n_codes:,} codes, {summary.n_billable:,} of them billable")
    lines = [
        f"{file.file} ({file.kind.replace('_', ' ')}): {', '.join(f'{n:,} {what}' for what, n in file.counts.items())}"
        for file in summary.files
    ]
    _show_lines(console, lines)
    for warning in summary.warnings:
        console.print(Text(f"Warning: {warning}", "yellow"))


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        wraps = name in (
            "Mention",
            "Title",
            "Section",
            "Files",
            "What it is",
            "Indications",
        )  # codes and single words never break
        table.add_column(name, no_wrap=not wraps, overflow="fold")
    return table


def _show_list(console: Console, heading: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(Text(heading, "bold"))
        _show_lines(console, lines)


def _show_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        _show_hanging(console, Text(plain(line)), _INDENT)


def _show_hanging(console: Console, text: Text, indent: int = 0) -> None:
    for i, part in enumerate(text.wrap(console, max(console.width - indent - _HANG, 1))):
        console.print(" " * (indent + (_HANG if i else 0)), part, sep="", soft_wrap=True)
