"""After Figures 5, 6, 8 and 10 of arXiv:2404.05868: several forget sets side by side, a column each.

Above: forget quality against utility, from the finetuned model to each method's end (seeds pale). Middle: forget
quality by epoch. Below: KL to the reference on forget answers by epoch, which goes with the logarithm of the steps
where unlearning slows down by itself.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled
from figures.labels import legend_columns
from figures.llm_runs import GREY, SAME, line, look_of, names_of, number, paths
from records.examined import moments_of
from records.store import Data

__all__ = ["draw"]

WIDTH = 10.5


def draw(results: Mapping[str, Data]) -> Figure:
    """From units `…/<set>/<label>-s<seed>`; a method looks the same in every column."""
    sets: dict[str, dict[str, Data]] = {}
    for name, unit in results.items():
        sets.setdefault(name.split("/")[-2], {})[name] = unit
    labels = sorted({unit.values["label"] for unit in results.values()}, key=_order)
    found = names_of(results)
    names = {label: found[label] for label in labels}
    with styled():
        figure = Figure(figsize=(WIDTH, 10.2))
        grid = figure.subplots(3, len(sets), squeeze=False, sharey="row")
        for (name, mine), (above, middle, below) in zip(sorted(sets.items()), grid.T, strict=True):
            above.set_title(f"{name}: where methods end")
            _ends(above, mine, labels)
            _by_epoch(middle, mine, names, "log10_forget_quality")
            middle.set(title=f"{name}: forget quality", xlabel="epoch of unlearning")
            _by_epoch(below, mine, names, "forget_kl")
            below.set(title=f"{name}: KL on forget answers", xlabel="epoch of unlearning")
        _dress(grid)
        handles, shown = _legend(grid, {names[label]: None for label in labels})
        figure.legend(handles, shown, loc="outside upper center", ncols=legend_columns(shown, WIDTH))
    return figure


def _order(label: str) -> tuple[int, str]:
    """In the order of the methods' looks, a variant after the plain method; those of a user's own last."""
    methods, plain = list(LOOK), label.partition(",")[0]
    return methods.index(plain) if plain in methods else len(methods), label


def _ends(axes: Axes, mine: Mapping[str, Data], labels: list[str]) -> None:
    """Every method's end, its mean over seeds filled and each seed pale, and a line from the finetuned model."""
    for unit in mine.values():
        label, last = unit.values["label"], moments_of(unit.values)[-1].scores
        look = look_of(label, labels.index(label))
        at = number(last.get("model_utility")), number(last.get("log10_forget_quality"))
        axes.plot(*at, marker=look["marker"], color=look["color"], markersize=5, alpha=0.3, linestyle="")
    utility, quality = paths(mine, "model_utility"), paths(mine, "log10_forget_quality")
    for label, path in utility.items():
        look, ends = look_of(label, labels.index(label)), [0, -1]
        x, y = path.mean[ends], quality[label].mean[ends]
        axes.plot(x, y, color=look["color"], linestyle=look["linestyle"], linewidth=1.0, alpha=0.6, zorder=1)
        axes.plot(x[1:], y[1:], **(look | {"linestyle": ""}), markersize=8)
    first = next(iter(mine.values())).values
    start = moments_of(first)[0].scores
    axes.plot([number(start["model_utility"])], [number(start["log10_forget_quality"])], "s", color=GREY)
    if (goal := first["retrained"].get("model_utility")) is not None:
        axes.plot([goal], [0.0], "*", color="black", markersize=14)
    axes.set_xlabel("model utility at the end")


def _by_epoch(axes: Axes, mine: Mapping[str, Data], names: Mapping[str, str], column: str) -> None:
    for label, path in paths(mine, column).items():
        line(axes, path._replace(name=names[label]), label, list(names).index(label))


def _dress(grid: np.ndarray) -> None:
    for axes in (*grid[0], *grid[1]):
        axes.axhline(np.log10(SAME), color="black", linewidth=0.8)
    grid[0, 0].text(
        0.02, np.log10(SAME), f"p = {SAME}", transform=grid[0, 0].get_yaxis_transform(), va="bottom", fontsize=8
    )
    for row in grid[:2]:
        row[0].set_ylabel("log₁₀ forget quality (KS p)")
    for axes in grid[2]:
        axes.set_yscale("log", nonpositive="mask")  # the start, where KL is 0, has no place
    grid[2, 0].set_ylim(1e-2, None)
    grid[2, 0].set_ylabel(r"KL$(\pi_{\rm ref}\,\Vert\,\pi_\theta)$, nats a token")


def _legend(grid: np.ndarray, names: dict[str, None]) -> tuple[list[Artist], list[str]]:
    """Each method once, in the order of the runs, then what the marks of no method are."""
    found: dict[str, Artist] = {
        label: handle for axes in grid[2] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    marks = (("finetuned", {"marker": "s", "color": GREY}), ("retrained", {"marker": "*", "color": "black", "ms": 12}))
    handles = [found[name] for name in names if name in found]
    handles += [grid[0, 0].plot([], [], linestyle="", **look)[0] for _, look in marks]
    return handles, [*(name for name in names if name in found), *(name for name, _ in marks)]
