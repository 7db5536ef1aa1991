"""Reading official XML files as a stream, without ever expanding an entity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from detect_icd10cm.errors import CodeSetError

_CHUNK = 1 << 16
# The deepest official file nests 12 levels; far more is an attack on the recursion limit, not a code set.
_MAX_DEPTH = 64


class Node(Element):
    """An XML element that knows the line on which it starts."""

    line: int = 0

    def text_of(self, tag: str) -> str | None:
        """Return the text of the first child with a tag, white space collapsed; None when absent or empty."""
        child = self.find(tag)
        return (clean(child.text) or None) if child is not None else None


def clean(text: str | None) -> str:
    """Return text with runs of white space turned into single spaces."""
    return " ".join((text or "").split())


def iter_sections(path: Path) -> Iterator[tuple[str, Node]]:
    """Yield the name of the root element and, one by one, each of its children with all that it holds.

    Document type declarations are refused, so that no entity can expand or point to another file.

    Raises:
        CodeSetError: If the file is not well-formed XML, declares a document type or nests too deep.
    """
    reader = _SectionReader(path)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield from reader.feed(chunk)
    yield from reader.feed(b"", last=True)


class _SectionReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = ""
        self._depth = 0
        self._done: list[tuple[str, Node]] = []
        self._builder = self._new_builder()
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes, *, last: bool = False) -> list[tuple[str, Node]]:
        self._done = []
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise CodeSetError(
                f"{self._path.name}, line {error.lineno}, column {error.offset}: not well-formed XML "
                f"({reason}); the file may be cut short: get it again"
            ) from None
        return self._done

    def _new_builder(self) -> TreeBuilder:
        return TreeBuilder(element_factory=self._new_node)

    def _new_node(self, tag: str, attributes: dict[str, str]) -> Node:
        node = Node(tag, attributes)
        node.line = self._parser.CurrentLineNumber
        return node

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth >= _MAX_DEPTH:
            raise CodeSetError(
                f"{self._path.name}, line {self._parser.CurrentLineNumber}: elements nest deeper than "
                f"{_MAX_DEPTH}; expected an official ICD-10-CM file"
            )
        if self._depth == 0:
            self._root = tag
        else:
            self._builder.start(tag, attributes)
        self._depth += 1

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            return
        node = self._builder.end(tag)
        if self._depth == 1 and isinstance(node, Node):
            self._done.append((self._root, node))
            self._builder = self._new_builder()

    def _text(self, text: str) -> None:
        if self._depth > 1:
            self._builder.data(text)

    def _refuse_doctype(self, *_: object) -> None:
        raise CodeSetError(
            f"{self._path.name}, line {self._parser.CurrentLineNumber}: declares a document type, which "
            "official files do not; it is not read"
        )
