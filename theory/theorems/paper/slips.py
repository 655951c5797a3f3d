"""Slips in the displays of arXiv:2404.05868, each with numbers that show it. None touches a conclusion of the paper."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit

from theory.losses import ga, npo
from theory.theorems.paper.margins import margin_step

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
    """One example, ‖x‖ = 1, θ_init = 0, β = η₀ = 1: lower bounds on its margin after one step, and that margin."""
    C7 = 0.25  # half of γσ(0), which is all that the proof asks of it
    return np.log(C7) + np.log(2), np.log1p(C7), float(margin_step(np.zeros(1), np.eye(1), np.zeros(1), 1.0, 1.0)[0])


def _growing_step() -> tuple[float, float, float]:
    """One example, ‖x‖ = 1, at margins 8 and 9: by what factor does a step change?"""
    near, far = (float(margin_step(np.array([b]), np.eye(1), np.zeros(1), 1.0, 1.0)[0] - b) for b in (8.0, 9.0))
    return float(np.e), float(np.exp(-1)), far / near


SLIPS = (
    Slip(
        where="Sec. 3, Eq. (5)",
        printed="∇L_NPO = −E[W ∇log π_θ]",
        corrected="∇L_NPO = +E[W ∇log π_θ], as L_NPO grows with log π_θ",
        quantity="dℓ_NPO/d log π_θ at R = −2, β = 1: printed, corrected, autograd",
        show=_gradient_sign,
    ),
    Slip(
        where="Sec. 3, Eq. (4)",
        printed="∇L_GA = −E[∇log π_θ]",
        corrected="∇L_GA = +E[∇log π_θ], as L_GA = E[log π_θ]",
        quantity="dℓ_GA/d log π_θ: printed, corrected, autograd",
        show=_ga_sign,
    ),
    Slip(
        where="App. A.4, proof of Claim (12), definition of W_i",
        printed="W_i = π_θ^β / (π_θ^β + π_ref^β)",
        corrected="W_i = 2π_θ^β / (π_θ^β + π_ref^β), which is 1 at the reference",
        quantity="W at π_θ = π_ref: printed, corrected, autograd",
        show=_weight_factor,
    ),
    Slip(
        where="App. A.2, norm of θ − θ_init",
        printed="(XᵀX)⁻¹, a d × d matrix of rank n_f < d",
        corrected="(XXᵀ)⁻¹, n_f × n_f and invertible",
        quantity="rank over size with n_f = 4, d = 9: XᵀX, XXᵀ, what an inverse needs",
        show=_gram,
    ),
    Slip(
        where="App. A.4, third part of the induction, Eq. (9) and (10)",
        printed="b ≥ C₁ + (1/β) log(1 + η₀t), C₁ = (1/β) log(βC₇), βC₇ < 1: negative, so the bound is empty at first",
        corrected="b ≥ (1/β) log(1 + C_a η₀t), C_a = βC₇, as in the second part",
        quantity="lower bound on the margin after one step: printed, corrected, and the margin (which must be above)",
        show=_negative_constant,
    ),
    Slip(
        where="App. A.4, bounds on a step for y = 0",
        printed="a step is at most C₈η₀e^{βb}, which grows with the margin b",
        corrected="a step is at most C₈η₀e^{−βb}",
        quantity="step at margin 9 over step at margin 8, β = 1: printed, corrected, run",
        show=_growing_step,
    ),
)
