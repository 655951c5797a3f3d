"""A small transformer forgets: the drop of log π against log t, and on the one curve of intrinsic time."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data, load
from records.work import run_missing
from synthetic.transformer_study import QUICK, REPRODUCE, units
from theory.intrinsic_time import curve

__all__ = ["compute", "draw"]

DASHES = ("--", "-.", ":")


def compute(quick: bool = False) -> dict[str, Data]:
    """Run the study and return what its units leave, by unit name."""
    with TemporaryDirectory() as folder:
        found = units(QUICK if quick else REPRODUCE)
        run_missing(found, Path(folder))
        return {unit.name: load(Path(folder) / unit.name) for unit in found}


def _runs(data: Mapping[str, Data], kind: str) -> dict[float, Data]:
    """β (0: GA) -> what the units of a kind ("single", "set") left, in order of β."""
    found = [unit for name, unit in data.items() if name.startswith(f"transformer/{kind}-")]
    return {unit.values["beta"]: unit for unit in sorted(found, key=lambda unit: float(unit.values["beta"]))}


def _looks(betas: list[float]) -> dict[float, dict[str, Any]]:
    """Colour, marker and dash of GA and of each β, so that greyscale tells them apart."""
    looks = {beta: look | {"linestyle": DASHES[i % 3]} for i, (beta, look) in enumerate(beta_look(betas).items())}
    return {0.0: LOOK["GA"]} | looks


def _label(beta: float) -> str:
    return f"NPO, β = {beta:g}" if beta else "GA"


def _against_time(axes: Axes, runs: dict[float, Data], looks: dict[float, dict[str, Any]]) -> None:
    """Each line is named at its end. Slopes, of u and of log T, are against log t over the last factor √10 of time."""
    for beta, run in runs.items():
        time, drop, look = run.arrays["time"][1:], run.arrays["drop"][1:], looks[beta]
        mean, (low, high) = drop.mean(axis=1), np.quantile(drop, [0.1, 0.9], axis=1)
        axes.fill_between(time, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.plot(time, mean, markevery=0.12, **look)
        late = run.values["late"]
        clock = f" (log T: {late['clock_exponent']:.2f})" if late["clock_exponent"] else ""
        slope = f"\nβ · slope {late['scaled_slope']:.2f}{clock}" if beta else ""
        offset, va, ha = ((6, 0), "center", "left") if beta else ((0, 6), "bottom", "right")
        end = (time[-1], mean[-1])
        axes.annotate(_label(beta) + slope, end, xytext=offset, textcoords="offset points", va=va, ha=ha, fontsize=8)
    axes.set(xscale="log", xlabel="time t = Σ η", ylabel="drop u of log π (nats)", title="Forget set: mean, 10–90 %")
    axes.set_ylim(bottom=0)
    first, last = axes.get_xlim()
    axes.set_xlim(right=last * (last / first) ** 0.5)  # room for the names


def _evenly(y: np.ndarray, count: int, phase: float) -> np.ndarray:
    """Steps at which a column first passes evenly spaced values, shifted by a part of their distance."""
    wanted = y[-1] * (np.arange(count) + phase) / count
    return np.searchsorted(np.maximum.accumulate(y), wanted)


def _draw_curve(axes: Axes, beta_time: np.ndarray) -> None:
    law = r"$\beta T = \frac{1}{2}(\beta u + e^{\beta u} - 1)$"
    axes.plot(beta_time, curve(beta_time), color="black", linewidth=1.2, zorder=1, label=law)


def _singles(axes: Axes, runs: dict[float, Data], looks: dict[float, dict[str, Any]]) -> None:
    """Markers of each path sit at other places along the curve, so that none hides another."""
    furthest = 0.0
    for k, (beta, run) in enumerate(runs.items()):
        scale = run.values["scale"]
        look = {"color": looks[beta]["color"], "marker": looks[beta]["marker"], "linestyle": "none"}
        label = _label(beta) if beta else f"GA, u and T × {scale:g}"
        count = len(run.values["sequences"])
        for i in range(count):
            clock, drop = scale * run.arrays[f"{i}.clock"], scale * run.arrays[f"{i}.drop"]
            at = _evenly(drop, 5, (k + 1 + i * len(runs)) / (count * len(runs)))
            axes.plot(clock[at], drop[at], label=None if i else label, **look)
            furthest = max(furthest, float(clock[-1]))
        if not beta:
            line = np.geomspace(0.1, furthest, 200)
            axes.plot(line, line, color="black", linestyle=(0, (1, 1)), linewidth=1.2, zorder=1, label="u = T")
    _draw_curve(axes, np.geomspace(0.1, furthest, 300))
    axes.set(xscale="log", xlabel="βT, own clock", ylabel="βu", title="Sequences forgotten one by one")
    axes.legend(loc="lower right")


def _sets(axes: Axes, runs: dict[float, Data], looks: dict[float, dict[str, Any]]) -> None:
    """Each sequence where it ends: open at its clock, filled where the remainder is added; a hairline joins them."""
    ends = []
    for beta, run in runs.items():
        if not beta:
            continue
        drop, clock, remainder = (beta * run.arrays[name][-1] for name in ("drop", "clock", "remainder"))
        look = {"color": looks[beta]["color"], "marker": looks[beta]["marker"], "linestyle": "none"}
        axes.hlines(drop, clock, clock + remainder, color=looks[beta]["color"], linewidth=0.5, alpha=0.6)
        axes.plot(clock, drop, markerfacecolor="white", label=f"{_label(beta)}: at T", **look)
        axes.plot(clock + remainder, drop, **look | {"markersize": 3.5})
        ends += [clock, clock + remainder]
    axes.plot([], [], color="0.3", marker="o", markersize=3.5, linestyle="none", label="filled: at T + remainder")
    reach = np.concatenate(ends)
    _draw_curve(axes, np.geomspace(max(float(reach.min()), 1.0) / 2, 2 * float(reach.max()), 300))
    axes.set(xscale="log", xlabel="βT, collective clock", ylabel="βu", title="Forget set: each sequence, at the end")
    axes.legend(loc="lower right")


def draw(data: Mapping[str, Data]) -> Figure:
    """Left: the forget set in time. Middle: sequences alone on the curve. Right: how far those of the set leave it."""
    singles, sets = _runs(data, "single"), _runs(data, "set")
    looks = _looks([beta for beta in sets if beta])
    with styled():
        figure = Figure(figsize=(13.4, 4.2))
        (left, middle, right) = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
        _against_time(left, sets, looks)
        _singles(middle, singles, looks)
        _sets(right, sets, looks)
    return figure
