"""Attacks in curves: what a model knows of the rows to forget at every level, the retrained model's beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.audit import LOOKS
from figures.canvas import LOOK, styled
from records.store import Data

__all__ = ["SCORES", "draw", "drawable"]

SCORES = {"probability": "probability of the answers", "extraction_strength": "extraction strength"}
"""The scores that are drawn, a row each, higher where more is known."""
TITLES = {
    "relearn": "relearnt on the rows to forget",
    "relearn,rows=part": "on a part, asked for the rest",
    "relearn,rows=related": "on related rows",
    "relearn,rows=retain": "on rows to retain",
    "quantise": "weights rounded",
    "prune": "smallest weights taken away",
    "mix": "mixed back",
}
AXES = {
    "steps": "steps",
    "bits": "bits of a weight",
    "share": "share of weights",
    "weight": "weight of the model's own",
}
RETRAINED = {"color": "black", "linestyle": "-", "linewidth": 2.4, "marker": "*", "label": "retrained"}
FINETUNED = {"color": "0.55", "linestyle": "-", "linewidth": 2.4, "marker": "s", "label": "finetuned"}
_OTHERS = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00")
FLOOR = 1e-5  # of a logarithmic axis
_WIDTH = 2.6


def drawable(results: Mapping[str, Data]) -> bool:
    """Has any of these attacks a score that is drawn?"""
    return any(score in data.values["scores"] for data in results.values() for score in SCORES)


def draw(results: Mapping[str, Data]) -> Figure:
    """A column for each attack, a row for each score; results are `…/attack/<model>/<attack>` of one recipe.

    Of one audit's alone, where <model> is model or retrained, they look as in its other figure.
    """
    curves = _by_attack(results)
    models = sorted({model for by_model in curves.values() for model in by_model}, key=_order)
    looks = {model: _look(model, i) for i, model in enumerate(sorted(models, key=_known))}
    with styled():
        figure = Figure(figsize=(1.0 + _WIDTH * len(curves), 2.4 * len(SCORES) + 0.9))
        panels = figure.subplots(len(SCORES), len(curves), squeeze=False, sharey="row")
        for column, (attack, by_model) in enumerate(curves.items()):
            for row, score in enumerate(SCORES):
                for model in (model for model in models if model in by_model):
                    _curve(panels[row, column], by_model[model], score, looks[model])
                _axes(panels[row, column], next(iter(by_model.values())), score)
                panels[row, column].set_ylim(_span(curves, score))
            panels[0, column].set_title(_title(attack), fontsize="small")
        for row, words in enumerate(SCORES.values()):
            panels[row, 0].set_ylabel(words)
        shown = dict(pair[::-1] for ax in panels.flat for pair in zip(*ax.get_legend_handles_labels(), strict=True))
        figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=min(len(shown), 8))
    return figure


def _by_attack(results: Mapping[str, Data]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Values by attack and model, relearning first and in the order of `TITLES`."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, data in results.items():
        model, attack = name.rpartition("attack/")[2].split("/", 1)
        found.setdefault(attack, {})[model] = data.values
    kinds = list(TITLES)
    return dict(sorted(found.items(), key=lambda one: (_place(kinds, _plain(one[0])), one[0])))


def _plain(attack: str) -> str:
    """The longest of `TITLES` that an attack's label is made of."""
    kind, *options = attack.split(",")
    named = [title for title in TITLES if title.split(",")[0] == kind and set(title.split(",")[1:]) <= set(options)]
    return max(named, key=len, default=kind)


def _place(kinds: Sequence[str], kind: str) -> int:
    return kinds.index(kind) if kind in kinds else len(kinds)


def _title(attack: str) -> str:
    plain = _plain(attack)
    more = [
        word
        for word in attack.split(",")[1:]
        if word not in plain.split(",") and not word.startswith(("share", "keep"))
    ]
    return "\n".join(filter(None, [TITLES.get(plain, plain), ", ".join(more)]))


def _order(model: str) -> tuple[int, str]:
    """Where it stands: methods in the order of all figures, then the two models that they lie between, on top."""
    last = {"finetune": 98, "retrain": 99, "retrained": 99}
    method = _method(model)
    return last.get(model, list(LOOK).index(method) if method in LOOK else 50), model


def _known(model: str) -> tuple[bool, str]:
    """Methods without a look of their own first: they are given one each."""
    return _method(model) in LOOK, model


def _method(model: str) -> str:
    return model.rpartition("-s")[0]


def _look(model: str, number: int) -> dict[str, Any]:
    if model in ("retrain", "finetune"):
        return dict(RETRAINED if model == "retrain" else FINETUNED)
    if model in LOOKS:
        return {"linestyle": "-", **LOOKS[model]}
    method = _method(model)
    other = {"color": _OTHERS[number % len(_OTHERS)], "linestyle": "-.", "marker": "^"}
    return {**LOOK.get(method, other), "label": method if model.endswith("-s0") else model}


def _curve(ax: Axes, values: Mapping[str, Any], score: str, look: Mapping[str, Any]) -> None:
    """A model's score at every level with its interval; levels in order, bits from many to few."""
    if score not in values["scores"]:
        return
    columns = [values["scores"][score][key] for key in ("value", "low", "high")]
    x = _placed(values)
    order = np.argsort(x)
    value, low, high = (np.array([np.nan if y is None else y for y in column])[order] for column in columns)
    if score == "probability":
        value, low, high = (np.maximum(column, FLOOR) for column in (value, low, high))
    ax.plot(np.array(x)[order], value, markersize=5, **look)
    ax.fill_between(np.array(x)[order], low, high, color=look["color"], alpha=0.1, linewidth=0)


def _placed(values: Mapping[str, Any]) -> list[float]:
    """Where levels lie: bits evenly, in their order."""
    levels = [float(level) for level in values["levels"]]
    return [float(i) for i in range(len(levels))] if values["axis"] == "bits" else levels


def _axes(ax: Axes, values: Mapping[str, Any], score: str) -> None:
    ax.set_xlabel(AXES[values["axis"]])
    if values["axis"] == "bits":
        ax.set_xticks(range(len(values["levels"])), [f"{level:g}" for level in values["levels"]])
    if values["axis"] == "weight":
        ax.set_xlim(1.05, -0.05)  # from the model's own to the finetuned one
    if score == "probability":
        ax.set_yscale("log")


def _span(curves: Mapping[str, Mapping[str, Mapping[str, Any]]], score: str) -> tuple[float, float]:
    """Of an axis: all that there is of probabilities with their intervals, a decade at the least."""
    if score != "probability":
        return -0.03, 1.03
    there = [values["scores"][score] for by in curves.values() for values in by.values() if score in values["scores"]]
    known = [x for one in there for x in (*one["low"], *one["high"]) if x is not None]
    most = max(known, default=1.0)
    return max(min([*known, most / 10]), FLOOR) / 1.5, min(most, 1.0) * 1.5
