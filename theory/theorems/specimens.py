"""The smallest models on which a law for *any* model can be watched: one linear logistic example, one small network.

Each specimen is a pair (parameters -> log-probabilities, initial parameters), which is all that
`theory.theorems.time.intrinsic_time` asks of a model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from theory.logprobs import from_logits, from_margins

__all__ = ["Specimen", "linear_logistic", "side_by_side", "small_network"]


@dataclass(frozen=True)
class Specimen:
    """A model and its forget examples, as a function of its parameters; float64."""

    log_probs: Callable[[Mapping[str, Tensor]], Tensor]
    parameters: dict[str, Tensor]


def linear_logistic(*, confidence: float, d: int = 16, seed: int = 0) -> Specimen:
    """π_θ(y|x) = σ(⟨x, θ⟩) for one unit-norm x, with initial margin `confidence` (a logit)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, d, generator=generator, dtype=torch.float64)
    x = x / x.norm()
    return Specimen(lambda p: from_margins(x @ p["theta"]), {"theta": confidence * x[0]})


def small_network(*, n: int = 1, width: int = 24, classes: int = 6, d: int = 8, seed: int = 0) -> Specimen:
    """A two-layer tanh network with `classes` outputs and n forget examples, at a random initialisation."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = normal(n, d)
    label = torch.randint(classes, (n,), generator=generator)
    labels = torch.stack([label, label], dim=1)  # the position before an answer token predicts it
    start = {"inner": normal(width, d) / d**0.5, "outer": normal(classes, width) / width**0.5}

    def log_probs(p: Mapping[str, Tensor]) -> Tensor:
        logits = torch.tanh(x @ p["inner"].T) @ p["outer"].T
        return from_logits(logits[:, None, :].expand(-1, 2, -1), labels).logp

    return Specimen(log_probs, start)


def side_by_side(specimen: Specimen, runs: int) -> Specimen:
    """One model in so many runs that do not see one another: parameters (runs, …), log π (runs, n)."""
    repeated = {name: p.expand(runs, *p.shape).clone() for name, p in specimen.parameters.items()}
    return Specimen(torch.func.vmap(specimen.log_probs), repeated)
