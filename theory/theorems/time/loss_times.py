"""Intrinsic time for every loss: one example drops by u(T), whatever the model, the schedule and the step size.

Descent on a loss with the gradient weight w(u) moves one example's drop u = log π_ref − log π_θ by du = w(u) dT in the
intrinsic time T = ∫ η ‖∇log π_θ‖² dt (`theory.theorems.time.intrinsic_time`), hence exactly

    T(u) = ∫₀ᵘ dv / w(v),        dT = ∫ η Σ_j K_ij dt / n  and  F_i(u_i) − T_i = (1/n) ∫ η Σ_j K_ij (W_j/W_i − 1) dt

for a set, where each example has its own F_i (its own π_ref) and its own weight W_i = w_i(u_i). The formulas are in
`theory.theorems.time.closed_times`; where there is none, a user's own kernel for instance, the integral is taken
numerically (`theory.theorems.time.quadrature`) to the same digits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.kernel import QUANTITIES, Kernel, bind, label, needs, per_token, takes
from theory.methods import FORGET
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.drop_weights import ForgetAnswer, of_numbers
from theory.theorems.time.known_times import closed_time
from theory.theorems.time.quadrature import integrate

__all__ = [
    "BETA",
    "LossTime",
    "kernel_of",
    "kernels_with_a_law",
    "looks_at_tokens",
    "loss_time",
    "of_any_model",
]

Array = np.ndarray
Numbers = Float[Array, "*shape"] | float
BETA = 0.5
"""Of losses whose paper names none."""
FURTHEST = np.geomspace(1e-30, 1e12, 8 * 42 + 1)  # nats, where inverses are looked for
APPROACH = 0.5 ** np.arange(1, 60)


@dataclass(frozen=True)
class LossTime:
    """u(T) and T(u) of one answer under one loss, in nats, float64; a value that predicts.

    `least` < u < `most` is where the weight is defined and does not vanish: log π_θ ≤ 0 for losses of π_θ itself, and
    a drop at which the loss is content. `formula` is "" where the integral is taken numerically.
    """

    name: str
    formula: str
    weight: Callable[[Array], Array]
    integral: Callable[[Array], Array]
    least: float
    most: float

    def time(self, drop: Numbers) -> Float[Array, "*shape"]:
        """T at which the drop is u: negative where the clock runs backward; NaN beyond the ends.

        >>> from functools import partial
        >>> from theory.losses import ga
        >>> float(loss_time(ga, ForgetAnswer(-1.0)).time(2.0))
        2.0
        """
        u = np.asarray(drop, dtype=np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(np.where((u >= self.least) & (u <= self.most), self.integral(u), np.nan))

    def drop(self, time: Numbers) -> Float[Array, "*shape"]:
        """u that is reached at T: the inverse of `time`. Where a weight has run out, u stays at that end.

        >>> from functools import partial
        >>> from theory.losses import ce_u
        >>> law = loss_time(ce_u, ForgetAnswer(-0.1))
        >>> bool(np.isclose(law.drop(law.time(3.0)), 3.0, rtol=1e-14))
        True
        """
        T = np.asarray(time, dtype=np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(_inverse(self, np.atleast_1d(T)).reshape(T.shape))


def loss_time(kernel: Kernel, answer: ForgetAnswer) -> LossTime:
    """The law of a loss, hyperparameters bound, for an answer: closed where it can be, else by quadrature.

    HypothesisError where the loss is no function of the answer's log π, or does not move it.
    Source: derived here, from du/dT = w(u); NPO's is the intrinsic-time law of `theory.theorems.time.intrinsic_time`.

    >>> from functools import partial
    >>> from theory.losses import npo
    >>> law = loss_time(partial(npo, beta=1.0), ForgetAnswer(-1.0))
    >>> law.formula, round(float(law.drop(10.0)), 4)
    ('T = ½(u + (e^{βu} − 1)/β)', 2.8961)
    """
    weight = _moving_weight(kernel, answer)
    if known := closed_time(kernel, answer):
        return LossTime(label(kernel), known.formula, weight, known.time, known.least, np.inf)
    found = integrate(weight, least=answer.ref_logp)
    return LossTime(label(kernel), "", weight, found.time, found.least, found.most)


def _moving_weight(kernel: Kernel, answer: ForgetAnswer) -> Callable[[Array], Array]:
    """The weight u -> w(u) on float64 arrays; HypothesisError where there is none, or it does not move the answer."""
    weight = of_numbers(kernel, answer)
    start = float(weight(np.zeros(1))[0])
    if not (np.isfinite(start) and start != 0):
        raise HypothesisError(f"{label(kernel)} does not move an answer of log π = {answer.ref_logp:g} ({start = :g}).")
    return weight


def kernel_of(name: str) -> Kernel:
    """A forget loss of `theory.methods` by name, with its paper's hyperparameters, and β = ½ where it names none.

    >>> kernel_of("NPO").keywords
    {'beta': 0.5}
    """
    row = FORGET[name]
    lacking = {k: BETA for k, required in takes(row.kernel).items() if required and k not in row.hyperparameters}
    return bind(row.kernel, **row.hyperparameters, **lacking)


def kernels_with_a_law(answer: ForgetAnswer) -> dict[str, Kernel]:
    """The forget losses of `theory.methods` that have a law for such an answer and lower it, as `kernel_of` has them.

    Those towards a flat distribution raise an answer that is less likely than that.

    >>> found = kernels_with_a_law(ForgetAnswer(-1.0))
    >>> "NPO" in found, "RMU" in found
    (True, False)
    """
    found = {}
    for name in FORGET:
        kernel = kernel_of(name)
        try:
            lowers = _moving_weight(kernel, answer)(np.zeros(1))[0] > 0
        except HypothesisError:
            continue
        if lowers:
            found[name] = kernel
    return found


def of_any_model(kernels: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """Those that are functions of log π whatever the vocabulary; kernels of logits are so on two classes alone."""
    return {name: k for name, k in kernels.items() if not any(QUANTITIES[q].level == "logits" for q in needs(k))}


def looks_at_tokens(kernel: Kernel) -> bool:
    """Whether a loss looks at the tokens of an answer apart, so that the law is for answers of one.

    >>> looks_at_tokens(kernel_of("WGA")), looks_at_tokens(kernel_of("NPO"))
    (True, False)
    """
    return per_token(kernel) or "mean_prob" in needs(kernel)


# --- the inverse ----------------------------------------------------------------------------------------------------


def _inverse(law: LossTime, time: Array) -> Array:
    """Bracket each T on a grid of drops, then Newton's method in log T, halving where it leaves the bracket.

    log F is nearly linear in u where F grows exponentially, and nearly so in log u elsewhere.
    """
    grid = _drops(law)
    values = law.integral(grid)
    sign = 1.0 if float(law.weight(np.zeros(1))[0]) > 0 else -1.0
    grid, values = grid[~np.isnan(values)], sign * values[~np.isnan(values)]
    wanted = sign * time
    right = np.searchsorted(values, wanted)
    low, high = grid[(right - 1).clip(0)], grid[right.clip(0, len(grid) - 1)]
    u = (low + high) / 2
    for _ in range(100):
        now = sign * law.integral(u)
        low, high = np.where(now <= wanted, u, low), np.where(now >= wanted, u, high)
        step = now * np.log(wanted / now) * np.abs(law.weight(u))
        new = u + step
        inside = np.isfinite(new) & (new >= low) & (new <= high)
        new = np.where(inside, new, (low + high) / 2)
        moved, u = np.abs(new - u) > 2e-16 * np.abs(u), new
        if not moved.any():
            break
    ended = np.where(right == 0, grid[0], np.where(right == len(grid), grid[-1], u))
    return np.where(np.isnan(time), np.nan, np.where(time == 0, 0.0, ended))


def _drops(law: LossTime) -> Array:
    """The grid: geometric on both sides of 0, and ever nearer to the ends."""
    grid = np.concatenate([-FURTHEST[::-1], [0.0], FURTHEST])
    ends = [end for end in (law.least, law.most) if np.isfinite(end)]
    more = [end * (1 - APPROACH) for end in ends] + [np.array(ends)]
    inside = np.concatenate([grid, *more])
    return np.unique(inside[(inside >= law.least) & (inside <= law.most)])
