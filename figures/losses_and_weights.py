"""After Figure 1 of arXiv:2404.05868: GA, NPO and DPO as losses of the log-ratio, and their gradient weights."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure

from figures.canvas import LOOK, beta_look, styled
from records.store import Data
from theory.losses import dpo, dpo_weight, ga, ga_weight, npo, npo_weight

__all__ = ["compute", "draw"]

UNIT = "losses"
BETAS = (0.1, 0.5, 2.0)
POSITIVE = 2.0  # log-ratio of DPO's positive answer, nats


def compute(quick: bool = False, betas: tuple[float, ...] = BETAS) -> dict[str, Data]:
    """Losses and gradient weights for log-ratios from −12 to 4 nats, each loss less its value at the reference."""
    R = torch.linspace(-12, 4, 60 if quick else 400, dtype=torch.float64)
    zero, won = torch.zeros_like(R), torch.full_like(R, POSITIVE)
    found = {"log_ratio": R, "GA.loss": ga(R), "GA.weight": ga_weight(R)}
    for beta in betas:
        for label, loss, weight in (
            ("NPO", partial(npo, R, zero, beta=beta), npo_weight(R, zero, beta=beta)),
            ("DPO", partial(dpo, won, zero, R, zero, beta=beta), dpo_weight(won, zero, R, zero, beta=beta)[1]),
        ):
            found |= {f"{label}-{beta:g}.loss": loss() - 2 / beta * np.log(2), f"{label}-{beta:g}.weight": weight}
    return {UNIT: Data({name: x.numpy() for name, x in found.items()}, {"betas": list(betas)})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Left: losses. Right: weights W = d loss / d log π_θ of the forget answer; DPO dotted, for one β."""
    data, betas = results[UNIT].arrays, results[UNIT].values["betas"]
    looks, R, middle = beta_look(betas), data["log_ratio"], f"DPO-{betas[len(betas) // 2]:g}"
    with styled():
        figure = Figure(figsize=(9.2, 4.2))
        axes = figure.subplots(1, 2)
        for ax, column in zip(axes, ("loss", "weight"), strict=True):
            ax.plot(R, data[f"GA.{column}"], color=LOOK["GA"]["color"], label="GA")
            for beta in betas:
                style = {"color": looks[beta]["color"], "marker": looks[beta]["marker"], "markevery": 0.12}
                ax.plot(R, data[f"NPO-{beta:g}.{column}"], label=f"NPO, β = {beta:g}", **style)
            label = f"DPO, β = {betas[len(betas) // 2]:g}, positive answer at +{POSITIVE:g}"
            ax.plot(R, data[f"{middle}.{column}"], color=LOOK["DPO"]["color"], linestyle=":", label=label)
            ax.axvline(0, color="0.6", linewidth=0.8)
            ax.set_xlabel(r"log-ratio $R=\log\pi_\theta-\log\pi_{\rm ref}$ of the forget answer (nats)")
        axes[0].set(title="Losses, less (2/β) log 2", ylabel="loss (nats)", ylim=(-9, 7))
        axes[1].set(title=r"Weights of $\nabla\log\pi_\theta$: the brake", ylabel="W", ylim=(-0.05, 2.1))
        axes[0].legend(loc="upper left")
    return figure
