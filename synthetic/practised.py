"""What the runs of the whole family left, of all rooms in one form: predicted speed, damage, distance.

From units `logistic/practice-…`, `transformer/practice-…` and the kept runs of language models, `llm/family/…`. Of the
last the prediction is made here: their answers are as sure as the finetuned model is of them, positive and alternative
ones are as long, and the model gives each of their tokens the probability `UNFAMILIAR`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from records.examined import Examined, moments_of
from records.store import Data
from synthetic.free_answers import FreeAnswers, pace, predicted_by_method
from synthetic.practice import (
    SHARE,
    Correlation,
    Mover,
    at_drop,
    at_end,
    correlated,
    family,
    forget_loss,
    runs_of,
)
from theory.methods import spelled

__all__ = ["READINGS", "Practised", "against", "practised", "predicted_speed", "read"]

Array = np.ndarray
Runs = dict[str, dict[str, Array]]
UNFAMILIAR = 0.05
ROOMS = {"logistic": "logistic", "transformer": "transformer", "llm": "language model"}

READINGS: Mapping[str, tuple[str, bool]] = {
    "speed": ("drop", False),
    "damage": ("retain_kl", False),
    "distance": ("forget_distance", False),
    "damage at an equal drop": ("retain_kl", True),
    "distance at an equal drop": ("forget_distance", True),
}
"""What is read off a run: the column, and whether at the equal drop; at the last step where not."""


class Practised(NamedTuple):
    """A room under an optimiser: the runs of every seed, by method, and the wanted drop of each seed in nats."""

    room: str
    optimizer: str
    seeds: dict[str, Runs]
    wanted: dict[str, float]


def practised(results: Mapping[str, Data]) -> list[Practised]:
    """Every room and optimiser of which there are units."""
    found, kept = [], dict[str, list[Data]]()
    for name, data in results.items():
        room, _, unit = name.partition("/")
        if unit.startswith("practice-"):
            found.append(Practised(ROOMS[room], data.values["optimizer"], runs_of(data), data.values["wanted"]))
        elif name.startswith("llm/family/"):
            kept.setdefault(name.split("/")[2], []).append(data)
    return found + [_of_models(optimizer, runs) for optimizer, runs in kept.items()]


def read(setting: Practised, reading: str, term: str) -> dict[str, float]:
    """One reading of all methods with a retain term, means over seeds; NaN where a seed has none."""
    column, equal = READINGS[reading]

    def of(run: Mapping[str, Array], seed: str) -> float:
        return at_drop(run, column, SHARE * setting.wanted[seed]) if equal else at_end(run, column)

    return _means(setting, term, of)


def predicted_speed(setting: Practised, term: str) -> dict[str, float]:
    """The drop that the atlas's scalar model has after the last step, means over seeds, nats."""
    return _means(setting, term, lambda run, _: at_end(run, "predicted"))


def against(setting: Practised, reading: str, term: str) -> Correlation:
    """The rank correlation of the predicted speed with a reading, over the methods with a retain term."""
    return correlated(predicted_speed(setting, term), read(setting, reading, term))


def _means(setting: Practised, term: str, of: Callable[[Mapping[str, Array], str], float]) -> dict[str, float]:
    names = [name for name in next(iter(setting.seeds.values())) if name == f"{forget_loss(name)}{term}"]
    return {name: float(np.mean([of(runs[name], seed) for seed, runs in setting.seeds.items()])) for name in names}


# --- kept runs of language models -----------------------------------------------------------------------------------


def _of_models(optimizer: str, kept: list[Data]) -> Practised:
    """The seeds that have run every method that one of them has."""
    by_seed: dict[str, dict[str, Data]] = {}
    for data in kept:
        by_seed.setdefault(str(data.values["seed"]), {})[spelled(data.values["method"])] = data
    most = max(len(runs) for runs in by_seed.values())
    whole = {seed: runs for seed, runs in by_seed.items() if len(runs) == most}
    wanted = {seed: float(next(iter(runs.values())).values["wanted"]["mean"]) for seed, runs in whole.items()}
    seeds = {seed: _runs(optimizer, runs, SHARE * wanted[seed]) for seed, runs in whole.items()}
    return Practised(ROOMS["llm"], optimizer, seeds, wanted)


def _runs(optimizer: str, kept: Mapping[str, Data], nats: float) -> Runs:
    found = {name: _columns(data) for name, data in kept.items()}
    mover, first = _mover(optimizer), next(iter(kept.values())).values
    rates, answers = first["rates"], _answers(first)
    told = pace(answers, mover, found["GA"]["steps"], found["GA"]["drop"], rates, nats)
    ahead = _ahead(answers, tuple(kept), optimizer, tuple(told * rate for rate in rates))
    nothing = np.full(len(rates) + 1, np.nan)
    return {
        name: run | {"predicted": ahead.get(forget_loss(name), nothing)[run["steps"].astype(int)]}
        for name, run in found.items()
    }


@lru_cache(maxsize=64)
def _ahead(
    answers: FreeAnswers, kept: tuple[str, ...], optimizer: str, rates: tuple[float, ...]
) -> Mapping[str, Array]:
    """`predicted_by_method`; every claim and the picture ask for the same."""
    methods = {name: objective for name, objective in family().items() if name in kept}
    return predicted_by_method(answers, methods, _mover(optimizer), rates)


def _mover(optimizer: str) -> Mover:
    return Mover("GD", torch.optim.SGD, signed=False) if optimizer == "GD" else Mover(optimizer, torch.optim.Adam)


def _answers(values: Mapping[str, object]) -> FreeAnswers:
    """Free answers as sure as the finetuned model is."""
    first = moments_of(values)[0].scores["forget_probability"]
    logits = [float(np.log(p) - np.log1p(-p)) for p in (float(first or 0.0), UNFAMILIAR, UNFAMILIAR)]
    tokens = round(float(str(values["tokens"])))
    model = values["model"]
    vocabulary = int(model["vocabulary"]) if isinstance(model, Mapping) else 2
    return FreeAnswers(tuple(logits), (tokens,) * 3, vocabulary)


def _columns(data: Data) -> dict[str, Array]:
    """The measured columns; the distance from the retrained model is −log₁₀ of the forget quality's p."""
    moments = moments_of(data.values)

    def column(of: Callable[[Examined], float | None]) -> Array:
        return np.array([of(moment) for moment in moments], dtype=np.float64)

    return {
        "steps": column(lambda moment: moment.step),
        "drop": np.array(data.values["drop"], dtype=np.float64),
        "retain_kl": column(lambda moment: moment.scores["retain_kl"]),
        "forget_distance": -column(lambda moment: moment.scores["log10_forget_quality"]),
    }
