"""The documentation is true: its blocks run, its links lead somewhere, and every verb and field is in it.

In Markdown files, a ``python`` block runs in one namespace a file and prints what its ``# Out:`` lines say; a
``console`` block runs its ``$`` lines and prints what follows them, ``...`` standing for anything; a ``bash`` block is
only shown, and may hold no more than set-up.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from detect_icd10cm import cli, types

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
TEXTS = {path: path.read_text("utf-8") for path in PAGES}
ALL_TEXT = "\n".join(TEXTS.values())

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
INLINE_COMMAND = re.compile(r"detect-icd10cm [^\n`]*")
SETUP = re.compile(r"(make [\w-]+|python -m venv|pip install|git clone|cd |source )")


def blocks(language: str) -> dict[Path, list[str]]:
    found = {page: [body for kind, body in BLOCK.findall(text) if kind == language] for page, text in TEXTS.items()}
    return {page: bodies for page, bodies in found.items() if bodies}


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def like(pattern: str) -> re.Pattern[str]:
    """Return a pattern for an expected output: white space counts as one blank, ``...`` is anything, as is a rule."""
    words = re.sub("[─━]+", "...", " ".join(pattern.split()))
    return re.compile(".*".join(re.escape(part.strip()) for part in words.split("...")))


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    """Yield each ``$`` line of a console block, with its continuation lines, and the output shown below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:end]), "\n".join(lines[end:])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples in it and the command on the path, as a reader of the README would have them."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    script = tmp_path / "bin" / "detect-icd10cm"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom detect_icd10cm.cli import main\nmain()\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", blocks("console"), ids=page_id)
def test_console_blocks_run(page: Path, desk: Path) -> None:
    for block in blocks("console")[page]:
        for command, shown in commands_of(block):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=desk,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,  # both as they come, as on a terminal
                text=True,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}"  # other codes are shown by the block: || echo $?
            printed = " ".join(done.stdout.split())
            assert like(shown).fullmatch(printed), f"{command}\nprinted:\n{done.stdout}\nshown:\n{shown}"


@pytest.mark.parametrize("page", blocks("python"), ids=page_id)
@pytest.mark.usefixtures("desk")
def test_python_blocks_run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks("python")[page]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(ast.parse(block), page_id(page), "exec"), namespace)
        shown = "\n".join(re.findall(r"^# Out: ?(.*)$", block, re.MULTILINE))
        assert like(shown).fullmatch(" ".join(output.getvalue().split())), f"printed:\n{output.getvalue()}\n{block}"


def test_bash_blocks_are_only_set_up() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page, bodies in blocks("bash").items():
        for line in "".join(bodies).splitlines():
            assert SETUP.match(line), f"{page_id(page)}: {line!r} would better be a console block, which is run"
            made = re.match(r"make ([\w-]+)", line)
            assert made is None or made[1] in targets, f"{page_id(page)}: the Makefile has no {line!r}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link in LINK.findall(TEXTS[page]) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_index_lists_every_page() -> None:
    listed = LINK.findall(TEXTS[ROOT / "docs" / "README.md"])
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.parent != ROOT}
    assert pages - {"README.md"} <= set(listed)


def verbs(command: Any, path: str = "detect-icd10cm") -> Iterator[tuple[str, Any]]:
    """Yield the command and its sub-commands, each with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, f"{path} {name}")


VERBS = dict(verbs(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_has_help(verb: str) -> None:
    assert VERBS[verb].help
    assert all(parameter.help for parameter in VERBS[verb].params if parameter.name != "help")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.count(" ")])
def test_every_verb_is_documented(verb: str) -> None:
    assert re.search(rf"{verb}\b", ALL_TEXT)


def test_documented_options_exist() -> None:
    for line in INLINE_COMMAND.findall(ALL_TEXT):
        words = line.split()
        verb = next((" ".join(words[:n]) for n in (3, 2, 1) if " ".join(words[:n]) in VERBS), "")
        known = {option for parameter in VERBS[verb].params for option in parameter.opts} | {"--help", "-h"}
        used = {word.partition("=")[0].rstrip(".,;:)") for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{line!r}: no such option"


@pytest.mark.parametrize(
    "record", [types.NoteResult, types.Mention, types.Candidate, types.NoteCode, types.Indication, types.Reject]
)
def test_every_field_is_documented(record: type) -> None:
    page = TEXTS[ROOT / "docs" / "output.md"]
    missing = [field.name for field in dataclasses.fields(record) if f"`{field.name}`" not in page]
    assert not missing
