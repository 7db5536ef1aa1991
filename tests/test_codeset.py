from __future__ import annotations

import datetime
import multiprocessing
import os
import pickle
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect_icd10cm.codes import releases
from detect_icd10cm.codes.codeset import (
    CodeSet,
    choose_release,
    installed_releases,
    normalize_code,
    parse_release,
)
from detect_icd10cm.errors import CodeSetError, ReleaseWarning

RELEASE = "2026-04"
# Counted by CMS in the order file of fiscal year 2026 (closing lines of its order addenda).
N_BILLABLE, N_HEADERS = 74_719, 23_467


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("e119", "E11.9"),
        ("E11.9", "E11.9"),
        (" i10 ", "I10"),
        ("E11 .9", "E11.9"),
        ("t14.8xxa", "T14.8XXA"),
        ("s52501a", "S52.501A"),
        ("C7A", "C7A"),
        ("qa0.0101", "QA0.0101"),
        ("g35d", "G35.D"),
    ],
)
def test_normalize_code(written: str, normal: str) -> None:
    assert normalize_code(written) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "E1",
        "E11.",
        "E1.19",
        "E11.-",
        "pain",
        "11E",
        "E11.90000",
        "E11..9",
        "É11",
        "E11\u0669",
        "4",
        "E08-E13",
    ],
)
def test_normalize_code_refuses(text: str) -> None:
    with pytest.raises(CodeSetError, match=r"expected an ICD-10-CM code such as 'E11\.9'"):
        normalize_code(text)


def test_normalize_code_never_repeats_long_text() -> None:
    with pytest.raises(CodeSetError) as caught:
        normalize_code("Jane Roe has diabetes")
    assert "Roe" not in str(caught.value)


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z][0-9][0-9A-Za-z]\.?[0-9A-Za-z]{0,4}", fullmatch=True)))
def test_normalize_code_is_idempotent(text: str) -> None:
    try:
        once = normalize_code(text)
    except CodeSetError:
        return
    assert normalize_code(once) == once
    assert normalize_code(once.replace(".", "").lower()) == once


def test_has_every_code_of_the_published_list(codeset: CodeSet) -> None:
    folder = Path(next(iter(releases.find_spec("simple_icd_10_cm").submodule_search_locations))) / "data"
    lines = (folder / "code-list-April-2026.txt").read_text("utf-8").split()
    listed = {line for line in lines if "-" not in line and not line.isdigit()}
    assert {code.replace(".", "") for code in codeset} == listed
    assert len(codeset.billable_codes()) == N_BILLABLE
    assert len(codeset) == N_BILLABLE + N_HEADERS


def test_tree_is_consistent(codeset: CodeSet) -> None:
    below: dict[str | None, list[str]] = {}
    for code in codeset:
        below.setdefault(codeset.parent(code), []).append(code)
    assert all(codeset.title(code) for code in codeset)
    assert all(codeset.is_billable(code) == (code not in below) for code in codeset)
    assert len(below.pop(None)) == 1918
    for header in [*list(below)[::25], "E11", "C84", "T14.8", "Z3A"]:
        assert codeset.children(header) == codeset[header].children == tuple(below[header])


def test_headers_stand_before_what_is_below(codeset: CodeSet) -> None:
    place = {code: i for i, code in enumerate(codeset)}
    assert all(place[above] < place[code] for code in codeset for above in codeset.ancestors(code))


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("I10", "Essential (primary) hypertension"),
        ("g35.d", "Multiple sclerosis, unspecified"),
        (
            "S52.501A",
            "Unspecified fracture of the lower end of right radius, initial encounter for closed fracture",
        ),
        (
            "S52501B",
            "Unspecified fracture of the lower end of right radius, initial encounter for open fracture type I or II",
        ),
        ("T14.8XXA", "Other injury of unspecified body region, initial encounter"),
        ("M1A.9XX0", "Chronic gout, unspecified, without tophus (tophi)"),
        ("H34.8112", "Central retinal vein occlusion, right eye, stable"),
        ("O31.00X1", "Papyraceous fetus, unspecified trimester, fetus 1"),
        ("S06.0X0A", "Concussion without loss of consciousness, initial encounter"),
    ],
)
def test_titles(codeset: CodeSet, code: str, title: str) -> None:
    assert codeset.title(code) == title
    assert codeset[code].title == title


@pytest.mark.parametrize("code", ["S06.1X7D", "E11.99", "Z99.999"])
def test_codes_that_do_not_exist(codeset: CodeSet, code: str) -> None:
    assert code not in codeset
    assert not codeset.is_billable(code)
    for ask in (
        codeset.__getitem__,
        codeset.title,
        codeset.ancestors,
        codeset.default_billable,
        codeset.children,
    ):
        with pytest.raises(CodeSetError, match=f"found code {code}, which release {RELEASE} does not have"):
            ask(code)


@pytest.mark.parametrize("item", ["e11.9", "E119", "E11"])
def test_contains_any_spelling(codeset: CodeSet, item: str) -> None:
    assert item in codeset


@pytest.mark.parametrize("item", ["", "diabetes", "E08-E13", "4", None, 11])
def test_contains_only_codes(codeset: CodeSet, item: object) -> None:
    assert item not in codeset


def test_entry_of_a_header(codeset: CodeSet) -> None:
    entry = codeset["e11"]
    assert (entry.code, entry.category, entry.block, entry.chapter) == ("E11", "E11", "E08-E13", "4")
    assert not entry.billable
    assert entry.parent is None
    assert entry.children[0] == "E11.0"
    assert entry.children[-1] == "E11.A"
    assert "diabetes NOS" in entry.includes
    assert "type 1 diabetes mellitus (E10.-)" in entry.excludes1
    assert "insulin (Z79.4)" in entry.use_additional
    assert entry.poa_exempt is None


def test_notes_are_inherited_nearest_first(codeset: CodeSet) -> None:
    category, code = codeset["E11"], codeset["E11.21"]
    assert code.excludes1[-len(category.excludes1) :] == category.excludes1
    hypertension = codeset["I10"]
    assert "neonatal hypertension (P29.2)" in hypertension.excludes1  # of the block
    assert "neoplasms (C00-D49)" in hypertension.excludes2  # of the chapter
    own = "essential (primary) hypertension involving vessels of brain (I60-I69)"
    assert hypertension.excludes2.index(own) < hypertension.excludes2.index("neoplasms (C00-D49)")
    transport = "Airbag injury (W22.1)"  # of V00-V99, a block that holds blocks
    assert transport in codeset["V43.52XA"].use_additional
    assert codeset["A00.0"].inclusion_terms == ("Classical cholera",)
    assert codeset["A00"].inclusion_terms == ()


@pytest.mark.parametrize(
    ("code", "character", "definition"),
    [
        ("S52.501A", "A", "initial encounter for closed fracture"),
        ("S52.5", "S", "sequela"),
        (
            "S52",
            "B",
            "initial encounter for open fracture type I or II; initial encounter for open fracture NOS",
        ),
        ("T14.8XXA", "D", "subsequent encounter"),
        ("M48.4", "G", "subsequent encounter for fracture with delayed healing"),
        ("H40.10X0", "3", "severe stage"),
    ],
)
def test_seventh_characters_are_inherited(codeset: CodeSet, code: str, character: str, definition: str) -> None:
    assert codeset[code].seventh_characters[character] == definition


def test_no_seventh_characters_where_none_apply(codeset: CodeSet) -> None:
    assert codeset["M48.0"].seventh_characters == {}
    assert codeset["I10"].seventh_characters == {}


def test_manifestation_code_says_code_first(codeset: CodeSet) -> None:
    assert any("underlying" in note for note in codeset["G63"].code_first)
    assert codeset["R65.21"].code_first


def test_ancestors(codeset: CodeSet) -> None:
    assert codeset.ancestors("S52.501A") == ("S52.501", "S52.50", "S52.5", "S52")
    assert codeset.ancestors("t148xxa") == ("T14.8", "T14")
    assert codeset.ancestors("I10") == ()


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("A41", "A41.9"),
        ("C34", "C34.90"),
        ("C50", "C50.919"),
        ("D64", "D64.9"),
        ("E10", "E10.9"),
        ("E11", "E11.9"),
        ("E66", "E66.9"),
        ("E78", "E78.9"),
        ("F03", "F03.90"),
        ("F10", "F10.90"),
        ("F17", "F17.200"),
        ("F32", "F32.A"),
        ("F41", "F41.9"),
        ("F50", "F50.9"),
        ("G20", "G20.A1"),
        ("G35", "G35.D"),
        ("G40", "G40.909"),
        ("G43", "G43.909"),
        ("G47.3", "G47.30"),
        ("H40.1", "H40.10X0"),
        ("H66", "H66.90"),
        ("H91.1", "H91.10"),
        ("I11", "I11.9"),
        ("I12", "I12.9"),
        ("I13", "I13.10"),
        ("I21", "I21.9"),
        ("I25", "I25.9"),
        ("I25.1", "I25.10"),
        ("I26", "I26.99"),
        ("I48", "I48.91"),
        ("I50", "I50.9"),
        ("I63", "I63.9"),
        ("I82", "I82.90"),
        ("I83", "I83.90"),
        ("J18", "J18.9"),
        ("J44", "J44.9"),
        ("J45", "J45.909"),
        ("K21", "K21.9"),
        ("K50", "K50.90"),
        ("K57", "K57.90"),
        ("K80", "K80.20"),
        ("L03", "L03.90"),
        ("L89", "L89.90"),
        ("M1A.9", "M1A.9XX0"),
        ("M17", "M17.9"),
        ("M19", "M19.90"),
        ("M25.56", "M25.569"),
        ("M54", "M54.9"),
        ("M54.5", "M54.50"),
        ("N18", "N18.9"),
        ("N39", "N39.9"),
        ("R07", "R07.9"),
        ("R10", "R10.9"),
        ("R51", "R51.9"),
        ("S06.0", "S06.0XAA"),
        ("S42.25", "S42.253A"),
        ("S52.5", "S52.509A"),
        ("S72", "S72.90XA"),
        ("T14.8", "T14.8XXA"),
        ("T36.0X", "T36.0X1A"),  # "Poisoning by penicillins NOS"
        ("T78.4", "T78.40XA"),
        ("W19", "W19.XXXA"),
        ("Z79.8", "Z79.899"),
        ("Z85", "Z85.9"),
    ],
)
def test_default_billable(codeset: CodeSet, header: str, code: str) -> None:
    assert codeset.default_billable(header) == code


@pytest.mark.parametrize(
    "header",
    [
        "E11.2",  # "other kidney complication" is one that the note names
        "H34.81",  # no 7th character says that neither edema nor stability is known
        "K60",  # fissure and fistula: "anal fissure, unspecified" is only one of them
        "S83.13",  # subluxation and dislocation
        "S90.46",  # great or lesser toe
        "Z17.2",  # receptor positive or negative
        "C50.8",  # female or male
    ],
)
def test_no_default_where_nothing_says_which(codeset: CodeSet, header: str) -> None:
    assert codeset.default_billable(header) is None


def test_most_headers_have_a_default_and_it_lies_below_them(codeset: CodeSet) -> None:
    headers = [code for code in codeset if not codeset.is_billable(code)]
    defaults = {code: found for code in headers if (found := codeset.default_billable(code))}
    assert len(defaults) / len(headers) > 0.9
    assert all(codeset.is_billable(code) and header in codeset.ancestors(code) for header, code in defaults.items())


def test_terms(codeset: CodeSet) -> None:
    terms = list(codeset.terms())
    assert ("Essential (primary) hypertension", "I10", "title") in terms
    assert ("Classical cholera", "A00.0", "inclusion") in terms
    assert {source for _, _, source in terms} == {"title", "inclusion"}


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("myasthenia gravis crisis", "G70.01"),
        ("Type 2 diabetes", "E11"),
        ("e11.9", "E11.9"),
        ("heart failure", "I50"),
        ("left knee pain", "M25.562"),
        ("CAFÉ restaurant", "Y92.511"),
        ("cafe restaurant", "Y92.511"),
        ("myasthenia gravis zzzz", "G70.0"),
    ],
)
def test_search(codeset: CodeSet, words: str, first: str) -> None:
    assert codeset.search(words)[0].code == first


@pytest.mark.parametrize("words", ["", "  ", '"', "*", "zzzz"])
def test_search_for_nothing_finds_nothing(codeset: CodeSet, words: str) -> None:
    assert codeset.search(words) == []


@pytest.mark.parametrize("words", ["AND pain", "title:pain OR NEAR(", 'pain"', "pain*"])
def test_search_takes_no_word_for_an_operator(codeset: CodeSet, words: str) -> None:
    assert any("pain" in entry.title.lower() for entry in codeset.search(words))


def test_search_keeps_to_the_limit(codeset: CodeSet) -> None:
    assert len(codeset.search("fracture", limit=3)) == 3
    assert codeset.search("fracture", limit=0) == []
    assert codeset.search("zzzz") == []


def test_release_is_named_and_printed(codeset: CodeSet) -> None:
    assert codeset.release == RELEASE
    assert repr(codeset) == "CodeSet('2026-04')"
    (release,) = installed_releases()
    assert (release.name, release.origin) == (RELEASE, "package")
    assert (release.starts, release.ends) == (datetime.date(2026, 4, 1), datetime.date(2026, 9, 30))


@pytest.mark.parametrize("text", ["2019-10", "FY2020", "2020"])
def test_load_of_unknown_release_names_the_installed_ones(text: str) -> None:
    with pytest.raises(CodeSetError, match=r"found no release 2019-10, installed: 2026-04; add it with"):
        CodeSet.load(text)


@pytest.mark.parametrize(("text", "name"), [("2026-10", "2026-10"), ("FY2027", "2026-10"), (" 2027 ", "2026-10")])
def test_parse_release(text: str, name: str) -> None:
    assert parse_release(text) == name


@pytest.mark.parametrize("text", ["", "latest", "2026-05", "26", "2026-4"])
def test_parse_release_refuses(text: str) -> None:
    with pytest.raises(CodeSetError, match="expected its first month"):
        parse_release(text)


@pytest.mark.parametrize("day", [(2026, 4, 1), (2026, 7, 15), (2026, 9, 30)])
def test_release_in_force(day: tuple[int, int, int]) -> None:
    assert choose_release(datetime.date(*day)) == (RELEASE, None)
    assert CodeSet.on(datetime.date(*day)).release == RELEASE


@pytest.mark.parametrize(
    ("day", "wanted"),
    [
        ((2026, 10, 1), "2026-10"),
        ((2027, 4, 2), "2027-04"),
        ((2026, 3, 31), "2025-10"),
        ((2025, 4, 1), "2025-04"),
        ((2018, 5, 1), "2017-10"),  # no release on 1 April before 2022
    ],
)
def test_nearest_release_with_a_warning(day: tuple[int, int, int], wanted: str) -> None:
    release, warning = choose_release(datetime.date(*day))
    assert release == RELEASE
    assert warning is not None
    assert f"release {wanted} of ICD-10-CM is not installed; the nearest one, 2026-04, is used" in warning
    assert f"codes import FILES --release {wanted}" in warning
    with pytest.warns(ReleaseWarning, match=wanted):
        assert CodeSet.on(datetime.date(*day)).release == RELEASE


def test_no_package_and_nothing_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "_packaged_files", lambda: None)
    for ask in (CodeSet.load, lambda: choose_release(datetime.date(2026, 5, 1)), releases.locate_packaged):
        with pytest.raises(CodeSetError, match="install the package simple-icd-10-cm"):
            ask()


def test_pickles_by_release(codeset: CodeSet) -> None:
    assert len(pickle.dumps(codeset)) < 200
    assert pickle.loads(pickle.dumps(codeset)).release == RELEASE
    entry = codeset["S52.501A"]
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_many_threads_read(codeset: CodeSet) -> None:
    codes = codeset.billable_codes()[::500]
    with ThreadPoolExecutor(8) as pool:
        assert [entry.code for entry in pool.map(codeset.__getitem__, codes)] == list(codes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_reads_after_a_fork(codeset: CodeSet) -> None:
    codeset.title("I10")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(codeset.title, ["E11", "I10"]) == [codeset.title("E11"), codeset.title("I10")]
        assert [entry.code for entry in pool.map(codeset.__getitem__, ["E11", "J18.9"])] == ["E11", "J18.9"]


@pytest.fixture
def own_cache(codeset: CodeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, filled with a copy."""
    packed = releases.locate_packaged()
    monkeypatch.setenv(releases.CACHE_VARIABLE, str(tmp_path))
    return Path(shutil.copy(packed, tmp_path))


@pytest.mark.parametrize("size", [0, 5_000, -1])
def test_cut_file_is_not_intact(own_cache: Path, size: int) -> None:
    assert releases.packing.is_intact(own_cache)
    own_cache.write_bytes(own_cache.read_bytes()[:size])
    assert not releases.packing.is_intact(own_cache)


def test_damaged_cache_is_rebuilt(own_cache: Path) -> None:
    content = bytearray(own_cache.read_bytes())
    content[len(content) // 2] ^= 0xFF
    own_cache.write_bytes(content)
    codeset = CodeSet.load()
    assert codeset.title("I10") == "Essential (primary) hypertension"
    assert len(codeset.billable_codes()) == N_BILLABLE
    (rebuilt,) = own_cache.parent.iterdir()
    assert rebuilt.stat().st_size > 1_000_000


def test_cache_is_private(own_cache: Path) -> None:
    own_cache.unlink()
    folder = own_cache.parent / "new"
    releases.packing.install(releases.packing.ReleaseTables("2000-10", []), folder, "key")
    (packed,) = folder.iterdir()
    if os.name == "posix":
        assert stat.S_IMODE(packed.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv(releases.CACHE_VARIABLE, str(blocked / "cache"))
    with pytest.raises(CodeSetError, match=r"cannot be written .*; set DETECT_ICD10CM_CACHE"):
        CodeSet.load()


_ASK = "from detect_icd10cm import CodeSet; cs = CodeSet.load(); print(cs['I10'].code, len(cs.billable_codes()))"


def test_two_processes_build_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, releases.CACHE_VARIABLE: str(tmp_path / "cache")}
    runs = [
        subprocess.Popen([sys.executable, "-c", _ASK], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert outputs == [f"I10 {N_BILLABLE}\n"] * 2
    assert [run.returncode for run in runs] == [0, 0]
    packed = list((tmp_path / "cache").iterdir())
    assert packed
    assert all(path.suffix == ".sqlite" and releases.packing.is_intact(path) for path in packed)


def test_never_imports_the_package_it_reads(codeset: CodeSet) -> None:
    script = f"{_ASK}; import sys; assert 'simple_icd_10_cm' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
