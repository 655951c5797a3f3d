"""AtDrop to one drop and relearned: the drop is met, time is the drop, losses of one weight are one arm."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from recovery_made_up import recovered_rooms
from torch import Tensor

from figures import recovery_resistance, recovery_times
from synthetic.relearning import COLUMNS, HowFar, arms_of, at_equal_drop, at_equal_steps, ratios, stepped_of
from synthetic.there_and_back import ManyModels, relearned, unlearned
from synthetic.transformer import presets
from synthetic.transformer.field.relearning import relearning
from theory.logprobs import from_margins
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.loss_times import kernel_of, kernels_with_a_law

KERNELS = {name: kernel_of(name) for name in ("GA", "NPO", "KTO", "WGA")}
SETTING = HowFar(wanted=2.0, paces=12, lr=0.04, adam_lr=1e-2, most=150)


def _take(runs: Sequence[int], rows: int = 4) -> ManyModels:
    """Linear models of one token an answer, of which no row is another's."""
    generators = [torch.Generator().manual_seed(run) for run in runs]
    x = torch.stack([torch.randn(rows + 2, 12, generator=g, dtype=torch.float64) for g in generators])
    theta = x[:, :rows].sum(1) / 12

    def log_probs(parameters: dict[str, Tensor]) -> Tensor:
        return from_margins(torch.einsum("rnd,rd->rn", x[:, :rows], parameters["theta"]))[..., None]

    def kept(parameters: dict[str, Tensor]) -> Tensor:
        return from_margins(torch.einsum("rnd,rd->rn", x[:, rows:], parameters["theta"]))

    return ManyModels(log_probs, kept, {"theta": theta})


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    arms = arms_of(KERNELS)
    found = at_equal_drop(_take, 2, arms, SETTING)
    steps = at_equal_steps(_take, 2, stepped_of(arms), SETTING, lr=0.2, at=(4, 20))
    return found | {f"steps.{name}": x for name, x in steps.items()}


def test_losses_of_one_weight_are_one_arm_and_the_paper_s_come_first() -> None:
    labels = list(arms_of(dict(reversed(KERNELS.items())), betas=(3.0,)))
    assert labels[:4] == ["NPO", "GA", "WGA", "NPO, β = 3"]
    assert "KTO" not in labels
    assert {"GA+RT", "NPO, SAM 0.1", "NPO, sign", "NPO, Adam"} < set(labels)


def test_every_arm_meets_the_drop_and_comes_back_in_as_much_intrinsic_time(arrays: dict[str, np.ndarray]) -> None:
    for label in arms_of(KERNELS):
        assert set(COLUMNS) <= {name.removeprefix(f"{label}.") for name in arrays}
        np.testing.assert_allclose(arrays[f"{label}.drop"], 2.0, rtol=0.02)
        np.testing.assert_allclose(arrays[f"{label}.time_half"], 1.0, rtol=0.07)
        np.testing.assert_allclose(arrays[f"{label}.time_full"], 2.0, rtol=0.07)


def test_ga_needs_its_law_s_time_and_npo_nearly() -> None:
    """Rows are nearly orthogonal: a set's remainder is small."""
    found = at_equal_drop(_take, 2, {k: arm for k, arm in arms_of(KERNELS).items() if k in KERNELS}, SETTING)
    np.testing.assert_allclose(found["GA.unlearn_time"], found["GA.law"], rtol=0.2)
    np.testing.assert_allclose(found["NPO.unlearn_time"], found["NPO.law"], rtol=0.25)
    assert (found["NPO.law"] > found["GA.law"]).all()


def test_at_equal_steps_ga_has_more_to_win_back(arrays: dict[str, np.ndarray]) -> None:
    assert (arrays["steps.GA.drop"][-1] > arrays["steps.NPO.drop"][-1]).all()
    assert arrays["steps.GA+RT.gd_full"].shape == (2, 2)
    assert ratios(arrays, "GA", "GA", "gd_half").tolist() == [0, 0]


def test_one_answer_goes_one_way_whatever_the_loss() -> None:
    """Losses leave one model, which comes back in one number of steps; sign descent leaves another."""
    models = _take([0, 0, 0], rows=1)
    weights = [lambda u: torch.ones_like(u), lambda u: 2 / (1 + u.exp()), lambda u: (-3 * u).exp()]

    def of(drop: Tensor) -> Tensor:
        return torch.cat([w(u) for w, u in zip(weights, drop.split(1), strict=True)])

    ends = {mover: unlearned(models, of, wanted=3.0, pace=0.1, mover=mover) for mover in ("GD", "sign")}
    theta = ends["GD"].parameters["theta"]
    torch.testing.assert_close(theta[1:], theta[:1].expand(2, -1), rtol=1e-3, atol=1e-3)
    assert float((ends["sign"].parameters["theta"] - theta).norm()) > 0.1
    steps = relearned(models, ends["GD"].parameters, lr=0.1, most=400).steps["full"]
    np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_a_run_that_is_content_before_the_drop_says_nothing() -> None:
    content = {"UNDIAL": kernels_with_a_law(ForgetAnswer(-1.0))["UNDIAL"]}
    found = at_equal_drop(_take, 1, arms_of(content), HowFar(60.0, 4, most=8))
    assert all(np.isnan(x).all() for x in found.values())


def test_sam_is_taken_at_the_worse_place() -> None:
    """On one row it is the plain path of a surer answer: slower at first, to the same model."""
    models = _take([0], rows=1)
    plain, sharp = (
        unlearned(models, partial(_weight, 1.0), wanted=1.0, pace=0.05, rho=rho) for rho in (None, torch.tensor([0.3]))
    )
    torch.testing.assert_close(sharp.parameters["theta"], plain.parameters["theta"], rtol=1e-3, atol=1e-3)


def _weight(beta: float, drop: Tensor) -> Tensor:
    return 2 / (1 + (beta * drop).exp())


@pytest.mark.integration
def test_the_transformer_s_unit_has_both_kinds_of_losses() -> None:
    shape = presets.Setup(
        forget=3, retain=6, prompt=2, answer=3, vocab=32, width=16, heads=2, layers=1, rate=1e-2, target=0.3
    )
    found = relearning(presets.FieldSizes(seeds=(0,), shape=shape, steps=8))
    assert {"GA.gd_half", "WGA.drop", "steps.NPO.drop", "steps.at"} <= set(found)
    assert found["steps.NPO.drop"].shape == (1, 1)


def test_pictures_are_drawn_of_what_there_is() -> None:
    rooms = recovered_rooms()
    assert isinstance(recovery_resistance.draw(rooms), Figure)
    labels = [text.get_text() for text in recovery_times.draw(rooms).axes[0].get_yticklabels()]
    assert labels == ["GA", "NPO, 3 more"]
    assert len(recovery_times.draw({"theory/relearning": rooms["theory/relearning"]}).axes) == 2
