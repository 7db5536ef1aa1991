from __future__ import annotations

import builtins
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from detect_icd10cm.errors import DetectError, NoteError
from detect_icd10cm.evaluation import Evaluation, Predictions, evaluate, html, render_html, write_html
from detect_icd10cm.notes.unfinished import UnfinishedFile
from detect_icd10cm.types import AnnotatedNote, Mention, Note, NoteCode, NoteResult

TEXT = "Known severe asthma. <b>Fever & chills</b> denied."
ASTHMA = Mention(6, 19, "severe asthma", "diagnosis", "present", "J45.50")
FEVER = Mention(24, 29, "Fever", "symptom", "absent", "R50.9")
CHILLS = Mention(32, 38, "chills", "symptom", "absent", "R68.83")


def evaluation(n_notes: int = 8) -> Evaluation:
    gold, results = [], []
    for i in range(n_notes):
        gold.append(AnnotatedNote(Note(f"n{i}", TEXT), (ASTHMA, FEVER, CHILLS), ("J45.50", "E11.9"), {"64580": ()}))
        mentions = (replace(ASTHMA, start=13, text="asthma", code="J45.909"), replace(FEVER, assertion="present"))
        codes = (NoteCode("E11.9", "", 0.9, "accept", ()), NoteCode("J45.909", "", 0.4, "review", ()))
        results.append(NoteResult(f"n{i}", "2026-04", "test", "outpatient", mentions, codes))
    other = Predictions(tuple(replace(r, mentions=()) for r in results), "B <second>")
    return evaluate(gold, Predictions(tuple(results), "A <first>"), other, n_resamples=10)


class Page(HTMLParser):
    """Collects what a page is made of, and fails on tags that do not close."""

    VOID = frozenset({"meta", "link", "input", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data))


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluation()


def test_the_page_is_whole_and_needs_no_network(found: Evaluation, tmp_path: Path) -> None:
    write_html(found, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href") and value:
            assert value.startswith(("#", "data:")), value
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(http" not in text
    assert text.count("<svg") == 3
    headings = {words for tag, words in page.words if tag == "h2"}
    assert {"Mentions, exact spans", "Accepted unseen", "Errors by cause", "B <second> against A <first>"} <= headings
    assert ("h1", "A <first> against gold") in page.words


def test_the_page_is_whole_or_not_there_and_for_its_owner_alone(
    found: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    page.write_text("before")
    page.chmod(0o644)

    def fail(file: UnfinishedFile) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedFile, "finish", fail)
        with pytest.raises(NoteError, match=r"report.html: could not be written: No space left on device"):
            write_html(found, page)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.html", "before")]
    link = tmp_path / "link.html"
    link.symlink_to(page)
    write_html(found, link)
    assert link.is_symlink()
    assert page.read_text("utf-8").endswith("</html>\n")
    assert page.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NoteError, match="could not be written: No such file or directory"):
        write_html(found, tmp_path / "none" / "report.html")


def test_errors_stand_in_their_sentences_with_both_spans_marked(found: Evaluation) -> None:
    text = render_html(found)
    assert 'Known <mark class="gold">severe </mark><mark class="both">asthma</mark>.' in text
    assert '&lt;b&gt;Fever &amp; <mark class="gold">chills</mark>&lt;/b&gt;' in text
    assert "<b>Fever" not in text
    groups = [words for tag, words in Page(text).words if tag == "b"]
    assert groups == [group.label for group in found.mistakes]


def test_without_text_the_page_has_codes_and_places_only(found: Evaluation) -> None:
    text = render_html(found, with_text=False)
    Page(text)
    assert "chills" not in text
    assert "asthma" not in text
    assert "n0: gold R68.83 absent symptom at 32-38" in text
    assert "treat it as patients" not in text


def test_pages_stay_light(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MAX_MISTAKES", 10)
    text = render_html(found)
    assert text.count("<blockquote>") == 10
    assert "14 errors of the groups that cost least are not shown" in text


def test_a_page_is_the_same_each_time(found: Evaluation) -> None:
    assert render_html(found) == render_html(evaluation())


def test_labels_of_codes_alone_make_a_page_too() -> None:
    gold = [AnnotatedNote(Note("a", ""), codes=("I10",))]
    text = render_html(evaluate(gold, Predictions((), "p"), n_resamples=5))
    Page(text)
    assert 'id="errors"' not in text


def test_missing_matplotlib_names_its_extra(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return imported(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DetectError, match=r"pip install 'detect-icd10cm\[evaluate\]'"):
        render_html(found)
