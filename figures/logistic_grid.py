"""Which step size and β suit a method: the hypervolume it misses on the logistic problem, over a grid of both."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import literal

__all__ = ["draw"]


def draw(
    missed: Mapping[str, np.ndarray],
    lrs: np.ndarray,
    betas: np.ndarray,
    table: Mapping[str, tuple[float, float | None]],
) -> Figure:
    """One panel a method from (lr, β) arrays (β of length 1 where it has none); `table` marks the values of Table 1."""
    with styled():
        columns = min(4, len(missed))
        rows = -(-len(missed) // columns)
        figure = Figure(figsize=(3.4 * columns, 2.9 * rows))
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for ax, (name, values) in zip(axes, missed.items(), strict=False):
            _panel(ax, name, values, lrs, betas)
            lr, beta = table.get(name, (None, None))
            if lr in lrs and (beta is None or beta in betas):
                ax.plot(0 if beta is None else list(betas).index(beta), list(lrs).index(lr), "k*", markersize=12)
        for ax in axes[len(missed) :]:
            ax.axis("off")
        figure.suptitle("Share of the box not dominated, log₁₀ (dark is good; star: the paper's Table 1)")
    return figure


def _panel(ax: Axes, name: str, values: np.ndarray, lrs: np.ndarray, betas: np.ndarray) -> None:
    image = ax.imshow(np.log10(values), aspect="auto", origin="lower", cmap="viridis")
    ax.figure.colorbar(image, ax=ax)
    ax.grid(visible=False)
    ax.set_yticks(range(len(lrs)), [f"{x:g}" for x in lrs])
    has_beta = values.shape[1] > 1
    ax.set_xticks(range(values.shape[1]), [f"{x:g}" for x in betas] if has_beta else [""])
    ax.set(title=literal(name.rpartition("/")[2]), ylabel="step size", xlabel="β" if has_beta else "")
