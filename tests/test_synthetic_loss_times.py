"""Every loss's own law in the two small rooms: answers alone on it, sets and tokens back on it by the remainder."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures import every_loss_one_law
from npo.ledger.every_loss.loss_times import one_answer, together, tokens_apart
from npo.runs.losses import saved_losses, write_losses
from records.errors import UserError
from records.store import Data, load, save
from records.work import Unit
from synthetic.logistic import presets as logistic
from synthetic.logistic.problem import Problem
from synthetic.logistic.units import units as logistic_units
from synthetic.transformer import presets as transformer
from synthetic.transformer.units import units as transformer_units


def _run(units: list[Unit], name: str, folder: Path) -> Data:
    """A unit with what it needs, where that is not there yet."""
    known = {unit.name: unit for unit in units}
    inputs = {need: folder / need for need in known[name].needs}
    for need, place in inputs.items():
        if not place.exists():
            place.mkdir(parents=True)
            known[need].run(place, {}, lambda done, total: None)
    out = folder / name
    out.mkdir(parents=True)
    known[name].run(out, inputs, lambda done, total: None)
    return load(out)


def _a_problem(folder: Path, size: int = 6) -> None:
    """Gaussian rows and a reference that knows them somewhat: no fit is needed here."""
    random = np.random.default_rng(0)
    rows, labels, theta = random.normal(size=(size, 8)), random.integers(0, 2, size), np.zeros(8)
    theta = rows.T @ (2.0 * labels - 1) / size
    every = {"H": rows, "y": labels.astype(float), "theta": theta}
    arrays = {f.name: every[f.name.split("_", maxsplit=1)[0]] for f in fields(Problem)}
    folder.mkdir(parents=True)
    save(folder, Data(arrays, {}))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Data]:
    """Both units, small."""
    folder = tmp_path_factory.mktemp("rooms")
    _a_problem(folder / "logistic" / "problem-1-1000")
    small = replace(
        logistic.QUICK, loss_times_until=1.0, loss_times_longest=5.0, loss_times_most=12, loss_times_examples=2
    )
    tiny = transformer.Setup(
        forget=5, retain=20, prompt=2, answer=3, vocab=32, width=16, heads=2, layers=1, rate=1e-2, target=0.1
    )
    few, alone = replace(transformer.QUICK.methods, batch=5), replace(transformer.QUICK.optimizers, batch=5)
    times = transformer.LossTimes(step=0.1, until=0.6, longest=3.0, most=8)
    preset = replace(transformer.QUICK, shape=tiny, methods=few, optimizers=alone, loss_times=times)
    return {
        "logistic/loss-times": _run(logistic_units(small), "logistic/loss-times", folder),
        "transformer/loss-times": _run(transformer_units(preset, ("law",)), "transformer/loss-times", folder),
    }


@pytest.mark.parametrize("unit", ["logistic/loss-times", "transformer/loss-times"])
def test_one_answer_is_on_the_law_of_every_loss(results: dict[str, Data], unit: str) -> None:
    found = one_answer({unit: results[unit]})
    assert found.verdict == "holds", found
    assert len(results[unit].values["losses"]) >= 10


def test_the_remainder_of_own_weights_puts_a_set_back_under_every_loss(results: dict[str, Data]) -> None:
    found = together({"": results["logistic/loss-times"]}, kind="set", losses="losses")
    assert found.verdict == "holds", found


def test_tokens_of_an_answer_are_a_set(results: dict[str, Data]) -> None:
    data = results["transformer/loss-times"]
    assert set(data.values["tokens"]) < set(data.values["losses"])
    found = together({"": data}, kind="tokens", losses="tokens")
    assert found.effect is not None
    assert found.effect < data.values["step"]
    assert data.arrays["tokens-WGA.drop"].shape[1] == data.values["count"]


def _labels(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []


def test_the_picture_draws_losses_of_one_law_once_and_a_dozen_at_most(results: dict[str, Data]) -> None:
    every_loss_one_law.draw(results)
    data = results["logistic/loss-times"]
    few = Data(data.arrays, {**data.values, "losses": ["GA", "DPO", "KTO", "NPO"]})
    assert _labels(every_loss_one_law.draw({"logistic/loss-times": few})) == ["GA", "DPO, KTO, NPO"]
    many = dict(data.arrays)
    names = [f"loss {k}" for k in range(30)]
    for k, name in enumerate(names):
        for column in ("time", "clock", "drop", "remainder", "asked"):
            factor = 1.3**k if column in ("clock", "asked") else 1.0
            many |= {
                f"{kind}-{name}.{column}": factor * data.arrays[f"{kind}-GA.{column}"] for kind in ("single", "set")
            }
    crowd = Data(many, {**data.values, "losses": names})
    assert len(_labels(every_loss_one_law.draw({"logistic/loss-times": crowd}))) == every_loss_one_law.MOST


def test_the_kept_file_is_read_as_it_was_written(results: dict[str, Data], tmp_path: Path) -> None:
    data = results["transformer/loss-times"]
    write_losses(tmp_path / "losses.json", data)
    found = saved_losses(tmp_path / "losses.json")
    assert found.values == data.values
    np.testing.assert_allclose(found.arrays["single-NPO.drop"], data.arrays["single-NPO.drop"], rtol=1e-5)
    assert tokens_apart({"": found}).effect is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "values or arrays are none"),
        ('{"values": {"losses": ["GA"], "tokens": []}, "arrays": {}}', "lacks single-GA.time"),
        ('{"values": {"losses": ["GA"], "tokens": []}, "arrays": {"x": ["a"]}}', "none"),
    ],
)
def test_another_file_is_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "losses.json").write_text(text, encoding="utf8")
    with pytest.raises(UserError, match=told):
        saved_losses(tmp_path / "losses.json")
