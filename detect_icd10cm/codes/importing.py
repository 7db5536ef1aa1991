"""Adding a release of ICD-10-CM, or more about an installed one, from the official files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detect_icd10cm.codes import packing, releases
from detect_icd10cm.codes.official.index import Reference, read_drugs, read_index, read_neoplasms
from detect_icd10cm.codes.official.order import apply_addenda, read_addenda, read_order
from detect_icd10cm.codes.official.poa import read_poa_exempt
from detect_icd10cm.codes.official.recognise import Kind, OfficialFile, recognise
from detect_icd10cm.codes.official.tabular import read_tabular
from detect_icd10cm.codes.tables import CodeRow, IndexTerm, Layout, ReleaseTables, find_ancestors, with_dot
from detect_icd10cm.errors import CodeSetError

_INDEXES: dict[Kind, Callable[[Path], Iterator[Reference]]] = {
    "index": read_index,
    "external_cause": read_index,
    "neoplasm": read_neoplasms,
    "drug": read_drugs,
}
_REFERENCE = re.compile(r"[A-Z0-9]{3}(?:\.[A-Z0-9]{0,4})?")


@dataclass(frozen=True, slots=True)
class FileSummary:
    """What one file brought: its kind and counts, such as ``{"terms": 120, "unknown codes": 1}``."""

    file: str
    kind: Kind
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import brought, for its user: the release, the counts a file, and what is worth knowing."""

    release: str
    n_codes: int
    n_billable: int
    files: tuple[FileSummary, ...]
    warnings: tuple[str, ...] = ()


def import_release(files: Sequence[Path], release: str | None = None) -> ImportSummary:
    """Install a release from official files, or add to an installed one what index and POA files say.

    A file's kind is told by its content. An order file makes a release; addenda make one from the release
    before. The other files belong to a release of the same import or, without such, to an installed one. What
    was imported earlier for a release stays, but for the kinds of file that come again.

    Args:
        files: The files, unpacked, in any order.
        release: Such as ``"2026-10"`` or ``"FY2027"``; taken from the files or their names where they say it.

    Raises:
        CodeSetError: If a file is of unknown kind, malformed or cut short, the files are of different years,
            or the release can't be told.
    """
    found = _recognise_all(files)
    name = _release_of(list(found.values()), release)
    work = _Import(name, found)
    work.run()
    releases.install_imported(work.tables)
    billable = sum(row.billable for row in work.tables.codes)
    return ImportSummary(name, len(work.tables.codes), billable, tuple(work.summaries), tuple(work.warnings))


def _recognise_all(files: Sequence[Path]) -> dict[Kind, OfficialFile]:
    if not files:
        raise CodeSetError("found no files to import, expected official ICD-10-CM files")
    found: dict[Kind, OfficialFile] = {}
    for path in files:
        file = recognise(path)
        if file.kind in found:
            raise CodeSetError(
                f"{path.name}: found a second file of kind {file.kind} beside {found[file.kind].path.name}, "
                "expected one"
            )
        found[file.kind] = file
    if "order" in found and "addenda" in found:
        raise CodeSetError(
            "found an order file and addenda, expected one of them: the order file has all codes already"
        )
    return found


def _release_of(files: list[OfficialFile], asked: str | None) -> str:
    """Return the release the files are of, and check that none says another fiscal year."""
    if asked:
        name = releases.parse_release(asked)
    else:
        dated = {file.release for file in files if file.release}
        years = {file.fiscal_year for file in files if file.fiscal_year}
        if len(dated) == 1:
            name = dated.pop()
        elif not dated and len(years) == 1:
            name = _release_of_year(files, years.pop())
        else:
            raise CodeSetError(
                "the files say "
                f"{', '.join(sorted(dated)) or 'several fiscal years' if dated or years else 'no release'}; "
                "say which one they are: --release 2026-10"
            )
    year = _fiscal_year(name)
    for file in files:
        if file.fiscal_year not in (None, year):
            raise CodeSetError(
                f"{file.path.name}: is of fiscal year {file.fiscal_year}, release {name} belongs to {year}; "
                "import files of one release at a time"
            )
    return name


def _release_of_year(files: list[OfficialFile], year: int) -> str:
    """Return the release that starts a fiscal year; for files that add to one, its newest installed."""
    if not any(file.kind in ("order", "addenda") for file in files):
        installed = [name for name in releases.installed_names() if _fiscal_year(name) == year]
        if installed:
            return installed[-1]
    return f"{year - 1}-10"


def _fiscal_year(release: str) -> int:
    year, month = int(release[:4]), release[5:]
    return year + 1 if month == "10" else year


@dataclass(slots=True)
class _Import:
    release: str
    files: dict[Kind, OfficialFile]
    summaries: list[FileSummary] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: ReleaseTables = field(init=False)

    def run(self) -> None:
        self.tables = self._base()
        if "tabular" in self.files:
            self._add_tabular()
        elif "order" in self.files and not any(row.notes or row.inclusion_terms for row in self.tables.codes):
            self.warnings.append(
                f"release {self.release} has titles only: import its tabular XML too for inclusion terms and notes"
            )
        for kind, read in _INDEXES.items():
            if kind in self.files:
                self._add_index(kind, read)
        if "poa_exempt" in self.files:
            self._add_poa()
        kinds = {summary.kind for summary in self.summaries}
        earlier = [source for source in self.tables.sources if source["kind"] not in kinds]
        self.tables.sources = earlier + [{"kind": s.kind, "file": s.file} for s in self.summaries]

    def _base(self) -> ReleaseTables:
        if "order" in self.files:
            return self._from_order()
        if "addenda" in self.files:
            return self._from_addenda()
        base = _installed_tables(self.release)
        if base is None:
            raise CodeSetError(
                f"release {self.release} is not installed and the files do not list its codes; add its order "
                f"file to the import. Installed: {', '.join(releases.installed_names())}"
            )
        return base

    def _from_order(self) -> ReleaseTables:
        path = self.files["order"].path
        rows = read_order(path)
        same = _installed_tables(self.release)
        layout = same.layout() if same else _nearest_layout(self.release)
        _place(rows, layout)
        index_terms: list[IndexTerm] = []
        if same:
            _carry_over(rows, same)
            known = {row.code for row in rows}
            index_terms = [term for term in same.index_terms if term.code in known]
        self._count("order", codes=len(rows), billable=sum(row.billable for row in rows))
        return ReleaseTables(self.release, rows, layout.groups, index_terms, same.sources if same else [])

    def _from_addenda(self) -> ReleaseTables:
        path = self.files["addenda"].path
        changes = read_addenda(path)
        earlier = [name for name in releases.installed_names() if name < self.release]
        base = _installed_tables(earlier[-1]) if earlier else None
        if base is None:
            raise CodeSetError(
                f"{path.name}: no release before {self.release} is installed to apply the addenda to; import "
                "the order file of that one first, or that of this one instead"
            )
        rows = apply_addenda(path, base.codes, changes, base.release)
        for row in rows:
            row.poa_exempt = None  # the list is one of each year
        _place((row for row in rows if not row.chapter), base.layout())
        known = {row.code for row in rows}
        terms = [term for term in base.index_terms if term.code in known]
        self.warnings.append(
            f"notes, inclusion terms and index terms of {self.release} are those of {base.release} until its "
            "own files are imported"
        )
        counts = {action: sum(c.action == action for c in changes) for action in ("Add", "Delete", "Revise to")}
        self._count("addenda", added=counts["Add"], deleted=counts["Delete"], revised=counts["Revise to"])
        return ReleaseTables(self.release, rows, base.groups, terms, base.sources)

    def _add_tabular(self) -> None:
        path = self.files["tabular"].path
        tabular = read_tabular(path)
        published = {row.code: row for row in tabular.codes}
        rows = self.tables.by_code()
        foreign = [code for code in published if code not in rows]
        if foreign:
            raise CodeSetError(
                f"{path.name}: has {len(foreign)} codes that release {self.release} does not, such as "
                f"{foreign[0]}; expected the tabular XML of the same release"
            )
        silent = 0
        for code, row in rows.items():
            own = published.get(code)
            above = own or next((published[a] for a in find_ancestors(code, published)), None)
            silent += above is None
            row.block, row.chapter = (above.block, above.chapter) if above else (row.block, row.chapter)
            row.inclusion_terms = own.inclusion_terms if own else []
            row.notes = own.notes if own else {}
            row.seventh_characters = own.seventh_characters if own else {}
        if silent:
            self.warnings.append(f"{path.name}: says nothing of {silent} codes of release {self.release}")
        self.tables.groups = tabular.groups
        self._count("tabular", codes=len(published), terms=sum(len(row.inclusion_terms) for row in tabular.codes))

    def _add_index(self, kind: Kind, read: Callable[[Path], Iterator[Reference]]) -> None:
        known = self.tables.by_code()
        kept = [term for term in self.tables.index_terms if term.origin != kind]
        terms: dict[IndexTerm, None] = {}
        unknown: set[str] = set()
        for term, reference in read(self.files[kind].path):
            code = _resolve(reference, known)
            if code is None:
                unknown.add(reference)
            else:
                terms[IndexTerm(code, term, kind)] = None
        if unknown:
            self.warnings.append(
                f"{self.files[kind].path.name}: names {len(unknown)} codes that release {self.release} does "
                f"not have, such as {min(unknown)}"
            )
        self.tables.index_terms = [*kept, *terms]
        self._count(kind, **{"terms": len(terms), "unknown codes": len(unknown)})

    def _add_poa(self) -> None:
        path = self.files["poa_exempt"].path
        rows = self.tables.by_code()
        exempt = {code if "." in code else with_dot(code): line for code, line in read_poa_exempt(path).items()}
        for row in rows.values():
            row.poa_exempt = row.code in exempt if row.billable else None
        unknown = [code for code in exempt if code not in rows]
        if unknown:
            self.warnings.append(
                f"{path.name}: names {len(unknown)} codes that release {self.release} does not have, the "
                f"first in line {exempt[unknown[0]]}"
            )
        self._count("poa_exempt", **{"codes": len(exempt) - len(unknown), "unknown codes": len(unknown)})

    def _count(self, kind: Kind, **counts: int) -> None:
        self.summaries.append(FileSummary(self.files[kind].path.name, kind, counts))


def _installed_tables(release: str) -> ReleaseTables | None:
    path = releases.find_intact(release)
    return packing.read_tables(path) if path else None


def _nearest_layout(release: str) -> Layout:
    """Return how the codes of the nearest intact release, later ones first, are laid out."""
    names = releases.installed_names()
    for name in [*(n for n in names if n > release), *(n for n in reversed(names) if n <= release)]:
        if path := releases.find_intact(name):
            return packing.read_layout(path)
    return Layout([], {})


def _place(rows: Iterable[CodeRow], layout: Layout) -> None:
    for row in rows:
        row.block, row.chapter = layout.place(row.code)


def _carry_over(rows: Sequence[CodeRow], earlier: ReleaseTables) -> None:
    known = earlier.by_code()
    for row in rows:
        if old := known.get(row.code):
            row.inclusion_terms, row.notes, row.poa_exempt = old.inclusion_terms, old.notes, old.poa_exempt
            row.seventh_characters = old.seventh_characters


def _resolve(reference: str, known: Mapping[str, object]) -> str | None:
    """Return the code or header that an index names, "C79.8-" being the header C79.8; None if unknown."""
    code = reference.upper().rstrip("-").rstrip(".")
    return code if _REFERENCE.fullmatch(code) and code in known else None
