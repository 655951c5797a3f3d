"""What a kernel asks for and gives: its parameter names, its hyperparameters, its gradient weights.

A kernel says by its parameter names which quantities it needs (see `theory.losses`), and by its keyword-only ones what
its hyperparameters are. The closed gradient beside it is found by name; a kernel without one runs by autograd.
"""

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import torch
from torch import Tensor

__all__ = [
    "Kernel",
    "Quantities",
    "bind",
    "gather",
    "gradient_weights",
    "needs",
    "one_value_per_example",
    "plain_name",
    "takes",
]

Kernel = Callable[..., Tensor]
Quantities = Mapping[str, Tensor]

# The forget answer goes by one name where it is alone and by another where a kernel pairs it with a positive one.
_ALIASES = {"logp_lose": "logp", "ref_logp_lose": "ref_logp"}
_POSITIVE = ("beta", "prefactor")


def plain_name(name: str) -> str:
    """The name by which a quantity is handed over: that of the forget answer, however a kernel calls it.

    >>> plain_name("logp_lose")
    'logp'
    """
    return _ALIASES.get(name, name)


@lru_cache(maxsize=256)  # inner loops ask at every step
def needs(kernel: Kernel) -> tuple[str, ...]:
    """The quantities that a kernel takes: the names of its parameters that are neither keyword-only nor bound.

    >>> from theory.losses import npo
    >>> needs(partial(npo, beta=0.1))
    ('logp', 'ref_logp')
    """
    free = inspect.signature(kernel).parameters.values()
    return tuple(p.name for p in free if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty)


def takes(kernel: Kernel) -> dict[str, bool]:
    """The hyperparameters that a kernel still takes, by name, and whether each is required.

    >>> from theory.losses import npo
    >>> takes(npo)
    {'beta': True}
    """
    free = inspect.signature(kernel).parameters.values()
    return {p.name: p.default is p.empty for p in free if p.kind is p.KEYWORD_ONLY}


def bind(kernel: Kernel, **hyperparameters: float) -> Kernel:
    """Bind a kernel's hyperparameters; all errors (unknown, missing, not positive) are reported at once.

    >>> from theory.losses import ga
    >>> bind(ga, beta=1.0)
    Traceback (most recent call last):
    ValueError: ga takes no hyperparameter beta.
    """
    known = takes(kernel)
    label = getattr(kernel, "__name__", str(kernel))
    wrong = [f"{label} takes no hyperparameter {name}." for name in hyperparameters if name not in known]
    wrong += [f"{label} needs {name}=…" for name, required in known.items() if required and name not in hyperparameters]
    wrong += [
        f"{name} of {label} must be a positive number, got {value}."
        for name, value in hyperparameters.items()
        if name in _POSITIVE and name in known and not (value > 0 and math.isfinite(value))
    ]
    wrong += [
        f"{name} of {label} must be a finite number, got {value}."
        for name, value in hyperparameters.items()
        if name not in _POSITIVE and name in known and not math.isfinite(value)
    ]
    if wrong:
        raise ValueError(" ".join(wrong))
    return partial(kernel, **hyperparameters) if hyperparameters else kernel


def gather(kernel: Kernel, quantities: Quantities) -> dict[str, Tensor]:
    """The quantities that a kernel needs, by its parameter names; ValueError naming those that are missing."""
    wanted = {name: plain_name(name) for name in needs(kernel)}
    missing = [source for source in wanted.values() if source not in quantities]
    if missing:
        raise ValueError(f"The objective needs {missing}; it was given {sorted(quantities)}.")
    return {name: quantities[source] for name, source in wanted.items()}


def one_value_per_example(kernel: Kernel, inputs: Quantities, values: object) -> Tensor:
    """The kernel's values, if there is one an example; ValueError for a mean, a sum or another shape.

    A kernel that averaged by itself would be averaged twice: n times too weak, and nobody would be told.
    """
    label = getattr(kernel.func if isinstance(kernel, partial) else kernel, "__name__", str(kernel))
    shapes = {tuple(x.shape if name not in ("logits", "ref_logits") else x.shape[:-1]) for name, x in inputs.items()}
    batch = max(shapes, key=len)
    if not isinstance(values, Tensor) or tuple(values.shape) != batch:
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"{label} must return one value an example, a tensor of shape {batch}, not {got}: no mean, no sum."
        )
    return values


def _closed_form(kernel: Kernel, suffix: str) -> Kernel | None:
    """The closed gradient that stands beside a kernel in its module under `<kernel>_<suffix>`, with the same β."""
    plain = kernel.func if isinstance(kernel, partial) else kernel
    beside = getattr(sys.modules.get(plain.__module__), f"{plain.__name__}_{suffix}", None)
    return partial(beside, **kernel.keywords) if beside and isinstance(kernel, partial) else beside


def _by_autograd(kernel: Kernel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    free = {name: x.detach().requires_grad_() for name, x in inputs.items() if not name.startswith(("ref_", "z_ref"))}
    with torch.enable_grad():
        values = one_value_per_example(kernel, inputs, kernel(**{**inputs, **free}))
        return dict(zip(free, torch.autograd.grad(values.sum(), list(free.values())), strict=True))


def gradient_weights(kernel: Kernel, quantities: Quantities) -> dict[str, Tensor]:
    """d loss / d quantity, example by example: the closed form where one stands beside the kernel, else autograd.

    >>> from theory.losses import npo
    >>> gradient_weights(partial(npo, beta=1.0), {"logp": torch.zeros(1), "ref_logp": torch.zeros(1)})
    {'logp': tensor([1.])}
    """
    inputs = gather(kernel, quantities)
    if closed := _closed_form(kernel, "weight"):
        weights = closed(**inputs)
        free = [name for name in inputs if not name.startswith(("ref_", "z_ref"))]
        found = dict(zip(free, weights if isinstance(weights, tuple) else (weights,), strict=True))
    elif closed := _closed_form(kernel, "gradient"):
        found = {"logits": closed(**inputs)}
    else:
        found = _by_autograd(kernel, inputs)
    return {plain_name(name): weight for name, weight in found.items()}
