from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detect_icd10cm.codes.codeset import CodeSet
from detect_icd10cm.codes.releases import CACHE_VARIABLE, DATA_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache and imported releases out of the tests; the code set is packed once a session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setenv(DATA_VARIABLE, str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def codeset(_own_folders: None) -> CodeSet:
    """The release that comes with the package."""
    return CodeSet.load()


@pytest.fixture
def data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for imported releases, for one test."""
    folder = tmp_path_factory.mktemp("imported")
    monkeypatch.setenv(DATA_VARIABLE, str(folder))
    return folder
