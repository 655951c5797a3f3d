"""What a kernel asks for and gives: its parameter names, its hyperparameters, its gradient weights.

A kernel says by its parameter names which quantities it needs, out of the one table `QUANTITIES`, and by its
keyword-only ones what its hyperparameters are. The closed gradient beside it is found by name; a kernel without one
runs by autograd.
"""

import difflib
import inspect
import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

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


# --- the quantities -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """What a kernel may ask for by a parameter of this name; `moving` is what gradients flow to.

    `level` is "example" (one number an answer), "token" (one an answer token), "logits" (a row over the vocabulary at
    each position that predicts an answer token), "hidden" (a hidden state at each of these) or "index" (integers of
    the same rows). The rows of a batch stand example after example, in the order of the answers.
    """

    name: str
    level: Literal["example", "token", "logits", "hidden", "index"]
    shape: str
    unit: str
    moving: bool
    about: str


def _example(name: str, about: str, *, moving: bool = False, unit: str = "nats", shape: str = "(batch,)") -> Quantity:
    return Quantity(name, "example", shape, unit, moving, about)


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        one.name: one
        for one in (
            _example("logp", "log π_θ(y|x) of the answer, summed over its tokens", moving=True),
            _example("ref_logp", "the same under the reference"),
            _example("logp_lose", "`logp`, where a kernel pairs it with another answer", moving=True),
            _example("ref_logp_lose", "`ref_logp`, where a kernel pairs it with another answer"),
            _example("logp_win", 'log π_θ(y⁺|x) of the positive answer, "I don\'t know"', moving=True),
            _example("ref_logp_win", "the same under the reference"),
            _example("logp_alternate", "log π_θ of an alternative answer of the same domain", moving=True),
            _example("ref_logp_alternate", "the same under the reference"),
            _example("count", "how many tokens the answer has", unit="tokens"),
            _example("count_win", "how many the positive answer has", unit="tokens"),
            _example("count_alternate", "how many the alternative answer has", unit="tokens"),
            _example("z_ref", "the reference point of KTO, β times a mean KL", shape="()"),
            Quantity("token_logp", "token", "(tokens,)", "nats", True, "log p_t of each answer token"),
            Quantity("ref_token_logp", "token", "(tokens,)", "nats", False, "the same under the reference"),
            Quantity("example", "index", "(tokens,)", "1", False, "which example of the batch a token belongs to"),
            Quantity("position", "index", "(tokens,)", "1", False, "its place in its answer, from 0"),
            Quantity("labels", "index", "(tokens,)", "1", False, "its number in the vocabulary"),
            Quantity("logits", "logits", "(tokens, vocabulary)", "1", True, "the logits that predict it"),
            Quantity("ref_logits", "logits", "(tokens, vocabulary)", "1", False, "the same of the reference"),
            Quantity("hidden", "hidden", "(tokens, width)", "1", True, "the state there after the block `layer`"),
            Quantity("ref_hidden", "hidden", "(tokens, width)", "1", False, "the same of the reference"),
        )
    }
)
"""Everything that a kernel may ask for, by name; of a retain kernel it is that of the retain set."""


def moves(name: str) -> bool:
    """Whether gradients flow to a quantity.

    >>> moves("token_logp"), moves("count"), moves("ref_logp")
    (True, False, False)
    """
    known = QUANTITIES.get(name)
    return known.moving if known else not name.startswith("ref_")


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


# --- a kernel's parameters ------------------------------------------------------------------------------------------

# The forget answer goes by one name where it is alone and by another where a kernel pairs it with a positive one.
_ALIASES = {"logp_lose": "logp", "ref_logp_lose": "ref_logp"}
_POSITIVE = ("beta", "prefactor", "c")
_NOT_NEGATIVE = ("beta1", "beta2", "floor", "skip")


def label(kernel: Kernel) -> str:
    """The name of a kernel in messages, that of the function where hyperparameters are bound."""
    return str(getattr(kernel.func if isinstance(kernel, partial) else kernel, "__name__", kernel))


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
        f"{name} of {label(kernel)} must be {said}, got {value}."
        for name, value in hyperparameters.items()
        if name in known and (said := _outside(name, value))
    ]
    if wrong:
        raise ValueError(" ".join(wrong))
    return partial(kernel, **hyperparameters) if hyperparameters else kernel


def _unknown(kernel: Kernel, name: str) -> str:
    known = takes(kernel)
    near = difflib.get_close_matches(name, known, n=1)
    own = f" (it takes {', '.join(known)})" if known else ""
    return f"{label(kernel)} takes no hyperparameter {name}{own}." + (f" Did you mean {near[0]}?" if near else "")


def _outside(name: str, value: float | int) -> str:
    """What a hyperparameter of this name must be where the value is not; "" where it is."""
    if name in _POSITIVE:
        return "" if value > 0 and math.isfinite(value) else "a positive number"
    if name in _NOT_NEGATIVE:
        return "" if value >= 0 and math.isfinite(value) else "a number ≥ 0"
    if name == "layer":
        return "" if 0 < value < 1 or (value >= 1 and value == int(value)) else "a number of blocks, or a share below 1"
    return "" if math.isfinite(value) else "a finite number"


def gather(kernel: Kernel, quantities: Quantities) -> dict[str, Tensor]:
    """The quantities that a kernel needs, by its parameter names; ValueError naming those that are missing."""
    wanted = {name: plain_name(name) for name in needs(kernel)}
    missing = [source for source in wanted.values() if source not in quantities]
    if missing:
        raise ValueError(f"The objective needs {missing}; it was given {sorted(quantities)}.")
    return {name: quantities[source] for name, source in wanted.items()}


def one_value_per_example(kernel: Kernel, inputs: Quantities, values: object) -> Tensor:
    """The kernel's values, if there is one an example, or one a token of a kernel that takes tokens.

    ValueError for a mean, a sum or another shape: a kernel that averaged by itself would be averaged twice, n times
    too weak, and nobody would be told.
    """
    rows = per_token(kernel)
    shapes = {_rows(name, x) for name, x in inputs.items() if not rows or QUANTITIES[name].level != "example"}
    wanted = max(shapes, key=len)
    if not isinstance(values, Tensor) or tuple(values.shape) != wanted:
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        one = "a token" if rows else "an example"
        raise ValueError(
            f"{label(kernel)} must return one value {one}, a tensor of shape {wanted}, not {got}: no mean, no sum."
        )
    return values


def _rows(name: str, x: Tensor) -> tuple[int, ...]:
    """The shape of a quantity without its vocabulary or width."""
    wide = name in QUANTITIES and QUANTITIES[name].level in ("logits", "hidden")
    return tuple(x.shape[:-1] if wide else x.shape)


def _closed_form(kernel: Kernel, suffix: str) -> Kernel | None:
    """The closed gradient that stands beside a kernel in its module as `<kernel>_<suffix>`, bound as the kernel is."""
    plain = kernel.func if isinstance(kernel, partial) else kernel
    beside = getattr(sys.modules.get(plain.__module__), f"{plain.__name__}_{suffix}", None)
    return partial(beside, **kernel.keywords) if beside and isinstance(kernel, partial) else beside


def _by_autograd(kernel: Kernel, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    free = {name: x.detach().requires_grad_() for name, x in inputs.items() if moves(name)}
    with torch.enable_grad():
        values = one_value_per_example(kernel, inputs, kernel(**{**inputs, **free}))
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
