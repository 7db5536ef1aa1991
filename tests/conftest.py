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


@pytest.fixture(scope="session")
def _tiny_releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the small release that tiny models are trained on."""
    from tiny_model import ORDER_FILE

    from detect_icd10cm.codes.importing import import_release

    folder = tmp_path_factory.mktemp("tiny-releases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_VARIABLE, str(folder))
        import_release([ORDER_FILE])
    return folder


@pytest.fixture
def tiny_release(_tiny_releases: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small release, installed for one test."""
    from tiny_model import RELEASE

    monkeypatch.setenv(DATA_VARIABLE, str(_tiny_releases))
    return RELEASE


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory, _tiny_releases: Path) -> Path:
    """A checkpoint trained for seconds on a handful of invented notes, with its graphs for onnxruntime."""
    from tiny_model import make_encoder, make_notes, write_notes, write_settings

    from detect_icd10cm.model.load import load_network
    from training.export import export_onnx
    from training.train import main

    folder = tmp_path_factory.mktemp("tiny")
    make_encoder(folder / "encoder")
    write_notes(folder / "train.jsonl", make_notes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_VARIABLE, str(_tiny_releases))
        checkpoint: Path = main([str(write_settings(folder))])
    export_onnx(load_network(checkpoint), checkpoint)
    return checkpoint
