"""Single examples of small models in plain time and in intrinsic time: what the model does, and what the loss does."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.theorems.specimens import linear_logistic, small_network
from theory.theorems.time.intrinsic_time import Single, alone, curve
from theory.theorems.time.paths import from_arrays, to_arrays

__all__ = ["compute", "draw"]

SPECIMENS = {
    "linear, saturated": (linear_logistic(confidence=6.0), "o"),
    "linear, undecided": (linear_logistic(confidence=1.0), "s"),
    "tanh network": (small_network(), "^"),
}


def compute(quick: bool = False, betas: tuple[float, ...] = (0.0, 0.25, 1.0)) -> dict[str, Data]:
    """Each specimen unlearned by GA (β = 0) and by NPO at each β, to βu = 7 (u = 7 nats for GA)."""
    step = 0.06 if quick else 0.02
    found = {}
    for name, (specimen, _) in SPECIMENS.items():
        for beta in betas:
            path = alone(Single(specimen.log_probs, specimen.parameters, beta, step=step, until=7.0))
            found[f"{name}, {beta:g}"] = Data(to_arrays(path, "single"), {"specimen": name, "beta": beta})
    return found


def draw(results: Mapping[str, Data]) -> Figure:
    """Left: drop against time t = Σ η, where models and β all differ. Right: the same points against intrinsic time."""
    looks = beta_look([data.values["beta"] for data in results.values() if data.values["beta"]])
    with styled():
        figure = Figure(figsize=(9.6, 4.2))
        left, right = figure.subplots(1, 2)
        for i, data in enumerate(results.values()):
            name, beta, path = data.values["specimen"], data.values["beta"], from_arrays(data.arrays, "single")
            colour = looks[beta]["color"] if beta else LOOK["GA"]["color"]
            style = {"color": colour, "marker": SPECIMENS[name][1], "markevery": (i / 90, 0.12), "markersize": 4.5}
            label = f"{name}, {f'β = {beta:g}' if beta else 'GA'}"
            left.plot(path.time, path.drop[:, 0], **style, linewidth=1, label=label)
            scaled = path.times(beta or 1.0)
            right.plot(scaled.clock[:, 0], scaled.drop[:, 0], **style, linestyle="none")
        x = np.geomspace(1e-2, 1e3, 300)
        right.plot(x, x, color=LOOK["GA"]["color"], linewidth=1, label="u = T")
        right.plot(x, curve(x), color="black", linewidth=1, label="βT = ½(βu + e$^{βu}$ − 1)")
        left.set(
            xscale="log",
            xlabel="time t = Σ η",
            ylabel="drop u (nats)",
            title="In plain time: all differ",
            xlim=(1e-1, None),
        )
        right.set(xscale="log", xlabel="βT  (GA: T, nats)", ylabel="βu  (GA: u, nats)", ylim=(0, 8))
        right.set(title="In intrinsic time: one curve", xlim=(1e-2, 1e3))
        left.legend(fontsize=7)
        right.legend()
    return figure
