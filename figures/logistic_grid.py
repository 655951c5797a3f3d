"""Which step size and β suit a method: the hypervolume it misses on the logistic problem, over a grid of both."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import literal
from records.store import Data

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """One panel a method from the unit's (lr, β) arrays (β of length 1 where it has none).

    Of its values `lrs` and `betas` are the axes; `table_1` has what the paper chose, which is marked.
    """
    (data,) = results.values()
    missed, table = data.arrays, data.values["table_1"]
    lrs, betas = data.values["lrs"], data.values["betas"]
    with styled():
        columns = min(4, len(missed))
        rows = -(-len(missed) // columns)
        figure = Figure(figsize=(3.4 * columns, 2.9 * rows))
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for ax, (name, values) in zip(axes, missed.items(), strict=False):
            _panel(ax, name, values, lrs, betas)
            lr, beta = table.get(name, (None, None))
            if lr in lrs and (beta is None or beta in betas):
                ax.plot(0 if beta is None else betas.index(beta), lrs.index(lr), "k*", markersize=12)
        for ax in axes[len(missed) :]:
            ax.axis("off")
        figure.suptitle("Share of the box not dominated, log₁₀ (dark is good; star: the paper's Table 1)")
    return figure


def _panel(ax: Axes, name: str, values: np.ndarray, lrs: Sequence[float], betas: Sequence[float]) -> None:
    image = ax.imshow(np.log10(values), aspect="auto", origin="lower", cmap="viridis")
    ax.figure.colorbar(image, ax=ax)
    ax.grid(visible=False)
    ax.set_yticks(range(len(lrs)), [f"{x:g}" for x in lrs])
    has_beta = values.shape[1] > 1
    ax.set_xticks(range(values.shape[1]), [f"{x:g}" for x in betas] if has_beta else [""])
    ax.set(title=literal(name.rpartition("/")[2]), ylabel="step size", xlabel="β" if has_beta else "")
