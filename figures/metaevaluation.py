"""What tells models that know the forget set from models that don't, and what is left of that after two attacks.

A row a metric, the best above. Left: AUC over models, with bootstrap intervals, as the models are, after relearning and
in four bits. Middle: robustness to relearning R and to rounding Q, one-sided and symmetric. Right: both together.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["draw"]

UNIT = "llm/pools/"
STATES = {"as it is": ("o", "#0072B2"), "relearned": ("^", "#D55E00"), "four bits": ("s", "#009E73")}
FORMS = {"one-sided": "full", "symmetric": "none"}
PARTS = {"R": ("^", "#D55E00", "relearning, R"), "Q": ("s", "#009E73", "four bits, Q")}
SPREAD = 0.22


def draw(results: Mapping[str, Data]) -> Figure:
    """Three panels from the first unit llm/pools/…"""
    metrics = next(data for name, data in results.items() if name.startswith(UNIT)).values["metrics"]
    names = sorted(metrics, key=lambda name: metrics[name]["auc"]["as it is"][0])
    robust = all("R" in metrics[name] for name in names)
    with styled():
        figure = Figure(figsize=(11 if robust else 6, 1.6 + 0.3 * len(names)))
        axes = figure.subplots(
            1, 3 if robust else 1, sharey=True, squeeze=False, width_ratios=[3, 2, 2][: 3 if robust else 1]
        )[0]
        _aucs(axes[0], metrics, names)
        axes[0].set_ylim(-2.6, len(names) - 0.4)  # room below for what the marks are
        if robust:
            _parts(axes[1], metrics, names)
            _worth(axes[2], metrics, names)
    return figure


def _aucs(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    ax.axvline(0.5, color="0.7", linewidth=0.8)
    for i, (state, (marker, colour)) in enumerate(STATES.items()):
        told = np.array([metrics[name]["auc"][state] for name in names], dtype=float)
        at = np.arange(len(names)) + (1 - i) * SPREAD
        ax.hlines(at, told[:, 1], told[:, 2], color=colour, alpha=0.5)
        ax.plot(told[:, 0], at, marker, color=colour, label=state, markersize=5)
    ax.set(yticks=range(len(names)), yticklabels=[said(name) for name in names], xlabel="AUC over models")
    ax.set_title("(a) tells who knows")
    ax.legend(loc="lower left", fontsize=7)


def _parts(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    for part, (marker, colour, label) in PARTS.items():
        for form, fill in FORMS.items():
            told = [metrics[name][part][form][0] for name in names]
            at = np.arange(len(names)) + (SPREAD if part == "R" else -SPREAD)
            ax.plot(told, at, marker, color=colour, fillstyle=fill, label=f"{label}, {form}", markersize=5)
    ax.set(xlabel="of unlearned models; 1: unmoved", xlim=(-0.03, 1.03), title="(b) survives")
    ax.legend(loc="lower left", fontsize=6)


def _worth(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    for form, fill in FORMS.items():
        told = [metrics[name]["worth"][form] for name in names]
        ax.plot(told, range(len(names)), "o", color="0.2", fillstyle=fill, label=form, markersize=5)
    ax.set(xlabel="HM of AUC, R and Q", xlim=(-0.03, 1.03), title="(c) both together")
    ax.legend(loc="lower left", fontsize=7)


def said(name: str) -> str:
    """A score's name for a reader.

    >>> said("auc_min_k"), said("exact_memorization")
    ('membership: Min-K', 'exact memorization')
    """
    attack = name.removeprefix("auc_").replace("_", " ").replace("min k", "Min-K").replace(" plus plus", "++")
    return f"membership: {attack}" if name.startswith("auc_") else name.replace("_", " ")
