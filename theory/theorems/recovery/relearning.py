"""Relearning takes as much intrinsic time as nats were lost, whatever loss unlearned them.

Descent on the NLL of one answer is gradient ascent on −log π, of weight 1: its gain r obeys dr = dT in the intrinsic
time T = ∫ η ‖∇log π‖² dt of `theory.theorems.time.intrinsic_time`, in any model, from wherever it starts. A loss of
weight w took F(u) = ∫₀ᵘ dv/w(v) to drop the answer by u (`theory.theorems.time.loss_times`). Hence exactly

    T_relearn = u,      T_unlearn/T_relearn = F(u)/u      GA: 1;  NPO: (βu + e^{βu} − 1)/(2βu)

A slow divergence is slow one way only. After equal unlearning times T the losses are relearned in u(T), the inverse of
F: NPO in about log(2βT)/β, GA in T; after an equal drop all take u.

In a set every example has weight 1 under NLL, so that the collective clock needs no remainder: r_i = T_i. Unlearning
keeps the one of its own weights, F_i(u_i) = T_i + R_i. In plain steps, see `theory.theorems.time.one_path`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import exprel
from torch import Tensor

from theory.theorems.theorem import Bounds, HypothesisError, Measurement, Theorem
from theory.theorems.time.forgetting import Forgetting, forgotten, laws_of, room
from theory.theorems.time.intrinsic_time import LogProbs, Parameters, follow, weight_by_drop
from theory.theorems.time.loss_times import LossTime
from theory.theorems.time.paths import IntrinsicPath

__all__ = ["RELEARNING", "RELEARN_RATIO", "npo_ratio", "ratio", "relearn", "relearnt"]

Array = np.ndarray
Numbers = Float[Array, "*shape"] | float
POINTS = 20  # of a way back that the theorem looks at


def ratio(law: LossTime, drop: Numbers) -> Float[Array, "*shape"]:
    """T_unlearn/T_relearn = F(u)/u of one answer under a loss, dimensionless; u > 0 in nats.

    >>> from functools import partial
    >>> from theory.losses import npo
    >>> from theory.theorems.time.drop_weights import ForgetAnswer
    >>> from theory.theorems.time.loss_times import loss_time
    >>> round(float(ratio(loss_time(partial(npo, beta=0.5), ForgetAnswer(-0.1)), 20.0)), 2)
    1101.77
    """
    u = np.asarray(drop, dtype=np.float64)
    return np.asarray(law.time(u) / u)


def npo_ratio(beta_drop: Numbers) -> Float[Array, "*shape"]:
    """That of NPO at βu: ½(1 + (e^{βu} − 1)/(βu)), and 1 at βu = 0, which is GA.

    >>> npo_ratio(np.array([0.0, 2.0, 10.0, 20.0])).round(1).tolist()
    [1.0, 2.1, 1101.8, 12129130.4]
    """
    return np.asarray(0.5 * (1 + exprel(np.asarray(beta_drop, dtype=np.float64))))


def relearn(
    log_probs: LogProbs,
    parameters: Parameters,
    until: float | Tensor,
    *,
    step: float,
    most: int = 100_000,
    observe: Callable[[int, Parameters], None] | None = None,
) -> IntrinsicPath:
    """Descend on the mean NLL until an answer has gained `until` nats; `drop` of the path is the gain r ≥ 0.

    As `theory.theorems.time.intrinsic_time.follow`, whose conventions these are, of −log π under gradient ascent.

    >>> from theory.theorems.specimens import linear_logistic
    >>> one = linear_logistic(confidence=-5.0)
    >>> path = relearn(one.log_probs, one.parameters, 4.0, step=0.01)
    >>> bool(abs(path.clock[-1, 0] / path.drop[-1, 0] - 1) < 0.01)
    True
    """
    return follow(
        lambda theta: -log_probs(theta),
        parameters,
        weight_by_drop(0.0),
        step=step,
        until=until,
        max_steps=most,
        observe=observe,
    )


def relearnt(instance: Forgetting, path: IntrinsicPath) -> IntrinsicPath:
    """The ways back of all runs of `forgetting.forgotten`, each to what its furthest answer lost."""
    lost = torch.from_numpy(path.drop[-1].max(axis=-1))
    return relearn(instance.log_probs, path.parameters, lost, step=instance.step, most=instance.most)


def _one_answer(instance: Forgetting) -> None:
    shape = instance.log_probs(instance.parameters).shape
    if shape != (len(instance.kernels), 1):
        raise HypothesisError(
            f"The law is for one answer of each of {len(instance.kernels)} runs, log-probabilities {tuple(shape)} were "
            "given: of a set, hold each example's gain against its collective clock (`relearn`, which leaves no "
            "remainder) and its drop against its own law with the `remainder` of its path."
        )


def _paths(instance: Forgetting) -> tuple[Sequence[Sequence[LossTime]], IntrinsicPath, IntrinsicPath]:
    laws = laws_of(instance)
    there = forgotten(instance, laws)
    return laws, there, relearnt(instance, there)


# --- the way back ---------------------------------------------------------------------------------------------------


def _gain_over_time(instance: Forgetting) -> Measurement:
    """r/T at the same shares of each way back, a column a loss."""
    _, _, back = _paths(instance)
    shares, columns = np.linspace(0, 1, POINTS), []
    for run in range(len(instance.kernels)):
        own = back.of(run)
        found = own.drop[1:, 0] / own.clock[1:, 0]
        columns.append(found[(shares * (len(found) - 1)).round().astype(int)])
    return Measurement(shares, np.stack(columns, axis=1))


def _one(instance: Forgetting, at: Array) -> Bounds:
    """1, to a fraction s: each step is linear to that."""
    shape = (len(at), len(instance.kernels))
    return Bounds(np.full(shape, 1 - instance.step), np.full(shape, 1 + instance.step))


RELEARNING: Theorem[Forgetting] = Theorem(
    name="Relearning takes intrinsic time u",
    statement="r = T on the way back by NLL, so T_relearn = u, whatever loss unlearned, in any model",
    source="derived in theory/theorems/recovery/relearning.py: w = 1 (the question: arXiv:2410.08827, 2406.13356)",
    hypotheses=_one_answer,
    predict=_one,
    measure=_gain_over_time,
)


# --- both ways ------------------------------------------------------------------------------------------------------


def _ratio_over_law(instance: Forgetting) -> Measurement:
    """(T_unlearn/T_relearn) / (F(u)/r), one number for each loss: 1 where the law is exact."""
    laws, there, back = _paths(instance)
    found = []
    for run, (law,) in enumerate(laws):
        out, home = there.of(run), back.of(run)
        asked = float(law.time(out.drop[-1, 0])) / home.drop[-1, 0]
        found.append(out.clock[-1, 0] / home.clock[-1, 0] / asked)
    return Measurement(np.arange(len(found)), np.array(found))


def _both_ways(instance: Forgetting, at: Array) -> Bounds:
    """T_un (1 − s) e^{−s} ≤ F(u) ≤ T_un (1 + s) e^s, and T_re (1 − s) ≤ r ≤ T_re (1 + s)."""
    within, s = room(instance.step), instance.step
    low, high = (1 - s) / within.upper, (1 + s) / within.lower
    return Bounds(np.broadcast_to(low, at.shape), np.broadcast_to(high, at.shape))


RELEARN_RATIO: Theorem[Forgetting] = Theorem(
    name="Unlearning over relearning",
    statement="T_unlearn/T_relearn = F(u)/u: 1 for GA, (βu + e^{βu} − 1)/(2βu) for NPO, each loss its own",
    source="derived in theory/theorems/recovery/relearning.py; NPO's w is arXiv:2404.05868, Sec. 3",
    hypotheses=_one_answer,
    predict=_both_ways,
    measure=_ratio_over_law,
)
