"""Who resists relearning? Losses and optimisers unlearn to one mean drop, then NLL brings the answers back.

Unlearning goes in steps that lower the mean answer by the same nats, whatever a loss's own scale is: step sizes do not
change a flow's path. It ends at the wanted drop, between two steps by linear interpolation. Relearning takes steps of
one size for all, plain descent or Adam, on the mean NLL of the same answers. Columns of an arm, (seeds,):

    drop, spread             mean nats that forget answers have lost, and their deviation over answers
    kept                     mean nats that kept answers have lost
    unlearn_time             T of the way out; law, the mean of F_i(u_i) that the loss asks for (losses of answers)
    gd_half, gd_full         steps of plain descent until half or all of the mean is back; NaN where it never was
    time_half, time_full     its intrinsic time
    adam_half, adam_full     steps of Adam

All are NaN where an arm never gets to the drop. T is the mean collective clock Σ η ‖ḡ‖², ḡ the mean of ∇log π over
answers: under NLL the mean gain itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from synthetic.there_and_back import MOVERS, AtDrop, ManyModels, relearned, stepped, unlearned
from theory.kernel import Kernel
from theory.losses import npo
from theory.theorems.time.drop_weights import ForgetAnswer, drop_weight, of_numbers
from theory.theorems.time.known_times import closed_time
from theory.theorems.time.loss_times import looks_at_tokens

__all__ = [
    "COLUMNS",
    "Arm",
    "HowFar",
    "arms_of",
    "at_equal_drop",
    "at_equal_steps",
    "beta_label",
    "ratios",
    "stepped_of",
]

Array = np.ndarray
COLUMNS = (
    "drop",
    "kept",
    "unlearn_time",
    "law",
    "time_half",
    "time_full",
    "gd_half",
    "gd_full",
    "adam_half",
    "adam_full",
)
PROBES = np.array([0.1, 0.5, 1.0, 2.0, 4.0])  # nats, where weights are compared
ALIKE = 0.4  # log-weights that differ by less are of one arm
PAPER = ("GA", "NPO")
RHOS = (0.01, 0.1)  # arXiv:2502.05374 has .01


@dataclass(frozen=True)
class Arm:
    """A way to unlearn: a loss, what moves the parameters, SAM's radius, the weight of kept answers' NLL."""

    kernel: Kernel
    mover: str = "GD"
    rho: float = 0.0
    retain: float = 0.0


@dataclass(frozen=True)
class HowFar:
    """How far to unlearn and in how many steps; with which step sizes to relearn, and how long."""

    wanted: float  # nats, mean over answers
    paces: int = 40
    lr: float = 0.1
    adam_lr: float = 4e-3
    most: int = 400


def arms_of(kernels: Mapping[str, Kernel], betas: Sequence[float] = ()) -> dict[str, Arm]:
    """Every loss by plain descent, those of nearly one weight once, and NPO at more β; GA and NPO with a retain term,
    NPO by SAM, Adam and sign descent.

    >>> from theory.losses import ga
    >>> list(arms_of({"GA": ga, "ga": ga, "NPO": partial(npo, beta=0.5)}))
    ['GA', 'NPO', 'GA+RT', 'NPO+RT', 'NPO, SAM 0.01', 'NPO, SAM 0.1', 'NPO, Adam', 'NPO, sign']
    """
    found, seen = dict[str, Arm](), list[tuple[bool, Array]]()
    for name in sorted(kernels, key=lambda name: name not in PAPER):
        kernel = kernels[name]
        weights = np.log(of_numbers(kernel, ForgetAnswer(-1.0))(np.append(0.0, PROBES)))
        own = looks_at_tokens(kernel), weights[1:] - weights[0]
        if not any(own[0] == apart and np.abs(own[1] - other).max() < ALIKE for apart, other in seen):
            seen.append(own)
            found[name] = Arm(kernel)
    found |= {beta_label(beta): Arm(partial(npo, beta=beta)) for beta in betas}
    found |= {f"{name}+RT": Arm(found[name].kernel, retain=1.0) for name in PAPER if name in found}
    if "NPO" in found:
        kernel = found["NPO"].kernel
        found |= {f"NPO, SAM {rho:g}": Arm(kernel, rho=rho) for rho in RHOS}
        found |= {f"NPO, {mover}": Arm(kernel, mover) for mover in MOVERS if mover != "GD"}
    return found


def beta_label(beta: float) -> str:
    """The arm of NPO at another β.

    >>> beta_label(0.1)
    'NPO, β = 0.1'
    """
    return f"NPO, β = {beta:g}"


def stepped_of(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """GA and NPO by plain descent, alone and with a retain term."""
    return {label: arm for label, arm in arms.items() if label.removesuffix("+RT") in PAPER}


Take = Callable[[Sequence[int]], ManyModels]
"""The models of a room, one for each of these numbers of seeds."""


def at_equal_drop(take: Take, seeds: int, arms: Mapping[str, Arm], setting: HowFar) -> dict[str, Array]:
    """The columns of every arm, `<arm>.<column>`."""
    ended = dict[str, AtDrop]()
    for mover in MOVERS:
        ended |= _to_the_drop(take, seeds, {label: arm for label, arm in arms.items() if arm.mover == mover}, setting)
    models = take([seed for _ in ended for seed in range(seeds)])
    start = {key: torch.cat([one.parameters[key] for one in ended.values()]) for key in models.parameters}
    gd = relearned(models, start, lr=setting.lr, most=setting.most)
    adam = relearned(models, start, lr=setting.adam_lr, most=setting.most, mover="Adam")
    lost = (models.kept(models.parameters) - models.kept(start)).detach().mean(-1).double().numpy()
    found = {"kept": lost} | {f"time_{share}": x for share, x in gd.clock.items()}
    found |= {f"{name}_{share}": x for name, back in (("gd", gd), ("adam", adam)) for share, x in back.steps.items()}
    arrays = dict[str, Array]()
    for k, (label, one) in enumerate(ended.items()):
        own = {name: x[k * seeds : (k + 1) * seeds] for name, x in found.items()}
        lost_each = one.drop.sum(-1).double()
        own |= {"drop": lost_each.mean(-1).numpy(), "spread": lost_each.std(-1, correction=0).numpy()}
        own["unlearn_time"] = one.clock.double().numpy()
        own["law"] = _asked(take, seeds, arms[label], one)
        own = {name: np.where(np.isnan(own["drop"]), np.nan, x) for name, x in own.items()}
        arrays |= {f"{label}.{name}": x for name, x in own.items()}
    return arrays


def _to_the_drop(take: Take, seeds: int, arms: Mapping[str, Arm], setting: HowFar) -> dict[str, AtDrop]:
    """The arms of one mover, all together, those with SAM apart."""
    found = dict[str, AtDrop]()
    for sharp in (False, True):
        some = {label: arm for label, arm in arms.items() if (arm.rho > 0) == sharp}
        if not some:
            continue
        models = take([seed for _ in some for seed in range(seeds)])
        rho, retain = (
            torch.tensor([getattr(arm, name) for arm in some.values() for _ in range(seeds)])
            for name in ("rho", "retain")
        )
        every = unlearned(
            models,
            _weights(models, list(some.values()), seeds),
            wanted=setting.wanted,
            pace=setting.wanted / setting.paces,
            mover=next(iter(some.values())).mover,
            rho=rho if sharp else None,
            retain=retain if bool(retain.any()) else None,
        )
        for k, label in enumerate(some):
            rows = slice(k * seeds, (k + 1) * seeds)
            found[label] = AtDrop(
                {key: p[rows] for key, p in every.parameters.items()}, every.drop[rows], every.clock[rows]
            )
    return found


def _weights(models: ManyModels, arms: Sequence[Arm], seeds: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Nats lost (arms · seeds, answers, tokens) -> gradient weights: of the token, or of the answer for all its own."""
    ref = models.log_probs(models.parameters).detach()
    tokens, each = ref.shape[-1], []
    for k, arm in enumerate(arms):
        own = ref[k * seeds : (k + 1) * seeds]
        if looks_at_tokens(arm.kernel):
            each.append(drop_weight(arm.kernel, own))
        else:
            each.append(_of_answers(drop_weight(arm.kernel, own.sum(-1), count=tokens)))

    def of(drop: torch.Tensor) -> torch.Tensor:
        return torch.cat([weight(part) for weight, part in zip(each, drop.split(seeds), strict=True)])

    return of


def _of_answers(weight: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda drop: weight(drop.sum(-1))[..., None].expand_as(drop)


def _asked(take: Take, seeds: int, arm: Arm, ended: AtDrop) -> Array:
    """The mean of F_i(u_i) over answers; NaN where the loss has no formula for them, or another mover went."""
    models, nothing = take(range(seeds)), np.full(seeds, np.nan)
    ref, lost = models.log_probs(models.parameters).detach().double(), ended.drop.double()
    if arm.mover != "GD" or arm.rho or arm.retain or (looks_at_tokens(arm.kernel) and ref.shape[-1] > 1):
        return nothing
    rows = []
    for of_ref, of_lost in zip(ref.sum(-1), lost.sum(-1), strict=True):
        laws = [closed_time(arm.kernel, ForgetAnswer(float(x), ref.shape[-1])) for x in of_ref]
        if any(law is None for law in laws):
            return nothing
        rows.append(np.mean([law.time(np.array(float(u))) for law, u in zip(laws, of_lost, strict=True) if law]))
    return np.array(rows)


def at_equal_steps(
    take: Take, seeds: int, arms: Mapping[str, Arm], setting: HowFar, *, lr: float, at: Sequence[int]
) -> dict[str, Array]:
    """Unlearning in steps of one size: `<arm>.<column>` (looks, seeds) after so many, and `at` (looks,).

    Columns: drop, unlearn_time, time_full and gd_full, as above.
    """
    models = take([seed for _ in arms for seed in range(seeds)])
    retain = torch.tensor([arm.retain for arm in arms.values() for _ in range(seeds)])
    looks = stepped(models, _weights(models, list(arms.values()), seeds), at=at, lr=lr, retain=retain)
    every = take([seed for _ in looks for _ in arms for seed in range(seeds)])
    start = {key: torch.cat([one.parameters[key] for one in looks]) for key in models.parameters}
    back = relearned(every, start, lr=setting.lr, most=setting.most)
    shape = (len(looks), len(arms), seeds)
    found = {"gd_full": back.steps["full"].reshape(shape), "time_full": back.clock["full"].reshape(shape)}
    for name, of in (("drop", lambda one: one.drop.sum(-1).mean(-1)), ("unlearn_time", lambda one: one.clock)):
        found[name] = torch.stack([of(one) for one in looks]).double().numpy().reshape(shape)
    arrays = {f"{label}.{name}": x[:, k] for name, x in found.items() for k, label in enumerate(arms)}
    return arrays | {"at": np.array(at, dtype=np.float64)}


def ratios(arrays: Mapping[str, Array], arm: str, other: str, column: str) -> Array:
    """log of a column of one arm over that of another, by seed; NaN where either never came back."""
    with np.errstate(all="ignore"):
        return np.asarray(np.log(arrays[f"{arm}.{column}"] / arrays[f"{other}.{column}"]))
