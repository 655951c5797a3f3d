"""The gradient weight of a loss as a function of the drop u = log π_ref − log π_θ of one answer.

Whatever of a loss looks at the forget answer does so through log π_θ, so its descent direction is w(u) ∇log π_θ with

    w(u) = dℓ / d log π_θ  at  log π_θ = log π_ref − u,

everything beside the answer held still: a positive answer where the reference has it, KTO's z_ref at 0, unless said
otherwise. That covers

    kernels of an answer's log-probability   any answer
    kernels of tokens                        answers of one token; of a longer one, each token is an example of its own
    kernels of logits                        two classes, where log π is a function of the difference of both logits

Kernels of hidden states, and those that do not look at the forget answer, have no such weight.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from theory.kernel import QUANTITIES, Kernel, gradient_weights, label, needs, per_token, plain_name
from theory.theorems.theorem import HypothesisError

__all__ = ["ForgetAnswer", "drop_weight", "of_numbers"]

Array = np.ndarray
STILL = ("count_win", "count_alternate", "count_win_after")  # lengths of what stands still: any will do


@dataclass(frozen=True)
class ForgetAnswer:
    """A forget answer before unlearning: its log-probability (nats, below 0), its tokens, and what is held still.

    `held` has values of other quantities by name, where they are not 0; of logits (but those of model and reference)
    the difference of the two classes.
    """

    ref_logp: float
    count: int = 1
    held: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not -np.inf < self.ref_logp <= 0:
            raise HypothesisError(f"log π_ref must be a finite number of nats, at most 0, here it is {self.ref_logp}.")
        if self.count < 1:
            raise HypothesisError(f"An answer has one token or more, here it has {self.count}.")


def drop_weight(
    kernel: Kernel, ref_logp: Tensor, *, count: Tensor | int = 1, held: Mapping[str, float] | None = None
) -> Callable[[Tensor], Tensor]:
    """The map u -> w(u) of answers with these reference log-probabilities, drops (…, n) in nats, of `follow`'s form.

    `ref_logp` and `count` broadcast against the drops; `held` is that of `ForgetAnswer`. HypothesisError, which says
    what to do, where the loss is no function of log π alone.  Source: above; NPO's is arXiv:2404.05868, Sec. 3.

    >>> from functools import partial
    >>> from theory.losses import npo
    >>> drop_weight(partial(npo, beta=1.0), torch.tensor([-1.0]))(torch.tensor([0.0]))
    tensor([1.])
    """
    _has_weight(kernel, torch.as_tensor(count))

    def weight(drop: Tensor) -> Tensor:
        ref, tokens, u = torch.broadcast_tensors(ref_logp.to(drop), torch.as_tensor(count).to(drop.device), drop)
        given = _quantities(kernel, (ref - u).flatten(), ref.flatten(), tokens.flatten(), held or {})
        return _of_logp(gradient_weights(kernel, given), given["logp"]).view(drop.shape).detach()

    return weight


def of_numbers(kernel: Kernel, answer: ForgetAnswer) -> Callable[[Array], Array]:
    """The map u -> w(u) of one answer on float64 arrays of any shape."""
    weight = drop_weight(
        kernel, torch.tensor(answer.ref_logp, dtype=torch.float64), count=answer.count, held=answer.held
    )

    def of(drop: Array) -> Array:
        return weight(torch.as_tensor(np.asarray(drop, dtype=np.float64))).numpy()

    return of


def _has_weight(kernel: Kernel, count: Tensor) -> None:
    """HypothesisError where the loss is no function of an answer's log π alone."""
    wanted = [name for name in needs(kernel) if name in QUANTITIES]
    if any(QUANTITIES[name].level == "hidden" for name in wanted):
        raise HypothesisError(f"{label(kernel)} looks at hidden states: no function of log π, so it has no such law.")
    if not {plain_name(name) for name in wanted} & {"logp", "token_logp", "logits", "mean_prob"}:
        raise HypothesisError(f"{label(kernel)} does not look at the forget answer, so it gives it no weight.")
    if (per_token(kernel) or "mean_prob" in wanted) and bool((count > 1).any()):
        raise HypothesisError(
            f"{label(kernel)} looks at each token of an answer, so the law is for answers of one token: follow every "
            "token as an example of its own, with the remainder of `IntrinsicPath`."
        )


def _quantities(
    kernel: Kernel, logp: Tensor, ref: Tensor, count: Tensor, held: Mapping[str, float]
) -> dict[str, Tensor]:
    """All that the kernel asks for, and logp, of answers in a row."""

    def index() -> Tensor:
        return torch.zeros_like(logp, dtype=torch.long)

    known: dict[str, Callable[[], Tensor]] = {
        "token_logp": lambda: logp,
        "ref_logp": lambda: ref,
        "ref_token_logp": lambda: ref,
        "count": lambda: count.long(),
        "example": lambda: torch.arange(len(logp), device=logp.device),
        "position": index,
        "labels": index,
        "mean_prob": logp.exp,
        "logits": lambda: _two_classes(logp),
        "ref_logits": lambda: _two_classes(ref),
        **dict.fromkeys(STILL, lambda: index() + 1),
    }
    found = {"logp": logp}
    for name in map(plain_name, needs(kernel)):
        if name not in found:
            found[name] = known[name]() if name in known and name not in held else _held(kernel, name, held, logp)
    return found


def _held(kernel: Kernel, name: str, held: Mapping[str, float], like: Tensor) -> Tensor:
    if name in QUANTITIES and QUANTITIES[name].level == "logits":
        if name not in held:
            raise HypothesisError(
                f"{label(kernel)} takes {name}, which nothing here tells: hold it, as the difference of two logits."
            )
        return torch.stack([torch.full_like(like, held[name]), torch.zeros_like(like)], dim=-1)
    value = torch.full_like(like, held.get(name, 0.0))
    return value[0] if name == "z_ref" else value


def _two_classes(logp: Tensor) -> Tensor:
    """Logits (n, 2) of two classes, the answer's first: log(p / (1 − p)) and 0."""
    return torch.stack([logp - _log_rest(logp), torch.zeros_like(logp)], dim=-1)


def _log_rest(logp: Tensor) -> Tensor:
    """log(1 − p) from log p, to full precision on both sides."""
    small = logp < -0.6931471805599453
    return torch.where(small, torch.log1p(-torch.exp(logp)), torch.log(-torch.expm1(logp)))


def _of_logp(weights: Mapping[str, Tensor], logp: Tensor) -> Tensor:
    """dℓ / d log π from the derivatives by what the kernel takes."""
    found = torch.zeros_like(logp)
    for name in ("logp", "token_logp"):
        found = found + weights.get(name, 0.0)
    if "mean_prob" in weights:
        found = found + weights["mean_prob"] * logp.exp()  # dp / d log p = p
    if "logits" in weights:
        found = found + weights["logits"][:, 0] * torch.exp(-_log_rest(logp))  # d log p / d(difference) = 1 − p
    return found
