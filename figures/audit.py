"""An audit in one picture: every score of a model with its interval, beside the retrained and the finetuned model's."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from records.store import Data

__all__ = ["LOOKS", "draw", "is_of_a_curve", "words"]

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "model": {"color": "#0072B2", "marker": "o", "label": "this model"},
    "retrained": {"color": "#009E73", "marker": "D", "label": "retrained without these rows"},
    "finetuned": {"color": "#D55E00", "marker": "s", "label": "before unlearning"},
}
_APART = 0.22
_ROW, _HEAD = 0.3, 0.75
"""Inches of a score, and of a panel beside its scores."""


def words(score: str) -> str:
    """A score's name for a reader.

    >>> words("auc_min_k_plus_plus"), words("retain_probability"), words("auc_over_retrained_loss")
    ('min k plus plus', 'retain probability', 'auc over retrained loss')
    """
    short = score if score.startswith("auc_over") else score.removeprefix("auc_")
    return short.replace("_", " ")


def is_of_a_curve(score: str) -> bool:
    """Is a score a point of a curve, which `figures.audit_probes` draws?

    >>> is_of_a_curve("leak_at_4"), is_of_a_curve("leak_greedy"), is_of_a_curve("lens_block_30")
    (True, False, True)
    """
    return score.startswith(("leak_at_", "lens_block_"))


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel for each family, a line for each score; the only unit's values are those of `audit.json`."""
    (data,) = results.values()
    families = {
        family: shown
        for family, scores in data.values["scores"].items()
        if (shown := {name: one for name, one in scores.items() if not is_of_a_curve(name)})
    }
    heights = [_HEAD + _ROW * len(scores) for scores in families.values()]
    with styled():
        figure = Figure(figsize=(8.4, sum(heights) + 0.5))
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for ax, (family, scores) in zip(panels, families.items(), strict=True):
            _panel(ax, scores)
            ax.set_title(_TITLES.get(family, family))
        shown, labels = panels[0].get_legend_handles_labels()
        figure.legend(shown, labels, loc="outside upper center", ncols=3)
    return figure


_TITLES = {
    "memorisation": "memorisation: what is known by heart, of rows to forget and to retain",
    "membership": "membership: AUC, 1 where every row to forget gives itself away",
    "sampling": "sampling: shares of answers drawn",
    "prompts": "prompts: the same asked in other ways",
    "hidden": "hidden states: what they still hold",
}


def _panel(ax: Axes, scores: Mapping[str, Mapping[str, Any]]) -> None:
    for who, look in LOOKS.items():
        shift = _APART * (list(LOOKS).index(who) - 1)
        there = [(i, one[who]) for i, one in enumerate(scores.values()) if one[who] is not None]
        if not there:
            continue
        x, y = [one["value"] for _, one in there], [i + shift for i, _ in there]
        low, high = ([_or(one[end], one["value"]) for _, one in there] for end in ("low", "high"))
        ax.hlines(y, low, high, color=look["color"], linewidth=1.6)
        ax.plot(x, y, linestyle="none", markersize=5, **look)
    ax.set_yticks(range(len(scores)), [words(name) for name in scores])
    ax.set_ylim(len(scores) - 0.5, -0.5)
    ax.grid(axis="x", alpha=0.4)
    left, right = ax.get_xlim()
    ax.set_xlim(min(left, -0.02), max(right, 1.02))


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
