"""What all figures share: the style, the look of each method, and saving as SVG and PNG."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = ["LOOK", "across", "beta_look", "line_with_spread", "log_ticks", "picture", "save", "styled"]

STYLE = Path(__file__).with_name("style.mplstyle")

# Okabe and Ito's colours, told apart by colour-blind readers; dashes and markers carry the same in greyscale.
LOOK: dict[str, dict[str, Any]] = {
    "GA": {"color": "#D55E00", "linestyle": "-", "marker": "s"},
    "GA+RT": {"color": "#D55E00", "linestyle": "--", "marker": "D"},
    "GA+KL": {"color": "#D55E00", "linestyle": ":", "marker": "d"},
    "IDK+RT": {"color": "#999999", "linestyle": "--", "marker": "x"},
    "DPO": {"color": "#CC79A7", "linestyle": "-", "marker": "v"},
    "DPO+RT": {"color": "#CC79A7", "linestyle": "--", "marker": "^"},
    "DPO+KL": {"color": "#CC79A7", "linestyle": ":", "marker": "<"},
    "KTO": {"color": "#009E73", "linestyle": "-", "marker": "P"},
    "KTO+RT": {"color": "#009E73", "linestyle": "--", "marker": "p"},
    "NPO": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "NPO+RT": {"color": "#0072B2", "linestyle": "--", "marker": "*"},
    "NPO+KL": {"color": "#0072B2", "linestyle": ":", "marker": "h"},
}

_BETA_COLOURS = ("#9ECAE1", "#56A0D0", "#0072B2", "#08519C", "#062A57", "#000000")
_BETA_MARKERS = ("o", "^", "D", "v", "P", "X")


def beta_look(betas: list[float]) -> dict[float, dict[str, Any]]:
    """Light to dark blue, and a marker, for increasing β of NPO."""
    ordered = sorted(set(betas))
    return {
        beta: {"color": _BETA_COLOURS[i % len(_BETA_COLOURS)], "marker": _BETA_MARKERS[i % len(_BETA_MARKERS)]}
        for i, beta in enumerate(ordered)
    }


def across(runs: Sequence[Mapping[str, np.ndarray]], label: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps, and one column of the runs `label` as (seeds, steps), to the step that all of them reached."""
    reached = min(len(run[f"{label}.steps"]) for run in runs)
    return runs[0][f"{label}.steps"][:reached], np.stack([run[f"{label}.{column}"][:reached] for run in runs])


def line_with_spread(ax: Axes, x: np.ndarray, every: np.ndarray, **look: Any) -> None:
    """The mean over seeds (first axis) and their range, which a logarithmic axis can show where all are above 0."""
    ax.plot(x, every.mean(axis=0), **look)
    if len(every) > 1:
        ax.fill_between(x, every.min(axis=0), every.max(axis=0), color=look["color"], alpha=0.1, linewidth=0)


def log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2, 3, 5 and 7 of every decade, for a logarithmic axis of few decades, where powers crowd."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside this, so that importing a figure changes nothing for anybody else."""
    with mpl.rc_context(fname=STYLE):
        yield


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.svg and `name`.png into `folder`; the same figure gives the same SVG, byte for byte."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    with styled():
        if figure.get_layout_engine() is not None:
            figure.set_dpi(72)  # that of an SVG
            figure.draw_without_rendering()
        with mpl.rc_context({"figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)  # panels have their places now, which would be found anew for each file
            _written(figure, png)
            _written(figure, svg, metadata={"Date": None})  # last: where its legends lie is still known afterwards
    return svg, png


def picture(figure: Figure, file: Path) -> Path:
    """Write it as a PNG alone."""
    with styled():
        return _written(figure, file)


def _written(figure: Figure, file: Path, **how: Any) -> Path:
    figure.savefig(file, **how)
    return file
