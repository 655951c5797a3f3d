"""Units side by side, as the commands run them: how many, which, and with a user's own loss among them."""

import os
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from small_recipe import SMALL

from npo.running import units as units_file
from npo.running import workers
from npo.running.methods import OwnError, objective_of
from npo.running.units import run_units
from npo.verbs.reproduce import STEPS, units_of
from records.store import Data, load, save
from records.work import Unit
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.shared.cost import stands_alone

OWN = """
import torch

def mine(logp, ref_logp, *, beta):
    return torch.nn.functional.softplus(beta * (logp - ref_logp))

def mine_weight(logp, ref_logp, *, beta):
    return beta * torch.sigmoid(beta * (logp - ref_logp))

def wrong(logp):
    return logp.mean() if len(logp) == 4 else logp
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:mine"


def test_every_unit_of_the_main_job_can_go_to_another_process() -> None:
    for full in (False, True):
        for unit in units_of(STEPS, quick=not full, full=full, data=None, settings={}):
            ForkingPickler.dumps(unit)
            assert not unit.alone
            assert unit.seconds > 0


def test_a_loss_of_ones_own_is_loaded_anew_elsewhere(own: str) -> None:
    objective = objective_of(own, {}, 0.5)
    there = copy(objective.forget.func)
    given = {"logp": torch.tensor([-1.0, -2.0]), "ref_logp": torch.tensor([-1.5, -0.5]), "beta": 0.5}
    assert there is not objective.forget.func
    assert torch.equal(there(**given), objective.forget(**given))
    ForkingPickler.dumps(objective)


def test_a_mistake_in_it_is_told_from_there_as_from_here(own: str) -> None:
    kernel = copy(objective_of(own.replace(":mine", ":wrong"), {}).forget)
    with pytest.raises(OwnError, match="return one loss for each") as caught:
        kernel(logp=torch.zeros(4, requires_grad=True))
    told = copy(caught.value)
    assert (str(told), told.said) == (str(caught.value), caught.value.said)


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5", "²", "99999"])
def test_a_number_of_workers_that_is_none_is_told(
    said: str, run_npo: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NPO_WORKERS", said)
    code, _, err = run_npo("reproduce", "--quick", "--only", "theory", "--out", str(tmp_path / "out"))
    assert code == 2
    assert err.startswith(f"npo: NPO_WORKERS={said}: write how many units may run side by side")


def test_as_many_as_there_are_cores_and_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPO_WORKERS")
    assert workers.asked() is None
    monkeypatch.setattr(workers, "cores", lambda: 16)
    for memory, count in ((1e12, 16), (8 * 2**30, 5), (2**20, 1)):
        monkeypatch.setattr(workers, "memory", lambda memory=memory: memory)
        assert workers.usual() == count


def test_other_processes_are_started_where_they_spare_more_than_they_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[int] = []
    monkeypatch.setattr(units_file, "run_side_by_side", lambda units, *_, **given: ran.append(given["workers"]))
    monkeypatch.setattr(units_file, "usual", lambda: 2)

    def write(folder: Path, inputs: object, progress: object) -> None:
        save(folder, Data({"threads": np.array(torch.get_num_threads())}, {}))

    def run(seconds: float, **facts: bool) -> None:
        run_units([Unit(name, facts, write, seconds=seconds, **facts) for name in "ab"], tmp_path, "test")

    monkeypatch.delenv("NPO_WORKERS")
    run(1e6, alone=True)
    run(1.0)
    assert ran == []
    assert load(tmp_path / "a").arrays["threads"] == 1
    run(1e6)  # they are there
    assert ran == []
    (tmp_path / "out").mkdir()
    run_units([Unit(name, {}, write, seconds=100) for name in "ab"], tmp_path / "out", "test")
    monkeypatch.setenv("NPO_WORKERS", "3")
    run_units([Unit(name, {}, write) for name in "ab"], tmp_path / "out", "test")
    monkeypatch.setenv("NPO_WORKERS", "1")
    run_units([Unit(name, {}, write, seconds=100) for name in "ab"], tmp_path / "out", "test")
    assert ran == [2, 3]


def test_large_models_accelerators_trackers_and_torchrun_have_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    small, alone = read_recipe("quick"), Processes("cpu")
    assert not stands_alone(small, alone)
    assert stands_alone(read_recipe("tofu-scratch", ["model.base=medium"]), alone)
    assert stands_alone(read_recipe("tofu-phi1.5"), alone)
    assert stands_alone(small, Processes("cuda"))
    assert stands_alone(small, Processes("cpu", trackers=("tensorboard",)))
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert stands_alone(small, alone)


@pytest.mark.integration
def test_a_recipe_with_a_loss_of_ones_own_is_the_same_by_two_workers(root: Path, own: str, tmp_path: Path) -> None:
    words = [*SMALL, f"unlearn.methods=[GA, {own}+rt]", "unlearn.beta=0.5"]
    for count in ("1", "2"):
        command = [sys.executable, "-m", "npo.cli", "run", "quick", *words, "--out", str(tmp_path / count)]
        environment = {**os.environ, "NPO_WORKERS": count, "PYTHONPATH": str(root)}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    found = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("data.json"))
    assert len(found) == 6
    for name in found:
        one, two = (load((tmp_path / count / name).parent) for count in ("1", "2"))
        assert one.values == two.values
        assert one.arrays.keys() == two.arrays.keys()
        assert all(np.array_equal(one.arrays[key], two.arrays[key], equal_nan=True) for key in one.arrays)
