"""The data of the paper's Section 4: two Gaussians with noisy labels, and random features.

x^f ~ N(α·1, I_d), P(y=1|x^f) = σ((x^f − α·1)ᵀ1/√d + 1);  x^r ~ N(−α·1, I_d), P(y=1|x^r) = σ(−(x^r + α·1)ᵀ1/√d − 1).
α = 1 keeps forget and retain inputs apart, α = 0 lays them over each other.  Source: arXiv:2404.05868, Sec. 4, App. D.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from records.errors import UserError

__all__ = ["Sample", "draw"]


@dataclass(frozen=True)
class Sample:
    """One draw, in the names of `synthetic.logistic.unlearning.problem_from_arrays`; float64, labels 0 or 1."""

    W: np.ndarray  # (N, d)
    X_forget: np.ndarray  # (n_f, d)
    y_forget: np.ndarray  # (n_f,)
    X_retain: np.ndarray
    y_retain: np.ndarray
    X_eval_forget: np.ndarray
    X_eval_retain: np.ndarray
    y_idk: np.ndarray  # (n_f,) the positive labels of IDK and DPO, Bernoulli(1/2)


def draw(
    *,
    alpha: float,
    seed: int,
    d: int = 16,
    features: int = 128,
    n_forget: int = 200,
    n_retain: int = 1000,
    n_eval: int = 1000,
    label_noise: float = 0.0,
) -> Sample:
    """Draw the forget, retain and evaluation inputs, the labels and W from one seed.

    `label_noise` is the share of training labels that are turned round, after everything else is drawn: all noise
    levels of a seed share their inputs, and what is turned at one level is turned at every higher one.
    Raises UserError for sizes below 1 and a share outside [0, 1].

    >>> draw(alpha=1.0, seed=0).X_forget.shape
    (200, 16)
    """
    _check(label_noise, d=d, features=features, n_forget=n_forget, n_retain=n_retain, n_eval=n_eval)
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    W = normal(features, d) / math.sqrt(d)
    x_forget, x_retain = normal(n_forget, d) + alpha, normal(n_retain, d) - alpha
    sample = Sample(
        W=W.numpy(),
        X_forget=x_forget.numpy(),
        y_forget=_labels(x_forget, alpha, 1.0, generator),
        X_retain=x_retain.numpy(),
        y_retain=_labels(x_retain, alpha, -1.0, generator),
        X_eval_forget=(normal(n_eval, d) + alpha).numpy(),
        X_eval_retain=(normal(n_eval, d) - alpha).numpy(),
        y_idk=torch.bernoulli(torch.full((n_forget,), 0.5, dtype=torch.float64), generator=generator).numpy(),
    )
    y_forget, y_retain = (_turned(y, label_noise, generator) for y in (sample.y_forget, sample.y_retain))
    return replace(sample, y_forget=y_forget, y_retain=y_retain)


def _labels(x: torch.Tensor, alpha: float, side: float, generator: torch.Generator) -> np.ndarray:
    """Labels of inputs around side · α, mostly 1 on the forget side (1), mostly 0 on the other (−1)."""
    logit = side * ((x - side * alpha).sum(dim=1) / math.sqrt(x.shape[1]) + 1)
    return torch.bernoulli(torch.sigmoid(logit), generator=generator).numpy()


def _turned(y: np.ndarray, share: float, generator: torch.Generator) -> np.ndarray:
    """Labels of which a share is turned round."""
    at = torch.rand(len(y), generator=generator, dtype=torch.float64).numpy() < share
    return np.where(at, 1 - y, y)


def _check(label_noise: float, **sizes: int) -> None:
    wrong = [f"{name} must be at least 1, got {value}." for name, value in sizes.items() if value < 1]
    if not 0 <= label_noise <= 1:
        wrong.append(f"label_noise must be a share, from 0 to 1, got {label_noise}.")
    if wrong:
        raise UserError(" ".join(wrong))
