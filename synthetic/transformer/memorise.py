"""π_ref and π_retr of the small transformer: trained until they know their sequences, but not until they are sure.

Where π_ref(y|x) → 1 every gradient ∇log π vanishes and unlearning starts with a long plateau that says more about
memorising than about forgetting. So training stops at a stated likelihood, below 1. π_ref learns everything, π_retr the
retain sequences only; both start from the same numbers.

Files of the unit: `reference.safetensors` and `retrained.safetensors` (float32), `data.npz` with
    probability (steps,)    mean over sequences of π^{1/|y|} before each step of training π_ref
    logp        (n,)        log π_ref(y|x) of each sequence in nats, forget sequences first
and `data.json` with `parameters` (their count), `steps` and `retrain_steps`, `probability` and `least` (mean and least
π_ref^{1/|y|}), `forget_accuracy` and `retain_accuracy` of π_ref and `retrained_forget_accuracy` and
`retrained_retain_accuracy` of π_retr (the share of answer tokens that are the most likely ones).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from records.errors import UserError
from records.store import Data, save
from records.tensor_writes import tensors_written
from records.work import Progress, silent
from synthetic.transformer.model import Config, greedy_accuracy, initial, log_probs, parameter_count
from synthetic.transformer.sequences import Sequences, SequenceSplit
from theory.logprobs import answer_rows
from theory.losses import nll

__all__ = ["Memorised", "Memorising", "describe", "load_models", "memorise", "save_models", "train"]

REFERENCE, RETRAINED = "reference.safetensors", "retrained.safetensors"


@dataclass(frozen=True)
class Memorising:
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
    training: Memorising,
    progress: Progress = silent,
) -> Memorised:
    """Train on all sequences at once: minimise −Σ log π(y|x) / Σ |y| until mean π(y|x)^{1/|y|} ≥ target.

    Raises UserError where `max_steps` do not get there.
    """
    theta = {name: p.clone().requires_grad_() for name, p in parameters.items()}
    optimiser = torch.optim.Adam(theta.values(), lr=training.rate)
    logp_of, tokens = log_probs(config, sequences), answer_rows(sequences.labels, config.vocab).tokens
    seen: list[float] = []
    for k in range(training.max_steps + 1):
        progress(k, training.max_steps)
        logp = logp_of(theta)
        seen.append(float((logp.detach() / tokens).exp().mean()))
        if seen[-1] >= training.target:
            return Memorised({name: p.detach() for name, p in theta.items()}, seen)
        optimiser.zero_grad()
        (nll(logp).sum() / tokens.sum()).backward()
        optimiser.step()
    raise UserError(
        f"The transformer has not memorised its sequences: after {training.max_steps} steps the mean answer "
        f"probability per token is {seen[-1]:.3f}, and {training.target} was asked for. Raise max_steps, lower "
        "target, or use a larger model or fewer sequences."
    )


def train(
    split: SequenceSplit, config: Config, training: Memorising, seed: int, folder: Path, progress: Progress
) -> None:
    """Train π_ref and π_retr of a split from the same numbers, and save all that the unit records."""
    # The model's generator must not repeat the data's numbers: its seed is another.
    start = initial(config, torch.Generator().manual_seed((seed + 2**62) % 2**63))
    found = memorise(start, split.everything, config, training, progress)
    retrained = memorise(start, split.retain, config, training, progress)
    save_models(folder, found.parameters, retrained.parameters)
    save(folder, describe(found, retrained, split, config))


def describe(found: Memorised, retrained: Memorised, split: SequenceSplit, config: Config) -> Data:
    """What the unit records of both models (see the top of this file)."""
    tokens = answer_rows(split.everything.labels, config.vocab).tokens
    with torch.no_grad():
        logp = log_probs(config, split.everything)(found.parameters)
        per_token = (logp / tokens).exp()
        values = {
            "steps": len(found.probability) - 1,
            "retrain_steps": len(retrained.probability) - 1,
            "parameters": parameter_count(found.parameters),
            "probability": float(per_token.mean()),
            "least": float(per_token.min()),
        }
        for before, model in (("", found), ("retrained_", retrained)):
            for name, part in (("forget", split.forget), ("retain", split.retain)):
                values[f"{before}{name}_accuracy"] = greedy_accuracy(model.parameters, part, config)
    return Data({"probability": np.asarray(found.probability), "logp": logp.double().cpu().numpy()}, values)


def save_models(folder: Path, reference: dict[str, Tensor], retrained: dict[str, Tensor]) -> None:
    """Save π_ref and π_retr as safetensors."""
    with tensors_written(folder):
        save_file(reference, folder / REFERENCE)
        save_file(retrained, folder / RETRAINED)


def load_models(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """π_ref and π_retr as `save_models` saved them."""
    return load_file(folder / REFERENCE), load_file(folder / RETRAINED)
