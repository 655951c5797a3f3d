"""What makes a model fit: bf16 weights, moments in 8 bits; and a device that is not there."""

import importlib.util

import pytest
import torch

from records.errors import UserError
from records.store import Data
from scale.recipes.file import read_recipe
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.training.optimizers import optimizer_of
from scale.training.schedule import Schedule

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
EIGHT_BIT = Schedule(lr=1e-3, epochs=1, optimizer="adamw8bit")


@NO_GPU
def test_a_gpu_that_is_not_there_is_not_replaced_by_the_cpu():
    with pytest.raises(UserError, match="device=cuda: there is no GPU here"):
        assert Processes("cuda").accelerator


@NO_GPU
@pytest.mark.parametrize("words", [("run", "quick", "device=cuda"), ("evaluate", "quick", "--device", "cuda")])
def test_the_verbs_say_so(run_npo, tmp_path, words):
    given = ("--out", str(tmp_path / "out"), *(("--model", str(tmp_path)) if "evaluate" in words else ()))
    code, _, err = run_npo(*words, *given)
    assert code == 2
    assert "no GPU here" in err or "holds no model" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model.weights=bf16",), "bf16 is for a model that is loaded"),
        (("model.weights=int3",), "float32"),
        (("model.base=x/y", "pretrain=", "rehearse=false", "model.shape=", "model.four_bit=true"), "without lora"),
        (("unlearn.optimizer=adamw8bits",), "did you mean adamw8bit"),
    ],
)
def test_settings_that_do_not_go_together_are_told(words, said):
    with pytest.raises(UserError, match=said):
        read_recipe("quick", words)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_moments_in_8_bits_need_their_package():
    with pytest.raises(UserError, match="needs the package bitsandbytes: pip install"):
        optimizer_of([torch.nn.Parameter(torch.ones(2))], EIGHT_BIT)


def _stepped(steps, folder, *, resumed=False):
    torch.manual_seed(0)
    model = torch.nn.Linear(128, 128)
    optimizer = optimizer_of(model.parameters(), EIGHT_BIT)
    if resumed:
        checkpoint.read(folder, model, optimizer, Processes("cpu"))
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.linspace(0, 1, 128)).square().sum().backward()
        optimizer.step()
    if not resumed:
        checkpoint.write(folder, model, optimizer, Data({}, {"epoch": 1, "history": []}), Processes("cpu"))
    return model.weight.detach()


def test_moments_in_8_bits_are_kept_and_put_back(tmp_path):
    pytest.importorskip("bitsandbytes")
    _stepped(3, tmp_path / "half")
    assert torch.equal(_stepped(2, tmp_path / "half", resumed=True), _stepped(5, tmp_path / "whole"))
