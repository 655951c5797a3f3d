"""Does an optimiser treat every number on its own, so that many runs may be one tensor of its?"""

from collections.abc import Callable

import torch
from torch import Tensor

from theory.optimizers.sam import LooksNearby

__all__ = ["Optimiser", "takes_runs_together"]

Optimiser = Callable[[list[Tensor]], torch.optim.Optimizer]

STEPS = 3


def takes_runs_together(optimiser: Optimiser) -> bool:
    """Tried on two runs of two rows of three numbers: are they, as one tensor, where they are each alone?

    Not so for one that looks at the norm of a gradient (SAM), or at rows and columns (Adafactor, Muon).

    >>> from functools import partial
    >>> [takes_runs_together(partial(kind, lr=0.1)) for kind in (torch.optim.Adam, torch.optim.Adafactor)]
    [True, False]
    """
    steps = [torch.linspace(-1, 2, 12).view(2, 2, 3).square() * (k + 1) - 1 for k in range(STEPS)]
    try:
        together = _after(optimiser, steps)
    except (ValueError, RuntimeError):  # it takes matrices alone
        return False
    alone = [_after(optimiser, [step[run] for step in steps]) for run in range(2)]
    return together is not None and all(
        one is not None and torch.allclose(mine, one, rtol=1e-5) for mine, one in zip(together, alone, strict=True)
    )


def _after(optimiser: Optimiser, steps: list[Tensor]) -> Tensor | None:
    """Where it goes from ones; None for one that looks at more than the gradient."""
    theta = torch.ones_like(steps[0])
    made = optimiser([theta])
    for step in steps:
        theta.grad = step.clone()
        made.step()
    return None if isinstance(made, LooksNearby) else theta
