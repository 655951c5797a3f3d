"""What tells models that know the forget set from models that don't, and what is left of that after two attacks.

A block for each kind of model, in it a row a metric, the best above. Left: AUC over models, with bootstrap intervals,
as the models are, after relearning and in four bits. Middle: robustness to relearning R and rounding Q, one-sided and
symmetric. Right: both together.
"""

from collections.abc import Mapping, Sequence
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
    """A row of panels for each unit llm/pools/…, the largest first; one panel alone where nothing was unlearned."""
    pools = {name.removeprefix(UNIT): x.values["metrics"] for name, x in results.items() if name.startswith(UNIT)}
    rows = dict(sorted(pools.items(), key=lambda item: -len(item[1])))
    robust = {name: [one for one in metrics if "R" in metrics[one]] for name, metrics in rows.items()}
    columns = 3 if any(robust.values()) else 1
    with styled():
        figure = Figure(figsize=(11 if columns == 3 else 6, sum(map(_height, rows.values()))))
        axes = figure.subplots(
            len(rows),
            columns,
            sharey="row",
            squeeze=False,
            width_ratios=[3, 2, 2][:columns],
            height_ratios=[_height(metrics) for metrics in rows.values()],
        )
        for line, (name, metrics) in zip(axes, rows.items(), strict=True):
            _row(line, f"{name}: " if len(rows) > 1 else "", metrics, robust[name])
    return figure


def _height(metrics: Mapping[str, Any]) -> float:
    """Inches of a row."""
    return 1.6 + 0.3 * len(metrics)


def _row(axes: Sequence[Axes], of: str, metrics: Mapping[str, Any], robust: Sequence[str]) -> None:
    names = sorted(metrics, key=lambda name: metrics[name]["auc"]["as it is"][0])
    _aucs(axes[0], metrics, names)
    axes[0].set(title=f"{of}(a) tells who knows", ylim=(-2.6, len(names) - 0.4))  # room below for what the marks are
    if robust:
        _parts(axes[1], metrics, names)
        _worth(axes[2], metrics, names)
    for ax in axes[1:] if not robust else ():
        ax.set_visible(False)


def _aucs(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    ax.axvline(0.5, color="0.7", linewidth=0.8)
    read = {state: look for state, look in STATES.items() if any(state in metrics[name]["auc"] for name in names)}
    for i, (state, (marker, colour)) in enumerate(read.items()):
        told = np.array([metrics[name]["auc"].get(state, (np.nan,) * 3) for name in names], dtype=float)
        at = np.arange(len(names)) + (1 - i) * SPREAD
        ax.hlines(at, told[:, 1], told[:, 2], color=colour, alpha=0.5)
        ax.plot(told[:, 0], at, marker, color=colour, label=state, markersize=5)
    ax.set(yticks=range(len(names)), yticklabels=[said(name) for name in names], xlabel="AUC over models")
    ax.legend(loc="lower left", fontsize=7)


def _parts(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    for part, (marker, colour, label) in PARTS.items():
        for form, fill in FORMS.items():
            told = [metrics[name][part][form][0] if part in metrics[name] else np.nan for name in names]
            at = np.arange(len(names)) + (SPREAD if part == "R" else -SPREAD)
            ax.plot(told, at, marker, color=colour, fillstyle=fill, label=f"{label}, {form}", markersize=5)
    ax.set(xlabel="of unlearned models; 1: unmoved", xlim=(-0.03, 1.03), title="(b) survives")
    ax.legend(loc="lower left", fontsize=6)


def _worth(ax: Axes, metrics: Mapping[str, Any], names: list[str]) -> None:
    for form, fill in FORMS.items():
        told = [metrics[name]["worth"][form] if "worth" in metrics[name] else np.nan for name in names]
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
