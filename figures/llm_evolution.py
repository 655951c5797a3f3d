"""After Figures 6 and 8 of arXiv:2404.05868: forget quality, linear and logarithmic, and model utility by epoch."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.llm_runs import SAME, legend_above, line, paths, reference_line
from records.store import Data

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels: p as it is, log₁₀ p with its floor, utility."""
    floor = next(iter(results.values())).values["log10_floor"]
    with styled():
        figure = Figure(figsize=(10.5, 3.6))
        plain, log, utility = figure.subplots(1, 3)
        for axes, column in ((plain, "forget_quality"), (log, "log10_forget_quality"), (utility, "model_utility")):
            for place, (label, path) in enumerate(paths(results, column).items()):
                line(axes, path, label, place)
            axes.set_xlabel("epoch of unlearning")
        reference_line(utility, results, "model_utility")
        plain.axhline(SAME, color="black", linewidth=0.8)
        plain.set(title="Forget quality", ylabel="p, KS test against retrained", ylim=(-0.03, 1.03))
        log.axhline(np.log10(SAME), color="black", linewidth=0.8)
        known = np.concatenate([path.low for path in paths(results, "log10_forget_quality").values()])
        low = min(known[np.isfinite(known)], default=floor)
        log.set(title="the same, logarithmic", ylabel="log₁₀ p", ylim=(max(floor, low * 1.1 - 1), 0.4))
        if floor >= log.get_ylim()[0]:
            log.axhline(floor, color="black", linestyle="--", linewidth=0.8)
        log.text(0.98, 0.03, f"floor {floor:.1f}", transform=log.transAxes, ha="right", fontsize=8)
        utility.set(title="Model utility", ylabel="harmonic mean of nine parts", ylim=(-0.02, None))
        legend_above(figure, utility)
    return figure
