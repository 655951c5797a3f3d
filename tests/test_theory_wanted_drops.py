"""The chosen β against descent and against torch's Adam: where runs end, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from theory.theorems.beta.adam_clock import Confidence
from theory.theorems.beta.adam_in_torch import ADAM_CLOCK, BETA_UNDER_ADAM, AdamRun, adam_drops, one_coordinate
from theory.theorems.beta.wanted_drops import CHOSEN_BETA, CHOSEN_BETA_OF_A_SET, WantedDrops, ends, final_drop
from theory.theorems.catalogue import CATALOGUE
from theory.theorems.specimens import small_network
from theory.theorems.theorem import HypothesisError, Measurement


def wanting(drops: list[float], n: int = 1, step: float = 0.1) -> WantedDrops:
    specimen = small_network(n=n, seed=n)
    return WantedDrops(specimen.log_probs, specimen.parameters, np.array(drops), budget=100.0, step=step)


def test_one_example_ends_at_the_wanted_drop_at_first_order_in_the_step() -> None:
    off = [np.array([end.drop for end in ends(wanting([10.0, 30.0], step=step))]) for step in (0.2, 0.1)]
    np.testing.assert_allclose(off[1], [10.0, 30.0], rtol=0.04)
    np.testing.assert_allclose((off[0] - [10, 30]) / (off[1] - [10, 30]), 2, atol=0.4)


def test_the_bounds_know_the_budget() -> None:
    """What ends at the wanted drop after 100 nats doesn't after 120."""
    short = wanting([10.0, 30.0])
    measured = CHOSEN_BETA.measure(short)
    assert CHOSEN_BETA.judge(CHOSEN_BETA.predict(short, measured.at), measured).holds
    longer = Measurement(
        measured.at, np.array([final_drop(replace(short, budget=120.0), b).drop for b in map(float, short.betas)])
    )
    assert not CHOSEN_BETA.judge(CHOSEN_BETA.predict(short, longer.at), longer).holds


def test_a_set_is_where_its_remainder_says() -> None:
    instance = wanting([40.0], n=4, step=0.2)
    verdict = CHOSEN_BETA_OF_A_SET.check(instance)
    assert verdict.holds, verdict
    (end,) = ends(instance)
    assert abs(end.predicted - 40.0) > 0.01  # the plain rule alone is off


def test_what_the_rules_do_not_cover_is_refused() -> None:
    with pytest.raises(HypothesisError, match="Gradient ascent itself drops 100 nats, less than the wanted 120"):
        CHOSEN_BETA_OF_A_SET.check(wanting([10.0, 120.0], n=2))
    with pytest.raises(HypothesisError, match="exact for one example, 2 were given"):
        CHOSEN_BETA.check(wanting([10.0], n=2))
    with pytest.raises(HypothesisError, match="whatever β is"):
        BETA_UNDER_ADAM.check(AdamRun(np.ones(30), np.array([2.0])))
    with pytest.raises(HypothesisError, match="one or more finite numbers"):
        ADAM_CLOCK.check(AdamRun(np.array([]), np.array([0.1])))


def test_adam_s_rule_can_fail() -> None:
    """Speeds that are not those of the run choose another β."""
    run = CATALOGUE["beta-under-adam"].instance(3)
    told = AdamRun(1.1 * run.speeds, run.values, run.eps, run.confidence).chosen()
    drops = np.array([run.by_torch(float(beta))[-1] for beta in told])
    assert np.abs(drops / run.values - 1).min() > 1e-3
    assert BETA_UNDER_ADAM.check(run).holds


@pytest.mark.parametrize("confidence", [Confidence(), Confidence(0.9, 20.0)])
def test_a_speed_is_a_nat_at_the_start(confidence: Confidence) -> None:
    model = one_coordinate(confidence)
    drops = adam_drops(model.log_probs, model.parameters, 0.0, np.full(1, 1e-6))
    assert float(drops[0, 0]) == pytest.approx(1e-6, rel=1e-4)
