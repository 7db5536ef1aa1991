from __future__ import annotations

from pathlib import Path

import pytest

from detect_icd10cm.codes import compiled
from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.compiled import load_lexicon
from detect_icd10cm.codes.releases import CACHE_VARIABLE
from detect_icd10cm.errors import CodeSetError
from detect_icd10cm.text.document import Document

SMALL = {
    "terms": {"words": {"cough": 5}, "keys": [5], "meanings": ["R05.9 0 0 -1"], "guards": []},
    "siblings": {"M25.569": {"left": "M25.562"}},
}


@pytest.fixture
def cache(tmp_path: Path, codeset: CodeSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a compiler that counts its runs in the file ``runs``."""

    def compile_small(_: CodeSet) -> object:
        with (tmp_path / "runs").open("a") as runs:
            runs.write("x")
        return SMALL

    monkeypatch.setattr(compiled, "_compile", compile_small)
    release = compiled.releases.locate(codeset.release)
    monkeypatch.setattr(compiled.releases, "locate", lambda _: release)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def n_runs(cache: Path) -> int:
    return len((cache.parent / "runs").read_text())


def test_compiles_once(cache: Path, codeset: CodeSet) -> None:
    for _ in range(2):
        lexicon, siblings = load_lexicon(codeset)
        assert [match.meanings[0].code for match in lexicon.find(Document("A cough."))] == ["R05.9"]
        assert siblings == SMALL["siblings"]
    assert n_runs(cache) == 1
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff"])
def test_a_damaged_file_is_built_again(cache: Path, codeset: CodeSet, content: bytes) -> None:
    load_lexicon(codeset)
    next(cache.iterdir()).write_bytes(content)
    assert len(load_lexicon(codeset)[0]) == 1
    assert n_runs(cache) == 2
    assert len(list(cache.iterdir())) == 1


def test_other_terms_are_compiled_anew(cache: Path, codeset: CodeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    load_lexicon(codeset)
    monkeypatch.setattr(compiled, "_source_key", lambda _: "0" * 16)
    load_lexicon(codeset)
    assert n_runs(cache) == 2


def test_a_cache_that_cannot_be_written_says_what_to_do(cache: Path, codeset: CodeSet) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(CodeSetError, match=CACHE_VARIABLE):
        load_lexicon(codeset)
