"""The figures of the main job: from which units each is drawn, and what a reader should see in it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from figures import (
    logistic_beta_sweep,
    logistic_methods,
    one_curve,
    proposition_1,
    steps_to_margin,
    theorem_2,
    transformer_drop,
    unlearning_by_epoch,
)
from npo.claims import Results

__all__ = ["GALLERY", "Plate"]


@dataclass(frozen=True)
class Plate:
    """A figure: file name, title, caption, patterns of the units it needs and of those it also draws, and how."""

    name: str
    title: str
    caption: str
    units: tuple[str, ...]
    draw: Callable[[Results], Figure]
    optional: tuple[str, ...] = field(default=())


GALLERY = (
    Plate(
        "one_curve",
        "The intrinsic-time law",
        "In intrinsic time, ∫ η‖∇log π‖² dt, gradient ascent is a straight line and NPO one curve without a parameter. "
        "Left: single examples of a linear model, a small network, random features and a transformer lie on them, for "
        "every β; nothing is fitted. Right: the examples of whole forget sets, each at its collective clock (open), "
        "leave the curve; the exact remainder of unequal weights and couplings puts them back (filled).",
        ("theory/intrinsic-time",),
        one_curve.draw,
        optional=("logistic/law", "transformer/single-*", "transformer/set-*"),
    ),
    Plate(
        "proposition_1",
        "NPO tends to gradient ascent",
        "The gap between NPO and GA in loss (left) and gradient weight (right), measured to β = 1e-12 without "
        "cancellation, under the bounds of Proposition 1 with their first-order rate.",
        ("theory/proposition-1",),
        lambda results: proposition_1.draw(results["theory/proposition-1"].arrays),
    ),
    Plate(
        "theorem_2",
        "Linear against logarithmic divergence",
        "Gradient descent on a nearly orthogonal forget set, inside the two-sided bounds of Theorem 2 with explicit "
        "constants: GA's margin is linear in the number of steps (note the log-log axes), NPO's in its logarithm.",
        ("theory/theorem-2",),
        lambda results: theorem_2.draw(results["theory/theorem-2"].arrays),
    ),
    Plate(
        "steps_to_margin",
        "What “exponentially slower” means",
        "Steps that bring the margin of one example to m: linear in m for GA, growing as exp(βm) for NPO.",
        ("theory/exponential-slowdown",),
        lambda results: steps_to_margin.draw(results["theory/exponential-slowdown"].arrays),
    ),
    Plate(
        "logistic_beta_sweep",
        "Figure 3 of the paper: β → 0 is gradient ascent",
        "The logistic problem at step size 5e-4 (paper: α = 1). Left: all β take nearly GA's path through the plane of "
        "distances. Right: they take it more slowly, the more so the larger β.",
        ("logistic/figure3",),
        lambda results: logistic_beta_sweep.draw(results["logistic/figure3"].arrays),
    ),
    Plate(
        "logistic_methods",
        "Figure 4 (a) of the paper: six methods",
        "The logistic problem with the step sizes and β of the paper's Table 1 at α = 1; mean and, of several seeds, "
        "standard deviation.",
        ("logistic/figure4-*",),
        lambda results: logistic_methods.draw([data.arrays for data in results.values()]),
    ),
    Plate(
        "transformer_drop",
        "A small transformer forgets sequences",
        "Left: the drop of the forget set against log t, mean and 10–90 %. Middle: sequences forgotten one by one, on "
        "the curve of the intrinsic-time law and on GA's line, nothing fitted. Right: the sequences of the set at "
        "their collective clocks (open) and with the remainder added (filled).",
        ("transformer/single-*", "transformer/set-*"),
        transformer_drop.draw,
    ),
    Plate(
        "unlearning_by_epoch",
        "A language model unlearns authors",
        "Probability, truth ratio and forget quality on the forget set and utility on the retain set, by epoch.",
        ("llm/finetune", "llm/retrain", "llm/unlearn-*"),
        unlearning_by_epoch.draw,
    ),
)
