"""GA+RT in the logistic model with and without a bound on how far each weight may move."""

from collections.abc import Mapping

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


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel a column of the trajectories; mean and range over seeds."""
    runs = [data.arrays for data in results.values()]
    labels = next(iter(results.values())).values["labels"]
    with styled():
        figure = Figure(figsize=(13.2, 4.0))
        for ax, (column, title) in zip(figure.subplots(1, len(COLUMNS)), COLUMNS.items(), strict=True):
            for label, (colour, style) in zip(labels, LOOK, strict=True):
                steps, every = across(runs, label, column)
                said = "no bound" if label == "inf" else f"|Δθ| < {label}"
                line_with_spread(ax, steps[1:], every[:, 1:], color=colour, linestyle=style, label=said)
            ax.set(xscale="log", yscale="log", title=title, xlabel="steps of GA+RT")
            ax.legend(fontsize=8)
    return figure
