"""π_ref of the small transformer: trained on all sequences until it knows them, but not until it is sure of them.

Where π_ref(y|x) → 1 every gradient ∇log π vanishes and unlearning starts with a long plateau that says more about
memorising than about forgetting. So training stops at a stated likelihood, below 1.

Files of the unit: `reference.safetensors` (float32), `data.npz` with
    probability (steps,)    mean over sequences of π^{1/|y|} before each step of training
    logp        (n,)        log π_ref(y|x) of each sequence in nats, forget sequences first
and `data.json` with `steps`, `parameters` (their count), `probability` and `least` (mean and least π^{1/|y|} at the
end), `forget_accuracy` and `retain_accuracy` (the share of answer tokens that are the most likely ones).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from records.errors import UserError
from records.store import Data
from records.work import Progress, silent
from synthetic.sequences import Sequences, Split
from synthetic.transformer import Config, greedy_accuracy, head, hidden, parameter_count
from theory.logprobs import summed
from theory.losses import nll

__all__ = ["Memorised", "Training", "describe", "load_reference", "memorise", "save_reference"]

REFERENCE = "reference.safetensors"


@dataclass(frozen=True)
class Training:
    """Adam on the whole set at a constant rate, until the mean of π^{1/|y|} over sequences is `target`."""

    target: float
    rate: float
    max_steps: int


@dataclass(frozen=True)
class Memorised:
    """The trained parameters (float32), and the mean of π^{1/|y|} before every step and at the end."""

    parameters: dict[str, Tensor]
    probability: list[float]


def memorise(
    parameters: dict[str, Tensor],
    sequences: Sequences,
    config: Config,
    training: Training,
    progress: Progress = silent,
) -> Memorised:
    """Train on all sequences at once: minimise −Σ log π(y|x) / Σ |y| until mean π(y|x)^{1/|y|} ≥ target.

    Raises UserError where `max_steps` do not get there.
    """
    theta = {name: p.clone().requires_grad_() for name, p in parameters.items()}
    optimiser = torch.optim.Adam(theta.values(), lr=training.rate)
    seen: list[float] = []
    for k in range(training.max_steps + 1):
        progress(k, training.max_steps)
        answer = summed(hidden(theta, sequences.tokens, config), head(theta), sequences.labels)
        seen.append(float((answer.logp.detach() / answer.tokens).exp().mean()))
        if seen[-1] >= training.target:
            return Memorised({name: p.detach() for name, p in theta.items()}, seen)
        optimiser.zero_grad()
        (nll(answer.logp).sum() / answer.tokens.sum()).backward()
        optimiser.step()
    raise UserError(
        f"The transformer has not memorised its sequences: after {training.max_steps} steps the mean answer "
        f"probability per token is {seen[-1]:.3f}, and {training.target} was asked for. Raise max_steps, lower "
        "target, or use a larger model or fewer sequences."
    )


def describe(found: Memorised, split: Split, config: Config) -> Data:
    """What the unit records of π_ref (see the top of this file)."""
    theta = found.parameters
    with torch.no_grad():
        answer = summed(hidden(theta, split.everything.tokens, config), head(theta), split.everything.labels)
        per_token = (answer.logp / answer.tokens).exp()
        values = {
            "steps": len(found.probability) - 1,
            "parameters": parameter_count(theta),
            "probability": float(per_token.mean()),
            "least": float(per_token.min()),
            "forget_accuracy": greedy_accuracy(theta, split.forget, config),
            "retain_accuracy": greedy_accuracy(theta, split.retain, config),
        }
    arrays = {"probability": np.asarray(found.probability), "logp": answer.logp.double().numpy()}
    return Data(arrays, values)


def save_reference(folder: Path, parameters: dict[str, Tensor]) -> None:
    """Save π_ref as safetensors."""
    save_file(parameters, folder / REFERENCE)


def load_reference(folder: Path) -> dict[str, Tensor]:
    """π_ref as `save_reference` saved it."""
    return load_file(folder / REFERENCE)
