"""NPO tends to gradient ascent at first order in β: loss and weight gaps under their bounds, to β = 1e-12."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data
from theory.theorems import demonstrations

__all__ = ["compute", "draw"]

UNIT = "theory/proposition-1"


def compute(quick: bool = False) -> dict[str, Data]:
    """The gaps and bounds of Proposition 1 on drawn log-ratios."""
    preset = demonstrations.QUICK if quick else demonstrations.REPRODUCE
    return {UNIT: Data(demonstrations.proposition_1(preset), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels: the loss gap and the largest weight gap against β, measured (points) under their bounds (line)."""
    data = results[UNIT].arrays
    panels = (
        (
            "loss",
            r"$[L_{\rm NPO}-\frac{2}{\beta}\log 2]-L_{\rm GA}$  (nats)",
            f"NPO's loss tends to GA's, as β$^{{{data['rate'][0]:.3f}}}$",
        ),
        ("weight", r"max $|W_\beta-1|$", "Its weight tends to GA's, 1"),
    )
    with styled():
        figure = Figure(figsize=(9.2, 4.2))
        axes = figure.subplots(1, 2)
        for ax, (name, label, title) in zip(axes, panels, strict=True):
            bound = data[f"{name}_upper"]
            ax.loglog(data["betas"], bound, color="black", linewidth=1.2, label="bound of Proposition 1")
            ax.loglog(data["betas"], data[f"{name}_gap"], "o", color="#0072B2", markersize=3.5, label="measured")
            ax.set(xlabel="β", ylabel=label, title=title)
            ax.legend(loc="lower right")
    return figure
