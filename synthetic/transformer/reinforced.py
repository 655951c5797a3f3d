"""π_ref trained a little further on the forget rows, for losses that ask what such training would raise (RKLD)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from synthetic.transformer.model import Config
from synthetic.transformer.sequences import Sequences
from synthetic.transformer.stacked import all_log_probs

__all__ = ["further"]

STEPS, LR = 10, 1e-3


def further(reference: Mapping[str, Tensor], forget: Sequences, config: Config) -> dict[str, Tensor]:
    """The parameters (runs, …) after ten steps of Adam on the mean NLL of each run's forget answers."""
    theta = {name: p.detach().clone().requires_grad_() for name, p in reference.items()}
    optimiser = torch.optim.Adam(list(theta.values()), lr=LR)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (-all_log_probs(config, forget)(theta).mean(dim=1).sum()).backward()
        optimiser.step()
    return {name: p.detach() for name, p in theta.items()}
