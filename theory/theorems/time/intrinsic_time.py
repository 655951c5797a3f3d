"""The intrinsic-time law: in the right clock every model unlearns along the same curve.

Gradient flow on one example of any differentiable model moves its drop u = log π_ref − log π_θ (nats) by
du/dt = η W(u) ‖∇log π_θ‖². In the intrinsic time T = ∫ η ‖∇log π_θ‖² dt that is du/dT = W(u), hence exactly

    GA :  u = T                     NPO :  βT = ½(βu + e^{βu} − 1)

for every β, architecture and step-size schedule: GA is a straight line, NPO one curve without a parameter.
For a set of n examples the collective clock T_i = (1/n) ∫ η Σ_j K_ij dt, K_ij = ⟨∇log π_i, ∇log π_j⟩, leaves

    F(u_i) − T_i = (1/n) ∫ η Σ_j K_ij (W_j/W_i − 1) dt,    F(u) = ½(u + (e^{βu} − 1)/β),

so examples are on the curve where those that share a tangent kernel share a weight.

Many models may go together: where parameters have leading axes (runs …), log-probabilities are (runs …, n), each run
has a step size of its own and none sees another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import wrightomega
from torch import Tensor

from theory.losses import npo_weight
from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.paths import IntrinsicPath

__all__ = [
    "INTRINSIC_TIME",
    "LogProbs",
    "Parameters",
    "Rates",
    "RatesOf",
    "Single",
    "alone",
    "bounds_on_curve",
    "curve",
    "follow",
    "measured_on",
    "rates",
    "time_on_curve",
    "weight_by_drop",
]

Array = np.ndarray
Parameters = Mapping[str, Tensor]
LogProbs = Callable[[Parameters], Tensor]


def time_on_curve(beta_drop: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
    """βT at which NPO has dropped βu: ½(βu + e^{βu} − 1), dimensionless.

    >>> float(time_on_curve(np.array(0.0)))
    0.0
    """
    y = np.asarray(beta_drop, dtype=np.float64)
    return np.asarray(0.5 * (y + np.expm1(y)))


def curve(beta_time: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
    """βu that NPO has reached at intrinsic time βT: the inverse of `time_on_curve`.

    y + e^y = 2βT + 1 is solved by Wright's omega, y = log ω(2βT + 1), which loses digits as βT → 0;
    one Newton step restores them. For large βT, y → log(2βT). A collective clock may run backward: for βT < 0,
    y = (2βT + 1) − ω(2βT + 1), which does not underflow.

    >>> bool(np.isclose(curve(time_on_curve(np.array(3.0))), 3.0, rtol=1e-14))
    True
    """
    x = np.asarray(beta_time, dtype=np.float64)
    z = 2 * x + 1
    omega = wrightomega(z)
    y = np.where(x < 0, z - omega, np.log(np.maximum(omega, np.finfo(np.float64).tiny)))
    return np.asarray(y - (time_on_curve(y) - x) / (0.5 * (1 + np.exp(y))))


def weight_by_drop(beta: float) -> Callable[[Tensor], Tensor]:
    """W as a function of the drops u: NPO's W_β(−u), or 1 for β = 0 (gradient ascent)."""
    if beta == 0:
        return torch.ones_like
    return lambda drop: npo_weight(-drop, torch.zeros_like(drop), beta=beta)


@dataclass(frozen=True)
class Rates:
    """How fast log-probabilities would fall per unit of η: unweighted (the clock) and weighted (the motion)."""

    clock: Tensor  # (…, n)  (1/n) Σ_j K_ij
    motion: Tensor  # (…, n)  (1/n) Σ_j K_ij W_j = du_i / d(ηt)
    gradient: dict[str, Tensor]  # the weighted mean gradient (1/n) Σ_j W_j ∇log π_j: one descent direction


def rates(log_probs: LogProbs, parameters: Parameters, weight: Tensor) -> Rates:
    """The collective clock and the motion of every example, without forming the n × n kernel.

    (1/n) Σ_j K_ij is the derivative of log π_i along the unweighted mean gradient g. With J the Jacobian, J g is the
    derivative of ⟨Jᵀp, g⟩ in p, a second backward pass. One example alone needs one: its clock is ‖∇log π‖².
    """
    theta = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    leaves, n, runs = list(theta.values()), weight.shape[-1], weight.dim() - 1
    with torch.enable_grad():
        logp = log_probs(theta)
        if n == 1:
            own = torch.autograd.grad(logp.sum(), leaves)
            clock = torch.stack([(g * g).flatten(runs).sum(-1) for g in own]).sum(0)[..., None]
            return Rates(clock, weight * clock, {k: _times(weight[..., 0], g) for k, g in zip(theta, own, strict=True)})
        probe = torch.full_like(logp, 1 / n).requires_grad_()
        mean = torch.autograd.grad(logp, leaves, probe, create_graph=True)
        weighted = torch.autograd.grad(logp, leaves, weight / n, retain_graph=True)
        (clock,) = torch.autograd.grad(mean, probe, [g.detach() for g in mean], retain_graph=True)
        (motion,) = torch.autograd.grad(mean, probe, weighted)
    return Rates(clock, motion, dict(zip(theta, weighted, strict=True)))


RatesOf = Callable[[LogProbs, Parameters, Tensor], Rates]


def _times(factor: Tensor, x: Tensor) -> Tensor:
    """factor · x, one factor for each run, the leading axes of x."""
    return factor.reshape(factor.shape + (1,) * (x.dim() - factor.dim())) * x


def follow(
    log_probs: LogProbs,
    parameters: Parameters,
    weight: Callable[[Tensor], Tensor],
    *,
    step: float,
    until: float | Tensor,
    scale: float | Tensor = 1.0,
    turn: float = np.inf,
    max_steps: int = 100_000,
    observe: Callable[[int, Parameters], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    rates_of: RatesOf = rates,
) -> IntrinsicPath:
    """Unlearn by gradient descent in steps that are small for the law, whatever η that takes.

    The law holds for every schedule η(t), so decades of T are covered in few steps: each moves the fastest example's
    βu by at most `step`, and so little that the model is linear along it to a fraction `step`.
    `weight` maps the drops u (…, n) to gradient weights, see `weight_by_drop`; `scale` is β (1 for GA), so that
    `step` and `until` are in units of βu; both may be one number for each run. A run stops when max_i βu_i ≥ until, all
    after `max_steps`. No step moves any log W_i by more than `turn`: for losses whose weights turn on another scale
    than 1/β (`theory.theorems.time.loss_times`).
    `observe(k, parameters)` sees the model at each recorded step. `rates_of` stands in for `rates` where a model knows
    its kernel. For one example the discretisation error is
    bounded: T(1 − s) ≤ F(u) ≤ T(1 + s) e^{s(1+s)}, s = `step`.
    """
    theta = {name: p.detach().clone() for name, p in parameters.items()}
    start = log_probs(theta).detach()
    per_run = start[..., 0]
    drop, elapsed, largest = (
        torch.zeros_like(start),
        torch.zeros_like(per_run).double(),
        torch.full_like(per_run, torch.inf),
    )
    clock, remainder = torch.zeros_like(start), torch.zeros_like(start)
    scales, ends = (torch.as_tensor(x, dtype=start.dtype, device=start.device) for x in (scale, until))
    rows: list[tuple[Array, Array, Array, Array]] = []
    for k in range(max_steps + 1):
        rows.append((_kept(elapsed), _kept(clock), _kept(drop), _kept(remainder)))
        if observe:
            observe(k, theta)
        furthest = scales * drop.amax(-1)
        if progress:
            share = float((furthest / ends).clamp(0, 1).mean())
            progress(round(1000 * min(max(share, k / max_steps), 1.0)), 1000)
        going = furthest < ends
        if not bool(going.any()) or k == max_steps:
            break
        w = weight(drop)
        now = rates_of(log_probs, theta, w)
        eta = torch.where(going, torch.minimum(step / (scales * _fastest(now, going)), 2 * largest), 0.0)
        fine = partial(_is_fine, weight=weight, before=(drop, w, now.motion), step=step, turn=turn)
        theta, drop, eta = _small_step(log_probs, theta, start, drop, now, eta, fine)
        largest = torch.where(going, eta, torch.inf)
        elapsed = elapsed + eta.double()
        clock = clock + eta[..., None] * now.clock
        remainder = remainder + eta[..., None] * (now.motion / w - now.clock)
    time, clocks, drops, rest = (np.stack(column) for column in zip(*rows, strict=True))
    return IntrinsicPath(time, clocks, drops, rest, theta)


def _kept(x: Tensor) -> Array:
    return x.cpu().numpy().astype(np.float64)  # astype copies


def _fastest(now: Rates, going: Tensor) -> Tensor:
    """The speed of each run's fastest example; HypothesisError where a run that goes on stands still."""
    fastest = now.motion.abs().amax(-1)
    if not bool(((fastest > 0) & fastest.isfinite())[going].all()):
        raise HypothesisError("No example moves: its gradient is 0 in float64. Take a reference that is less certain.")
    return fastest


def _small_step(
    log_probs: LogProbs,
    theta: Parameters,
    start: Tensor,
    drop: Tensor,
    now: Rates,
    eta: Tensor,
    fine: Callable[[Tensor, Tensor], Tensor],
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """One descent step; each run's η is halved until the step is fine, see `_is_fine`."""
    floor = eta * 2.0**-40
    while True:
        moved = {name: p - _times(eta, now.gradient[name]) for name, p in theta.items()}
        new_drop = torch.where((eta > 0)[..., None], start - log_probs(moved).detach(), drop)
        good = fine(new_drop, eta) | (eta <= floor)
        if bool(good.all()):
            return moved, new_drop, eta
        eta = torch.where(good, eta, eta / 2)


def _is_fine(
    new_drop: Tensor,
    eta: Tensor,
    *,
    weight: Callable[[Tensor], Tensor],
    before: tuple[Tensor, Tensor, Tensor],
    step: float,
    turn: float,
) -> Tensor:
    """Whether the drops of each run move as they should, to a fraction `step`, and no log-weight more than `turn`.

    `before` are drops, weights and motion at the start of the step.
    """
    drop, w, motion = before
    expected = eta[..., None] * motion
    off = (new_drop - drop - expected).abs().amax(-1)
    linear = off <= step * expected.abs().amax(-1)
    if turn == np.inf:
        return linear
    turned = (weight(new_drop) / w).log().abs().amax(-1)
    return linear & (turned <= turn)


# --- the law as a theorem -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Single:
    """An instance: one forget example of any model; β = 0 is GA. `step` and `until` are in units of βu (u for GA)."""

    log_probs: LogProbs
    parameters: Parameters
    beta: float
    step: float = 0.01
    until: float = 8.0


def _one_example(instance: Single) -> None:
    n = instance.log_probs(instance.parameters).shape[0]
    if n != 1:
        raise HypothesisError(
            f"The law is for one example, {n} were given: for a set, compare with `IntrinsicPath.remainder` added, "
            "or follow each example alone."
        )


def alone(instance: Single) -> IntrinsicPath:
    """The path of the instance's example."""
    return follow(
        instance.log_probs,
        instance.parameters,
        weight_by_drop(instance.beta),
        step=instance.step,
        until=instance.until,
        scale=instance.beta or 1.0,
    )


def measured_on(path: IntrinsicPath, beta: float) -> Measurement:
    """βu at βT (u at T for GA) along the path of one example, from its first step on."""
    scaled = path.times(beta or 1.0)
    return Measurement(scaled.clock[1:, 0], scaled.drop[1:, 0])


def bounds_on_curve(time: Float[Array, " k"], *, gradient_ascent: bool, step: float) -> Bounds:
    """Where a single example may be after descent in steps of `step` (see `follow`), at βT (T for GA) = `time`.

    A step is linear to a fraction s, and along it W falls by at most e^{−s(1+s)}, so that
    T(1 − s) ≤ F(u) ≤ T(1 + s) e^{s(1+s)}.
    """
    s = step
    if gradient_ascent:
        return Bounds((1 - s) * time, (1 + s) * time)
    return Bounds(curve((1 - s) * time), curve((1 + s) * np.exp(s * (1 + s)) * time))


def _law(instance: Single, at: Array) -> Bounds:
    return bounds_on_curve(at, gradient_ascent=instance.beta == 0, step=instance.step)


INTRINSIC_TIME: Theorem[Single] = Theorem(
    name="Intrinsic-time law",
    statement="βT = ½(βu + e^{βu} − 1) for NPO and u = T for GA: one curve for every model",
    source="derived in theory/theorems/time/intrinsic_time.py from ∇L_NPO = E[W ∇log π] (arXiv:2404.05868, Sec. 3)",
    hypotheses=_one_example,
    predict=_law,
    measure=lambda instance: measured_on(alone(instance), instance.beta),
)
