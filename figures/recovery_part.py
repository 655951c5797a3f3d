"""What comes back of the rest when a part is relearnt: told by the kernel before the first step, and measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.json_lines import read_json
from records.store import Data
from synthetic.logistic import relearnt_part as linear
from synthetic.logistic.presets import LogisticPreset
from synthetic.transformer.field import relearnt_part as network

__all__ = ["Recovered", "compute", "draw", "recovered"]

RETRAINED = "retrained"
KEPT = Path(__file__).with_name("data") / "relearn-part-tofu-mini.json"
ROOMS = {
    "logistic": ("logistic model, by coupling", "#009E73", "o"),
    "random": ("transformer, unrelated answers", "#0072B2", "D"),
    "shared": ("transformer, answers of one style", "#CC79A7", "v"),
    "tofu-mini": ("tofu-mini, authors of TOFU", "#D55E00", "s"),
}
LEAST = 0.05  # nats an answer that the logarithmic axes show


def compute(preset: LogisticPreset) -> dict[str, Data]:
    """The logistic room's unit, in seconds, and the kept runs of tofu-mini."""
    runs = read_json(KEPT, "It is kept with the project.")["runs"]
    kept = {f"llm/relearn-part/tofu-mini/{key.rpartition('/')[2]}": Data({}, values) for key, values in runs.items()}
    seeds = {"seeds": list(preset.seeds[: linear.SEEDS])}
    return {"logistic/relearnt-part": Data(linear.relearnt_part(preset), seeds)} | kept


class Recovered(NamedTuple):
    """One model: nats an answer that came back of the rest, that the kernel told, and nats for one of the part."""

    room: str
    retrained: bool
    rise: float
    told: float
    gain: float
    coupling: float


def recovered(results: Mapping[str, Data]) -> list[Recovered]:
    """Every model of every room that is there; means over rows, at the end of relearning.

    The coupling is nats of the rest for one of the part, as the kernel before the first step has it; of the logistic
    model, where margins are meant, what it is where all rows are alike.
    """
    found = list[Recovered]()
    for name, data in results.items():
        if name == "logistic/relearnt-part":
            found += _linear(data)
        elif name == "transformer/relearnt-part":
            found += _network(data)
        else:
            v = data.values
            rise, law, part = (v[key][-1] for key in ("rest_rise", "law", "part_rise"))
            found.append(Recovered("tofu-mini", v["label"] == RETRAINED, rise, law, rise / part, v["coupling"]))
    return found


def _linear(data: Data) -> list[Recovered]:
    found = []
    for model in linear.MODELS:
        for coupling in linear.COUPLINGS:
            runs = [f"{model}-{coupling:g}-{seed}" for seed in data.values["seeds"]]
            named = ("rise", "exact", "share", "even")
            means = (float(np.mean([data.arrays[f"{run}.{name}"].mean() for run in runs])) for name in named)
            found.append(Recovered("logistic", model == RETRAINED, *means))
    return found


def _network(data: Data) -> list[Recovered]:
    found = []
    for kind in network.DATA:
        for model in network.MODELS:
            for seed in data.values["seeds"][: network.SEEDS]:
                run = f"{kind}-{model}-{seed}"
                rise, law, part = (data.arrays[f"{run}.{name}"][-1] for name in ("rest", "law", "part"))
                coupling = float(data.arrays[f"{run}.coupling"])
                found.append(Recovered(kind, model == RETRAINED, rise, law, rise / part, coupling))
    return found


def draw(results: Mapping[str, Data]) -> Figure:
    """Left: told against measured nats; right: nats of the rest for one of the part, against the coupling."""
    every = recovered(results)
    with styled():
        figure = Figure(figsize=(10.5, 4.6))
        left, right = figure.subplots(1, 2)
        _told(left, every)
        _coupled(right, every)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _told(ax: Axes, every: list[Recovered]) -> None:
    ends = (LEAST, 2e3)
    ax.plot(ends, ends, color="black", linewidth=0.8)
    _scatter(ax, [(x, max(x.told, LEAST), max(x.rise, LEAST)) for x in every])
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title="(a) what comes back of the rest")
    ax.set(xlabel="told by the kernel before the first step, nats an answer", ylabel="measured, nats an answer")


def _coupled(ax: Axes, every: list[Recovered]) -> None:
    ax.plot([-0.05, 1], [-0.05, 1], color="black", linewidth=0.8)
    ax.axhline(0, color="black", linewidth=0.4)
    _scatter(ax, [(x, x.coupling, x.gain) for x in every])
    ax.set(xlim=(-0.05, 1.0), ylim=(-0.3, 1.1), title="(b) for each nat that the part regains")
    ax.set(xlabel="coupling of rest and part before the first step", ylabel="nats of the rest for one of the part")


def _scatter(ax: Axes, points: list[tuple[Recovered, float, float]]) -> None:
    for room, (label, colour, marker) in ROOMS.items():
        for retrained in (False, True):
            mine = [(x, y) for of, x, y in points if of.room == room and of.retrained == retrained]
            if mine:
                face = "white" if retrained else colour
                named = "" if retrained else label
                xs, ys = (np.array(column) for column in zip(*mine, strict=True))
                ax.scatter(xs, ys, c=face, edgecolors=colour, marker=marker, s=30, label=named, zorder=3)
    ax.scatter([], [], c="white", edgecolors="black", marker="o", s=30, label="open: the retrained model")
