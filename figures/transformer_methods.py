"""All methods on the language: distances, what kinds of answers are left, and what sharing people does."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, log_ticks, styled
from figures.labels import literal
from records.store import Data
from synthetic.transformer.language import KINDS
from synthetic.transformer.results import of_all_methods
from synthetic.transformer.slowdown import of_run

__all__ = ["COLOURS", "draw", "short"]

COLOURS = {"right": "#0072B2", "well-formed": "#56B4E9", "refusal": "#E69F00", "gibberish": "#999999"}
OPTIMISERS = (("GD", "full-batch descent"), ("AdamW", "AdamW, minibatches"))


def draw(results: Mapping[str, Data]) -> Figure:
    """Rows: full-batch descent and AdamW. Columns: the plane of distances, answers to forget and to kept questions."""
    with styled():
        figure = Figure(figsize=(13.2, 8.4))
        axes = figure.subplots(2, 3, width_ratios=(1.2, 1, 1))
        for row, (optimizer, title) in zip(axes, OPTIMISERS, strict=True):
            seeds = of_all_methods(results, optimizer)
            _plane(row[0], seeds, title)
            for ax, side, what in ((row[1], "forget", "forget"), (row[2], "retain", "kept")):
                _kinds(ax, seeds, side, f"answers to {what} questions, at the end")
    return figure


def short(name: str) -> str:
    """A method's name for a tick or a legend: without folder and file where it is a user's own function.

    >>> short("NPO+RT"), short("/some/where/loss.py:mine+rt")
    ('NPO+RT', 'mine+rt')
    """
    return name.rpartition(":")[2]


def _names(seeds: Sequence[Data]) -> list[str]:
    return [row["method"] for row in seeds[0].values["table"]]


def _plane(ax: Axes, seeds: Sequence[Data], title: str) -> None:
    """Mean over seeds, to the step that all of them reached."""
    for name in _names(seeds):
        runs = [of_run(data.arrays, name) for data in seeds]
        reached = min(len(run["steps"]) for run in runs)
        x, y = (np.mean([run[f"{side}_distance"][:reached] for run in runs], axis=0) for side in ("forget", "retain"))
        look = LOOK.get(name, {"color": "black", "linestyle": "-", "marker": "o"})
        ax.plot(x, y, markevery=[-1], label=literal(short(name)), **look)
    ax.set(xscale="log", yscale="log", title=title, ylabel="retain distance (nats)")
    ax.set_xlabel(r"forget distance, KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ a token (nats)")
    log_ticks(ax.xaxis)
    ax.legend(fontsize=7, ncols=2)


def _kinds(ax: Axes, seeds: Sequence[Data], side: str, title: str) -> None:
    names = _names(seeds)
    ends = np.array([np.mean([of_run(d.arrays, n)[f"{side}_kinds"][-1] for d in seeds], axis=0) for n in names])
    left = np.zeros(len(names))
    for k, name in enumerate(KINDS):
        ax.barh(range(len(names)), ends[:, k], left=left, color=COLOURS[name], label=name)
        left += ends[:, k]
    ax.set_yticks(range(len(names)), [literal(short(name)) for name in names])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), title=title, xlabel="share")
    ax.grid(visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, fontsize=8)
