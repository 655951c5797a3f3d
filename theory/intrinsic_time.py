"""The intrinsic-time law: in the right clock every model unlearns along the same curve.

Gradient flow on one example of any differentiable model moves its drop u = log π_ref − log π_θ (nats) by
du/dt = η W(u) ‖∇log π_θ‖². In the intrinsic time T = ∫ η ‖∇log π_θ‖² dt that is du/dT = W(u), hence exactly

    GA :  u = T                     NPO :  βT = ½(βu + e^{βu} − 1)

for every β, architecture and step-size schedule: GA is a straight line, NPO one curve without a parameter.
For a set of n examples the collective clock T_i = (1/n) ∫ η Σ_j K_ij dt, K_ij = ⟨∇log π_i, ∇log π_j⟩, leaves

    F(u_i) − T_i = (1/n) ∫ η Σ_j K_ij (W_j/W_i − 1) dt,    F(u) = ½(u + (e^{βu} − 1)/β),

so examples are on the curve where those that share a tangent kernel share a weight.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import wrightomega
from torch import Tensor
from torch.func import jvp, vjp

__all__ = ["Path", "curve", "follow", "rates", "time_on_curve"]

Array = np.ndarray
Parameters = Mapping[str, Tensor]
LogProbs = Callable[[Parameters], Tensor]


def time_on_curve(beta_drop: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """βT at which NPO has dropped βu: ½(βu + e^{βu} − 1), dimensionless.

    >>> float(time_on_curve(np.array(0.0)))
    0.0
    """
    y = np.asarray(beta_drop, dtype=np.float64)
    return np.asarray(0.5 * (y + np.expm1(y)))


def curve(beta_time: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """βu that NPO has reached at intrinsic time βT: the inverse of `time_on_curve`, for βT ≥ 0.

    y + e^y = 2βT + 1 is solved by Wright's omega, y = log ω(2βT + 1), which loses digits as βT → 0;
    one Newton step restores them. For large βT, y → log(2βT).

    >>> bool(np.isclose(curve(time_on_curve(np.array(3.0))), 3.0, rtol=1e-14))
    True
    """
    x = np.asarray(beta_time, dtype=np.float64)
    y = np.log(wrightomega(2 * x + 1))
    return np.asarray(y - (time_on_curve(y) - x) / (0.5 * (1 + np.exp(y))))


@dataclass(frozen=True)
class Rates:
    """How fast log-probabilities would fall per unit of η: unweighted (the clock) and weighted (the motion)."""

    clock: Tensor  # (n,)  (1/n) Σ_j K_ij
    motion: Tensor  # (n,)  (1/n) Σ_j K_ij W_j = du_i / d(ηt)
    gradient: dict[str, Tensor]  # the weighted mean gradient (1/n) Σ_j W_j ∇log π_j: one descent direction


def rates(log_probs: LogProbs, parameters: Parameters, weight: Tensor) -> Rates:
    """The collective clock and the motion of every example from two backward passes and two directional derivatives.

    (1/n) Σ_j K_ij is the derivative of log π_i along the unweighted mean gradient, so no n × n kernel is formed.
    One example alone needs a single backward pass: its clock is ‖∇log π‖².
    """
    primal = dict(parameters)
    n = weight.shape[0]
    _, pull = vjp(log_probs, primal)
    (mean,) = pull(torch.full_like(weight, 1 / n))
    if n == 1:
        own = torch.stack([(g * g).sum() for g in mean.values()]).sum()[None]
        return Rates(own, weight * own, {k: weight[0] * g for k, g in mean.items()})
    (weighted,) = pull(weight / n)
    clock = jvp(log_probs, (primal,), (mean,))[1]
    motion = jvp(log_probs, (primal,), (weighted,))[1]
    return Rates(clock, motion, weighted)


@dataclass(frozen=True)
class Path:
    """An unlearning trajectory in intrinsic time; arrays over recorded steps, then examples; nats."""

    time: Float[Array, " steps"]  # Σ η, the flow's own time
    clock: Float[Array, "steps n"]  # T_i
    drop: Float[Array, "steps n"]  # u_i
    remainder: Float[Array, "steps n"]  # (1/n) Σ η Σ_j K_ij (W_j/W_i − 1), what takes a set off the curve
    parameters: dict[str, Tensor]


def follow(
    log_probs: LogProbs,
    parameters: Parameters,
    weight: Callable[[Tensor], Tensor],
    *,
    step: float,
    until: float,
    scale: float = 1.0,
    max_steps: int = 100_000,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Unlearn by gradient descent, in steps that move the fastest example by the same small amount.

    The law holds for every schedule η(t), so η = step / (scale · max_i |du_i/dt|) covers decades of T in few steps.
    `weight` maps the drops u ≥ 0 (n,) to gradient weights (n,), e.g. `lambda u: 2 * torch.sigmoid(-beta * u)`;
    `scale` is β (1 for GA), so that `step` and `until` are in units of βu. Stops when max_i βu_i ≥ until.
    Discretisation leaves an error of O(step) in βu.
    """
    theta = {name: p.detach().clone() for name, p in parameters.items()}
    start = log_probs(theta).detach()
    n = start.shape[0]
    elapsed, clock, remainder = 0.0, torch.zeros(n, dtype=start.dtype), torch.zeros(n, dtype=start.dtype)
    rows: list[tuple[float, Array, Array, Array]] = []
    for k in range(max_steps + 1):
        drop = start - log_probs(theta).detach()
        rows.append((elapsed, clock.numpy().copy(), drop.numpy().copy(), remainder.numpy().copy()))
        furthest = scale * float(drop.max())
        if progress:
            progress(min(round(1000 * max(furthest, k * until / max_steps) / until), 1000), 1000)
        if furthest >= until or k == max_steps:
            break
        w = weight(drop)
        now = rates(log_probs, theta, w)
        eta = step / (scale * float(now.motion.abs().max()))
        theta = {name: p - eta * now.gradient[name] for name, p in theta.items()}
        elapsed += eta
        clock = clock + eta * now.clock
        remainder = remainder + eta * (now.motion / w - now.clock)
    time, clocks, drops, rest = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Path(time, clocks, drops, rest, theta)
