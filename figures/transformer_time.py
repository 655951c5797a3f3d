"""A forget set of the small transformer in plain time: the drop, its late slope and the factors of it, and collapse.

(a) plain gradient descent. (b) along the flow, β × slope of the mean drop against log t is the growth of the clock, to
what unequal weights and the asymptote make of it. (c) what should stay. (d) when it collapses. (e) β → 0.
(f) the tangent kernel on the way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student

from figures.canvas import styled
from figures.transformer_law import looks_of
from records.store import Data
from synthetic.transformer.results import by_beta, label_of
from synthetic.transformer.slowdown import COLLAPSED, collapse, factors, limit_gap, limit_powers, of_run
from theory.theorems.time.intrinsic_time import time_on_curve
from theory.theorems.time.paths import IntrinsicPath, from_arrays

__all__ = ["draw"]

Results = Mapping[str, Data]
Looks = Mapping[float, dict[str, Any]]
RunArrays = dict[str, np.ndarray]


def draw(results: Results) -> Figure:
    """Six panels from the units transformer/descent-*, transformer/set-* and transformer/limit."""
    descents, sets = by_beta(results, "descent"), by_beta(results, "set")
    looks = looks_of([*descents, *sets])
    with styled():
        figure = Figure(figsize=(13.2, 8.2))
        axes = figure.subplots(2, 3).ravel()
        _drops(axes[0], descents, looks)
        _factors(axes[1], sets)
        _accuracy(axes[2], sets, looks)
        _collapse(axes[3], sets)
        _limit(axes[4], results["transformer/limit"])
        _kernel(axes[5], sets, looks)
    return figure


def _seeds(data: Data) -> list[RunArrays]:
    return [of_run(data.arrays, str(seed)) for seed in data.values["seeds"]]


def _paths(data: Data) -> list[IntrinsicPath]:
    return [from_arrays(data.arrays, str(seed)) for seed in data.values["seeds"]]


def _drops(ax: Axes, descents: Mapping[float, Data], looks: Looks) -> None:
    for beta, data in descents.items():
        runs = _seeds(data)
        reached = min(len(run["steps"]) for run in runs)
        every = np.stack([run["drop"][:reached].mean(axis=1) for run in runs])[:, 1:]
        steps, mean = runs[0]["steps"][1:reached], every.mean(axis=0)
        ax.plot(steps, mean, markersize=3.5, label=label_of(beta), **looks[beta])
        if len(runs) > 1:
            spread = every.std(axis=0, ddof=1)
            ax.fill_between(steps, mean - spread, mean + spread, color=looks[beta]["color"], alpha=0.2, linewidth=0)
    lr = next(iter(descents.values())).values["lr"]
    ax.set(xscale="log", xlabel=f"steps of plain descent, η = {lr:g}", ylabel="mean drop u of log π (nats)")
    ax.set(title="(a) the forget set goes, mean ± s.d. over seeds", ylim=(0, None))
    ax.legend(fontsize=8)


def _bars(ax: Axes, x: Sequence[float], values: Sequence[Sequence[float]], **look: Any) -> None:
    """Means over seeds with 95 % t-intervals."""
    table = np.array(values)
    half = np.zeros(len(table))
    if table.shape[1] > 1:
        half = student.ppf(0.975, table.shape[1] - 1) * table.std(axis=1, ddof=1) / np.sqrt(table.shape[1])
    ax.errorbar(x, table.mean(axis=1), half, capsize=3, markersize=5, linewidth=1, **look)


def _factors(ax: Axes, sets: Mapping[float, Data]) -> None:
    betas = [beta for beta in sets if beta]
    found = {beta: [factors(path, beta) for path in _paths(sets[beta])] for beta in betas}
    parts = (
        ("slope", "β · slope of the mean drop", "k", "o"),
        ("kernel", "clock: d log T / d log t", "#D55E00", "s"),
        ("weights", "× unequal weights", "#009E73", "^"),
        ("asymptote", "× asymptote", "#CC79A7", "v"),
    )
    for k, (name, label, colour, marker) in enumerate(parts):
        values = [[getattr(f, name) for f in found[beta]] for beta in betas]
        at = [i + 0.14 * (k - 1.5) for i in range(len(betas))]
        _bars(ax, at, values, color=colour, marker=marker, ls="", label=label)
    ax.axhline(1, color="0.6", linewidth=0.8)
    ax.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
    ax.set(xlabel="β", title="(b) late slope against log t, and its factors", ylabel="last decade of time")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.legend(fontsize=8, ncols=2, loc="upper center")


def _looked(run: RunArrays) -> np.ndarray:
    """The times at which a set was looked at."""
    return run["time"][run["steps"].astype(int)]


def _accuracy(ax: Axes, sets: Mapping[float, Data], looks: Looks) -> None:
    for beta, data in sets.items():
        for k, run in enumerate(_seeds(data)):
            time = _looked(run)[1:]
            look = {"color": looks[beta]["color"], "linewidth": 1}
            ax.plot(time, run["retain_accuracy"][1:], label=None if k else label_of(beta), **look)
    ax.axhline(COLLAPSED, color="0.5", linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="time t = Σ η", ylabel="retain accuracy", title="(c) what should stay, each seed")
    ax.legend(fontsize=8)


def _collapse(ax: Axes, sets: Mapping[float, Data]) -> None:
    """Time to collapse over GA's; hollow and with an arrow where the run ended before it collapsed."""
    ascent = _seeds(sets[0.0])
    first = [collapse(_looked(run), run["retain_accuracy"]) for run in ascent]
    at_collapse = [np.interp(t, run["time"], run["drop"].mean(axis=1)) for t, run in zip(first, ascent, strict=True)]
    for beta, data in sets.items():
        if not beta:
            continue
        for run, ga in zip(_seeds(data), first, strict=True):
            end = collapse(_looked(run), run["retain_accuracy"])
            seen, ratio = np.isfinite(end), min(end, float(run["time"][-1])) / ga
            ax.plot(
                beta, ratio, "o" if seen else "^", color="#0072B2", mfc="#0072B2" if seen else "white", markersize=5
            )
    betas = np.geomspace(min(b for b in sets if b), max(sets), 100)
    if np.isfinite(first).all():
        u = float(np.mean(at_collapse))
        law = time_on_curve(betas * u) / (betas * u)
        ax.plot(betas, law, color="black", linewidth=1, label=f"the law at u = {u:.0f} nats, were kernels equal")
        ax.legend(fontsize=8, loc="upper left")
    ax.set(xscale="log", yscale="log", xlabel="β", ylabel="time to accuracy below ½, over GA's")
    ax.set(title="(d) time to collapse, each seed (△: not yet)")


def _limit(ax: Axes, data: Data) -> None:
    betas, seeds = data.values["betas"], data.values["seeds"]
    gaps = np.array([[limit_gap(data.arrays, beta, seed) for seed in seeds] for beta in betas])
    for k in range(len(seeds)):
        ax.plot(betas, gaps[:, k], "o-", color="#0072B2", alpha=0.5, markersize=4, linewidth=1)
    powers = limit_powers(data.arrays, betas, seeds)
    ax.plot(betas, gaps.mean(axis=1)[0] * np.array(betas) / betas[0], "k:", label="slope 1")
    ax.set(xscale="log", yscale="log", xlabel="β", ylabel="largest gap of mean drops (nats)")
    ax.set(title=f"(e) β → 0 is GA: gap ∝ β$^{{{np.mean(powers):.2f}}}$" if powers else "(e) β → 0 is GA")
    ax.legend(fontsize=8)


def _kernel(ax: Axes, sets: Mapping[float, Data], looks: Looks) -> None:
    """Against the mean drop, where kernels that only differ in speed agree."""
    shown: tuple[tuple[str, str, str], ...] = (
        ("cosine_forget", "-", "forget, forget"),
        ("cosine_retain", "--", "forget, kept"),
    )
    for beta, data in sets.items():
        run = _seeds(data)[0]
        drop = run["drop"].mean(axis=1)[run["kernel_steps"].astype(int)]
        for name, dash, _ in shown:
            ax.plot(drop, run[name], dash, color=looks[beta]["color"], linewidth=1.3)
        ax.plot([], [], color=looks[beta]["color"], label=label_of(beta))
    for _, dash, label in shown:
        ax.plot([], [], dash, color="0.3", label=label)
    ax.set(
        xlabel="mean drop u (nats)",
        ylabel="mean |cosine| of ∇log π",
        ylim=(0, None),
        title="(f) gradients align on the way, first seed",
    )
    ax.legend(fontsize=8, ncols=2)
