"""Arithmetic that the kernels share: float32 or better, softplus without a kink, what a hyperparameter may be."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["at_least_float32", "check_not_negative", "check_positive", "log_ratio", "softplus"]


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def log_ratio(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """R = log π_θ − log π_ref, in float32 or better."""
    return at_least_float32(logp) - at_least_float32(ref_logp)


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x) = −log σ(−x)."""
    return -logsigmoid(-x)  # torch's own softplus turns linear at x = 20 and is off by 1e-10 there


def check_positive(**values: float | int) -> None:
    """ValueError for a hyperparameter that is not positive and finite."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value}.")


def check_not_negative(**values: float | int) -> None:
    """ValueError for a hyperparameter that is negative or not finite."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be at least 0 and finite, got {value}.")
