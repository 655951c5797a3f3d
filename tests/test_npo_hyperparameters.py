"""Hyperparameters by --set: whom they reach, in what order, what they leave in results, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npo.running.hyperparameters import typed
from npo.running.methods import objective_of, objectives_of
from npo.verbs.forget.choices import ForgetChoices, methods_asked
from npo.verbs.synthetic import transformer
from records.errors import UserError
from records.settings import override
from records.store import load
from synthetic.logistic import load_trajectories
from synthetic.transformer.methods import methods_units, setting, table
from synthetic.transformer.presets import QUICK
from theory.objective import EVERY, METHODS, defaults, kernels, method, takes

Npo = Callable[..., tuple[int, str, str]]
OWN = """
import torch

def tokens(token_logp, ref_token_logp, position, count, *, beta, slope=0.5, skip):
    weight = torch.exp(beta * (token_logp - ref_token_logp)) * (position >= skip)
    return weight.detach() * token_logp + slope * 0

def logits(logits, labels, *, scale=2.0):
    return scale * (logits.logsumexp(1) - logits.gather(1, labels[:, None])[:, 0])

def alternate(logp_alternate, logp_lose, *, c=1.0):
    return logp_lose - c * logp_alternate

def states(hidden, *, layer, c=1.0):
    return (hidden - c).square().sum(1)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


def _bound(name: str, *settings: str, **how: object) -> dict[str, float]:
    found = objectives_of([name], settings=settings, **how)[name]
    return found.hyperparameters


def test_what_is_said_for_one_goes_before_what_is_said_for_all_and_that_before_defaults() -> None:
    assert _bound("SimNPO") == {"beta": 4.5, "gamma": 0.0}
    assert _bound("SimNPO", usual={"SIMNPO": 0.1}) == {"beta": 4.5, "gamma": 0.0}
    assert _bound("NPO", usual={"NPO": 0.1}) == {"beta": 0.1}
    assert _bound("SimNPO", "gamma=1", beta=2.0) == {"beta": 2.0, "gamma": 1.0}
    assert _bound("SimNPO", "beta=3", "simnpo.beta=4") == {"beta": 4.0, "gamma": 0.0}
    two = objectives_of(["NPO", "SimNPO+RT"], settings=["gamma=1", "NPO.beta=0.5"])
    assert two["NPO"].hyperparameters == {"beta": 0.5}
    assert two["SimNPO+RT"].hyperparameters == {"beta": 4.5, "gamma": 1.0}


def test_a_function_of_ones_own_takes_any(own: str) -> None:
    name = f"{own}:tokens+rt"
    assert _bound(name, "skip=1", "slope=2", beta=1.0) == {"beta": 1.0, "slope": 2.0, "skip": 1.0}
    assert _bound(name, f"{name}.skip=0", usual={name: 0.5}) == {"beta": 0.5, "skip": 0.0}
    assert _bound(name, "tokens.skip=0", usual={name: 0.5}) == {"beta": 0.5, "skip": 0.0}
    assert objective_of(f"{own}:logits", {"scale": 3.0}).hyperparameters == {"scale": 3.0}
    with pytest.raises(UserError, match=r"nothing gives a value to skip: .*--set skip=…"):
        objective_of(name, {"beta": 1.0})
    with pytest.raises(UserError, match=r"logits takes no hyperparameter scal.*Did you mean scale\?"):
        objective_of(f"{own}:logits", {"scal": 1.0})


MISTAKES = {
    "unknown": (["gama=1"], "--set gama=1: none of these takes gama: NPO takes beta, prefactor|wga takes"),
    "the kernel's own list": (["SimNPO.gama=1"], "--set SimNPO.gama=1: SimNPO takes beta, gamma. Did you mean gamma?"),
    "of no method here": (["DPO.beta=1"], "--set DPO.beta: DPO is none of the methods that are run (SimNPO, GA)."),
    "a near one": (["SimNP.beta=1"], "Did you mean SimNPO?"),
    "none": (["GA.beta=1"], "--set GA.beta=1: GA takes none."),
    "outside": (["beta=-1"], "--methods SimNPO: beta of simnpo must be"),
    "no number": (["gamma=x"], "--set gamma=x: x is not a finite number"),
    "no name": (["7"], "--set 7: write --set NAME=NUMBER"),
    "twice": (["gamma=1", "gamma=2"], "--set gamma is there twice."),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(mistake: str) -> None:
    settings, said = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        objectives_of(["SimNPO", "GA"], settings=settings)
    if mistake == "unknown":
        said = "--set gama=1: none of these takes gama: SimNPO takes beta, gamma; GA takes none. Did you mean gamma?"
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        objectives_of(["SimNPO", "NPO"], settings=["gama=1", "NPO.beta=0", "DPO.beta=1", "SimNPO.bet=1"])
    told = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in told] == [
        "--methods NPO",
        "--set gama=1",
        "--set DPO.beta",
        "--set SimNPO.bet=1",
    ]


@given(
    shared=st.dictionaries(st.sampled_from(["beta", "gamma", "c"]), st.floats(0.1, 9)),
    alone=st.dictionaries(st.sampled_from(["beta", "gamma"]), st.floats(0.1, 9)),
)
def test_words_are_read_as_they_were_written(shared: dict[str, float], alone: dict[str, float]) -> None:
    said = typed([*(f"{k}={x!r}" for k, x in shared.items()), *(f"a/b.py:f+rt.{k}={x!r}" for k, x in alone.items())])
    assert said.shared == shared
    assert said.own("a/b.py:f+rt") == alone
    assert said.given("a/b.py:f+rt", {"beta", "gamma"}) == {k: x for k, x in shared.items() if k != "c"} | alone
    assert said.own("NPO") == {}


@pytest.mark.usefixtures("short_fit")
def test_results_of_the_logistic_room_are_called_by_what_was_set(own: str, tmp_path: Path, run_npo: Npo) -> None:
    names = ("NPO", "SimNPO", f"{own}:tokens", f"{own}:logits+kl", f"{own}:alternate")
    words = ("--set", "gamma=1", "--set", "skip=0", "--set", "NPO.beta=0.5", "--set", f"{own}:tokens.beta=2")
    out = tmp_path / "o"
    code, printed, err = run_npo(
        "synthetic", "logistic", "--methods", ",".join(names), *words, "--quick", "--steps", "4", "--out", str(out)
    )
    assert code == 0, err
    assert list(load_trajectories(out / "1000")) == [
        "NPO,beta=0.5",
        "SimNPO,gamma=1",
        f"{own}:tokens,skip=0,beta=2",
        f"{own}:logits+kl",
        f"{own}:alternate",
    ]
    values = json.loads((out / "1000" / "data.json").read_text())
    values = values.get("values", values)
    assert values["hyperparameters"]["SimNPO,gamma=1"] == {"beta": 4.5, "gamma": 1.0}
    assert values["beta"]["NPO,beta=0.5"] == 0.5
    assert values["choices"]["settings"] == [*words[1::2]]
    assert "…" not in printed


@pytest.mark.parametrize("classes", ["2", "3"])
def test_the_logistic_room_says_what_it_lacks_before_anything_runs(
    own: str, classes: str, tmp_path: Path, run_npo: Npo
) -> None:
    for name in ("RMU", f"{own}:states"):
        words = ("--methods", f"NPO,{name}", "--set", "layer=1", "--classes", classes, "--beta", "1")
        code, _, err = run_npo("synthetic", "logistic", *words, "--out", str(tmp_path / "o"))
        assert code == 2
        assert err.startswith(f"npo: --methods {name}: it takes hidden")
        assert "fixed random features" in err
        assert not (tmp_path / "o").exists()


def test_the_grid_keeps_what_was_set(tmp_path: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch) -> None:
    from npo.verbs.synthetic import grid

    small = grid.problem_from_arrays
    monkeypatch.setattr(grid, "problem_from_arrays", lambda **arrays: small(**{**arrays, "fit_steps": 20}))
    words = ("--methods", "SimNPO,GA", "--set", "gamma=1", "--lrs", "0.1", "--betas", "0.5,2", "--seeds", "1")
    code, _, err = run_npo("synthetic", "grid", *words, "--steps", "3", "--out", str(tmp_path))
    assert code == 0, err
    data = load(tmp_path)
    assert data.values["settings"] == ["gamma=1"]
    assert [cell["beta"] for cell in data.values["cells"]["SimNPO"]] == [0.5, 2.0]
    assert [cell["beta"] for cell in data.values["cells"]["GA"]] == [None]
    assert not np.array_equal(*data.arrays["SimNPO"][0])


# --- the transformer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_every_method_is_a_row_of_the_transformer_s_table(name: str) -> None:
    (row,) = table([name.lower()], beta=0.5)
    assert row.method == name
    needs_beta = takes(kernels(name)[0]).get("beta") and "beta" not in defaults(name)
    assert row.objective.hyperparameters == method(name, **({"beta": 0.5} if needs_beta else {})).hyperparameters
    assert row.facts()["beta"] == row.objective.hyperparameters.get("beta")


def test_a_unit_s_settings_change_with_a_hyperparameter_and_are_as_ever_without() -> None:
    def settings(**hyperparameters: float) -> object:
        row = setting("SimNPO", "SimNPO", method("SimNPO", **hyperparameters))
        return methods_units(QUICK, [row])[0].settings

    assert settings() == settings(beta=4.5) == settings(gamma=0.0)
    assert settings() != settings(gamma=0.1)
    assert settings() != settings(beta=4.0)
    plain = methods_units(QUICK)[0].settings["table"]
    assert [row["method"] for row in plain] == list(METHODS)
    assert all(set(row) == {"method", "lr", "beta", "source"} for row in plain)


@pytest.mark.integration
def test_the_transformer_runs_what_was_set(
    own: str, tmp_path: Path, run_npo: Npo, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"shape.width": "16", "shape.layers": "2", "methods.steps": "2", "methods.adam_steps": "2"}
    changes |= {"shape.target": "0.05", "shape.forget": "5", "shape.retain": "20", "methods.batch": "5"}
    changes |= {"optimizers.batch": "5"}
    monkeypatch.setattr(transformer, "QUICK", override(QUICK, changes, label="transformer"))
    monkeypatch.setattr(transformer, "draw_plates", lambda *_: [])
    names = ("undial+rt", "AltPO", "RMU", f"{own}:tokens", f"{own}:states+kl")
    words = ("--set", "layer=1", "--set", "skip=1", "--set", "UNDIAL+RT.beta=3", "--set", f"{own}:states+kl.layer=0.9")
    command = ("synthetic", "transformer", "--quick", "--part", "methods", "--methods", ",".join(names))
    code, _, err = run_npo(*command, *words, "--out", str(tmp_path / "o"))
    assert code == 0, err
    data = load(tmp_path / "o" / "transformer" / "methods-GD-0.5-0")
    rows = {row["method"]: row for row in data.values["table"]}
    assert list(rows) == [
        "UNDIAL+RT,beta=3",
        "AltPO",
        "RMU,layer=1",
        f"{own}:tokens,skip=1",
        f"{own}:states+kl,layer=0.9",
    ]
    assert rows["UNDIAL+RT,beta=3"]["beta"] == 3.0
    assert rows["RMU,layer=1"]["hyperparameters"] == {"layer": 1.0, "c": 6.5}
    assert rows[f"{own}:tokens,skip=1"] | {"source": ""} == {
        "method": f"{own}:tokens,skip=1",
        "lr": 0.01,
        "beta": 0.5,
        "source": "",
        "hyperparameters": {"skip": 1.0},
    }
    assert all(f"{label}.drop" in data.arrays for label in rows)
    code, _, err = run_npo(*command[:-1], "RMU", "--set", "layer=3")
    assert (code, err) == (2, "npo: --methods RMU: layer=3: the transformer has 2 layer(s).\n")


# --- one's own rows -------------------------------------------------------------------------------------------------


def _asked(name: str, beta: float | None) -> dict[str, float]:
    asked = ForgetChoices(
        methods=(name,),
        beta=beta,
        lr=1e-3,
        epochs=2,
        batch=4,
        piece=4,
        retain_weight=1.0,
        lora=None,
        prompt=None,
        device="cpu",
        dtype="float32",
        seeds=(0,),
    )
    _, (found,) = methods_asked(asked, has_retain=False)
    return dict(found.objective.hyperparameters)


def test_npo_forget_takes_the_beta_that_is_typed_or_that_of_the_paper(own: str) -> None:
    assert _asked("SimNPO", None) == {"beta": 4.5, "gamma": 0.0}
    assert _asked("SimNPO", 2.0) == {"beta": 2.0, "gamma": 0.0}
    assert _asked("NPO", None) == {"beta": 0.1}
    assert _asked("NPO", 2.0) == {"beta": 2.0}
    with pytest.raises(UserError, match="--beta: GA takes no β"):
        _asked("GA", 1.0)
