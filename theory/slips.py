"""Slips in the displays of arXiv:2404.05868, each with numbers that show it. None touches a conclusion of the paper."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit

from theory.losses import ga, npo

__all__ = ["SLIPS", "Slip"]


@dataclass(frozen=True)
class Slip:
    """`show()` gives what the printed form and the corrected form say of one quantity, and its true value."""

    where: str
    printed: str
    corrected: str
    quantity: str
    show: Callable[[], tuple[float, float, float]]


def _gradient_sign() -> tuple[float, float, float]:
    logp, ref = torch.tensor([-5.0], requires_grad=True), torch.tensor([-3.0])
    (true,) = torch.autograd.grad(npo(logp, ref, beta=1.0).sum(), logp)
    weight = 2 * expit(-2.0)
    return -weight, weight, float(true)


def _ga_sign() -> tuple[float, float, float]:
    logp = torch.tensor([-5.0], requires_grad=True)
    (true,) = torch.autograd.grad(ga(logp).sum(), logp)
    return -1.0, 1.0, float(true)


def _weight_factor() -> tuple[float, float, float]:
    logp = torch.tensor([-3.0], requires_grad=True)
    (true,) = torch.autograd.grad(npo(logp, logp.detach(), beta=1.0).sum(), logp)
    return 0.5, 1.0, float(true)  # π^β/(π^β + π_ref^β) at π = π_ref, without and with the factor 2


def _gram() -> tuple[float, float, float]:
    X = np.random.default_rng(0).normal(size=(4, 9))
    ranks = [float(np.linalg.matrix_rank(gram) / len(gram)) for gram in (X.T @ X, X @ X.T)]
    return ranks[0], ranks[1], 1.0


def _negative_constant() -> tuple[float, float, float]:
    """One example, ‖x‖ = 1, θ_init = 0: the margin of GA after 100 steps of 1, over the 100."""
    m = 0.0
    for _ in range(100):
        m += float(expit(m))
    return -0.25, 0.25, m / 100


SLIPS = (
    Slip(
        where="Sec. 3, display after Proposition 1, NPO",
        printed="∇L_NPO = −E[W ∇log π_θ]",
        corrected="∇L_NPO = +E[W ∇log π_θ], as L_NPO grows with log π_θ",
        quantity="dℓ_NPO/d log π_θ at R = −2, β = 1: printed, corrected, autograd",
        show=_gradient_sign,
    ),
    Slip(
        where="Sec. 3, display after Proposition 1, GA",
        printed="∇L_GA = −E[∇log π_θ]",
        corrected="∇L_GA = +E[∇log π_θ], as L_GA = E[log π_θ]",
        quantity="dℓ_GA/d log π_θ: printed, corrected, autograd",
        show=_ga_sign,
    ),
    Slip(
        where="App. A.2, definition of W_i",
        printed="W_i = π_θ^β / (π_θ^β + π_ref^β)",
        corrected="W_i = 2π_θ^β / (π_θ^β + π_ref^β), which is 1 at the reference",
        quantity="W at π_θ = π_ref: printed, corrected, autograd",
        show=_weight_factor,
    ),
    Slip(
        where="App. A, proof of Theorem 2",
        printed="(XᵀX)⁻¹, a d × d matrix of rank n_f < d",
        corrected="(XXᵀ)⁻¹, n_f × n_f and invertible",
        quantity="rank over size with n_f = 4, d = 9: XᵀX, XXᵀ, what an inverse needs",
        show=_gram,
    ),
    Slip(
        where="App. A, constant C₁ of GA's lower bound",
        printed="a negative C₁, which makes the lower bound empty",
        corrected="C₁ = ½ b_x² σ(−B) > 0",
        quantity="lower bound on m(t)/(η₀t) at ‖x‖ = 1, θ_init = 0: negative form, C₁, and the truth at t = 100",
        show=_negative_constant,
    ),
)
