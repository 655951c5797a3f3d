"""Figure 9 (a), (b) of arXiv:2404.05868: how far unlearning goes from the reference on the forget set.

Forget KL, E KL(π_ref ‖ π_θ), mean and range over seeds; a dot marks where each method's forget distance is least.
"""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import LOOK, across, line_with_spread, styled
from figures.logistic_methods import METHODS
from records.store import Data
from synthetic.logistic.results import by_alpha

__all__ = ["draw"]

TITLES = ("(a) α = 1: forget and retain apart", "(b) α = 0: one over the other")


def draw(results: Mapping[str, Data]) -> Figure:
    """From the units logistic/methods-1-* and, where they are there, logistic/methods-0-*."""
    apart, together = by_alpha(results)
    with styled():
        figure = Figure(figsize=(9.6, 4.0))
        panels = zip(figure.subplots(1, 2), (apart, together), TITLES, strict=True)
        for ax, runs, title in panels:
            for name in METHODS if runs else ():
                steps, kl = across(runs, name, "forget_kl")
                look = {k: LOOK[name][k] for k in ("color", "linestyle")}
                line_with_spread(ax, steps[1:], kl[:, 1:], label=name, **look)
                best = int(across(runs, name, "forget_distance")[1].mean(axis=0).argmin())
                dot = {"color": look["color"], "markeredgecolor": "black", "zorder": 5}
                words = "least forget distance" if name == METHODS[-1] else None
                ax.plot(steps[best], kl[:, best].mean(), "o", label=words, **dot)
            ax.set(
                xlabel="gradient-descent steps",
                ylabel=r"forget KL  E KL$(\pi_{\rm ref}\,\Vert\,\pi_\theta)$ (nats)",
                title=title,
                xlim=(0, None),
            )
            if runs:
                ax.set_yscale("log")
                ax.legend(loc="lower right", ncols=2)
    return figure
