"""Does a loss keep its class under an optimiser? Losses × optimisers, coloured by the class that was measured."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from figures.canvas import styled
from records.store import Data
from theory.atlas.growth import KINDS
from theory.atlas.optimisers.grid import LOSSES, ROWS, loss_by_optimiser
from theory.theorems import demonstrations

__all__ = ["compute", "draw"]

GRID = "theory/atlas-grid"
COLOURS = {
    "linear": "#E8A27C",
    "power": "#F2D98D",
    "square root": "#F7E9BD",
    "logarithmic": "#8FBDDD",
    "log-log": "#C9B6DC",
    "finite": "#DDDDDD",
}
SAYS = {
    "linear": "{:.2g} t",
    "power": "power",
    "square root": "√({:.2g} t)",
    "logarithmic": "{:.3g} log t",
    "log-log": "log log t",
    "finite": "→ {:.3g}",
}


def compute(quick: bool = False) -> dict[str, Data]:
    """The grid, in seconds."""
    return {GRID: Data(loss_by_optimiser(demonstrations.QUICK if quick else demonstrations.REPRODUCE), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """One panel from the unit theory/atlas-grid; rows are optimisers, columns losses."""
    a = results[GRID].arrays
    kinds = a["kind"].T.astype(int)
    with styled():
        figure = Figure(figsize=(11.0, 6.4))
        ax = figure.subplots()
        ax.imshow(kinds, cmap=ListedColormap([COLOURS[kind] for kind in KINDS]), vmin=-0.5, vmax=5.5, aspect="auto")
        for (i, j), kind in np.ndenumerate(kinds):
            said = SAYS[KINDS[kind]].format(a["coefficient"][j, i])
            ax.text(j, i, said + ("" if a["sure"][j, i] > 0.55 else " ?"), ha="center", va="center", fontsize=8.5)
        ax.set_xticks(range(len(LOSSES)), LOSSES)
        ax.set_yticks(range(len(ROWS)), ROWS)
        ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        ax.grid(visible=False)
        ax.set_xticks(np.arange(-0.5, len(LOSSES)), minor=True)
        ax.set_yticks(np.arange(-0.5, len(ROWS)), minor=True)
        ax.grid(which="minor", color="white", linewidth=2)
        ax.tick_params(which="minor", length=0)
        seen = [kind for kind in KINDS if KINDS.index(kind) in kinds]
        handles = [Patch(color=COLOURS[kind], label=kind) for kind in seen]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(seen), title="class of the margin, measured"
        )
    return figure
