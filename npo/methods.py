"""From what a user types to an `Objective`: a method of the paper, or a function from one's own file.

One's own function is tried on a few examples before anything runs, so that a mistake in it is told in words.
"""

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from records.errors import UserError
from records.loader import load_function
from theory import losses, retain
from theory.kernel import plain_name
from theory.objective import Kernel, Objective, compose, gradient_weights, kernels, needs, takes

__all__ = ["objectives_of"]

_RETAIN = {"": None, "rt": losses.nll, "kl": retain.kl}
_MOVING = ("logp", "logp_win", "logp_lose")
_QUANTITIES = ("logp", "ref_logp", "logp_win", "ref_logp_win", "logp_lose", "ref_logp_lose", "z_ref")
_SAMPLE = {  # log-probabilities as they may come, in nats; z_ref is one number
    "logp": (-0.4, -1.3, -2.9),
    "ref_logp": (-0.7, -0.2, -2.2),
    "logp_win": (-1.1, -0.6, -0.3),
    "ref_logp_win": (-0.9, -0.8, -0.5),
    "z_ref": 0.3,
}


def objectives_of(
    names: list[str], *, beta: float | None, usual: Mapping[str, float] | None = None
) -> dict[str, Objective]:
    """The objective of each name; β goes to those that take it, or where it is None each gets its `usual` one.

    UserError with everything that is wrong.
    """
    found, wrong, used = {}, [], beta is None
    for name in names:
        try:
            forget, retain_kernel, own = _kernels_of(name)
            known = takes(forget)
            used |= "beta" in known
            chosen = beta if beta is not None else (usual or {}).get(name if own else name.upper())
            if chosen is None and known.get("beta"):
                raise UserError("it needs a β: give it with --beta, e.g. --beta 1.")
            given = {"beta": chosen} if chosen is not None and "beta" in known else {}
            found[name] = compose(forget, retain_kernel, **given)
            if own:
                _try(found[name])
        except (ValueError, UserError) as error:
            wrong.append(f"--methods {name}: {error}")
    if not wrong and not used:
        wrong.append(f"--beta {beta}: none of {', '.join(names)} takes β.")
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _kernels_of(name: str) -> tuple[Kernel, Kernel | None, bool]:
    """Of "NPO+RT", or of "path/to/file.py:name", "…:name+rt", "…:name+kl"; is it the user's own?"""
    path, colon, rest = name.rpartition(":")
    if not colon:
        return (*kernels(name), False)
    function, _, kind = rest.partition("+")
    if kind.lower() not in _RETAIN:
        raise UserError(f"+{kind} is no retain term; write +rt, +kl, or nothing.")
    kernel = load_function(f"{path}:{function}")
    _check_signature(kernel)
    return _guarded(kernel), _RETAIN[kind.lower()], True


def _check_signature(kernel: Kernel) -> None:
    """UserError where the parameters are not quantities that are known here, and keyword-only hyperparameters."""
    try:
        parameters = inspect.signature(kernel).parameters.values()
    except (TypeError, ValueError):
        raise UserError("its parameters can't be read: write it as a function (def …).") from None
    wrong = []
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY:
            if p.default is p.empty and p.name != "beta":
                wrong.append(f"nothing gives a value to {p.name}: give it a default (*, {p.name}=…)")
        elif p.kind is not p.POSITIONAL_OR_KEYWORD:
            wrong.append(f"{p} can't be filled by name: name the quantities")
        elif p.name == "beta":
            wrong.append("beta must be keyword-only: write `*, beta`")
        elif p.name not in _QUANTITIES:
            wrong.append(f"no quantity is called {p.name}; there are {', '.join(_QUANTITIES)}, and `*, beta`")
        elif p.default is not p.empty:
            wrong.append(f"{p.name} would always keep its default: take the default away")
    names = {p.name for p in parameters}
    if not wrong and not names.intersection(_MOVING):
        wrong.append(f"it takes none of {', '.join(_MOVING)}, so nothing would be learned")
    if "z_ref" in names and "beta" not in names:
        wrong.append("z_ref is β times a mean KL, so beta must be a parameter too: write `*, beta`")
    if wrong:
        raise UserError("; ".join(wrong) + ".")


def _guarded(kernel: Kernel) -> Kernel:
    """The same function, its exceptions turned into a UserError; signature and name stay."""

    @wraps(kernel)
    def guarded(*args: Any, **kwargs: Any) -> Tensor:
        try:
            return kernel(*args, **kwargs)
        except Exception as error:
            raise UserError(f"it raised {type(error).__name__}: {error}") from error

    return guarded


def _try(objective: Objective) -> None:
    """UserError where three examples do not give three finite losses with the gradient that they should have."""
    kernel = objective.forget
    sample = {name: torch.tensor(value, dtype=torch.float64) for name, value in _SAMPLE.items()}
    inputs = {name: sample[plain_name(name)].clone() for name in needs(kernel)}
    free = [x.requires_grad_() for name, x in inputs.items() if name in _MOVING]
    loss = kernel(**inputs)
    if not isinstance(loss, Tensor):
        raise UserError(f"it returns {type(loss).__name__}, not a torch tensor: compute with torch.")
    if loss.shape != (3,):
        raise UserError(
            f"it returns shape {tuple(loss.shape)} for 3 examples: return one loss for each, shape (3,); "
            "without .mean() or .sum(), the mean is taken afterwards."
        )
    if not loss.requires_grad:
        raise UserError("its loss has no gradient: compute with torch operations on the log-probabilities given.")
    slopes = torch.autograd.grad(loss.sum(), free, allow_unused=True)
    moving = [name for name in inputs if name in _MOVING]
    if unused := [name for name, slope in zip(moving, slopes, strict=True) if slope is None]:
        raise UserError(f"its loss does not depend on {', '.join(unused)}: use it, or take the parameter away.")
    if not all(bool(torch.isfinite(x).all()) for x in (loss, *slopes)):
        raise UserError(f"its loss or gradient is not finite at {_shown(inputs)}: loss {loss.tolist()}.")
    _compare(objective, sample, dict(zip(moving, slopes, strict=True)))


def _compare(objective: Objective, sample: dict[str, Tensor], slopes: dict[str, Tensor]) -> None:
    """UserError where a closed gradient weight stands beside the function and is not its derivative."""
    try:
        closed = gradient_weights(objective.forget, sample)
    except Exception as error:
        raise UserError(f"its gradient weight failed: {type(error).__name__}: {error}") from error
    for name, slope in slopes.items():
        weight = closed[plain_name(name)]
        if weight.shape != slope.shape or not torch.allclose(weight.to(slope), slope, rtol=1e-4, atol=1e-6):
            raise UserError(
                f"the gradient weight beside it is not its derivative by {name}: {weight.tolist()}, "
                f"and autograd gives {slope.tolist()}."
            )


def _shown(inputs: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} = {x.tolist()}" for name, x in inputs.items())
