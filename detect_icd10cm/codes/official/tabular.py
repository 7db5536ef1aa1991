"""The Tabular List: codes with titles, inclusion terms, notes and 7th-character definitions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detect_icd10cm.codes.official.xml import Node, clean, iter_sections
from detect_icd10cm.codes.tables import CodeRow, GroupRow, Notes, covers
from detect_icd10cm.errors import CodeSetError

ROOT = "ICD10CM.tabular"
_NOTES = {
    "includes": "includes",
    "excludes1": "excludes1",
    "excludes2": "excludes2",
    "codeFirst": "code_first",
    "useAdditionalCode": "use_additional",
    "codeAlso": "code_also",
}
_RANGE = re.compile(r"\s*\([A-Z]\d\w(?:-[A-Z]\d\w)?\)$")


@dataclass(slots=True)
class TabularList:
    """The Tabular List as written: ``codes`` in its order, without the codes that a 7th character makes.

    ``extensions`` holds, for each code that takes one, the 7th characters and the words they add to its
    title.
    """

    version: str = ""
    codes: list[CodeRow] = field(default_factory=list)
    groups: list[GroupRow] = field(default_factory=list)
    extensions: dict[str, Mapping[str, str]] = field(default_factory=dict)


def read_tabular(path: Path) -> TabularList:
    """Read a tabular XML file (``icd10cm-tabular-*.xml``).

    Raises:
        CodeSetError: If the file is malformed, or a code has no name or title; the line is told.
    """
    tabular = TabularList()
    for _, node in iter_sections(path):
        if node.tag == "version":
            tabular.version = clean(node.text)
        elif node.tag == "chapter":
            _Chapter(path, node, tabular).read()
    if not tabular.codes:
        raise CodeSetError(f"{path.name}: holds no codes; expected a tabular XML file with <chapter> and <diag>")
    return tabular


class _Chapter:
    def __init__(self, path: Path, node: Node, tabular: TabularList) -> None:
        self._path = path
        self._node = node
        self._tabular = tabular
        self._id = self._required(node, "name")

    def read(self) -> None:
        self._tabular.groups.append(self._group("chapter", self._id, self._node))
        for section in _children(self._node, "section"):
            block = section.get("id")
            if not block:
                raise self._error(section, "<section> without id")
            self._tabular.groups.append(self._group("block", block, section))
            for diag in _children(section, "diag"):
                self._read_code(diag, block, {})
        self._share_notes_of_outer_blocks()

    def _share_notes_of_outer_blocks(self) -> None:
        """Add the notes of blocks that only hold blocks, such as V00-V99, to those that hold the codes."""
        blocks = [group for group in self._tabular.groups if group.kind == "block" and group.chapter == self._id]
        filled = {row.block for row in self._tabular.codes}
        outer = [block for block in blocks if block.group_id not in filled and block.notes]
        for block in (block for block in blocks if block.group_id in filled):
            for around in (around for around in outer if covers(around.group_id, block.group_id[:3])):
                for name, texts in around.notes.items():
                    block.notes[name] = [*block.notes.get(name, []), *texts]

    def _group(self, kind: str, group_id: str, node: Node) -> GroupRow:
        title = _RANGE.sub("", self._required(node, "desc"))
        return GroupRow(kind, group_id, title, self._id, _notes(node))

    def _read_code(self, node: Node, block: str, extensions: Mapping[str, str]) -> None:
        code = self._required(node, "name")
        own, definitions = self._seventh(node)
        children = _children(node, "diag")
        extensions = own or extensions
        self._tabular.codes.append(
            CodeRow(
                code=code,
                title=self._required(node, "desc"),
                billable=not children and not extensions,
                block=block,
                chapter=self._id,
                inclusion_terms=[clean(n.text) for t in node.findall("inclusionTerm") for n in t.findall("note")],
                notes=_notes(node),
                seventh_characters=definitions,
            )
        )
        if extensions and not children:
            self._tabular.extensions[code] = extensions
        for child in children:
            self._read_code(child, block, extensions)

    def _seventh(self, node: Node) -> tuple[dict[str, str], dict[str, str]]:
        """Return what each 7th character adds to a title, and its definition: that and any note."""
        added: dict[str, str] = {}
        definitions: dict[str, str] = {}
        for item in (item for group in node.findall("sevenChrDef") for item in group):
            if item.tag == "extension":
                character = item.get("char", "").upper()
                if len(character) != 1:
                    raise self._error(item, "<extension> without a 7th character")
                added[character] = definitions[character] = clean(item.text)
            elif added:
                definitions[character] += f"; {clean(item.text)}"
        return added, definitions

    def _required(self, node: Node, tag: str) -> str:
        text = node.text_of(tag)
        if text is None:
            raise self._error(node, f"<{node.tag}> without <{tag}>")
        return text

    def _error(self, node: object, found: str) -> CodeSetError:
        line = node.line if isinstance(node, Node) else 0
        return CodeSetError(f"{self._path.name}, line {line}: found {found}; expected the published tabular shape")


def _children(node: Node, tag: str) -> list[Node]:
    return [child for child in node if isinstance(child, Node) and child.tag == tag]


def _notes(node: Node) -> Notes:
    notes: Notes = {}
    for tag, name in _NOTES.items():
        found = [clean(note.text) for group in node.findall(tag) for note in group.findall("note")]
        if found := [text for text in found if text]:
            notes[name] = found
    return notes


def extend_with_seventh_characters(tabular: TabularList, existing: frozenset[str]) -> list[CodeRow]:
    """Return all codes in order, those made by a 7th character added below the code they extend.

    Args:
        tabular: The Tabular List.
        existing: The codes that exist, as some 7th characters do not go with some codes (S06 after death).
    """
    rows: list[CodeRow] = []
    for row in tabular.codes:
        rows.append(row)
        stem = row.code if len(row.code) > 3 else f"{row.code}."
        for character, words in tabular.extensions.get(row.code, {}).items():
            code = stem.ljust(7, "X") + character
            if code in existing:
                rows.append(CodeRow(code, f"{row.title}, {words}", True, row.block, row.chapter))
    return rows
