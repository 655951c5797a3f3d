"""After Figure 11 of arXiv:2404.05868: what the weight of the retain term does to forget quality and utility."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import log_ticks, styled
from figures.llm_runs import SAME, label_of, look_of
from records.examined import moments_of
from records.store import Data

__all__ = ["draw", "weights"]

Scores = Mapping[str, float | None]
WEIGHT = "retain_weight"


def weights(results: Mapping[str, Data]) -> dict[str, dict[float, list[Scores]]]:
    """Scores of last moments by method and retain weight, of the methods that were run with more than one.

    A method at another β is another method: "NPO+RT,beta=auto".
    """
    found: dict[str, dict[float, list[Scores]]] = {}
    for unit in results.values():
        method, weight = _parted(unit.values["label"])
        if method.partition(",")[0].endswith(("+RT", "+KL")) and weight is not None:
            found.setdefault(method, {}).setdefault(weight, []).append(moments_of(unit.values)[-1].scores)
    return {method: by_weight for method, by_weight in found.items() if len(by_weight) > 1}


def _parted(label: str) -> tuple[str, float | None]:
    """The method, with its β where one was set, and its weight; None where anything else was set, or no number."""
    method, *settings = label.split(",")
    set_ = dict(one.partition("=")[::2] for one in settings)
    try:
        weight = float(set_.pop(WEIGHT, "1"))
    except ValueError:
        return label, None
    named = [method, *(f"{name}={value}" for name, value in set_.items())]
    return ",".join(named), weight if set_.keys() <= {"beta"} else None


def draw(results: Mapping[str, Data]) -> Figure:
    """Both against the weight, at the end of unlearning; ValueError where no weight was varied."""
    found = weights(results)
    if not found:
        raise ValueError("No method was run with more than one retain weight.")
    with styled():
        figure = Figure(figsize=(8.4, 3.6))
        columns = ("log10_forget_quality", "model_utility")
        for axes, column in zip(figure.subplots(1, 2), columns, strict=True):
            for place, (method, by_weight) in enumerate(found.items()):
                at = sorted(by_weight)
                height = [np.mean([m[column] if m[column] is not None else np.nan for m in by_weight[w]]) for w in at]
                axes.plot(at, height, **look_of(method, place), label=label_of(method))
            axes.set(xscale="log", xlabel="retain weight")
            log_ticks(axes.xaxis)
            if any(0 in by_weight for by_weight in found.values()):
                least = min(w for by_weight in found.values() for w in by_weight if w > 0)
                axes.set_xscale("symlog", linthresh=least)
        quality, utility = figure.axes
        quality.axhline(np.log10(SAME), color="black", linewidth=0.8)
        quality.set(title="Forget quality at the end", ylabel="log₁₀ p")
        utility.set(title="Model utility at the end", ylabel="harmonic mean of nine parts")
        utility.legend()
    return figure
