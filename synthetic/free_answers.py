"""The atlas's scalar model as a room: answers whose tokens have logits of their own, that nothing ties to one another.

Three answers: the one to forget, the positive one, the alternative one. The n tokens of an answer share one logit z, of
the right token against all others together, π_t = σ(z); the other tokens of the vocabulary are alike. A step moves the
logit of each token by η ∂L/∂z_t, so that a loss that is a function of the forget answer alone has the atlas's
dm/dτ = V(m), m = c − z, whatever kernel it is (`theory.atlas`). Forgetting does no harm here, and a retain term would
have nothing to do.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from records.errors import UserError
from synthetic.practice import Mover, at_drop, forget_loss
from theory.losses.arithmetic import softplus
from theory.objective import Objective
from theory.theorems.time.flows import ga_time

__all__ = ["KINDS", "FreeAnswers", "pace", "predicted_by_method", "predicted_drops"]

Array = np.ndarray
KINDS = ("", "_win", "_alternate")
REINFORCED = 2.0
"""By how much the logit of the answer's tokens is higher in a reference that is trained on it further."""


@dataclass(frozen=True)
class FreeAnswers:
    """The logits, under the reference, of a token of each answer (`KINDS`), how many tokens they have, the vocabulary.

    >>> answers = FreeAnswers((2.0, -3.0, -3.0), (3, 1, 1), 2)
    >>> round(answers.drop(answers.start() - 1), 3)
    0.559
    """

    logits: tuple[float, ...]
    tokens: tuple[int, ...]
    classes: int

    def start(self) -> Tensor:
        """θ of the reference, float64 (3,)."""
        return torch.tensor(self.logits, dtype=torch.float64)

    def drop(self, theta: Tensor) -> float:
        """log π_ref − log π_θ of the forget answer, nats."""
        return float(self.tokens[0] * (softplus(-theta[0]) - softplus(-self.start()[0])))

    def slope(self, theta: Tensor, objective: Objective) -> Tensor:
        """∂L/∂z of one token of each answer; UserError where the loss needs what is not here."""
        free = theta.detach().clone().requires_grad_()
        given = self.fixed(objective.forget_needs | {"count", "count_win"}) | self.moving(free, objective.forget_needs)
        if missing := sorted(objective.forget_needs - given.keys()):
            raise UserError(f"free answers have no {', '.join(missing)}")
        with torch.enable_grad():
            (found,) = torch.autograd.grad(objective(given).total, free)
        return found / torch.tensor(self.tokens)

    def moving(self, theta: Tensor, asked: Collection[str]) -> dict[str, Tensor]:
        """What is asked of the models at θ."""
        known: dict[str, Callable[[], Tensor]] = {
            "token_logp": lambda: -softplus(-theta[0]).expand(self.tokens[0]),
            "logits": lambda: self._rows(theta[0]),
            "logp_win_after": lambda: self._logp(theta, 1),
        }
        for k, kind in enumerate(KINDS):
            known[f"logp{kind}"] = partial(self._logp, theta, k)
            known[f"mean_prob{kind}"] = theta[k : k + 1].sigmoid
        return {name: make() for name, make in known.items() if name in asked}

    def fixed(self, asked: Collection[str]) -> dict[str, Tensor]:
        """What does not move: of the reference, counts, places."""
        n, start = self.tokens[0], self.start()
        known = {f"count{kind}": torch.tensor([count]) for kind, count in zip(KINDS, self.tokens, strict=True)}
        known |= {"count_win_after": known["count_win"], "example": torch.zeros(n, dtype=torch.int64)}
        known |= {"position": torch.arange(n), "labels": torch.zeros(n, dtype=torch.int64)}
        known |= {"reinforced_logits": self._rows(start[0] + REINFORCED)}
        of_reference = {name.removeprefix("ref_") for name in asked if name.startswith("ref_")}
        known |= {f"ref_{name}": x for name, x in self.moving(start, of_reference).items()}
        return {name: x for name, x in known.items() if name in asked}

    def _logp(self, theta: Tensor, k: int) -> Tensor:
        return -self.tokens[k] * softplus(-theta[k : k + 1])

    def _rows(self, z: Tensor) -> Tensor:
        """The logits (tokens, classes) that predict the answer: the right token first, against others that are 0."""
        own = (z + np.log(self.classes - 1)).expand(self.tokens[0], 1)
        return torch.cat([own, own.new_zeros(self.tokens[0], self.classes - 1)], dim=1)


def predicted_drops(answers: FreeAnswers, objective: Objective, mover: Mover, rates: Sequence[float]) -> Array:
    """The drop before the first step and after each, in nats, of a loss under an optimiser with these step sizes.

    A unit of step size moves the logit of a token by ∂L/∂z as the optimiser has it: see `pace` for how far that is in a
    real model. Under plain descent the steps are taken as short ones. UserError where the loss needs what is not here.

    >>> from synthetic.practice import MOVERS
    >>> from theory.objective import method
    >>> answers = FreeAnswers((2.0, -3.0, -3.0), (1, 1, 1), 2)
    >>> predicted_drops(answers, method("GA"), MOVERS[0], [2.0, 2.0]).round(3).tolist()
    [0.0, 0.036, 0.096]
    """
    alone = replace(objective, retain=None, dual=None)
    if mover.signed:
        return _steps(answers, alone, mover, rates)
    return _flow(answers, alone, np.append(0.0, np.cumsum(rates)))


def pace(answers: FreeAnswers, mover: Mover, steps: Array, drop: Array, rates: Sequence[float], nats: float) -> float:
    """How many times its rates a real model moves its logits, as gradient ascent tells where it passes so many nats.

    `drop` is that of gradient ascent's answers after these `steps`; NaN where it never drops so far.
    """
    step = at_drop({"drop": drop, "steps": steps}, "steps", nats)
    clock = float(np.interp(step, np.arange(len(rates) + 1), np.append(0.0, np.cumsum(rates))))
    margin = _margin_of(answers, nats)
    return (margin if mover.signed else float(ga_time(margin, answers.logits[0]))) / clock


def _margin_of(answers: FreeAnswers, drop: float) -> float:
    """How far the logit of each forget token is down where their answer has dropped so far."""
    total = drop / answers.tokens[0] + float(np.logaddexp(0.0, -answers.logits[0]))
    return answers.logits[0] + total + float(np.log1p(-np.exp(-total)))


def _flow(answers: FreeAnswers, objective: Objective, times: Array) -> Array:
    """By gradient flow, θ' = −∂L/∂z."""

    def away(_: float, theta: Array) -> Array:
        return -answers.slope(torch.from_numpy(theta), objective).numpy()

    at, place = np.unique(times, return_inverse=True)  # a rate may be 0
    found = solve_ivp(away, (0.0, at[-1]), answers.start().numpy(), "LSODA", t_eval=at, rtol=1e-5, atol=1e-7)
    return np.array([answers.drop(torch.from_numpy(theta)) for theta in found.y.T])[place]


def _steps(answers: FreeAnswers, objective: Objective, mover: Mover, rates: Sequence[float]) -> Array:
    """Step by step under the optimiser itself."""
    theta = answers.start()
    optimiser, found = mover.kind([theta], lr=1.0, **mover.options), [0.0]
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        theta.grad = answers.slope(theta, objective)
        optimiser.step()
        found.append(answers.drop(theta))
    return np.array(found)


def predicted_by_method(
    answers: FreeAnswers, methods: Mapping[str, Objective], mover: Mover, rates: Sequence[float]
) -> dict[str, Array]:
    """`predicted_drops` by forget loss, of those of which the model can say something."""
    found = dict[str, Array]()
    for name, objective in methods.items():
        loss = forget_loss(name)
        if loss not in found:
            with suppress(UserError):
                found[loss] = predicted_drops(answers, objective, mover, rates)
    return found
