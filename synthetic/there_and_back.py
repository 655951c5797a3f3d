"""Many small models unlearned to one mean drop, and relearned by NLL, all in one computation.

Runs are rows of every tensor of parameters and see nothing of one another. A mover is an optimiser that treats every
number on its own and asks nothing of the parameters, so that its step of size 1 is a direction, taken at any size.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from theory.optimizers.sign_descent import SignDescent

__all__ = ["MOVERS", "SHARES", "AtDrop", "ManyModels", "WayBack", "relearned", "stepped", "unlearned"]

Array = np.ndarray
Stacked = dict[str, Tensor]
SHARES = {"half": 0.5, "full": 1.0}
GROWTH = 100.0  # of a step's size over that of the one before, at most
FAR = 4.0  # paces that one answer may move in a step
HALVINGS = 30
PATIENCE = 20  # times the steps that are meant, after which a run is given up

MOVERS: Mapping[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "GD": partial(torch.optim.SGD, lr=1.0),
    "Adam": partial(torch.optim.Adam, lr=1.0),
    "sign": partial(SignDescent, lr=1.0),
}


class ManyModels(NamedTuple):
    """Models as rows: log π of answer tokens (runs, answers, tokens) and of kept answers (runs, kept), nats."""

    log_probs: Callable[[Stacked], Tensor]
    kept: Callable[[Stacked], Tensor]
    parameters: Stacked

    def mean(self, theta: Stacked) -> Tensor:
        """Mean log π of an answer, (runs,)."""
        return self.log_probs(theta).sum(-1).mean(-1)


class AtDrop(NamedTuple):
    """Runs at the wanted drop: parameters, nats lost of each token, intrinsic time; NaN where one never got there."""

    parameters: Stacked
    drop: Tensor  # (runs, answers, tokens)
    clock: Tensor  # (runs,)


class WayBack(NamedTuple):
    """Steps and intrinsic time until a share of the mean drop was back, by share; NaN where it was not."""

    steps: dict[str, Array]
    clock: dict[str, Array]


class _Mover:
    """Directions of an optimiser for stacked parameters."""

    def __init__(self, name: str, like: Stacked) -> None:
        self.probe = {key: torch.zeros_like(p) for key, p in like.items()}
        self.optimiser = MOVERS[name](list(self.probe.values()))

    def __call__(self, gradient: Stacked) -> Stacked:
        """Where a step of size 1 along this gradient goes."""
        for key, p in self.probe.items():
            p.zero_()
            p.grad = gradient[key]
        self.optimiser.step()
        return {key: p.clone() for key, p in self.probe.items()}


def _inner(a: Stacked, b: Stacked) -> Tensor:
    """⟨a, b⟩ of each run."""
    return torch.stack([(a[key] * b[key]).flatten(1).sum(-1) for key in a]).sum(0)


def _positive(x: Tensor) -> Tensor:
    """At least the least number that is one: what divides."""
    return x.clamp_min(torch.finfo(x.dtype).tiny)


def _moved(theta: Stacked, size: Tensor, along: Stacked) -> Stacked:
    return {key: p + size.view(-1, *[1] * (p.dim() - 1)) * along[key] for key, p in theta.items()}


def _gradient(theta: Stacked, whole: Callable[[Stacked], Tensor]) -> Stacked:
    """The gradient of a sum over all runs."""
    leaves = {key: p.detach().requires_grad_() for key, p in theta.items()}
    return dict(zip(leaves, torch.autograd.grad(whole(leaves), list(leaves.values())), strict=True))


# --- there ----------------------------------------------------------------------------------------------------------


def unlearned(
    models: ManyModels,
    weights: Callable[[Tensor], Tensor],
    *,
    wanted: float,
    pace: float,
    mover: str = "GD",
    rho: Tensor | None = None,
    retain: Tensor | None = None,
) -> AtDrop:
    """Unlearn until the mean answer has lost `wanted` nats, in steps that should lower it by `pace`.

    `weights` maps nats lost (runs, answers, tokens) to gradient weights; `rho` is SAM's radius and `retain` the weight
    of the kept answers' mean NLL, of each run. No answer moves by more
    than four paces in a step. A run that does not get there in twenty times the steps is given up.
    """
    theta, move = models.parameters, _Mover(mover, models.parameters)
    before = models.log_probs(theta).detach()
    runs = len(before)
    clock, size, going = torch.zeros(runs), torch.full((runs,), torch.inf), torch.full((runs,), True)
    for _ in range(PATIENCE * int(np.ceil(wanted / pace))):
        logp, leaves = _looked(models, theta)
        drop = before - logp.detach()
        plain, along = _slopes(models, leaves, logp, lambda of: weights(before - of), rho)
        if retain is not None:
            along = _with_kept(models, theta, along, retain)
        step = move(along)
        size = torch.minimum(pace / _positive(-_inner(plain, step)), GROWTH * size)
        size, after = _small(models, theta, step, torch.where(going, size, 0.0), drop, before, FAR * pace)
        reached, now = (x.sum(-1).mean(-1) for x in (drop, after))
        over = going & (now >= wanted)
        taken = torch.where(over, (wanted - reached) / _positive(now - reached), 1.0) * size
        theta, clock, going = _moved(theta, taken, step), clock + taken * _inner(plain, plain), going & ~over
        if not bool(going.any()):
            break
    drop = before - models.log_probs(theta).detach()
    return AtDrop(theta, torch.where(going[:, None, None], torch.nan, drop), torch.where(going, torch.nan, clock))


def _small(
    models: ManyModels, theta: Stacked, step: Stacked, size: Tensor, drop: Tensor, before: Tensor, most: float
) -> tuple[Tensor, Tensor]:
    """The step sizes, halved until no answer moves by more than `most` nats, and the drops after such a step."""
    for _ in range(HALVINGS):
        after = before - models.log_probs(_moved(theta, size, step)).detach()
        far = (after - drop).sum(-1).abs().amax(-1) > most
        if not bool(far.any()):
            break
        size = torch.where(far, size / 2, size)
    return size, after


def stepped(
    models: ManyModels,
    weights: Callable[[Tensor], Tensor],
    *,
    at: Sequence[int],
    lr: float,
    retain: Tensor | None = None,
) -> list[AtDrop]:
    """Unlearn by plain descent in steps of one size; where it is after the numbers of steps `at`, increasing."""
    theta, found = models.parameters, list[AtDrop]()
    before = models.log_probs(theta).detach()
    clock, size = torch.zeros(len(before)), torch.full((len(before),), lr)
    for k in range(at[-1] + 1):
        logp, leaves = _looked(models, theta)
        drop = before - logp.detach()
        if k in at:
            found.append(AtDrop(theta, drop, clock))
        plain, along = _slopes(models, leaves, logp, lambda of: weights(before - of), None)
        if retain is not None:
            along = _with_kept(models, theta, along, retain)
        theta, clock = _moved(theta, -size, along), clock + lr * _inner(plain, plain)
    return found


def _looked(models: ManyModels, theta: Stacked) -> tuple[Tensor, Stacked]:
    """log π of the answer tokens, and the leaves that it is a function of."""
    leaves = {key: p.detach().requires_grad_() for key, p in theta.items()}
    return models.log_probs(leaves), leaves


def _slopes(
    models: ManyModels, leaves: Stacked, logp: Tensor, lost: Callable[[Tensor], Tensor], rho: Tensor | None
) -> tuple[Stacked, Stacked]:
    """∇ of the mean log π of an answer, and of the forget loss, the latter at SAM's place where there is a radius.

    `lost` maps log π to gradient weights.
    """
    n, values = logp.shape[1], list(leaves.values())

    def loss(of: Tensor) -> Tensor:
        return (lost(of.detach()) * of).sum() / n

    plain = dict(zip(leaves, torch.autograd.grad(logp.sum() / n, values, retain_graph=True), strict=True))
    along = dict(zip(leaves, torch.autograd.grad(loss(logp), values), strict=True))
    if rho is None:
        return plain, along
    near = _moved(leaves, rho / _positive(_inner(along, along).sqrt()), along)
    return plain, _gradient(near, lambda at: loss(models.log_probs(at)))


def _with_kept(models: ManyModels, theta: Stacked, along: Stacked, retain: Tensor) -> Stacked:
    """The gradient with that of the kept answers' mean NLL, so weighted."""
    of_kept = _gradient(theta, lambda at: -(retain * models.kept(at).mean(-1)).sum())
    return {key: g + of_kept[key] for key, g in along.items()}


# --- and back ---------------------------------------------------------------------------------------------------------


def relearned(models: ManyModels, start: Stacked, *, lr: float, most: int, mover: str = "GD") -> WayBack:
    """Descend on the mean NLL of the answers in steps of one size, until all are back at the mean of the reference."""
    goal, first = (models.mean(theta).detach().double() for theta in (models.parameters, start))
    theta, move = start, _Mover(mover, start)
    clock, shares, clocks = torch.zeros_like(goal), [torch.zeros_like(goal)], [torch.zeros_like(goal)]
    size = torch.full((len(goal),), lr)
    for _ in range(most):
        slope = _gradient(theta, lambda at: -models.mean(at).sum())
        step = move(slope)
        theta, clock = _moved(theta, size, step), clock - lr * _inner(slope, step).double()
        shares.append((models.mean(theta).detach().double() - first) / (goal - first))
        clocks.append(clock)
        if bool((torch.stack(shares).amax(0) >= 1).all()):
            break
    passed, ticked = (torch.stack(x).numpy() for x in (shares, clocks))
    found = {name: [_crossing(column, share) for column in passed.T] for name, share in SHARES.items()}
    times = {
        name: np.array([float(np.interp(at, np.arange(len(ticked)), ticked[:, k])) for k, at in enumerate(steps)])
        for name, steps in found.items()
    }
    return WayBack({name: np.array(steps) for name, steps in found.items()}, times)


def _crossing(path: Array, level: float) -> float:
    """The fractional step at which a path first comes to a level; NaN where it never does."""
    past = np.flatnonzero(path >= level)
    if not past.size or past[0] == 0:
        return float("nan")
    k = int(past[0])
    return float(k - 1 + (level - path[k - 1]) / (path[k] - path[k - 1]))
