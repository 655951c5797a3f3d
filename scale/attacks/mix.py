"""Going back on the line to the finetuned model, and where on it a model keeps enough (UWC, arXiv:2406.09179)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["largest_weight", "mix", "put"]

HALVINGS = 10
GRID = 8
"""Weights that are tried, evenly spaced, before halving: on the way a score need not fall everywhere."""


@torch.no_grad()
def put(model: nn.Module, finetuned: Mapping[str, Tensor], own: Mapping[str, Tensor], weight: float) -> None:
    """θ = (1 − a) θ_finetuned + a θ_own, put into a model; at a = 0 and 1 exactly these two.

    ValueError where the two models do not have the same weights.
    """
    for name, p in model.named_parameters():
        if name not in finetuned or finetuned[name].shape != p.shape:
            raise ValueError(f"the finetuned model has no weight {name} of shape {tuple(p.shape)}")
        p.copy_(torch.lerp(finetuned[name].to(p), own[name].to(p), weight))


def mix(
    model: nn.Module, finetuned: Mapping[str, Tensor], own: Mapping[str, Tensor], weights: Sequence[float]
) -> Iterator[float]:
    """Put each mixture into the model in turn; yields its weight a. At the end the model is its own again."""
    try:
        for weight in weights:
            put(model, finetuned, own, weight)
            yield weight
    finally:
        put(model, finetuned, own, 1.0)


def largest_weight(score: Callable[[float], float], least: float, *, grid: int = GRID) -> float | None:
    """The largest a in [0, 1] whose mixture has at least this score, by bisection; None where no mixture tried has.

    `score(a)` is that of the mixture. From a = 1 down the first of the evenly spaced weights that reaches it is taken,
    and halved towards the one above it.

    >>> round(largest_weight(lambda a: 1 - a, 0.3), 3)
    0.7
    >>> largest_weight(lambda a: 0.9, 0.5), largest_weight(lambda a: 0.1, 0.5)
    (1.0, None)
    """
    if score(1.0) >= least:
        return 1.0
    places = [i / grid for i in reversed(range(grid))]
    low = next((a for a in places if score(a) >= least), None)
    if low is None:
        return None
    high = low + 1 / grid
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) >= least else (low, middle)
    return low
