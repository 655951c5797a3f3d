"""A user's own forget loss, `path/to/file.py:name`: what its parameters may be, and what is told where it fails.

It may take every quantity of `theory.kernel.QUANTITIES` and any hyperparameters, and is tried on a few answers before
anything runs, so that a mistake in it is told in words. `npo.running.methods` makes objectives of it.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, update_wrapper
from typing import Any

import torch
from torch import Tensor

from npo.program.names import nearest
from records.errors import UserError
from records.loader import find_parameters, is_users, load_function
from theory.kernel import QUANTITIES, Kernel, moves, needs, per_token, plain_name
from theory.objective import Objective, gradient_weights

__all__ = ["OwnError", "own_kernel", "own_shape", "try_out", "words"]

_MOVING = tuple(name for name in QUANTITIES if moves(name))
_CLOSED = ("weight", "gradient")
_LENGTHS = (2, 1, 3)  # tokens of the answers on which a loss is tried
_VOCABULARY, _WIDTH = 4, 3


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


def own_kernel(reference: str) -> Kernel:
    """The function `path/to/file.py:name` as a kernel whose mistakes are told; this runs the file."""
    kernel = load_function(reference)
    _check_signature(kernel)
    _guard_the_closed_form(kernel, reference)
    return _Guarded(kernel, reference)


def own_shape(reference: str) -> Kernel | None:
    """What stands for a function that is looked at and not run: its name and parameters; None where they can't be told.

    UserError where they are none of a loss.
    """
    parameters = find_parameters(reference)
    if parameters is None:
        return None

    def shape(**given: Any) -> Tensor:
        raise AssertionError("it was looked at, not run")

    shape.__name__ = reference.rpartition(":")[2]
    vars(shape)["__signature__"] = parameters
    _check_signature(shape)
    return shape


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
            continue
        if p.kind is not p.POSITIONAL_OR_KEYWORD:
            wrong.append(f"{p} can't be filled by name: name the quantities")
        elif p.name == "beta":
            wrong.append("beta must be keyword-only: write `*, beta`")
        elif p.name not in QUANTITIES:
            near = nearest(p.name, QUANTITIES) or f" There are {', '.join(QUANTITIES)}."
            wrong.append(
                f"no quantity is called {p.name}; a hyperparameter is keyword-only: write `*, {p.name}`.{near}"
            )
        elif p.default is not p.empty:
            wrong.append(f"{p.name} would always keep its default: take the default away")
    wrong += [] if wrong else _astray({p.name for p in parameters})
    if wrong:
        raise UserError("; ".join(wrong) + "." * (wrong[-1][-1] not in ".?"))


def _astray(names: set[str]) -> list[str]:
    """What is wrong with parameters of which each for itself is right."""
    wrong = []
    if not names.intersection(_MOVING):
        wrong.append(f"it takes none of {', '.join(_MOVING)}, so nothing would be learned")
    wrong += [
        f"{name} and {plain} are the same: take one"
        for name in sorted(names)
        if (plain := plain_name(name)) != name and plain in names
    ]
    if "z_ref" in names and "beta" not in names:
        wrong.append("z_ref is β times a mean KL, so beta must be a parameter too: write `*, beta`")
    if names & {"hidden", "ref_hidden"} and "layer" not in names:
        wrong.append("hidden states are those after the block `layer`, a hyperparameter: write `*, layer=0.5`")
    return wrong


# --- guards ---------------------------------------------------------------------------------------------------------


class _Guarded:
    """A user's kernel whose exceptions, wrong shapes and NaN are told by UserError; signature and name stay.

    It gets copies, so that what it does to its inputs is done to nothing of ours. Another process loads its file anew.
    """

    def __init__(self, kernel: Kernel, reference: str) -> None:
        self.__name__ = reference.rpartition(":")[2]  # a partial has no name
        update_wrapper(self, kernel)
        self._kernel, self._reference = kernel, reference

    def __call__(self, **given: Any) -> Tensor:
        with _told(self._reference, "it"):
            loss = self._kernel(**_copies(given))
        if mistake := _mistake(loss, given, per_token(self._kernel)):
            raise OwnError(self._reference, mistake)
        found: Tensor = loss
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _elsewhere, (self._reference,)


@cache
def _elsewhere(reference: str) -> Kernel:
    return own_kernel(reference)


def _guard_the_closed_form(kernel: Kernel, label: str) -> None:
    """Tell the exceptions of the closed gradient beside a function too, where its own file has one."""
    module = sys.modules.get(kernel.__module__ or "")
    if module is None or not is_users(module):
        return
    for name in (f"{getattr(kernel, '__name__', '')}_{kind}" for kind in _CLOSED):
        if closed := getattr(module, name, None):
            setattr(module, name, _guarded(closed, label))


def _guarded(closed: Kernel, label: str) -> Kernel:
    def guarded(**given: Any) -> Any:
        with _told(label, "its gradient weight"):
            found = closed(**_copies(given))
        parts = found if isinstance(found, tuple) else (found,)
        if not all(isinstance(part, Tensor) for part in parts):
            raise OwnError(label, f"its gradient weight returns {type(found).__name__}, not a torch tensor.")
        if any(_unlike(part, given) for part in parts):
            raise OwnError(label, f"its gradient weight is NaN at finite {', '.join(_tensors(given))}.")
        return found

    return guarded


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in given.items()}


def _tensors(given: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in given.items() if isinstance(value, Tensor)}


def _unlike(found: Tensor, given: Mapping[str, Any]) -> bool:
    """Is there NaN in what was found, though all that was given is finite?"""
    return bool(found.isnan().any()) and all(bool(x.isfinite().all()) for x in _tensors(given).values())


@contextmanager
def _told(label: str, what: str) -> Iterator[None]:
    """Whatever a user's function raises, an end of the program too, as a mistake in it; Ctrl-C goes through."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise OwnError(label, f"{what} raised {type(error).__name__}: {error}") from error


def _mistake(loss: Any, given: Mapping[str, Any], of_tokens: bool) -> str:
    """What keeps a loss from being one number an example, or a token, with a gradient; asked at every call."""
    if not isinstance(loss, Tensor):
        return f"it returns {type(loss).__name__}, not a torch tensor: compute with torch."
    kept = [x for n, x in _tensors(given).items() if n in QUANTITIES and x.ndim
            and (QUANTITIES[n].level != "example") == of_tokens]  # fmt: skip
    wanted, things = kept[0].shape[:1], "answer tokens" if of_tokens else "examples"
    if loss.shape != wanted:
        return (
            f"it returns shape {tuple(loss.shape)} for {wanted.numel()} {things}: return one loss for each, shape "
            f"{tuple(wanted)}; without .mean() or .sum(), the mean is taken afterwards."
        )
    follows = torch.is_grad_enabled() and any(x.requires_grad for x in _tensors(given).values())
    if not loss.is_floating_point() or (follows and not loss.requires_grad):
        return "its loss has no gradient: compute with torch operations on the quantities given."
    return f"its loss is NaN at finite {', '.join(_tensors(given))}." if _unlike(loss, given) else ""


# --- the trial ------------------------------------------------------------------------------------------------------


@cache
def _sample() -> dict[str, Tensor]:
    """Every quantity, of three answers of different lengths, as it may come; log-probabilities in nats."""
    known: dict[str, Any] = {
        "logp": (-0.4, -1.3, -2.9),
        "ref_logp": (-0.7, -0.2, -2.2),
        "logp_win": (-1.1, -0.6, -0.3),
        "ref_logp_win": (-0.9, -0.8, -0.5),
        "logp_win_after": (-1.4, -0.9, -0.2),
        "mean_prob": (0.67, 0.3, 0.4),
        "mean_prob_win": (0.3, 0.5, 0.8),
        "logp_alternate": (-2.1, -1.6, -3.3),
        "ref_logp_alternate": (-1.9, -1.8, -3.5),
        "z_ref": 0.3,
        "token_logp": (-0.1, -0.3, -1.3, -0.5, -1.4, -1.0),
        "ref_token_logp": (-0.5, -0.2, -0.2, -0.4, -1.2, -0.6),
    }
    found = {name: torch.tensor(value, dtype=torch.float64) for name, value in known.items()}
    tokens = torch.ones(len(_LENGTHS), max(_LENGTHS)).cumsum(dim=1) <= torch.tensor(_LENGTHS)[:, None]
    example, position = tokens.nonzero(as_tuple=True)
    found |= {"example": example, "position": position, "labels": (example + 2 * position) % _VOCABULARY}
    counts = ("count", "count_win", "count_win_after", "count_alternate")
    found |= dict.fromkeys(counts, torch.tensor(_LENGTHS))
    generator = torch.Generator().manual_seed(0)
    for name, width in (("logits", _VOCABULARY), ("hidden", _WIDTH)):
        for kind in ("", "ref_"):
            found[f"{kind}{name}"] = torch.randn(sum(_LENGTHS), width, generator=generator, dtype=torch.float64)
    found["reinforced_logits"] = found["ref_logits"].flip(1)
    return found


def try_out(objective: Objective, name: str) -> None:
    """UserError where a few answers do not give as many finite losses with the gradient that they should have."""
    kernel, sample = objective.forget, _sample()
    inputs = {name: sample[plain_name(name)].clone() for name in needs(kernel)}
    free = {name: x.requires_grad_() for name, x in inputs.items() if moves(name)}
    loss = kernel(**inputs)
    with _told(name, "its gradient"):
        found = torch.autograd.grad(loss.sum(), list(free.values()), allow_unused=True)
    slopes = dict(zip(free, found, strict=True))
    if unused := [name for name, slope in slopes.items() if slope is None]:
        raise UserError(f"its loss does not depend on {', '.join(unused)}: use it, or take the parameter away.")
    if not all(bool(torch.isfinite(x).all()) for x in (loss, *slopes.values())):
        raise UserError(f"its loss or gradient is not finite at {_shown(inputs)}: loss {loss.tolist()}.")
    _compare(objective, sample, slopes)


def _compare(objective: Objective, sample: dict[str, Tensor], slopes: dict[str, Tensor]) -> None:
    """UserError where a closed gradient stands beside the function and is not its derivative."""
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
