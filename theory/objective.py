"""An unlearning objective as a value: forget kernel + retain kernel + coefficients + reductions.

    L(θ) = w_f · Σ_i ℓ_forget(i) / N_f  +  w_r · Σ_i ℓ_retain(i) / N_r

NPO+KL is such a value, not a branch anywhere. The reductions N_f, N_r are part of it because they matter by a factor
|y|: the paper's formulas sum over the tokens of an answer and average over examples (`examples`, the default); the
authors' TOFU code averages GA, RT and IDK over tokens (`tokens`).

What a kernel needs it says by its parameter names (see `theory.losses`); whoever runs an objective asks
`forget_needs` / `retain_needs`, computes just those quantities and hands them over by name.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from theory.dual import DualAscent
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
from theory.methods import EVERY, METHODS, RETAIN, named
from theory.reductions import Denominator, examples, tokens
from theory.reference_points import z_ref_from_kl, z_ref_from_positive

__all__ = [
    "EVERY",
    "METHODS",
    "Kernel",
    "Objective",
    "Terms",
    "bind",
    "compose",
    "defaults",
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
    negative). With `dual` the retain weight is that of the first step: whoever runs the objective moves it.
    Source: arXiv:2404.05868, Eq. (1)-(3) and Sec. 4.
    """

    forget: Kernel
    retain: Kernel | None = None
    forget_weight: float = 1.0
    retain_weight: float = 1.0
    forget_per: Denominator = examples
    retain_per: Denominator = examples
    z_ref: Kernel | None = None
    z_ref_floor: float = 0.0
    dual: DualAscent | None = None

    @property
    def hyperparameters(self) -> dict[str, float | int]:
        """The hyperparameters that are bound, of the forget and of the retain kernel.

        >>> method("SimNPO", beta=2.5).hyperparameters
        {'beta': 2.5, 'gamma': 0.0}
        """
        return _bound(self.forget) | _bound(self.retain)

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

        `forget` and `retain` hold the quantities by name, and `count` (`count_win` where the positive answer stands
        alone), the answer tokens of each example; without it an answer is one label. For a piece of a larger batch,
        give the denominators of the whole, so that the sum over pieces is the loss of the whole.
        """
        given = self.with_z_ref(forget)
        counted = "count_win" if "logp_win" in self.forget_needs and "logp" not in self.forget_needs else "count"
        forget_term = _reduced(self.forget, given, self.forget_per, counted, forget_denominator)
        total, retain_term = self.forget_weight * forget_term, None
        if self.retain is not None:
            retain_term = _reduced(self.retain, retain or {}, self.retain_per, "count", retain_denominator)
            total = total + self.retain_weight * retain_term
        return Terms(total, forget_term, retain_term, given.get("z_ref_estimate"))


def _bound(kernel: Kernel | None) -> dict[str, Any]:
    return dict(kernel.keywords) if isinstance(kernel, partial) else {}


def _reduced(
    kernel: Kernel, quantities: Quantities, per: Denominator, counted: str, denominator: Tensor | None
) -> Tensor:
    inputs = gather(kernel, quantities)
    values = one_value_per_example(kernel, inputs, kernel(**inputs))
    if denominator is None:
        denominator = per(_counts(quantities, counted, values))
    return values.sum() / denominator


def _counts(quantities: Quantities, counted: str, values: Tensor) -> Tensor:
    """Answer tokens of each example: as given, or by whose each token is, or one each."""
    if counted in quantities:
        return quantities[counted]
    return quantities["example"].bincount() if "example" in quantities else torch.ones_like(values)


# --- the methods ----------------------------------------------------------------------------------------------------


def compose(
    forget: Kernel,
    retain_kernel: Kernel | None = None,
    *,
    forget_weight: float = 1.0,
    retain_weight: float = 1.0,
    **hyperparameters: float | int,
) -> Objective:
    """An objective from any two kernels, one's own included; hyperparameters go to the forget kernel.

    >>> from theory import losses
    >>> compose(losses.npo, losses.nll, beta=0.1).forget_needs == {"logp", "ref_logp"}
    True
    """
    for label, weight in (("forget_weight", forget_weight), ("retain_weight", retain_weight)):
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"{label} must be a number ≥ 0, got {weight}.")
    if retain_kernel is None and retain_weight != 1.0:
        raise ValueError(f"retain_weight={retain_weight} has nothing to weigh: this method has no retain term.")
    forget, retain_kernel = _bind_both(forget, retain_kernel, hyperparameters)
    shared = {name: value for name, value in _bound(forget).items() if name == "beta"}
    z_ref = bind(z_ref_from_positive, **shared) if "z_ref" in needs(forget) else None
    return Objective(forget, retain_kernel, forget_weight=forget_weight, retain_weight=retain_weight, z_ref=z_ref)


def _bind_both(
    forget: Kernel, retain_kernel: Kernel | None, given: Mapping[str, float | int]
) -> tuple[Kernel, Kernel | None]:
    """Each hyperparameter to whichever kernel takes it; one that neither takes is the forget kernel's to refuse."""
    if retain_kernel is None:
        return bind(forget, **given), None
    own, kept = takes(forget), takes(retain_kernel)
    bound = bind(forget, **{name: value for name, value in given.items() if name in own or name not in kept})
    return bound, bind(retain_kernel, **{name: value for name, value in given.items() if name in kept})


def kernels(name: str) -> tuple[Kernel, Kernel | None]:
    """The forget and retain kernel of a method, hyperparameters unbound; ValueError with the nearest name if unknown.

    >>> [kernel.__name__ for kernel in kernels("npo+kl")]
    ['npo', 'kl']
    """
    row, kept = named(name)
    return row.kernel, RETAIN[kept] if kept else row.own


def defaults(name: str) -> dict[str, float | int]:
    """The hyperparameters that a method has without being told, its paper's; β of NPO, DPO and KTO is not among them.

    >>> defaults("simnpo+rt"), defaults("NPO")
    ({'beta': 4.5, 'gamma': 0.0}, {})
    """
    return dict(named(name)[0].hyperparameters)


def method(
    name: str, *, forget_weight: float = 1.0, retain_weight: float | None = None, **hyperparameters: float | int
) -> Objective:
    """A method by name, whatever its case: a forget loss, alone, with "+RT" (NLL) or with "+KL".

    What is not given is as in the loss's paper: hyperparameters (NPO, DPO and KTO have no default β), the mean over
    examples or tokens, the weight of a retain term. RMU has a retain term of its own, which "+RT" and "+KL" replace
    and `retain_weight=0` leaves out. Raises ValueError for an unknown name (with the nearest known one) and for a
    hyperparameter that is unknown, missing or outside its domain.  Source: arXiv:2404.05868, Sec. 4 and App. E.1;
    for the others see `theory.losses`.

    >>> method("npo+rt", beta=0.1, retain_weight=5.0).retain_weight
    5.0
    >>> method("simnpo", gamma=0.5).hyperparameters
    {'beta': 4.5, 'gamma': 0.5}
    >>> method("GA", beta=1.0)
    Traceback (most recent call last):
    ValueError: ga takes no hyperparameter beta.
    """
    row, kept = named(name)
    forget, retain_kernel = kernels(name)
    weight = retain_weight
    if weight is None:
        weight = 1.0 if retain_kernel is None else row.retain_weight if kept else row.own_weight
    if not kept and row.own is not None and weight == 0:
        retain_kernel, weight = None, 1.0
    given = {**row.hyperparameters, **hyperparameters}
    found = compose(forget, retain_kernel, forget_weight=forget_weight, retain_weight=weight, **given)
    found = replace(found, forget_per=row.per, retain_per=row.retain_per or row.per)
    if row.z_ref is not None:
        found = replace(found, z_ref=row.z_ref, z_ref_floor=-math.inf)
    return replace(found, dual=row.dual) if row.dual and retain_kernel is row.own else found
