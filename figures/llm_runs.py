"""What the figures of language-model runs share: a method's path over epochs, its mean and range over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK
from figures.labels import legend_columns, literal
from records.examined import Examined, moments_of
from records.store import Data

__all__ = [
    "SAME",
    "SeedBand",
    "label_of",
    "legend_above",
    "legends",
    "line",
    "look_of",
    "names_of",
    "number",
    "paths",
    "reference_line",
]

SAME = 0.05  # a forget quality above which two models can't be told apart
FEW = 8  # labels that a panel has room for
GREY = "#555555"
RULE = ",beta=auto"  # how a label ends whose β the rule chose
_EXTRA = ("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#1b9e77", "#d95f02", "#7570b3")
_MARKERS = ("o", "^", "D", "v", "P", "X", "s")


class SeedBand(NamedTuple):
    """Of one measure of one method: epochs, mean over seeds, least, greatest; NaN where a run was not finite.

    `name` is what a legend calls the method, its β where it was run with several.
    """

    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    name: str


def paths(data: Mapping[str, Data], column: str) -> dict[str, SeedBand]:
    """By label; runs that ended early are as long as they are."""
    by_label: dict[str, list[list[Examined]]] = {}
    names = names_of(data)
    for unit in data.values():
        by_label.setdefault(unit.values["label"], []).append(moments_of(unit.values))
    found = {}
    for label, runs in by_label.items():
        length = min(map(len, runs))
        heights = np.array([[number(moment.scores.get(column)) for moment in run[:length]] for run in runs])
        at = np.array([_when(moment, runs[0][-1]) for moment in runs[0][:length]], dtype=float)
        found[label] = SeedBand(at, heights.mean(axis=0), heights.min(axis=0), heights.max(axis=0), names[label])
    return found


def _when(moment: Examined, end: Examined) -> float:
    """In epochs, fractions of one where every step was examined."""
    return moment.step * end.epoch / end.step if end.step else 0.0


def number(value: float | None) -> float:
    """NaN where it was not finite: drawn as a gap."""
    return np.nan if value is None else float(value)


def names_of(data: Mapping[str, Data]) -> dict[str, str]:
    """What a legend calls each label: with its β, also that which the rule chose, where a method has several."""
    betas: dict[str, list[float]] = {}
    for unit in data.values():
        betas.setdefault(unit.values["label"], []).extend(filter(None, [unit.values.get("beta")]))
    several = {label.partition(",")[0] for label in betas if ",beta=" in label}
    names = {}
    for label, found in betas.items():
        told = label_of(label)
        if label.endswith(RULE) and found:
            ends = dict.fromkeys(f"{beta:.2g}" for beta in (min(found), max(found)))  # seeds may ask for different β
            told = f"{told.removesuffix('auto')}{'–'.join(ends)} (rule)"
        elif label in several and found:
            told = f"{told}, β={found[0]:g}"
        names[label] = told
    return names


def look_of(label: str, place: int) -> dict[str, Any]:
    """A method's colour, line and marker; those of the user's own, and with settings of their own, take turns."""
    plain = label.partition(",")[0]
    if label in LOOK:
        return dict(LOOK[label])
    if label.endswith(RULE):
        return LOOK.get(plain, {"marker": "o"}) | {"color": "#5B2A86", "linestyle": "-"}
    marker = _MARKERS[place // len(_EXTRA) % len(_MARKERS)]
    base = dict(LOOK.get(plain, {"linestyle": "-", "marker": marker}))
    return base | {"color": _EXTRA[place % len(_EXTRA)]}


def label_of(label: str) -> str:
    """For a legend: "NPO+RT,retain_weight=5" is wide."""
    return literal(label.replace(",retain_weight=", ", w=").replace(",beta=", ", β="))


def legend_above(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, that of `axes`, above them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=legend_columns(labels, figure.get_figwidth()))


def legends(figure: Figure, panels: Sequence[Axes]) -> None:
    """A legend in every panel, so that each can be read alone; of many methods one for all, above them."""
    if len(panels[0].get_legend_handles_labels()[1]) > FEW:
        legend_above(figure, panels[0])
        return
    for panel in panels:
        panel.legend(fontsize=8)


def line(axes: Axes, path: SeedBand, label: str, place: int) -> None:
    """Mean and range of one method."""
    look, known = look_of(label, place), np.isfinite(path.mean)  # what is measured at the ends alone is joined
    size = 8 if look.get("marker") == "*" else 4
    axes.plot(path.at[known], path.mean[known], **look, label=path.name, markersize=size)
    if (path.high > path.low).any():
        axes.fill_between(path.at, path.low, path.high, color=look["color"], alpha=0.15, linewidth=0)


def reference_line(axes: Axes, data: Mapping[str, Data], column: str) -> None:
    """The retrained model, which never saw the forget set, dotted."""
    value = next(iter(data.values())).values["retrained"].get(column)
    if value is not None:
        axes.axhline(value, color=GREY, linestyle=":", linewidth=1.6, zorder=1, label="retrained")
