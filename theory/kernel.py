"""What a kernel asks for and gives: its parameter names, its hyperparameters, its gradient weights.

A kernel says by its parameter names which quantities it needs, out of the one table `QUANTITIES`, and by its
keyword-only ones what its hyperparameters are. The closed gradient beside it is found by name; a kernel without one
runs by autograd.
"""

import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import get_args

import torch
from torch import Tensor

from theory.losses.domains import Blocks, Domain, Finite, Positive
from theory.quantities import QUANTITIES, Quantity, moves, plain_name, wide

__all__ = [
    "QUANTITIES",
    "Kernel",
    "Quantities",
    "Quantity",
    "bind",
    "gather",
    "gradient_weights",
    "label",
    "missing",
    "moves",
    "needs",
    "one_value_per_example",
    "per_token",
    "plain_name",
    "takes",
    "unknown_quantities",
]

Kernel = Callable[..., Tensor]
Quantities = Mapping[str, Tensor]


def per_token(kernel: Kernel) -> bool:
    """Whether a kernel gives one value an answer token, as it takes quantities of tokens; else it is one an example.

    >>> from theory.losses import npo, wga
    >>> per_token(npo), per_token(wga)
    (False, True)
    """
    return any(name in QUANTITIES and QUANTITIES[name].level != "example" for name in needs(kernel))


def unknown_quantities(kernel: Kernel) -> str:
    """One message about all parameters of a kernel that are no quantity, with the nearest names; "" without any.

    >>> unknown_quantities(lambda logp, ref_logits, tokn_logp: logp)
    'no quantity is called tokn_logp: did you mean token_logp?'
    """
    wrong = []
    for name in needs(kernel):
        if name not in QUANTITIES:
            near = difflib.get_close_matches(name, QUANTITIES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(QUANTITIES)}."
            wrong.append(f"no quantity is called {name}: {hint}")
    return "; ".join(wrong)


def missing(kernel: Kernel, supplied: Collection[str], room: str) -> str:
    """What a room says that cannot supply all that a kernel asks for; "" where it can.

    >>> from theory.losses import altpo
    >>> missing(altpo, {"logp", "ref_logp"}, "the logistic problem")
    'altpo takes logp_alternate, ref_logp_alternate, which the logistic problem does not have.'
    """
    lacking = [name for name in needs(kernel) if name not in supplied and plain_name(name) not in supplied]
    return f"{label(kernel)} takes {', '.join(lacking)}, which {room} does not have." if lacking else ""


# What a hyperparameter of these names must be where its annotation says nothing; any other must be finite.
_USUAL = {"beta": Positive, "prefactor": Positive, "layer": Blocks}


def label(kernel: Kernel) -> str:
    """The name of a kernel in messages, that of the function where hyperparameters are bound."""
    return str(getattr(kernel.func if isinstance(kernel, partial) else kernel, "__name__", kernel))


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


def bind(kernel: Kernel, **hyperparameters: float | int) -> Kernel:
    """Bind a kernel's hyperparameters; all errors (unknown, missing, outside their domain) are reported at once.

    >>> from theory.losses import ga
    >>> bind(ga, beta=1.0)
    Traceback (most recent call last):
    ValueError: ga takes no hyperparameter beta.
    """
    known = takes(kernel)
    wrong = [_unknown(kernel, name) for name in hyperparameters if name not in known]
    wrong += [
        f"{label(kernel)} needs {name}=…"
        for name, required in known.items()
        if required and name not in hyperparameters
    ]
    wrong += [
        f"{name} of {label(kernel)} must be {domain.said}, got {value}."
        for name, value in hyperparameters.items()
        if name in known and not (domain := _domain(kernel, name)).holds(value)
    ]
    if wrong:
        raise ValueError(" ".join(wrong))
    return partial(kernel, **hyperparameters) if hyperparameters else kernel


def _unknown(kernel: Kernel, name: str) -> str:
    known = takes(kernel)
    near = difflib.get_close_matches(name, known, n=1)
    own = f" (it takes {', '.join(known)})" if known else ""
    return f"{label(kernel)} takes no hyperparameter {name}{own}." + (f" Did you mean {near[0]}?" if near else "")


def _domain(kernel: Kernel, name: str) -> Domain:
    """What its annotation says, or else its name: see `theory.losses.domains`."""
    said = getattr(inspect.signature(kernel).parameters[name].annotation, "__metadata__", ())
    found = [one for one in (*said, *get_args(_USUAL.get(name, Finite))) if isinstance(one, Domain)]
    return found[0]


def gather(kernel: Kernel, quantities: Quantities) -> dict[str, Tensor]:
    """The quantities that a kernel needs, by its parameter names; ValueError naming those that are missing."""
    wanted = {name: plain_name(name) for name in needs(kernel)}
    missing = [source for source in wanted.values() if source not in quantities]
    if missing:
        raise ValueError(f"The objective needs {missing}; it was given {sorted(quantities)}.")
    return {name: quantities[source] for name, source in wanted.items()}


def one_value_per_example(kernel: Kernel, inputs: Quantities, values: object) -> Tensor:
    """The kernel's values, if they can be a loss: one an example, or one a token of a kernel that takes tokens.

    ValueError, which names the kernel, for a mean, a sum or another shape, as a kernel that averaged by itself would
    be averaged twice; and for values without a gradient.
    """
    one, wanted = _shape(kernel, inputs)
    if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"{label(kernel)} must return one value {one}, a tensor of shape {wanted}, not {got}: no mean, no sum."
        )
    follows = torch.is_grad_enabled() and any(x.requires_grad for name, x in inputs.items() if moves(name))
    if not values.is_floating_point() or (follows and not values.requires_grad):
        raise ValueError(
            f"{label(kernel)} returns values without a gradient: compute with torch operations on what it is given."
        )
    return values


def _shape(kernel: Kernel, inputs: Quantities) -> tuple[str, tuple[int, ...]]:
    """What there is a value of, in words, and the shape of all values."""
    rows = per_token(kernel)
    shapes = {
        tuple(x.shape[:-1] if wide(name) else x.shape)
        for name, x in inputs.items()
        if not rows or (name in QUANTITIES and QUANTITIES[name].level != "example")
    }
    return "a token" if rows else "an example", max(shapes, key=len)


def _closed_form(kernel: Kernel, suffix: str) -> Kernel | None:
    """The closed gradient that stands beside a kernel in its module as `<kernel>_<suffix>`, bound as the kernel is."""
    plain = kernel.func if isinstance(kernel, partial) else kernel
    beside = getattr(sys.modules.get(plain.__module__), f"{plain.__name__}_{suffix}", None)
    return partial(beside, **kernel.keywords) if beside and isinstance(kernel, partial) else beside


def _by_autograd(kernel: Kernel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    free = {name: x.detach().requires_grad_() for name, x in inputs.items() if moves(name)}
    with torch.enable_grad():
        values = one_value_per_example(kernel, inputs, kernel(**{**inputs, **free}))
        if not values.requires_grad:
            raise ValueError(
                f"{label(kernel)} has no gradient, so nothing would be learned from it: compute its loss with torch "
                "operations on what it is given."
            )
        return dict(zip(free, torch.autograd.grad(values.sum(), list(free.values())), strict=True))


def gradient_weights(kernel: Kernel, quantities: Quantities) -> dict[str, Tensor]:
    """d loss / d quantity, by example or by row: the closed form where one stands beside the kernel, else autograd.

    >>> from theory.losses import npo
    >>> gradient_weights(partial(npo, beta=1.0), {"logp": torch.zeros(1), "ref_logp": torch.zeros(1)})
    {'logp': tensor([1.])}
    """
    inputs = gather(kernel, quantities)
    if closed := _closed_form(kernel, "weight"):
        weights = closed(**inputs)
        free = [name for name in inputs if moves(name)]
        found = dict(zip(free, weights if isinstance(weights, tuple) else (weights,), strict=True))
    elif closed := _closed_form(kernel, "gradient"):
        (free_one,) = (name for name in inputs if moves(name))
        found = {free_one: closed(**inputs)}
    else:
        found = _by_autograd(kernel, inputs)
    return {plain_name(name): weight for name, weight in found.items()}
