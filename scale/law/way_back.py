"""There and back on a rung of the ladder: answers lose nats by NPO or gradient ascent, then NLL brings them back.

Both ways go along the gradient flow, in steps that are small for the law, whatever η that takes. The law of
`theory.theorems.recovery.relearning`: one answer takes as much intrinsic time back as nats were lost, whatever loss
took them; in a set each gains its own collective clock, without a remainder, and loses F_i(u_i) = T_i + R_i, with one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from records.work import Progress, silent
from scale.law.rungs import Rung
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, Rates, follow, time_on_curve, weight_by_drop
from theory.theorems.time.one_path import plain_time
from theory.theorems.time.paths import IntrinsicPath

__all__ = ["HowFarBack", "ThereAndBack", "off_the_laws", "there_and_back", "thinned", "times", "upwards"]

Array = np.ndarray


@dataclass(frozen=True)
class HowFarBack:
    """How far answers are pushed; in a step the fastest moves by `step`/max(β, `unit`) nats, linear to `step`."""

    nats: float = 20.0
    step: float = 0.05
    unit: float = 0.2
    most: int = 5000


class ThereAndBack(NamedTuple):
    """The path of unlearning, nats lost, and that of relearning, nats gained."""

    there: IntrinsicPath
    back: IntrinsicPath


def upwards(rung: Rung, parameters: Parameters) -> Rung:
    """Answers from these parameters on: descent on their −log π is the way up."""

    def log_probs(theta: Parameters) -> Tensor:
        return -rung.log_probs(theta)

    def rates_of(_: LogProbs, theta: Parameters, weight: Tensor) -> Rates:
        found = rung.rates_of(rung.log_probs, theta, weight)
        return Rates(found.clock, found.motion, {name: -g for name, g in found.gradient.items()})

    return Rung(log_probs, parameters, rates_of)


def there_and_back(rung: Rung, beta: float, how: HowFarBack, progress: Progress = silent) -> ThereAndBack:
    """Unlearn by NPO (β = 0: GA) until an answer has lost `how.nats`; relearn until one has gained as much."""

    def go(one: Rung, beta: float, nats: float, half: int) -> IntrinsicPath:
        unit = max(beta, how.unit)
        return follow(
            one.log_probs,
            one.parameters,
            weight_by_drop(beta),
            step=how.step,
            until=unit * nats,
            scale=unit,
            max_steps=how.most,
            rates_of=one.rates_of,
            progress=lambda done, total: progress(total * half + done, 2 * total),
        )

    there = go(rung, beta, how.nats, 0)
    back = go(upwards(rung, there.parameters), 0.0, float(there.drop[-1].max()), 1)
    return ThereAndBack(there, back)


def _asked(beta: float, drop: Array) -> Array:
    """F(u): intrinsic time that NPO needs for a drop; u for gradient ascent."""
    return np.asarray(time_on_curve(beta * drop) / beta if beta else drop)


def times(found: ThereAndBack, beta: float) -> dict[str, float]:
    """One answer's nats and times: what was lost and gained, both ways in intrinsic time T and plain time τ = Σ η.

    lost, unlearn, asked        u, T and F(u);  gained, relearn     r and T on the way back
    plain_unlearn, plain_relearn    τ of both ways
    plain_asked                     ∫ dF/G along the way back, G = ‖∇log π‖² there: τ_unlearn if both are one path
    """
    there, back = found
    lost = there.drop[-1, 0]
    time, clock = (x[-1] - x[::-1] for x in (back.time, back.clock))
    turned = IntrinsicPath(time, clock, lost - back.drop[::-1], back.remainder)
    return {
        "lost": float(lost),
        "unlearn": float(there.clock[-1, 0]),
        "asked": float(_asked(beta, lost)),
        "gained": float(back.drop[-1, 0]),
        "relearn": float(back.clock[-1, 0]),
        "plain_unlearn": float(there.time[-1]),
        "plain_relearn": float(back.time[-1]),
        "plain_asked": plain_time(turned, lambda u: _asked(beta, u)),
    }


def off_the_laws(found: ThereAndBack, beta: float) -> dict[str, float]:
    """A set's largest distances at the end: from the law there, without and with the remainder, and back.

    There |F(u_i) − T_i − R_i|/F(u_i), `exact`, and without R_i, `alone`; back |r_i/T_i − 1|, all over answers that have
    moved by a nat.
    """
    there, back = found
    u, T, R = (x[-1] for x in (there.drop, there.clock, there.remainder))
    moved, gained = u > 1, back.drop[-1] > 1
    asked = _asked(beta, u[moved])
    off = {
        "alone": np.abs(asked - T[moved]) / asked,
        "exact": np.abs(asked - T[moved] - R[moved]) / asked,
        "back": np.abs(back.clock[-1, gained] / back.drop[-1, gained] - 1),
    }
    return {name: float(x.max()) for name, x in off.items()}


def thinned(path: IntrinsicPath, most: int = 25) -> Mapping[str, Any]:
    """Time T and nats of the first answer at `most` places of a path, evenly in nats."""
    nats = path.drop[:, 0]
    at = np.unique(np.searchsorted(nats, np.linspace(0, nats[-1], most)).clip(max=len(nats) - 1))
    return {"time": path.clock[at, 0], "nats": nats[at]}
