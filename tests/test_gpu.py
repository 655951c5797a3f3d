"""What a GPU must do as the CPU does: a whole small run, its evaluations, and every rung of the law."""

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from small_recipe import SMALL

from npo.runs.collect import collect
from records.store import load

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

METHODS = "unlearn.methods=[GA+RT,NPO,NPO+KL,KTO+RT,DPO+RT]"


@pytest.fixture(autouse=True)
def _fresh_state():
    """The library keeps the first device and precision of a process for good."""
    yield
    AcceleratorState._reset_state(True)


def _run(run_npo, out, device, *words):
    AcceleratorState._reset_state(True)
    rc, _, err = run_npo("run", "quick", *SMALL, METHODS, "--device", device, "--out", str(out), *words)
    assert rc == 0, err
    return {run.data.values["label"]: run.data for run in collect([out]).runs}


def test_a_run_gives_the_numbers_of_the_cpu(run_npo, tmp_path):
    here, there = (_run(run_npo, tmp_path / device, device) for device in ("cpu", "cuda"))
    for label, data in here.items():
        for name in ("loss", "weight", "retain"):
            if name in data.values["history"]:
                found = there[label].values["history"][name]
                np.testing.assert_allclose(found, data.values["history"][name], rtol=1e-3, atol=1e-4, err_msg=label)
        for name in ("forget.answer_nll", "retain.perturbed_nll"):
            np.testing.assert_allclose(there[label].arrays[name], data.arrays[name], rtol=1e-3, err_msg=label)


def test_half_precision_stays_near(run_npo, tmp_path):
    whole, half = (_run(run_npo, tmp_path / p, "cuda", "--dtype", p) for p in ("float32", "bf16"))
    for label, data in whole.items():
        np.testing.assert_allclose(half[label].arrays["forget.answer_nll"], data.arrays["forget.answer_nll"], rtol=0.05)


def test_the_ladder_gives_the_numbers_of_the_cpu(run_npo, tmp_path):
    few = ("law.betas=[1]", "law.rows=2", "law.until=1", "law.nats=1", "law.steps=5")
    for device in ("cpu", "cuda"):
        AcceleratorState._reset_state(True)
        rc, _, err = run_npo("law", "quick", *SMALL, *few, f"device={device}", "--out", str(tmp_path / device))
        assert rc == 0, err
    for place in sorted((tmp_path / "cpu" / "law").iterdir()):
        here, there = load(place), load(tmp_path / "cuda" / "law" / place.name)
        for name in ("single.drop", "single.clock", "descent.drop"):
            np.testing.assert_allclose(there.arrays[name], here.arrays[name], rtol=0.02, atol=1e-3, err_msg=place.name)
