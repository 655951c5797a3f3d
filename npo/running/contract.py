"""The contract of a forget loss, looked at before anything is trained: shapes, finiteness, gradients, the sign.

What every loss must do is told by `npo.running.own_loss` at once, as a mistake. What is found here may be meant: each
finding says what a run would meet, and where.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from npo.running.answers_drawn import AT, REFERENCE, drawn, first_alone, said_of, with_answer_at
from npo.running.own_loss import OwnError
from theory.kernel import QUANTITIES, Kernel, moves, needs, per_token, plain_name

__all__ = ["Finding", "contract", "pull_down", "pulls"]

Found = Literal["kept", "note", "broken"]
CLOSE = 1e-6
SIGN = "sign of the weight"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, whether the contract is kept, and what was seen."""

    about: str
    verdict: Found
    said: str


def contract(kernel: Kernel) -> list[Finding]:
    """Everything that is looked at, in the order in which a reader wants it; hyperparameters are bound.

    >>> from theory.losses import ga
    >>> {finding.verdict for finding in contract(ga)}
    {'kept'}
    """
    looks: tuple[Callable[[Kernel], Finding], ...] = (
        *(_asks, _shapes, _alone, _repeats),
        *(_gradient, _single_precision, _extremes, _sign),
    )
    return [look(kernel) for look in looks]


def _asks(kernel: Kernel) -> Finding:
    asked = ", ".join(f"{name} ({QUANTITIES[name].about})" for name in needs(kernel))
    keywords = kernel.keywords if isinstance(kernel, partial) else {}
    bound = ", ".join(f"{name} = {value:g}" for name, value in keywords.items())
    return Finding("asks for", "kept", f"{asked}; {bound or 'no hyperparameter'}")


def _shapes(kernel: Kernel) -> Finding:
    """Wrong ones are refused by the guard around the loss, so that here they are right."""
    counts = (1, 3, 17)
    for count in counts:
        _values(kernel, drawn(count, torch.float64))
    one = "one value a token" if per_token(kernel) else "one value an answer"
    return Finding("shapes", "kept", f"{one}, of {', '.join(map(str, counts))} answers")


def _alone(kernel: Kernel) -> Finding:
    """A value that other answers of the batch decide changes with the batch, and where a batch is read in pieces."""
    rows = drawn(5, torch.float64)
    whole, part = _values(kernel, rows), _values(kernel, first_alone(rows))
    if torch.allclose(whole[: len(part)], part, rtol=1e-9, atol=1e-12):
        return Finding("one by one", "kept", "an answer's loss is its own, whatever else is in the batch")
    said = "an answer's loss depends on the others of its batch: it changes with the batch's size and pieces"
    return Finding("one by one", "note", said)


def _repeats(kernel: Kernel) -> Finding:
    rows = drawn(5, torch.float64)
    first, second = _values(kernel, rows), _values(kernel, rows)
    if torch.equal(first, second):
        return Finding("twice the same", "kept", "the same answers have the same loss at every call")
    return Finding(
        "twice the same", "note", "the same answers have another loss at another call: it draws or remembers"
    )


def _gradient(kernel: Kernel) -> Finding:
    """Autograd against differences of the loss, along one direction of all that moves."""
    rows = drawn(5, torch.float64)
    slopes = pulls(kernel, rows)
    along = {name: torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).view_as(x) for name, x in slopes.items()}
    step = 1e-5
    ahead, behind = (
        _values(kernel, rows | {n: rows[n] + sign * step * along[n] for n in along}).sum() for sign in (1, -1)
    )
    told = float(sum((slopes[name] * along[name]).sum() for name in along))
    seen = float(ahead - behind) / (2 * step)
    if abs(told - seen) <= CLOSE * max(1.0, abs(seen)):
        return Finding("gradient", "kept", "autograd gives the slope of the loss")
    said = (
        f"autograd gives {told:.4g} where the loss itself changes by {seen:.4g}: a factor of it is held fixed (detach)"
    )
    return Finding("gradient", "note", said)


def _single_precision(kernel: Kernel) -> Finding:
    """How near gradients in float32, as a language model has them, come to those in float64."""
    found = []
    for kind in (torch.float32, torch.float64):
        rows = drawn(17, torch.float64)
        found.append(pulls(kernel, {n: x.to(kind) if x.is_floating_point() else x for n, x in rows.items()}))
    single, double = found
    worst = max(
        float((single[n].double() - x).abs().max() / x.abs().max().clamp(min=1e-300)) for n, x in double.items()
    )
    same = all(x.dtype == torch.float32 for x in single.values()) and worst < 1e-3
    said = f"gradients in float32 are those in float64 to {worst:.0e} of the largest"
    return Finding("float32", "kept" if same else "broken", said)


def _extremes(kernel: Kernel) -> Finding:
    """Answers that are certain, and answers that are all but impossible, under the model and under the reference."""
    bad = []
    for kind in (torch.float32, torch.float64):
        for at in AT:
            for ref in REFERENCE:
                rows = with_answer_at(drawn(2, kind), at, ref)
                try:
                    values, slopes = _values(kernel, rows), pulls(kernel, rows)
                    odd = _odd({"loss": values} | {f"gradient by {name}": x for name, x in slopes.items()})
                except OwnError as error:  # NaN, or what it raises
                    odd = error.said.rstrip(".")
                bad += [f"{said_of(at, ref)} in {_short(kind)} ({odd})"] if odd else []
    if not bad:
        said = f"loss and gradient are finite from log π = {AT[-1]:g} to 0, under the model and the reference"
        return Finding("extremes", "kept", said)
    more = f", and {len(bad) - 2} more" if len(bad) > 2 else ""
    return Finding("extremes", "broken", f"not finite at {'; '.join(bad[:2])}{more}")


def _sign(kernel: Kernel) -> Finding:
    """Whether descent lowers the answer's probability: the sign of d loss / d log π, or of its like for logits."""
    if "hidden" in needs(kernel):
        return Finding(SIGN, "note", "can't be told of hidden states: what they do to an answer is the model's affair")
    signs = set()
    for at in (-0.01, -1.0, -5.0, -20.0):
        for ref in (-0.5, -3.0):
            rows = with_answer_at(drawn(3, torch.float64), at, ref)
            signs |= {int(x) for x in pull_down(kernel, rows).sign().flatten().tolist()}
    words: Mapping[frozenset[int], tuple[Found, str]] = {
        frozenset({1}): ("kept", "positive: descent lowers the answer's probability, everywhere that was looked"),
        frozenset({0, 1}): ("kept", "positive or 0: descent lowers the answer's probability or leaves it"),
        frozenset({-1}): ("note", "negative: descent RAISES the answer's probability, as of a loss for another answer"),
        frozenset({0}): ("note", "0: the forget answer's own probability is not pulled; another answer's may be"),
    }
    verdict, said = words.get(
        frozenset(signs), ("note", "of both signs: descent lowers the answer at some places and raises it at others")
    )
    return Finding(SIGN, verdict, said)


def pull_down(kernel: Kernel, rows: Mapping[str, Tensor]) -> Tensor:
    """The gradient weight of the forget answer: descent lowers its log-probability where it is positive.

    Of a loss of logits it is the slope along ∇log p, by the size of that; 0 where the answer is not asked for.

    >>> from theory.losses import ga
    >>> pull_down(ga, drawn(2, torch.float64)).tolist()
    [1.0, 1.0]
    """
    slopes = pulls(kernel, rows)
    for name in ("logp", "token_logp"):
        if name in slopes:
            return slopes[name]
    if "logits" not in slopes:
        return torch.zeros(1)
    logits = rows["logits"]
    along = torch.nn.functional.one_hot(rows["labels"], logits.shape[-1]) - logits.softmax(-1)
    return (slopes["logits"] * along).sum(-1) / along.square().sum(-1).clamp(min=1e-300)


def pulls(kernel: Kernel, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """d Σ loss / d quantity by autograd, for each quantity that moves, by its plain name."""
    given = {name: rows[plain_name(name)].clone() for name in needs(kernel)}
    free = {name: given[name].requires_grad_() for name in given if moves(name)}
    with torch.enable_grad():
        values = kernel(**given)
        found = torch.autograd.grad(values.sum(), list(free.values()), allow_unused=True)
    return {
        plain_name(name): torch.zeros_like(x) if slope is None else slope
        for (name, x), slope in zip(free.items(), found, strict=True)
    }


def _values(kernel: Kernel, rows: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return kernel(**{name: rows[plain_name(name)] for name in needs(kernel)})


def _short(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _odd(found: Mapping[str, Tensor]) -> str:
    """The first value that is not finite, "" where all are."""
    odd = {name: x[~x.isfinite()] for name, x in found.items()}
    return next((f"{name} {float(x[0]):g}" for name, x in odd.items() if len(x)), "")
