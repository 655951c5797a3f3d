"""What sharing people costs: right answers to kept questions against the drop, at several overlaps."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import LOOK, styled
from records.store import Data
from synthetic.transformer.slowdown import of_run

__all__ = ["draw"]

DASHES = ("-", "--", ":", "-.")


def draw(results: Mapping[str, Data]) -> Figure:
    """Two panels from the units transformer/overlap-*: GA and NPO, each seed a line."""
    units = [data for name, data in sorted(results.items()) if name.startswith("transformer/overlap-")]
    overlaps = sorted({float(data.values["overlap"]) for data in units})
    with styled():
        figure = Figure(figsize=(9.6, 3.8))
        for ax, method in zip(figure.subplots(1, 2, sharex=True, sharey=True), ("GA", "NPO"), strict=True):
            for overlap, dash in zip(overlaps, DASHES, strict=False):
                of = [data for data in units if float(data.values["overlap"]) == overlap]
                for k, data in enumerate(of):
                    run = of_run(data.arrays, method)
                    drop = np.maximum(run["drop"].mean(axis=1), 1e-2)
                    look = {"color": LOOK[method]["color"], "linestyle": dash, "linewidth": 1.3}
                    ax.plot(
                        drop, run["retain_kinds"][:, 0], label=None if k else f"{overlap:.0%} of people shared", **look
                    )
            ax.set(
                xscale="log",
                xlim=(0.05, None),
                ylim=(0, 1.05),
                xlabel="mean drop u of forget answers (nats)",
                title=f"{method}: what goes, and what should stay",
            )
            ax.legend(loc="lower left")
        figure.axes[0].set_ylabel("right answers to kept questions")
    return figure
