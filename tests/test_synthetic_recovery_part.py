"""The rooms' relearning of a part: the logistic law is exact, unlearning couples a transformer's rows."""

from dataclasses import replace

import numpy as np
import pytest

from figures import recovery_part
from synthetic.logistic import presets as logistic
from synthetic.logistic import relearnt_part as linear
from synthetic.transformer import presets as transformer
from synthetic.transformer.field import relearnt_part as network


def test_the_logistic_room_obeys_the_law_to_rounding() -> None:
    results = recovery_part.compute(replace(logistic.QUICK, seeds=(3,)))
    found = results["logistic/relearnt-part"].arrays
    for model in linear.MODELS:
        for coupling in linear.COUPLINGS:
            label = f"{model}-{coupling:g}-3"
            rise = found[f"{label}.rise"]
            np.testing.assert_allclose(found[f"{label}.exact"], rise, atol=1e-9)
            back, lost = float(rise.mean()), float(found[f"{label}.lost"].mean())
            assert abs(back / lost - found[f"{label}.even"]) < 0.35, label
    points = recovery_part.recovered(results)
    assert {point.room for point in points} == {"logistic", "tofu-mini"}
    assert np.corrcoef([point.told for point in points], [point.rise for point in points])[0, 1] > 0.95
    assert len(recovery_part.draw(results).axes) == 2
    assert found["GA-0.5-3.rise"].mean() > 4 * found["GA-0.02-3.rise"].mean()


def test_unlearning_couples_a_transformer_s_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = replace(transformer.QUICK.field, seeds=(0,))
    monkeypatch.setattr(network, "DATA", ("random",))
    found = network.relearnt_part(sizes)
    coupling = {model: float(found[f"random-{model}-0.coupling"]) for model in network.MODELS}
    assert min(coupling["GA+RT"], coupling["control"]) > 2 * abs(coupling["retrained"])
    for model in network.MODELS:
        label = f"random-{model}-0"
        left = found[f"{label}.rest"] - found[f"{label}.along"]
        assert np.abs(left).max() < 0.05 * found[f"{label}.part"].max(), label
