"""Imports go one way through the rooms of the package: `docs/README.md` draws them."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import detect_icd10cm

PACKAGE = "detect_icd10cm"
ROOT = Path(detect_icd10cm.__file__).parent

# A room may import those of a lower floor, and of its own floor where that makes no cycle.
FLOORS = (
    ("types", "errors", "packaged", "machine"),
    ("codes", "text", "notes", "metrics"),
    ("model",),
    ("rules",),
    ("detector", "parallel", "frames"),
    ("evaluation",),
    ("display", "cli", "spark", "serve"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# What a lower floor would allow and the purpose of the room forbids.
FORBIDDEN = {("rules", "model")}
# Frameworks that only one room may touch.
OWNED = {"torch": "model", "transformers": "model", "onnxruntime": "model", "typer": "cli", "click": "cli"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported_modules(source: str, modules: set[str]) -> set[str]:
    """Return what a source imports anywhere: inside functions and for type checking as well.

    A type is a dependency like any other: a room whose signatures name the records of another can't be read without it.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import, expected the full name of the module"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & modules
            if not full <= modules:
                found.add(str(node.module))
    return found


def room_of(module: str) -> str:
    """Return the first part of a module's name inside the package: ``codes`` of ``detect_icd10cm.codes.codeset``."""
    return module.split(".")[1]


IMPORTS = {name: imported_modules(path.read_text("utf-8"), set(MODULES)) for name, path in MODULES.items()}
# `detect_icd10cm` itself is the front door: it names the public modules, so every room lies behind it.
ROOMS = sorted(name for name in MODULES if name != PACKAGE)


def own(imports: set[str]) -> set[str]:
    return {name for name in imports if name.startswith(f"{PACKAGE}.")}


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
from typing import TYPE_CHECKING
from pkg.room import module, name
if TYPE_CHECKING:
    import pkg.typed
def later():
    from pkg.lazy import thing
"""
    expected = {"typing", "pkg.room", "pkg.room.module", "pkg.typed", "pkg.lazy"}
    assert imported_modules(source, {"pkg.room.module"}) == expected


def test_every_room_has_a_floor() -> None:
    assert {room_of(name) for name in ROOMS} <= set(FLOOR_OF)


@pytest.mark.parametrize("name", ROOMS)
def test_imports_never_go_up(name: str) -> None:
    room = room_of(name)
    wrong = [
        other
        for other in sorted(own(IMPORTS[name]))
        if FLOOR_OF[room_of(other)] > FLOOR_OF[room] or (room, room_of(other)) in FORBIDDEN
    ]
    assert not wrong, f"{name} imports {', '.join(wrong)}; see FLOORS and FORBIDDEN"


@pytest.mark.parametrize("by_room", [False, True], ids=["modules", "rooms"])
def test_no_cycles(by_room: bool) -> None:
    graph: dict[str, set[str]] = {}
    for name in ROOMS:
        for other in own(IMPORTS[name]):
            a, b = (room_of(name), room_of(other)) if by_room else (name, other)
            if a != b:
                graph.setdefault(a, set()).add(b)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")
    assert order


@pytest.mark.parametrize("name", ROOMS)
def test_frameworks_stay_in_their_room(name: str) -> None:
    tops = {module.partition(".")[0] for module in IMPORTS[name]}
    wrong = sorted(top for top in tops & set(OWNED) if OWNED[top] != room_of(name))
    assert not wrong, f"{name} imports {', '.join(wrong)}, which belongs in another room"


def test_the_package_never_imports_what_runs_from_a_clone() -> None:
    tops = {module.partition(".")[0] for imports in IMPORTS.values() for module in imports}
    assert not tops & {"training", "benchmarks", "tests", "examples"}
