"""After Figure 10 of arXiv:2404.05868: how far unlearning moves the model, in KL to the reference, by epoch."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import styled
from figures.llm_runs import legends, line, paths
from records.store import Data

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """KL(π_ref ‖ π_θ) a token on the forget answers, and on the retain answers."""
    with styled():
        figure = Figure(figsize=(8.4, 3.6))
        for axes, name in zip(figure.subplots(1, 2), ("forget", "retain"), strict=True):
            for place, (label, path) in enumerate(paths(results, f"{name}_kl").items()):
                line(axes, path, label, place)
            axes.set(
                title=f"KL on {name} answers",
                xlabel="epoch of unlearning",
                ylabel=r"KL$(\pi_{\rm ref}\,\Vert\,\pi_\theta)$, nats a token",
            )
        legends(figure, figure.axes)
    return figure
