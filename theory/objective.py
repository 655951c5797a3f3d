"""An unlearning objective as a value: forget kernel + retain kernel + coefficients + reductions.

    L(θ) = w_f · Σ_i ℓ_forget(i) / N_f  +  w_r · Σ_i ℓ_retain(i) / N_r

NPO+KL is such a value, not a branch anywhere. The reductions N_f, N_r are part of it because they matter by a factor
|y|: the paper's formulas sum over the tokens of an answer and average over examples (`examples`, the default); the
authors' TOFU code averages GA, RT and IDK over tokens (`tokens`).

What a kernel needs it says by its parameter names (see `theory.losses`); whoever runs an objective asks
`forget_needs` / `retain_needs`, computes just those quantities and hands them over by name.
"""

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from theory import losses, retain
from theory.kernel import (
    Kernel,
    Quantities,
    bind,
    gather,
    gradient_weights,
    needs,
    one_value_per_example,
    plain_name,
    takes,
)

__all__ = [
    "METHODS",
    "Kernel",
    "Objective",
    "Terms",
    "bind",
    "compose",
    "examples",
    "gradient_weights",
    "kernels",
    "method",
    "needs",
    "takes",
    "tokens",
    "z_ref_from_kl",
    "z_ref_from_positive",
]

Denominator = Callable[[Tensor], Tensor]


# --- reductions -----------------------------------------------------------------------------------------------


def examples(count: Tensor) -> Tensor:
    """Divide a sum of losses by the number of examples; `count` holds the answer tokens of each."""
    return torch.tensor(float(count.numel()), device=count.device)


def tokens(count: Tensor) -> Tensor:
    """Divide a sum of losses by the number of answer tokens of all examples together."""
    return count.sum()


# --- z_ref of KTO ---------------------------------------------------------------------------------------------


def z_ref_from_positive(logp_win: Tensor, ref_logp_win: Tensor, *, beta: float) -> Tensor:
    """β · mean log-ratio on the positive answers: the estimate of E[β KL] for language models, before the clamp.

    Source: arXiv:2404.05868, App. E.1.3 (the authors' code leaves out β).
    """
    return beta * (logp_win - ref_logp_win).mean()


def z_ref_from_kl(kl_to_ref: Tensor, *, beta: float) -> Tensor:
    """β · mean KL(π_θ ‖ π_ref) over the forget inputs, where that KL is exact (arXiv:2404.05868, Sec. 4)."""
    return beta * kl_to_ref.mean()


# --- objectives -----------------------------------------------------------------------------------------------


class Terms(NamedTuple):
    """The loss and its parts; `z_ref` is KTO's estimate before it is clamped."""

    total: Tensor
    forget: Tensor
    retain: Tensor | None
    z_ref: Tensor | None


@dataclass(frozen=True)
class Objective:
    """forget kernel, retain kernel, their weights and reductions; a value that says what is minimised.

    `z_ref` estimates KTO's reference point from quantities of the forget set, `z_ref_floor` clamps it (a KL is not
    negative). Source: arXiv:2404.05868, Eq. (1)-(3) and Sec. 4.
    """

    forget: Kernel
    retain: Kernel | None = None
    forget_weight: float = 1.0
    retain_weight: float = 1.0
    forget_per: Denominator = examples
    retain_per: Denominator = examples
    z_ref: Kernel | None = None
    z_ref_floor: float = 0.0

    @property
    def forget_needs(self) -> frozenset[str]:
        """Names of the quantities of the forget set that must be computed."""
        own = {plain_name(name) for name in needs(self.forget)}
        if "z_ref" not in own:
            return frozenset(own)
        return frozenset(own - {"z_ref"} | (set(needs(self.z_ref)) if self.z_ref else {"z_ref"}))

    @property
    def retain_needs(self) -> frozenset[str]:
        """Names of the quantities of the retain set that must be computed; empty without a retain term."""
        return frozenset(needs(self.retain)) if self.retain else frozenset()

    def with_z_ref(self, quantities: Quantities) -> dict[str, Tensor]:
        """The forget quantities with KTO's `z_ref` (clamped, without gradient) and its `z_ref_estimate` added."""
        given = dict(quantities)
        if "z_ref" in needs(self.forget) and "z_ref" not in given:
            if self.z_ref is None:
                raise ValueError("This forget kernel takes z_ref, and the objective has no estimator for it.")
            estimate = self.z_ref(**gather(self.z_ref, given)).detach()
            given |= {"z_ref": estimate.clamp(min=self.z_ref_floor), "z_ref_estimate": estimate}
        return given

    def __call__(
        self,
        forget: Quantities,
        retain: Quantities | None = None,
        *,
        forget_denominator: Tensor | None = None,
        retain_denominator: Tensor | None = None,
    ) -> Terms:
        """The loss of one batch.

        `forget` and `retain` hold the quantities by name, and `count` (`count_win` for the positive answers), the
        answer tokens of each example; without it an answer is one label. For a piece of a larger batch, give the
        denominators of the whole, so that the sum over pieces is the loss of the whole.
        """
        given = self.with_z_ref(forget)
        counted = "count" if "logp" in self.forget_needs else "count_win"
        forget_term = _reduced(self.forget, given, self.forget_per, counted, forget_denominator)
        total, retain_term = self.forget_weight * forget_term, None
        if self.retain is not None:
            retain_term = _reduced(self.retain, retain or {}, self.retain_per, "count", retain_denominator)
            total = total + self.retain_weight * retain_term
        return Terms(total, forget_term, retain_term, given.get("z_ref_estimate"))


def _reduced(
    kernel: Kernel, quantities: Quantities, per: Denominator, counted: str, denominator: Tensor | None
) -> Tensor:
    inputs = gather(kernel, quantities)
    values = one_value_per_example(kernel, inputs, kernel(**inputs))
    if denominator is None:
        denominator = per(quantities.get(counted, torch.ones_like(values)))
    return values.sum() / denominator


# --- the paper's methods --------------------------------------------------------------------------------------

# Names in capitals: what a user writes is looked up so.
_TABLE: dict[str, tuple[Kernel, Kernel | None]] = {
    "GA": (losses.ga, None),
    "GA+RT": (losses.ga, losses.nll),
    "GA+KL": (losses.ga, retain.kl),
    "IDK+RT": (losses.idk, losses.nll),
    "DPO": (losses.dpo, None),
    "DPO+RT": (losses.dpo, losses.nll),
    "DPO+KL": (losses.dpo, retain.kl),
    "KTO": (losses.kto, None),
    "KTO+RT": (losses.kto, losses.nll),
    "NPO": (losses.npo, None),
    "NPO+RT": (losses.npo, losses.nll),
    "NPO+KL": (losses.npo, retain.kl),
}
METHODS = tuple(_TABLE)


def compose(
    forget: Kernel,
    retain_kernel: Kernel | None = None,
    *,
    forget_weight: float = 1.0,
    retain_weight: float = 1.0,
    **hyperparameters: float,
) -> Objective:
    """An objective from any two kernels, one's own included; hyperparameters go to the forget kernel.

    >>> compose(losses.npo, losses.nll, beta=0.1).forget_needs == {"logp", "ref_logp"}
    True
    """
    for label, weight in (("forget_weight", forget_weight), ("retain_weight", retain_weight)):
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"{label} must be a number ≥ 0, got {weight}.")
    if retain_kernel is None and retain_weight != 1.0:
        raise ValueError(f"retain_weight={retain_weight} has nothing to weigh: this method has no retain term.")
    bound = bind(forget, **hyperparameters)
    z_ref = bind(z_ref_from_positive, **hyperparameters) if "z_ref" in needs(bound) else None
    return Objective(bound, retain_kernel, forget_weight=forget_weight, retain_weight=retain_weight, z_ref=z_ref)


def kernels(name: str) -> tuple[Kernel, Kernel | None]:
    """The forget and retain kernel of one of the paper's methods; ValueError with the nearest name if unknown."""
    if name.upper() not in _TABLE:
        near = difflib.get_close_matches(name.upper(), METHODS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"Unknown method {name!r}.{hint} Known methods: {', '.join(METHODS)}.")
    return _TABLE[name.upper()]


def method(name: str, *, forget_weight: float = 1.0, retain_weight: float = 1.0, **hyperparameters: float) -> Objective:
    """One of the paper's twelve methods by name, whatever its case.

    Raises ValueError for an unknown name (with the nearest known one) and for a hyperparameter that is unknown,
    missing or not positive.  Source: arXiv:2404.05868, Sec. 4 and App. E.1.

    >>> method("npo+rt", beta=0.1, retain_weight=5.0).retain_weight
    5.0
    >>> method("GA", beta=1.0)
    Traceback (most recent call last):
    ValueError: ga takes no hyperparameter beta.
    """
    forget, retain_kernel = kernels(name)
    return compose(forget, retain_kernel, forget_weight=forget_weight, retain_weight=retain_weight, **hyperparameters)
