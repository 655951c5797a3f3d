"""Single examples of small models in plain time and in intrinsic time: what the model does, and what the loss does."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from theory.theorems.intrinsic_time import curve, follow, weight_by_drop
from theory.theorems.paths import IntrinsicPath
from theory.theorems.specimens import linear_logistic, small_network

__all__ = ["compute", "draw"]

SPECIMENS = {
    "linear, saturated": (linear_logistic(confidence=6.0), "o"),
    "linear, undecided": (linear_logistic(confidence=1.0), "s"),
    "tanh network": (small_network(), "^"),
}
Runs = Mapping[tuple[str, float], IntrinsicPath]


def compute(quick: bool = False, betas: tuple[float, ...] = (0.0, 0.25, 1.0)) -> Runs:
    """Each specimen unlearned by GA (β = 0) and by NPO at each β, to βu = 7 (u = 7 nats for GA)."""
    step = 0.06 if quick else 0.02
    return {
        (name, beta): follow(
            specimen.log_probs,
            specimen.parameters,
            weight_by_drop(beta),
            step=step,
            until=7.0,
            scale=beta or 1.0,
        )
        for name, (specimen, _) in SPECIMENS.items()
        for beta in betas
    }


def draw(runs: Runs) -> Figure:
    """Left: drop against time t = Σ η, where models and β all differ. Right: the same points against intrinsic time."""
    looks = beta_look([beta for _, beta in runs if beta])
    with styled():
        figure = Figure(figsize=(9.6, 4.2))
        left, right = figure.subplots(1, 2)
        for i, ((name, beta), path) in enumerate(runs.items()):
            colour = looks[beta]["color"] if beta else LOOK["GA"]["color"]
            style = {"color": colour, "marker": SPECIMENS[name][1], "markevery": (i / 90, 0.12), "markersize": 4.5}
            label = f"{name}, {f'β = {beta:g}' if beta else 'GA'}"
            left.plot(path.time, path.drop[:, 0], **style, linewidth=1, label=label)
            scale = beta or 1.0
            right.plot(scale * path.clock[:, 0], scale * path.drop[:, 0], **style, linestyle="none")
        x = np.geomspace(1e-2, 1e3, 300)
        right.plot(x, x, color=LOOK["GA"]["color"], linewidth=1, label="u = T")
        right.plot(x, curve(x), color="black", linewidth=1, label="βT = ½(βu + e$^{βu}$ − 1)")
        left.set(xscale="log", xlabel="time t = Σ η", ylabel="drop u (nats)", title="In plain time", xlim=(1e-1, None))
        right.set(xscale="log", xlabel="βT  (GA: T, nats)", ylabel="βu  (GA: u, nats)", ylim=(0, 8))
        right.set(title="In intrinsic time", xlim=(1e-2, 1e3))
        left.legend(fontsize=7)
        right.legend()
    return figure
