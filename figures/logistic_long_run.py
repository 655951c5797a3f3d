"""Divergence over decades of steps: GA linearly, NPO logarithmically, from one reference and at one step size."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import LOOK, across, beta_look, line_with_spread, styled
from records.store import Data
from synthetic.logistic.results import runs_of

__all__ = ["draw"]


def draw(results: Mapping[str, Data]) -> Figure:
    """One run a seed. ‖θ − θ_ref‖ on log-log axes and against log t; forget KL against log t."""
    runs = runs_of(results, "long")
    betas = sorted(float(key[4:].removesuffix(".steps")) for key in runs[0] if key.startswith("NPO") and "steps" in key)
    looks = beta_look(betas)
    rows = [("GA", "GA", LOOK["GA"]["color"])] + [(f"NPO-{b:g}", f"NPO, β = {b:g}", looks[b]["color"]) for b in betas]
    panels = (
        ("reference_distance", True, r"$\Vert\theta-\theta_{\rm ref}\Vert$", "Linear has slope 1 here"),
        ("reference_distance", False, r"$\Vert\theta-\theta_{\rm ref}\Vert$", "Logarithmic is straight here"),
        ("forget_kl", False, r"E KL$(\pi_{\rm ref}\,\Vert\,\pi_\theta)$ (nats)", "Forget KL: straight as well"),
    )
    with styled():
        figure = Figure(figsize=(12.0, 4.2))
        for ax, (column, logarithmic, label, title) in zip(figure.subplots(1, 3), panels, strict=True):
            for key, name, colour in rows:
                steps, every = across(runs, key, column)
                line_with_spread(ax, steps[1:], every[:, 1:], color=colour, label=name)
            ax.set(xscale="log", xlabel="gradient-descent steps", ylabel=label, title=title)
            ax.legend(loc="upper left")
            if logarithmic:
                ax.set(yscale="log")
            else:
                slow = across(runs, f"NPO-{betas[0]:g}", column)[1]
                ax.set_ylim(0, 1.25 * float(slow.max()))
    return figure
