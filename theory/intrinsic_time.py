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

from theory.losses import npo_weight
from theory.theorem import Bounds, HypothesisError, Measurement, Theorem

__all__ = [
    "INTRINSIC_TIME",
    "Path",
    "Rates",
    "Single",
    "bounds_on_curve",
    "curve",
    "follow",
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

    clock: Tensor  # (n,)  (1/n) Σ_j K_ij
    motion: Tensor  # (n,)  (1/n) Σ_j K_ij W_j = du_i / d(ηt)
    gradient: dict[str, Tensor]  # the weighted mean gradient (1/n) Σ_j W_j ∇log π_j: one descent direction


def rates(log_probs: LogProbs, parameters: Parameters, weight: Tensor) -> Rates:
    """The collective clock and the motion of every example, without forming the n × n kernel.

    (1/n) Σ_j K_ij is the derivative of log π_i along the unweighted mean gradient g. With J the Jacobian, J g is the
    derivative of ⟨Jᵀp, g⟩ in p, a second backward pass. One example alone needs one: its clock is ‖∇log π‖².
    """
    theta = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    leaves, n = list(theta.values()), weight.shape[0]
    with torch.enable_grad():
        logp = log_probs(theta)
        if n == 1:
            own = torch.autograd.grad(logp.sum(), leaves)
            clock = torch.stack([(g * g).sum() for g in own]).sum()[None]
            return Rates(clock, weight * clock, {k: weight[0] * g for k, g in zip(theta, own, strict=True)})
        probe = torch.full_like(logp, 1 / n).requires_grad_()
        mean = torch.autograd.grad(logp, leaves, probe, create_graph=True)
        weighted = torch.autograd.grad(logp, leaves, weight / n, retain_graph=True)
        (clock,) = torch.autograd.grad(mean, probe, [g.detach() for g in mean], retain_graph=True)
        (motion,) = torch.autograd.grad(mean, probe, weighted)
    return Rates(clock, motion, dict(zip(theta, weighted, strict=True)))


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
    observe: Callable[[int, Parameters], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Unlearn by gradient descent in steps that are small for the law, whatever η that takes.

    The law holds for every schedule η(t), so decades of T are covered in few steps: each moves the fastest example's
    βu by at most `step`, and so little that the model is linear along it to a fraction `step`.
    `weight` maps the drops u (n,) to gradient weights (n,), see `weight_by_drop`; `scale` is β (1 for GA), so that
    `step` and `until` are in units of βu. Stops when max_i βu_i ≥ until or after `max_steps`.
    `observe(k, parameters)` sees the model at each recorded step. For one example the discretisation error is
    bounded: T(1 − s) ≤ F(u) ≤ T(1 + s) e^{s(1+s)}, s = `step`.
    """
    theta = {name: p.detach().clone() for name, p in parameters.items()}
    start = log_probs(theta).detach()
    drop, elapsed = torch.zeros_like(start), 0.0
    clock, remainder = torch.zeros_like(start), torch.zeros_like(start)
    rows: list[tuple[float, Array, Array, Array]] = []
    largest = float("inf")
    for k in range(max_steps + 1):
        rows.append((elapsed, _kept(clock), _kept(drop), _kept(remainder)))
        if observe:
            observe(k, theta)
        furthest = scale * float(drop.max())
        if progress:
            progress(round(1000 * min(max(furthest / until, k / max_steps), 1.0)), 1000)
        if furthest >= until or k == max_steps:
            break
        w = weight(drop)
        now = rates(log_probs, theta, w)
        eta = min(2 * largest, step / (scale * _fastest(now)))
        theta, drop, largest = _linear_step(log_probs, theta, start, drop, now, eta, step)
        elapsed += largest
        clock = clock + largest * now.clock
        remainder = remainder + largest * (now.motion / w - now.clock)
    time, clocks, drops, rest = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Path(time, clocks, drops, rest, theta)


def _kept(x: Tensor) -> Array:
    return x.cpu().numpy().astype(np.float64)  # astype copies


def _fastest(now: Rates) -> float:
    fastest = float(now.motion.abs().max())
    if not 0 < fastest < float("inf"):
        raise HypothesisError("No example moves: its gradient is 0 in float64. Take a reference that is less certain.")
    return fastest


def _linear_step(
    log_probs: LogProbs,
    theta: Parameters,
    start: Tensor,
    drop: Tensor,
    now: Rates,
    eta: float,
    tolerance: float,
) -> tuple[dict[str, Tensor], Tensor, float]:
    """One descent step, η halved until the drops move as their rates say, to a fraction `tolerance`."""
    floor = eta * 2.0**-40
    while True:
        moved = {name: p - eta * now.gradient[name] for name, p in theta.items()}
        new_drop = start - log_probs(moved).detach()
        expected = eta * now.motion
        off = float((new_drop - drop - expected).abs().max())
        if off <= tolerance * float(expected.abs().max()) or eta <= floor:
            return moved, new_drop, eta
        eta /= 2


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
            f"The law is for one example, {n} were given: for a set, compare with `Path.remainder` added, "
            "or follow each example alone."
        )


def _follow(instance: Single) -> Measurement:
    scale = instance.beta or 1.0
    path = follow(
        instance.log_probs,
        instance.parameters,
        weight_by_drop(instance.beta),
        step=instance.step,
        until=instance.until,
        scale=scale,
    )
    return Measurement(scale * path.clock[1:, 0], scale * path.drop[1:, 0])


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
    source="derived in theory/intrinsic_time.py from ∇L_NPO = E[W ∇log π] (arXiv:2404.05868, Sec. 3)",
    hypotheses=_one_example,
    predict=_law,
    measure=_follow,
)
