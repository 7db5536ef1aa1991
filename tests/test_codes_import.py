from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detect_icd10cm.codes import releases
from detect_icd10cm.codes.codeset import CodeSet, choose_release, installed_releases
from detect_icd10cm.codes.importing import ImportSummary, import_release
from detect_icd10cm.codes.official.recognise import recognise, release_in_name
from detect_icd10cm.errors import CodeSetError

DATA = Path(__file__).parent / "data" / "codes"
ORDER = DATA / "icd10cm_order_2024.txt"
ADDENDA = DATA / "icd10cm_order_addenda_2025.txt"
POA = DATA / "POAexemptCodesFY24.txt"
TABULAR = DATA / "icd10cm_tabular_2024.xml"
INDEX = DATA / "icd10cm_index_2024.xml"
EINDEX = DATA / "icd10cm_eindex_2024.xml"
NEOPLASM = DATA / "icd10cm_neoplasm_2024.xml"
DRUG = DATA / "icd10cm_drug_2024.xml"
RELEASE = "2023-10"


@pytest.fixture(scope="module")
def _imported_folder(tmp_path_factory: pytest.TempPathFactory, codeset: CodeSet) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(releases.DATA_VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def summary(_imported_folder: Path) -> ImportSummary:
    return import_release([INDEX, POA, ORDER, EINDEX, TABULAR, NEOPLASM, DRUG])


@pytest.fixture(scope="module")
def imported(summary: ImportSummary) -> CodeSet:
    return CodeSet.load(summary.release)


@pytest.fixture
def copied(tmp_path: Path) -> Callable[..., Path]:
    """Copy a fixture file under another name with one text replaced."""

    def copy(path: Path, old: str = "", new: str = "", name: str | None = None) -> Path:
        text = path.read_text("utf-8")
        assert old in text
        target = tmp_path / (name or path.name)
        target.write_text(text.replace(old, new, 1) if old else text, "utf-8")
        return target

    return copy


@pytest.mark.parametrize(
    ("path", "kind", "year"),
    [
        (ORDER, "order", 2024),
        (ADDENDA, "addenda", 2025),
        (POA, "poa_exempt", 2024),
        (TABULAR, "tabular", 2024),
        (INDEX, "index", 2024),
        (EINDEX, "external_cause", 2024),
        (NEOPLASM, "neoplasm", 2024),
        (DRUG, "drug", 2024),
    ],
)
def test_kind_is_told_by_content_not_name(copied: Callable[..., Path], path: Path, kind: str, year: int) -> None:
    assert (recognise(path).kind, recognise(path).fiscal_year) == (kind, year)
    assert recognise(copied(path, name="download.bin")).kind == kind


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("icd10cm-tabular-April-1-2026-XML.xml", "2026-04"),
        ("icd10cm-codes-october-1-2025.txt", "2025-10"),
        ("code-list-April-2026.txt", "2026-04"),
        ("icd10cm_order_2026.txt", None),
    ],
)
def test_release_in_name(name: str, release: str | None) -> None:
    assert release_in_name(name) == release


def test_summary_counts_each_file(summary: ImportSummary) -> None:
    assert (summary.release, summary.n_codes, summary.n_billable) == (RELEASE, 31, 16)
    assert {file.kind: dict(file.counts) for file in summary.files} == {
        "order": {"codes": 31, "billable": 16},
        "tabular": {"codes": 10, "terms": 3},
        "index": {"terms": 12, "unknown codes": 2},
        "external_cause": {"terms": 2, "unknown codes": 0},
        "neoplasm": {"terms": 6, "unknown codes": 11},
        "drug": {"terms": 4, "unknown codes": 4},
        "poa_exempt": {"codes": 3, "unknown codes": 1},
    }
    for expected in ("says nothing of 18 codes", "2 codes that release 2023-10 does not have, such as E10.-"):
        assert any(expected in warning for warning in summary.warnings)


def test_imported_codes(imported: CodeSet) -> None:
    assert imported.release == RELEASE
    assert len(imported) == 31
    assert imported.is_billable("G35")
    assert not imported.is_billable("T14.8")
    assert imported.title("T14.8XXA") == "Other injury of unspecified body region, initial encounter"
    assert imported["T14.8XXA"].parent == "T14.8"
    assert imported.default_billable("T14") == "T14.8XXA"
    assert imported.default_billable("E11") == "E11.9"


def test_imported_notes(imported: CodeSet) -> None:
    entry = imported["E11.43"]
    assert (entry.block, entry.chapter) == ("E08-E13", "4")
    assert entry.inclusion_terms == ("Type 2 diabetes mellitus with diabetic gastroparesis",)
    assert entry.excludes1 == ("gestational diabetes (O24.4-)", "type 1 diabetes mellitus (E10.-)")
    assert imported["A00.9"].use_additional == ("code to identify resistance to antimicrobial drugs (Z16.-)",)
    assert imported["T14.8XXD"].seventh_characters["S"] == "sequela"
    # The excerpt of the Tabular List is silent on these: block and chapter are those of the nearest release.
    assert (imported["C71.9"].block, imported["C71.9"].chapter) == ("C69-C72", "2")


@pytest.mark.parametrize(
    ("code", "terms"),
    [
        ("A00.0", {"Cholera, classical"}),
        ("E11.43", {"Diabetes, type 2 with gastroparesis", "diabetic, type 2 with gastroparesis"}),
        (
            "E11.4",
            {
                "Diabetes, type 2 with neurologic complication NEC",
                "diabetic, type 2 with neurologic complication NEC",
            },
        ),
        ("G35", {"Sclerosis, multiple", "sclerotic, multiple"}),
        ("W54.0", {"Bite, bitten by dog"}),
        ("W54", {"Bite, bitten by mammal, domestic"}),
        ("C71.9", {"malignant neoplasm of brain NEC"}),
        ("C71.0", {"malignant neoplasm of brain NEC, cerebrum", "malignant neoplasm of brain NEC, cerebral"}),
        ("C79.3", {"secondary malignant neoplasm of brain NEC"}),
        ("T38.3X5", {"adverse effect of Insulin", "adverse effect of Insulin, slow acting"}),
        ("T38.3X6", {"underdosing of Insulin", "underdosing of Insulin, slow acting"}),
    ],
)
def test_index_terms(imported: CodeSet, code: str, terms: set[str]) -> None:
    assert set(imported[code].index_terms) == terms
    assert {(term, code, "index") for term in terms} <= set(imported.terms())


def test_poa_exempt(imported: CodeSet) -> None:
    assert imported["W54.0XXA"].poa_exempt is True
    assert imported["E11.9"].poa_exempt is False
    assert imported["E11"].poa_exempt is None


def test_search_finds_index_terms(imported: CodeSet) -> None:
    assert imported.search("sclerotic")[0].code == "G35"


def test_installed_releases_name_their_files(imported: CodeSet) -> None:
    release, packaged = installed_releases()
    assert (release.name, release.origin, packaged.origin) == (RELEASE, "imported", "package")
    assert {ORDER.name, TABULAR.name, POA.name} <= set(release.sources)
    assert release.ends == datetime.date(2024, 3, 31)
    assert choose_release(datetime.date(2024, 1, 15)) == (RELEASE, None)
    assert choose_release(datetime.date(2024, 4, 15))[0] == RELEASE  # the nearest


@pytest.fixture
def with_order(data_folder: Path) -> Path:
    import_release([ORDER])
    return data_folder


def test_addenda_make_the_next_release(with_order: Path) -> None:
    summary = import_release([ADDENDA])
    assert (summary.release, summary.n_codes, summary.n_billable) == ("2024-10", 35, 18)
    assert dict(summary.files[0].counts) == {"added": 6, "deleted": 2, "revised": 1}
    before, after = CodeSet.load(RELEASE), CodeSet.load("2024-10")
    assert not after.is_billable("G35")
    assert after.children("G35") == ("G35.A", "G35.D")
    assert after.default_billable("G35") == "G35.D"
    assert after.title("T14.8") == "Other injuries of unspecified body region"
    assert after["E11.A1"].chapter == "4"
    assert list(after)[:3] == ["A00", "A00.1", "A00.9"]
    assert "A00.0" in before
    assert before.title("T14.8") == "Other injury of unspecified body region"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 A000 ", "1 A002 ", r"line 9: changes A00\.2, which release 2023-10 does not have"),
        (
            "Delete:      1 G35",
            "Delete:      0 G35",
            "line 1: changes G35, which in release 2023-10 is bill",
        ),
        ("1 A001 ", "1 A009 ", r"line 10: adds A00\.9, which release 2023-10 has already"),
        (" 2 deletions", " 3 deletions", "found 2 lines 'Delete', its closing counts say 3"),
        ("Delete:      1 G35 ", "Remove:      1 G35 ", "its first line has no known shape"),
        ("Delete:      1 A000", "Remove:      1 A000", "line 9: expected Add, Delete, Revise"),
        ("region\nRevise to", "area\nRevise to", "'Other injury of unspecified body area', which release"),
    ],
)
def test_addenda_that_do_not_fit(
    with_order: Path, copied: Callable[..., Path], old: str, new: str, message: str
) -> None:
    with pytest.raises(CodeSetError, match=message):
        import_release([copied(ADDENDA, old, new)])
    assert [release.name for release in installed_releases()] == [RELEASE, "2026-04"]


def test_addenda_need_the_release_before(data_folder: Path) -> None:
    with pytest.raises(CodeSetError, match="no release before 2024-10 is installed"):
        import_release([ADDENDA])


def test_files_that_add_to_an_installed_release(with_order: Path) -> None:
    assert import_release([INDEX]).warnings
    import_release([POA])
    codeset = CodeSet.load(RELEASE)
    assert codeset["A00.0"].index_terms == ("Cholera, classical",)
    assert codeset["W54.0XXA"].poa_exempt
    import_release([INDEX])  # the same again changes nothing
    assert CodeSet.load(RELEASE)["A00.0"].index_terms == ("Cholera, classical",)
    import_release([ORDER, TABULAR])  # and what came earlier stays
    assert CodeSet.load(RELEASE)["A00.0"].index_terms == ("Cholera, classical",)
    assert CodeSet.load(RELEASE)["A00.0"].inclusion_terms == ("Classical cholera",)
    assert len(list(with_order.iterdir())) == 1


def test_index_added_to_the_packaged_release(data_folder: Path, copied: Callable[..., Path], codeset: CodeSet) -> None:
    eindex = copied(EINDEX, "2024", "2026", name="eindex.xml")
    assert import_release([eindex]).release == "2026-04"  # the newest installed one of fiscal year 2026
    added = CodeSet.load()
    assert added["W54.0"].index_terms == ("Bite, bitten by dog",)
    assert added["W54.0XXA"].excludes1 == codeset["W54.0XXA"].excludes1
    assert added.billable_codes() == codeset.billable_codes()
    assert [(release.name, release.origin) for release in installed_releases()] == [("2026-04", "imported")]


def test_damaged_import_says_to_import_again(with_order: Path) -> None:
    (file,) = with_order.iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(CodeSetError, match="release 2023-10 is damaged; import its files again"):
        CodeSet.load(RELEASE)
    assert [release.name for release in installed_releases()] == [RELEASE, "2026-04"]
    import_release([ORDER])
    assert CodeSet.load(RELEASE).is_billable("G35")


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (ORDER, "00005 C710    1 ", "00005 C710    2 ", "line 5: expected an order number"),
        (ORDER, "00015 E119 ", "00015 E1140", r"line 15: lists E11\.40 again, first in line 13"),
        (
            ORDER,
            "00001 A00     0",
            "00001 B99     0",
            r"line 1: the header B99 has no codes below it|no header A00",
        ),
        (
            ORDER,
            "00012 E114    0",
            "00012 E114    1",
            r"line 13: E11\.40 stands below E11\.4, which is billable",
        ),
        (TABULAR, "<name>A00.9</name>", "", "line 32: found <diag> without <name>"),
        (TABULAR, ' id="E08-E13"', "", "line 42: found <section> without id"),
        (TABULAR, '<extension char="A">', "<extension>", "found <extension> without a 7th character"),
        (
            TABULAR,
            "<name>A00.9</name>",
            "<name>A00.8</name>",
            r"has 1 codes that release 2023-10 does not, such as A00\.8",
        ),
        (INDEX, "<title>classical</title>", "", "line 10: <term> without <title>"),
        (INDEX, "</mainTerm>", "", r"line \d+, column \d+: not well-formed XML \(mismatched tag\)"),
        (INDEX, "<version>2024", "<version>2023", "is of fiscal year 2023, release 2023-10 belongs to 2024"),
        (
            INDEX,
            "<title>ICD-10-CM INDEX TO DISEASES and INJURIES</title>",
            "",
            "without a title or heading that says",
        ),
        (NEOPLASM, '<cell col="3">', '<cell col="9">', r"line \d+: found a cell of column '9'"),
        (DRUG, "Underdosing", "Overdosing", "its heading names 5 of the columns"),
        (POA, "00031\tW54.0XXA\t", "00031 W54.0XXA ", "line 4: expected a number, a code and a description"),
    ],
)
def test_malformed_files(
    data_folder: Path, copied: Callable[..., Path], path: Path, old: str, new: str, message: str
) -> None:
    broken = copied(path, old, new)
    files = [broken] if path == ORDER else [ORDER, broken]
    with pytest.raises(CodeSetError, match=message) as caught:
        import_release(files, RELEASE)
    assert broken.name in str(caught.value)
    assert not list(data_folder.iterdir())


@pytest.mark.parametrize("path", [TABULAR, INDEX, EINDEX, NEOPLASM, DRUG])
def test_cut_xml(data_folder: Path, tmp_path: Path, path: Path) -> None:
    content = path.read_bytes()
    cut = tmp_path / path.name
    cut.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(CodeSetError, match=r"line \d+, column \d+: not well-formed XML .*cut short"):
        import_release([ORDER, cut], RELEASE)


@pytest.mark.parametrize("size", [700, 1000, 1200, 2000])
def test_cut_order_file(data_folder: Path, tmp_path: Path, size: int) -> None:
    cut = tmp_path / ORDER.name
    cut.write_bytes(ORDER.read_bytes()[:size])
    with pytest.raises(CodeSetError, match=r"line \d+: .*(damaged|cut short|get the file again)"):
        import_release([cut])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its first line has no known shape; expected an order file"),
        (b"code,title\nI10,Hypertension\n", "its first line has no known shape; expected an order file"),
        (b"PK\x03\x04rest", "is a zip archive; unpack it"),
        (b"\xff\xfe0\x000\x00", "is not UTF-8 text"),
        (b"<html><body/></html>", "found XML of <html>; expected an order file"),
        (b"<ICD10CM.index><version>2024</version></ICD10CM.index>", "without a title or heading"),
        (b"<ICD10CM.tabular><version>2024</version></ICD10CM.tabular>", "holds no codes"),
        (b"<" + b"a>" * 3, "not well-formed XML"),
        (b"<a>" * 100, "elements nest deeper than 64"),
        (
            b'<!DOCTYPE a [<!ENTITY b "bb">]><ICD10CM.index>&b;</ICD10CM.index>',
            "line 1: declares a doc",
        ),
        (
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'.encode("utf-16"),
            "not UTF-8",
        ),
    ],
)
def test_files_of_unknown_kind(data_folder: Path, tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(CodeSetError, match=message):
        import_release([ORDER, file], RELEASE)


def test_what_can_not_be_imported_together(data_folder: Path, copied: Callable[..., Path], tmp_path: Path) -> None:
    for files, message in [
        ([], "found no files to import"),
        ([tmp_path / "absent.txt"], "cannot be read"),
        ([ORDER, copied(ORDER, name="again.txt")], "a second file of kind order"),
        ([ORDER, ADDENDA], "an order file and addenda, expected one of them"),
        ([copied(ORDER, name="codes.txt")], "the files say no release; say which one they are: --release"),
        ([INDEX], "release 2023-10 is not installed and the files do not list its codes"),
        ([POA, copied(INDEX, "2024", "2025")], "the files say several fiscal years"),
    ]:
        with pytest.raises(CodeSetError, match=message):
            import_release(files)


def test_release_can_be_given(data_folder: Path, copied: Callable[..., Path]) -> None:
    assert import_release([copied(ORDER, name="codes.txt")], "FY2019").release == "2018-10"
    with pytest.raises(CodeSetError, match="expected its first month"):
        import_release([ORDER], "newest")
