"""From what a user types to an `Objective`: a method of the paper, or a function from one's own file.

One's own function is tried on a few examples before anything runs, so that a mistake in it is told in words.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, update_wrapper
from typing import Any

import torch
from torch import Tensor

from records.errors import UserError
from records.loader import find_function, is_users, load_function
from theory import losses, retain
from theory.kernel import plain_name
from theory.objective import (
    Kernel,
    Objective,
    compose,
    defaults,
    gradient_weights,
    kernels,
    method,
    needs,
    takes,
)

__all__ = ["OwnError", "looked_at", "objective_of", "objectives_of", "words"]

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


class OwnError(UserError):
    """A mistake in a user's own function, told where it runs: `function` is its name, `said` what is wrong."""

    def __init__(self, function: str, said: str) -> None:
        super().__init__(f"{function}: {said}")
        self.function, self.said = function, said

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnError, (self.function, self.said)  # as another process tells it


def words(error: Exception) -> str:
    """What an error says where the method that it is about has been named already."""
    return error.said if isinstance(error, OwnError) else str(error)


def objectives_of(
    names: list[str], *, beta: float | None, usual: Mapping[str, float] | None = None
) -> dict[str, Objective]:
    """The objective of each name; β goes to those that take it, or where it is None each gets its `usual` one.

    UserError with everything that is wrong.
    """
    found, wrong = {}, []
    for name in names:
        chosen = beta if beta is not None else (usual or {}).get(name if ":" in name else name.upper())
        try:
            found[name] = objective_of(name, {}, chosen)
        except UserError as error:
            wrong.append(f"--methods {name}: {error}")
    if not wrong and beta is not None and not any("beta" in takes(one.forget) for one in found.values()):
        wrong.append(f"--beta {beta}: none of {', '.join(names)} takes β.")
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def objective_of(name: str, hyperparameters: Mapping[str, float], beta: float | None = None) -> Objective:
    """The objective of a known method or of a user's own function, with hyperparameters that it must take.

    `beta` is the β of one that is given none and has no default (a user's function: that takes one). UserError with
    what is wrong with it, without its name.
    """
    try:
        if ":" not in name:
            return _known(name, hyperparameters, beta)
        forget, retain_kernel, _ = _kernels_of(name)
        known = takes(forget)
        given = ({"beta": beta} if beta is not None and "beta" in known else {}) | dict(hyperparameters)
        if "beta" not in given and known.get("beta"):
            raise UserError("it needs a β: give it with --beta, e.g. --beta 1.")
        found = compose(forget, retain_kernel, **given)
        _try(found, name)
    except (ValueError, OwnError) as error:
        raise UserError(words(error)) from error
    return found


def _known(name: str, hyperparameters: Mapping[str, float], beta: float | None) -> Objective:
    forget, _ = kernels(name)
    lacks = bool(takes(forget).get("beta")) and "beta" not in {**defaults(name), **hyperparameters}
    if lacks and beta is None:
        raise UserError("it needs a β: give it with --beta, e.g. --beta 1.")
    return method(name, **{**({"beta": beta} if lacks and beta is not None else {}), **hyperparameters})


def looked_at(name: str, hyperparameters: Mapping[str, float], beta: float | None = None) -> Objective:
    """The objective of a method where nothing is unlearned: a user's file is looked at, not run, and NPO stands for it.

    It reads the rows that the function would read; UserError with what can be known to be wrong.
    """
    reference, retain_kind = _parts(name)
    if ":" not in reference:
        return objective_of(name, hyperparameters, beta)
    retain_kernel = _retain_of(retain_kind)
    find_function(reference)
    return compose(losses.npo, retain_kernel, beta=hyperparameters.get("beta", beta or 1.0))


def _parts(name: str) -> tuple[str, str]:
    """("path/to/file.py:name", "rt") of "path/to/file.py:name+rt"; a method of the paper has no parts."""
    path, colon, rest = name.rpartition(":")
    function, _, kind = rest.partition("+")
    return (f"{path}:{function}", kind) if colon else (name, "")


def _retain_of(kind: str) -> Kernel | None:
    if kind.lower() not in _RETAIN:
        raise UserError(f"+{kind} is no retain term; write +rt, +kl, or nothing.")
    return _RETAIN[kind.lower()]


def _kernels_of(name: str) -> tuple[Kernel, Kernel | None, bool]:
    """Forget and retain kernel of a method; is it the user's own?"""
    reference, retain_kind = _parts(name)
    if ":" not in reference:
        return (*kernels(name), False)
    retain_kernel, kernel = _retain_of(retain_kind), load_function(reference)
    _check_signature(kernel)
    _guard_the_weight(kernel, reference)
    return _Guarded(kernel, reference), retain_kernel, True


def _check_signature(kernel: Kernel) -> None:
    """UserError where the parameters are not quantities that are known here, and keyword-only hyperparameters."""
    try:
        parameters = inspect.signature(kernel).parameters.values()
    except (TypeError, ValueError):
        raise UserError("its parameters can't be read: write it as a function (def …).") from None
    if inspect.iscoroutinefunction(kernel):
        raise UserError("it is an async function, which returns no loss when it is called: write def.")
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


class _Guarded:
    """A user's kernel whose exceptions and wrong shapes are told by UserError; signature and name stay.

    It gets copies, so that what it does to its inputs is done to nothing of ours. Another process loads its file anew.
    """

    def __init__(self, kernel: Kernel, reference: str) -> None:
        self.__name__ = reference.rpartition(":")[2]  # a partial has no name
        update_wrapper(self, kernel)
        self._kernel, self._reference = kernel, reference

    def __call__(self, **given: Any) -> Tensor:
        with _told(self._reference, "it"):
            loss = self._kernel(**_copies(given))
        if mistake := _mistake(loss, [value for name, value in given.items() if name in _MOVING]):
            raise OwnError(self._reference, mistake)
        found: Tensor = loss
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _own_kernel, (self._reference,)


@cache
def _own_kernel(reference: str) -> Kernel:
    kernel = load_function(reference)
    _guard_the_weight(kernel, reference)
    return _Guarded(kernel, reference)


def _guard_the_weight(kernel: Kernel, label: str) -> None:
    """Tell the exceptions of the closed gradient weight beside a function too, where its own file has one."""
    module, name = sys.modules.get(kernel.__module__ or ""), f"{getattr(kernel, '__name__', '')}_weight"
    closed = getattr(module, name, None) if module is not None and is_users(module) else None
    if closed is None:
        return

    def guarded(**given: Any) -> Any:
        with _told(label, "its gradient weight"):
            found = closed(**_copies(given))
        if not all(isinstance(part, Tensor) for part in (found if isinstance(found, tuple) else (found,))):
            raise OwnError(label, f"its gradient weight returns {type(found).__name__}, not a torch tensor.")
        return found

    setattr(module, name, guarded)


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in given.items()}


@contextmanager
def _told(label: str, what: str) -> Iterator[None]:
    """Whatever a user's function raises, an end of the program too, as a mistake in it; Ctrl-C goes through."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise OwnError(label, f"{what} raised {type(error).__name__}: {error}") from error


def _mistake(loss: Any, moving: list[Tensor]) -> str:
    """What keeps a loss from being one number an example with a gradient; asked at every call, "" if nothing does."""
    if not isinstance(loss, Tensor):
        return f"it returns {type(loss).__name__}, not a torch tensor: compute with torch."
    wanted = moving[0].shape
    if loss.shape != wanted:
        return (
            f"it returns shape {tuple(loss.shape)} for {wanted.numel()} examples: return one loss for each, shape "
            f"{tuple(wanted)}; without .mean() or .sum(), the mean is taken afterwards."
        )
    follows = torch.is_grad_enabled() and any(x.requires_grad for x in moving)
    if not loss.is_floating_point() or (follows and not loss.requires_grad):
        return "its loss has no gradient: compute with torch operations on the log-probabilities given."
    return ""


def _try(objective: Objective, name: str) -> None:
    """UserError where three examples do not give three finite losses with the gradient that they should have."""
    kernel = objective.forget
    sample = {name: torch.tensor(value, dtype=torch.float64) for name, value in _SAMPLE.items()}
    inputs = {name: sample[plain_name(name)].clone() for name in needs(kernel)}
    free = [x.requires_grad_() for name, x in inputs.items() if name in _MOVING]
    loss = kernel(**inputs)
    with _told(name, "its gradient"):
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
    except ValueError as error:
        raise UserError(f"its gradient weight failed: {error}") from error
    for name, slope in slopes.items():
        weight = closed[plain_name(name)]
        if weight.shape != slope.shape or not torch.allclose(weight.to(slope), slope, rtol=1e-4, atol=1e-6):
            raise UserError(
                f"the gradient weight beside it is not its derivative by {name}: {weight.tolist()}, "
                f"and autograd gives {slope.tolist()}."
            )


def _shown(inputs: dict[str, Tensor]) -> str:
    return ", ".join(f"{name} = {x.tolist()}" for name, x in inputs.items())
