"""The project in one picture: in intrinsic time every model unlearns along one curve, and how a set leaves it.

Left: single examples of every model at hand, in the coordinates of the intrinsic-time law. Middle: the examples of a
set, each against its collective clock. Right: the same with the exact remainder of unequal weights and couplings.
Nothing is fitted.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.intrinsic_time import curve

__all__ = ["draw"]

MODELS = {"linear": "o", "network": "^", "random features": "D", "transformer": "s"}
NAMES = {
    "linear": "linear logistic (theory)",
    "network": "tanh network (theory)",
    "random features": "random features (logistic)",
    "transformer": "transformer",
}


class Single(NamedTuple):
    """One example unlearned alone; `time` = βT and `drop` = βu (T and u for GA, where β = 0)."""

    model: str
    beta: float
    time: np.ndarray
    drop: np.ndarray


def _singles(results: Mapping[str, Data]) -> Iterator[Single]:
    theory = results["theory/intrinsic-time"].arrays
    for run in [key.removesuffix(".time") for key in theory if key.endswith(".time")]:
        model = "linear" if run.startswith("linear") else "network"
        yield Single(model, float(run.rsplit(", ", 1)[1]), theory[f"{run}.time"], theory[f"{run}.drop"])
    law = results["logistic/law"]
    for beta in law.values["betas"]:
        for i in law.values["examples"]:
            clock, drop = (law.arrays[f"single-{beta:g}-{i}.{name}"] for name in ("clock", "drop"))
            scale = beta or 1.0
            yield Single("random features", beta, scale * clock, scale * drop)
    for name, data in results.items():
        if name.startswith("transformer/single-"):
            beta = float(data.values["beta"])
            for run in [key.removesuffix(".clock") for key in data.arrays if key.endswith(".clock")]:
                clock, drop = (np.ravel(data.arrays[f"{run}.{part}"]) for part in ("clock", "drop"))
                yield Single("transformer", beta, (beta or 1.0) * clock, (beta or 1.0) * drop)


def _sets(results: Mapping[str, Data]) -> Iterator[tuple[str, float, np.ndarray, np.ndarray, np.ndarray]]:
    """(model, β, βT, βu, β·remainder) at the end of each path, over examples."""
    law = results["logistic/law"]
    for beta in law.values["set_betas"]:
        parts = (law.arrays[f"set-{beta:g}.{name}"][-1] for name in ("clock", "drop", "remainder"))
        yield ("random features", beta, *(beta * part for part in parts))
    for name, data in results.items():
        beta = float(data.values["beta"]) if name.startswith("transformer/set-NPO") else 0.0
        if beta:
            parts = (data.arrays[part][-1] for part in ("clock", "drop", "remainder"))
            yield ("transformer", beta, *(beta * part for part in parts))


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels from the units theory/intrinsic-time, logistic/law and transformer/*."""
    singles, sets = list(_singles(results)), list(_sets(results))
    betas = sorted({s.beta for s in singles if s.beta} | {beta for _, beta, *_ in sets})
    looks = beta_look(betas)
    with styled():
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.6, 4.9), width_ratios=(1.45, 1, 1))
        _law(left)
        for s in singles:
            at = _spread(s.time, 7)
            colour = looks[s.beta]["color"] if s.beta else LOOK["GA"]["color"]
            left.plot(
                s.time[at], s.drop[at], MODELS[s.model], color=colour, markersize=5, markeredgecolor="white", mew=0.4
            )
        left.set(title="One example alone: one curve for all β and models", ylabel="βu, dimensionless  (GA: u, nats)")
        for model, beta, time, drop, rest in sets:
            style = {"color": looks[beta]["color"], "markersize": 4, "alpha": 0.75, "mew": 0}
            middle.plot(time, drop, MODELS[model], **style)
            right.plot(time + rest, drop, MODELS[model], **style)
        for ax, title in ((middle, "A set leaves the curve …"), (right, "… by the exact remainder")):
            _law(ax)
            ax.set_title(title)
        left.set_xlabel("intrinsic time βT  (GA: T, nats)")
        middle.set_xlabel("collective clock βT$_i$")
        right.set_xlabel("βT$_i$ + β · remainder$_i$")
        for ax in (left, middle, right):
            ax.set(xscale="log", yscale="log", xlim=(1e-2, 3e3), ylim=(1e-2, 40))
        _hidden(middle, sets)
        figure.legend(handles=_key(looks, betas, singles), loc="outside lower center", ncols=6)
    return figure


def _law(ax: Axes) -> None:
    x = np.geomspace(1e-3, 1e4, 400)
    ax.plot(x, x, color=LOOK["GA"]["color"], zorder=1)
    ax.plot(x, curve(x), color="black", zorder=1)


def _spread(time: np.ndarray, count: int) -> np.ndarray:
    """Indices of points about evenly spread in log time between 0.02 and the end."""
    wanted = np.geomspace(0.02, time[-1], count)
    return np.unique(np.searchsorted(time, wanted).clip(0, len(time) - 1))


def _hidden(ax: Axes, sets: list[tuple[str, float, np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Say how many examples a logarithmic axis can't show."""
    hidden = sum(int(np.sum((time <= 1e-2) | (drop <= 1e-2))) for _, _, time, drop, _ in sets)
    total = sum(len(time) for _, _, time, *_ in sets)
    ax.annotate(
        f"{hidden} of {total} not shown:\nclock or drop ≤ 0.01",
        (0.97, 0.04),
        xycoords="axes fraction",
        ha="right",
        fontsize=8,
        color="0.35",
    )


def _key(looks: dict[float, dict[str, str]], betas: list[float], singles: list[Single]) -> list[Line2D]:
    lines = [
        Line2D([], [], color=LOOK["GA"]["color"], label="GA: u = T"),
        Line2D([], [], color="black", label="NPO: βT = ½(βu + e$^{βu}$ − 1)"),
    ]
    models = [m for m in MODELS if any(s.model == m for s in singles)]
    lines += [Line2D([], [], linestyle="", marker=MODELS[m], color="0.4", label=NAMES[m]) for m in models]
    lines += [Line2D([], [], linestyle="", marker="o", color=looks[b]["color"], label=f"β = {b:g}") for b in betas]
    return lines
