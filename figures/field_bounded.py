"""The logistic model: GA+RT with and without a bound on each weight, and GA after training stages in both orders."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import across, line_with_spread, styled
from records.store import Data

__all__ = ["draw"]

LOOK = (("#0072B2", "-"), ("#56B4E9", "--"), ("#D55E00", "-."))
COLUMNS = {
    "reference_distance": "(a) ‖θ − θ_ref‖",
    "forget_distance": "(b) forget distance (nats)",
    "retain_distance": "(c) retain distance (nats)",
}


STAGES = "logistic/stages"
ORDERS = {"forget": ("#D55E00", "forget rows learnt first"), "retain": ("#0072B2", "forget rows learnt last")}
FAR = 20.0  # nats


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel a column of the trajectories, mean and range over seeds; a last one for the stages."""
    bounded = [data for name, data in results.items() if name != STAGES]
    runs, labels = [data.arrays for data in bounded], bounded[0].values["labels"]
    with styled():
        figure = Figure(figsize=(15.6, 4.0))
        *axes, last = figure.subplots(1, len(COLUMNS) + 1)
        for ax, (column, title) in zip(axes, COLUMNS.items(), strict=True):
            for label, (colour, style) in zip(labels, LOOK, strict=True):
                steps, every = across(runs, label, column)
                said = "no bound" if label == "inf" else f"|Δθ| < {label}"
                line_with_spread(ax, steps[1:], every[:, 1:], color=colour, linestyle=style, label=said)
            ax.set(xscale="log", yscale="log", title=title, xlabel="steps of GA+RT")
            ax.legend(fontsize=8)
        if STAGES in results:
            _stages(last, results[STAGES])
        else:
            last.set_axis_off()
    return figure


def _stages(ax: Axes, data: Data) -> None:
    """What kept answers lose over what forget answers lose, a line a seed."""
    for order, (colour, said) in ORDERS.items():
        for k, seed in enumerate(data.values["seeds"]):
            drop, kept = (data.arrays[f"{order}-{seed}.{name}"] for name in ("drop", "kept"))
            lost = np.linspace(0, FAR, 80)
            ax.plot(lost, np.interp(lost, drop, kept), color=colour, alpha=0.8, label=said if k == 0 else "")
    ax.axhline(0, color="black", linewidth=0.5)
    ax.set(xlabel="nats that forget answers lose under GA", ylabel="nats that kept answers lose")
    ax.set_title("(d) two orders of training")
    ax.legend(fontsize=8)
