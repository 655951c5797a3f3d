"""Any runs on the logistic problem: distances against steps, and one against the other; mean and range over seeds"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.figure import Figure

from figures.canvas import LOOK, across, line_with_spread, styled
from figures.labels import legend_columns, literal
from records.store import Data

__all__ = ["draw"]

OTHERS = ("#56B4E9", "#E69F00", "#000000", "#882255", "#44AA99")


def _looks(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The look of each label: that of its method, or one of its own."""
    spare = cycle(OTHERS)
    return {
        label: {k: LOOK[label][k] for k in ("color", "linestyle")} if label in LOOK else {"color": next(spare)}
        for label in labels
    }


def draw(results: Mapping[str, Data]) -> Figure:
    """One unit a seed, with `<label>.<column of Trajectory>`; of a file's name as a label the end is shown.

    `title`, if the first has one among its values, says what was run.
    """
    runs, title = [data.arrays for data in results.values()], next(iter(results.values())).values.get("title", "")
    labels = [key.removesuffix(".steps") for key in runs[0] if key.endswith(".steps")]
    looks = _looks(labels)
    with styled():
        figure = Figure(figsize=(11.4, 4.2))
        forget, retain, plane = figure.subplots(1, 3)
        for label in labels:
            for ax, column in ((forget, "forget_distance"), (retain, "retain_distance")):
                name = literal(label.rpartition("/")[2])
                line_with_spread(ax, *across(runs, label, column), label=name, **looks[label])
            x, y = (across(runs, label, f"{side}_distance")[1].mean(axis=0) for side in ("forget", "retain"))
            plane.plot(x, y, **looks[label])
        plane.plot(x[0], y[0], "k*", markersize=9, zorder=5)
        figure.suptitle(title)
        forget.set(title="What is to go", ylabel=r"forget distance  E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ (nats)")
        retain.set(title="What should stay", ylabel="retain distance (nats)")
        for ax in (forget, retain):
            ax.set(xlabel="steps", xlim=(0, None), yscale="log")
        plane.set(
            title="One against the other",
            xscale="log",
            yscale="log",
            xlabel="forget distance (nats)",
            ylabel="retain distance (nats)",
        )
        handles, names = forget.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(6, legend_columns(names, 11.4)))
    return figure
