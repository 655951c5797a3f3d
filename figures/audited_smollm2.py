"""What SmolLM2-135M still knows after unlearning, and after two attacks: scores beside the retrained model's.

A panel a score, a row a model, a mark a state: as it is, after an epoch of relearning, in four bits, with bootstrap
intervals over questions. Dashed: the retrained model as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data
from theory.methods import EVERY

__all__ = ["draw"]

UNIT = "smollm2/audited"
STATES = {"as it is": ("o", "#0072B2"), "relearned": ("^", "#D55E00"), "four bits": ("s", "#009E73")}
SCORES = {
    "probability": "probability",
    "extraction_strength": "extraction strength",
    "truth_ratio_prob_mean": "truth ratio\n(true among all)",
    "auc_min_k": "membership, Min-K:\nAUC",
    "retain_probability": "retain probability",
}
KNOWN = {name.upper(): name for name in EVERY}
"""Methods, which folders' names have in capitals."""
FIRST = ("finetuned", "retrained", "don't know")
SPREAD = 0.22


def draw(results: Mapping[str, Data]) -> Figure:
    """A row of panels from the unit smollm2/audited."""
    models = results[UNIT].values["models"]
    names = sorted(models, key=lambda name: (_place(models[name]["pool"]), name), reverse=True)
    with styled():
        figure = Figure(figsize=(12, 1.4 + 0.42 * len(names)))
        axes = figure.subplots(1, len(SCORES), sharey=True)
        for ax, (score, title) in zip(axes, SCORES.items(), strict=True):
            _score(ax, models, names, score)
            ax.set_title(title, fontsize=9)
        shown = [models[name]["name"].removesuffix("-s0") for name in names]
        axes[0].set(yticks=range(len(names)), yticklabels=[KNOWN.get(name, name) for name in shown])
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(STATES))
    return figure


def _place(pool: str) -> int:
    return FIRST.index(pool) if pool in FIRST else len(FIRST)


def _score(ax: Axes, models: Mapping[str, Any], names: Sequence[str], score: str) -> None:
    beside = next(model for model in models.values() if model["pool"] == "retrained")
    ax.axvline(beside["states"]["as it is"][score], color="0.6", linestyle="--", linewidth=0.9)
    for i, (state, (marker, colour)) in enumerate(STATES.items()):
        values = np.array([models[name]["states"].get(state, {}).get(score) for name in names], dtype=float)
        ends = np.array(
            [models[name]["intervals"].get(state, {}).get(score) or (None, None) for name in names], dtype=float
        )
        at = np.arange(len(names)) + (1 - i) * SPREAD
        ax.hlines(at, ends[:, 0], ends[:, 1], color=colour, alpha=0.5)
        ax.plot(values, at, marker, color=colour, markersize=4, label=state)
    ax.set_xlim(-0.03, 1.03)
