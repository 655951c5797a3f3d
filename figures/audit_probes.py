"""Two curves of an audit: how much comes out of ever more answers drawn, and where in the layers knowledge is left."""

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from figures.audit import LOOKS
from figures.canvas import styled
from records.store import Data

__all__ = ["draw", "has_curves"]

Scores = Mapping[str, Mapping[str, Any]]
_LEAK, _LENS = "leak_at_", "lens_block_"


def has_curves(told: Mapping[str, Any]) -> bool:
    """Are there two points of either curve at least, in what `audit.json` holds?"""
    return bool(_there(told))


def draw(results: Mapping[str, Data]) -> Figure:
    """A panel for each curve that there is, a line for each model; the only unit's values are those of `audit.json`."""
    (data,) = results.values()
    there = _there(data.values)
    with styled():
        figure = Figure(figsize=(4.6 * len(there), 3.6))
        for ax, (begin, scores) in zip(figure.subplots(1, len(there), squeeze=False)[0], there.items(), strict=True):
            _PANELS[begin](ax, scores)
        shown, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(shown, labels, loc="outside upper center", ncols=min(3 if len(there) > 1 else 2, len(labels)))
    return figure


def _there(told: Mapping[str, Any]) -> dict[str, Scores]:
    every = [item for scores in told["scores"].values() for item in scores.items()]
    curves = {begin: {name: one for name, one in every if name.startswith(begin)} for begin in _PANELS}
    greedy = {name: one for name, one in every if name == "leak_greedy"}
    return {
        begin: {**scores, **(greedy if begin == _LEAK else {})} for begin, scores in curves.items() if len(scores) > 1
    }


def _leaks(ax: Axes, scores: Scores) -> None:
    for who, look, x, points in _lines(scores, _LEAK):
        _line(ax, look, x, points)
        greedy = scores.get("leak_greedy", {}).get(who)
        if greedy is not None:
            ax.axhline(greedy["value"], color=look["color"], linestyle=":", linewidth=1.2)
    ks = [int(name.removeprefix(_LEAK)) for name in scores if name.startswith(_LEAK)]
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(ks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.set_xlabel("answers drawn, k")
    ax.set_ylabel("share of questions")
    ax.set_ylim(-0.03, 1.03)
    ax.set_title("leak@k: one of k gives it away\n(dotted: the greedy answer does)")


def _lens(ax: Axes, scores: Scores) -> None:
    for _, look, x, points in _lines(scores, _LENS):
        _line(ax, look, x, points)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("after block")
    ax.set_ylabel("mean log p of the words, nats")
    ax.set_title("logit lens: what can be read\nby the finetuned model's head")


def _lines(scores: Scores, begin: str) -> Iterator[tuple[str, Mapping[str, Any], list[int], list[Mapping[str, float]]]]:
    """Of every model that has values: who, its look, where, the scores with their intervals."""
    every = {int(name.removeprefix(begin)): one for name, one in scores.items() if name.startswith(begin)}
    for who, look in LOOKS.items():
        there = [(number, one[who]) for number, one in sorted(every.items()) if one[who] is not None]
        if there:
            yield who, look, [number for number, _ in there], [point for _, point in there]


def _line(ax: Axes, look: Mapping[str, Any], x: list[int], points: list[Mapping[str, float]]) -> None:
    ends = [
        (p["value"] if p["low"] is None else p["low"], p["value"] if p["high"] is None else p["high"]) for p in points
    ]
    ax.fill_between(
        x, [low for low, _ in ends], [high for _, high in ends], color=look["color"], alpha=0.15, linewidth=0
    )
    ax.plot(x, [p["value"] for p in points], markersize=4, linewidth=1.6, **look)


_PANELS = {_LEAK: _leaks, _LENS: _lens}
"""By the beginning of the names of a curve's scores."""
