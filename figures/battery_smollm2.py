"""The whole battery of SmolLM2-135M after unlearning: how far from the retrained model, and in which family.

Left the difference of scores from the retrained model's, with 95 % intervals over questions; then what comes out of k
drawn answers, how probable answers are by how they are asked for, and what the logit lens reads after each block.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from figures.attacks import FINETUNED, RETRAINED
from figures.canvas import LOOK, log_ticks, styled
from records.store import Data

__all__ = ["draw"]

UNIT = "smollm2/battery"
SCORES = {
    "probability": "probability",
    "exact_memorization": "exact memorization",
    "extraction_strength": "extraction strength",
    "truth_ratio_prob_mean": "truth ratio",
    "auc_loss": "AUC, loss",
    "auc_min_k": "AUC, Min-K",
    "auc_min_k_plus_plus": "AUC, Min-K++",
    "leak_greedy": "leak, greedy",
    "leak_at_8": "leak, one of 8",
    "rouge_prefix": "ROUGE, prefix",
    "unlearning_depth": "unlearning depth",
    "retain_probability": "retain probability",
}
WAYS = ("plain", "reworded", "format", "prefix")
FIRST = ("finetune", "retrain")
GAP = 0.2
Scores = Mapping[str, Mapping[str, Any]]


def draw(results: Mapping[str, Data]) -> Figure:
    """Four panels from the unit smollm2/battery."""
    units = results[UNIT].values["units"]
    audits = {name.removeprefix("audit/"): unit for name, unit in units.items() if name.startswith("audit/")}
    models = sorted(audits, key=_order)
    with styled():
        figure = Figure(figsize=(14, 4.6))
        panels = figure.subplots(1, 4, gridspec_kw={"width_ratios": [1.5, 1, 1, 1]})
        _away(panels[0], {model: audits[model] for model in models if model not in FIRST})
        scores = {model: audits[model]["scores"] for model in models}
        _leaks(panels[1], scores)
        _asked(panels[2], scores)
        _lens(panels[3], scores)
        shown = panels[1].get_legend_handles_labels()
        figure.legend(*shown, loc="outside upper center", ncols=len(models))
    return figure


def _order(model: str) -> tuple[int, str]:
    method = _method(model)
    return (FIRST.index(model) if model in FIRST else 2 + list(LOOK).index(method)), model


def _method(model: str) -> str:
    return model.rpartition("-s")[0]


def _look(model: str) -> dict[str, Any]:
    if model in FIRST:
        return dict(FINETUNED if model == "finetune" else RETRAINED)
    return {**LOOK[_method(model)], "label": _method(model)}


def _away(ax: Axes, audits: Mapping[str, Mapping[str, Any]]) -> None:
    """Scores less the retrained model's."""
    there = [name for name in SCORES if all(name in one["against_retrained"] for one in audits.values())]
    for i, (model, one) in enumerate(audits.items()):
        y = np.arange(len(there)) + GAP * (i - (len(audits) - 1) / 2)
        off = [one["against_retrained"][name] for name in there]
        look = {**_look(model), "linestyle": "none"}
        ax.hlines(y, [x["low"] for x in off], [x["high"] for x in off], color=look["color"], linewidth=1.6, alpha=0.6)
        ax.plot([x["value"] for x in off], y, markersize=5, **look)
    ax.axvline(0, color="black", linewidth=1.2)
    ax.set_yticks(range(len(there)), [SCORES[name] for name in there])
    ax.set_ylim(len(there) - 0.5, -0.5)
    ax.set_title("less the retrained model's", fontsize="small")


def _leaks(ax: Axes, scores: Mapping[str, Scores]) -> None:
    for model, mine in scores.items():
        ks = sorted(int(name.removeprefix("leak_at_")) for name in mine if name.startswith("leak_at_"))
        _line(ax, model, ks, [mine[f"leak_at_{k}"] for k in ks])
        ax.axhline(mine["leak_greedy"]["value"], color=_look(model)["color"], linestyle=":", linewidth=1)
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(ks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.set(xlabel="answers drawn, k", ylim=(-0.03, 1.03))
    ax.set_title("leak@k (dotted: greedy)", fontsize="small")


def _asked(ax: Axes, scores: Mapping[str, Scores]) -> None:
    ways = [way for way in WAYS if all(f"probability_{way}" in mine for mine in scores.values())]
    for model, mine in scores.items():
        _line(ax, model, range(len(ways)), [mine[f"probability_{way}"] for way in ways])
    ax.set_xticks(range(len(ways)), ways)
    ax.set_yscale("log")
    log_ticks(ax.yaxis)
    ax.set_title("probability, asked so", fontsize="small")


def _lens(ax: Axes, scores: Mapping[str, Scores]) -> None:
    for model, mine in scores.items():
        blocks = sorted(int(name.removeprefix("lens_block_")) for name in mine if name.startswith("lens_block_"))
        _line(ax, model, blocks, [mine[f"lens_block_{k}"] for k in blocks], markevery=5)
    ax.set_xlabel("after block")
    ax.set_title("logit lens: log p, nats", fontsize="small")


def _line(ax: Axes, model: str, x: Sequence[int], points: Sequence[Mapping[str, Any]], **more: Any) -> None:
    look = _look(model)
    value, low, high = (np.array([p[key] for p in points], dtype=float) for key in ("value", "low", "high"))
    ax.fill_between(x, low, high, color=look["color"], alpha=0.12, linewidth=0)
    ax.plot(x, value, markersize=4, **{**look, "linewidth": 1.5}, **more)
