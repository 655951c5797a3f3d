"""Figure 3 of arXiv:2404.05868: as β → 0, the trajectory of NPO tends to that of gradient ascent."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled

__all__ = ["draw"]

Arrays = Mapping[str, np.ndarray]


def draw(data: Arrays) -> Figure:
    """Left: retain against forget distance along unlearning. Right: ‖θ − θ_ref‖ against steps."""
    betas = sorted(
        float(key.split("-")[1].removesuffix(".steps")) for key in data if key.endswith(".steps") and "-" in key
    )
    looks = beta_look(betas)
    with styled():
        figure = Figure()
        (left, right) = figure.subplots(1, 2)
        rows = [("GA", "GA", LOOK["GA"]["color"], "-")]
        rows += [(f"NPO-{b:g}", f"NPO, β = {b:g}", looks[b]["color"], "--") for b in betas]
        for key, label, colour, dash in rows:
            width = 3.0 if key == "GA" else 1.6
            forget, retain = data[f"{key}.forget_distance"], data[f"{key}.retain_distance"]
            left.plot(forget, retain, color=colour, linestyle=dash, linewidth=width, label=label)
            right.plot(
                data[f"{key}.steps"], data[f"{key}.reference_distance"], color=colour, linestyle=dash, linewidth=width
            )
        left.set(
            xlabel=r"forget distance  E KL$(\pi_{\rm retr}\,\Vert\,\pi_\theta)$ (nats)",
            ylabel="retain distance (nats)",
            xscale="log",
            yscale="log",
            title=r"Paths from $\pi_{\rm ref}$ (right end)",
        )
        left.legend()
        right.set(
            xlabel="gradient-descent steps",
            ylabel=r"$\Vert\theta-\theta_{\rm ref}\Vert$",
            title="Distance from the reference",
            xlim=(0, None),
        )
    return figure
