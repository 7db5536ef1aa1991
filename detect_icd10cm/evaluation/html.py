"""An evaluation as one HTML page that needs nothing else: tables, plots and the errors in their sentences."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from string import Template

from detect_icd10cm.evaluation.plots import plot_chapters, plot_reliability, plot_risk
from detect_icd10cm.evaluation.results import Evaluation
from detect_icd10cm.evaluation.rows import TextTable, make_tables, show
from detect_icd10cm.evaluation.targets import write_target
from detect_icd10cm.metrics.mistakes import CAUSES, Mistake, MistakeGroup
from detect_icd10cm.text.document import Document
from detect_icd10cm.types import Mention

# Beyond this a page is too heavy for a browser; the rest is counted.
MAX_MISTAKES = 3000
# Characters of context where a sentence is longer than twice that.
_CONTEXT = 160
_HEADLINES = (
    "mention (overlap) F1",
    "mention + code (overlap) F1",
    "codes F1",
    "codes MAP",
    "codes exact match",
    "indications F1",
)


def write_html(evaluation: Evaluation, path: str | Path, *, with_text: bool = True) -> None:
    """Write the report; it appears whole or not at all, readable by its owner alone.

    Args:
        evaluation: What to report.
        path: The page to write.
        with_text: Whether to show errors in their sentences. That is text of patients' notes: without it, the page
            has codes, places and note ids only.

    Raises:
        DetectError: If matplotlib is not installed.
        NoteError: If the page can't be written.
    """
    write_target(Path(path), render_html(evaluation, with_text=with_text))


def render_html(evaluation: Evaluation, *, with_text: bool = True) -> str:
    """Return the page that ``write_html`` writes."""
    template = Template(files("detect_icd10cm.evaluation").joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        title=escape(f"{evaluation.pred} against {evaluation.gold}"),
        about="".join(f"<p>{escape(line)}</p>" for line in _about(evaluation, with_text)),
        headlines="".join(_headlines(evaluation)),
        plots="".join(_plots(evaluation)),
        tables="".join(_section(table) for table in make_tables(evaluation)),
        mistakes=_browser(evaluation, with_text),
    )


def _about(evaluation: Evaluation, with_text: bool) -> Iterator[str]:
    yield f"{evaluation.n_notes} notes, code set {evaluation.release}."
    if evaluation.n_without_prediction:
        yield f"{evaluation.n_without_prediction} notes have no prediction: nothing was found in them."
    yield from evaluation.warnings
    if with_text and evaluation.mistakes:
        yield "This page holds text of the notes: treat it as patients' data."


def _headlines(evaluation: Evaluation) -> Iterator[str]:
    for name in _HEADLINES:
        interval = evaluation.intervals.get(name)
        if interval:
            yield _headline(name, show(interval.value), f"{show(interval.low)} to {show(interval.high)}")
    for accepted in evaluation.calibration.codes if evaluation.calibration else ():
        detail = f"at {accepted.target:.0%} precision, reached {show(accepted.precision)}"
        yield _headline("codes accepted unseen", f"{accepted.share:.1%}", detail)


def _headline(name: str, value: str, detail: str) -> str:
    return f"<div><span>{escape(name)}</span><strong>{value}</strong><span>{escape(detail)}</span></div>"


def _plots(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.calibration:
        yield _figure("Reliability: a dot's size is the number of codes", plot_reliability(evaluation.calibration))
        yield _figure("Risk by coverage: dotted at 95 % and 98 % precision", plot_risk(evaluation.calibration))
    if evaluation.codes and any(counts.n_gold for counts in evaluation.codes.chapters.values()):
        yield _figure("F1 by chapter (gold codes)", plot_chapters(evaluation.codes.chapters))


def _figure(caption: str, svg: str) -> str:
    return f'<figure role="img" aria-label="{escape(caption)}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'


def _section(table: TextTable) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in table.rows)
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return (
        f"<section><h2>{escape(table.title)}</h2>{note}"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def _row(cells: tuple[str, ...]) -> str:
    first, *others = cells
    return f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others)


def _browser(evaluation: Evaluation, with_text: bool) -> str:
    if not evaluation.mistakes:
        return ""
    documents: dict[str, Document] = {}
    left, groups = MAX_MISTAKES, []
    for group in evaluation.mistakes:
        shown = group.mistakes[:left]
        left -= len(shown)
        if shown:
            items = "".join(_item(mistake, evaluation, documents, with_text) for mistake in shown)
            groups.append(_group(group, items))
    total = sum(len(group.mistakes) for group in evaluation.mistakes)
    hidden = total - (MAX_MISTAKES - left)
    rest = f"<p>{hidden} errors of the groups that cost least are not shown.</p>" if hidden else ""
    causes = "".join(f"<option>{escape(cause)}</option>" for cause in CAUSES)
    return (
        '<section id="errors"><h2>Errors, those that cost most first</h2>'
        "<p>Each group can be opened. Gain is what F1 of mention + code + assertion would rise by without it.</p>"
        '<p class="filter"><label>Cause <select id="cause"><option value="">all</option>'
        f"{causes}</select></label> "
        '<label>Search <input id="search" type="search" placeholder="code or words"></label> '
        f'<span id="count" aria-live="polite">{len(groups)} groups</span></p>'
        '<p class="legend"><mark class="gold">gold</mark> <mark class="pred">predicted</mark> '
        f'<mark class="both">both</mark></p>{"".join(groups)}{rest}</section>'
    )


def _group(group: MistakeGroup, items: str) -> str:
    return (
        f'<details data-cause="{escape(group.cause)}"><summary><b>{escape(group.label)}</b> '
        f"<span>{escape(group.cause)}</span> <span>{len(group.mistakes)} x</span> <span>{group.gain:+.4f}</span>"
        f"</summary><ul>{items}</ul></details>"
    )


def _item(mistake: Mistake, evaluation: Evaluation, documents: dict[str, Document], with_text: bool) -> str:
    sides = (("gold", mistake.gold), ("predicted", mistake.pred))
    told = "; ".join(
        f"{side} {m.code} {m.assertion} {m.kind} at {m.start}-{m.end}" for side, m in sides if m is not None
    )
    text = evaluation.texts.get(mistake.note_id, "")
    sentence = ""
    if with_text and text:
        document = documents.setdefault(mistake.note_id, Document(text))
        sentence = f"<blockquote>{_highlight(document, mistake.gold, mistake.pred)}</blockquote>"
    return f"<li>{sentence}<small>{escape(mistake.note_id)}: {escape(told)}</small></li>"


def _highlight(document: Document, gold: Mention | None, pred: Mention | None) -> str:
    mentions = [m for m in (gold, pred) if m is not None]
    start, end = _context(document, min(m.start for m in mentions), max(m.end for m in mentions))
    before = "" if start == 0 or document.text[start - 1].isspace() else "..."
    after = "" if document.text[end : end + 1].strip() == "" else "..."
    cuts = sorted({start, end, *(edge for m in mentions for edge in (m.start, m.end))})
    parts = []
    for low, high in pairwise(cuts):
        inside = [m is not None and m.start <= low and high <= m.end for m in (gold, pred)]
        words = escape(document.text[low:high])
        name = {(True, True): "both", (True, False): "gold", (False, True): "pred"}.get((inside[0], inside[1]))
        parts.append(f'<mark class="{name}">{words}</mark>' if name else words)
    return f"{before}{''.join(parts)}{after}"


def _context(document: Document, start: int, end: int) -> tuple[int, int]:
    """Return the characters of the sentences that a span touches, cut to a readable length."""
    first, last = document.token_span(start, end)
    tokens = document.tokens
    if first < len(tokens):
        begin = tokens[document.sentence_of(first)[0]].start
        stop = tokens[min(document.sentence_of(last - 1)[1], len(tokens)) - 1].end
    else:
        begin, stop = start, end
    return max(min(begin, start), start - _CONTEXT), min(max(stop, end), end + _CONTEXT)
