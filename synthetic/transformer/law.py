"""The intrinsic-time law in the small transformer: sequences alone, sets, plain descent, and β → 0.

Units, <run> being GA or NPO-<β>; each holds all seeds, which go together (`synthetic.transformer.stacked`):

    transformer/single-<run>    the first few forget sequences of each seed, each forgotten alone
    transformer/set-<run>       the whole forget set along the flow, in steps that are small for the law
    transformer/descent-<run>   the same by plain gradient descent at a constant step size, on a log grid of steps
    transformer/limit           GA and NPO at small β, the first steps of plain descent

Arrays. Paths are saved as in `theory.theorems.time.paths`, label <seed>-<i> for sequence i alone, <seed> for a set.
Sets and descents have what `synthetic.transformer.watch` documents, at the recorded steps, under `<seed>.`; for sets
`<seed>.steps` are places in the path. Limits have `<run>-<seed>.steps` and `<run>-<seed>.drop`. Values: `method`,
`beta` (0 for GA), `seeds`, `scale`, the unit of u and T (β; for GA the least β), and `step` or `lr`.

One sequence alone takes the same path in parameter space whatever the kernel: NPO is GA, slowed down.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from records.errors import UserError
from records.store import Data, save
from records.work import Progress, Unit
from synthetic.grid import log_grid
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.memorise import load_models
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import TransformerPreset, models_name
from synthetic.transformer.sequences import Sequences, SequenceSplit, draw
from synthetic.transformer.stacked import all_log_probs, stack, stack_sequences
from synthetic.transformer.watch import Watcher, recording
from theory.objective import Objective, method
from theory.theorems.theorem import HypothesisError
from theory.theorems.time.intrinsic_time import follow, weight_by_drop
from theory.theorems.time.paths import IntrinsicPath, to_arrays

__all__ = ["law_units", "name_of"]

Array = np.ndarray
Parameters = dict[str, Tensor]
PER_DECADE = 8
KERNEL_EVERY = 4  # looks


def name_of(beta: float) -> str:
    """GA for β = 0, else NPO-<β>."""
    return f"NPO-{beta:g}" if beta else "GA"


def objective_of(beta: float) -> Objective:
    """GA for β = 0, else NPO."""
    return method("NPO", beta=beta) if beta else method("GA")


def law_units(preset: TransformerPreset) -> list[Unit]:
    """The units of this part, in order."""
    shared = {"shape": asdict(preset.shape), "law": asdict(preset.law), "seeds": preset.seeds}
    needs = tuple(models_name(seed) for seed in preset.seeds)
    kinds: tuple[tuple[str, Callable[..., None], float], ...] = (
        ("single", _single_unit, 1.0),
        ("set", _set_unit, 5.0),
        ("descent", _descent_unit, 5e-3 * preset.law.steps),
    )
    found = [
        Unit(
            f"transformer/{kind}-{name_of(beta)}",
            shared | {"beta": beta},
            partial(run, preset=preset, beta=beta),
            needs,
            seconds=len(preset.seeds) * seconds,
        )
        for kind, run, seconds in kinds
        for beta in (0.0, *preset.law.betas)
    ]
    return [*found, Unit("transformer/limit", shared, partial(_limit_unit, preset=preset), needs)]


def _models(
    preset: TransformerPreset, inputs: Mapping[str, Path]
) -> dict[int, tuple[SequenceSplit, Parameters, Parameters]]:
    """Seed -> its sequences, π_ref and π_retr."""
    return {seed: (draw(preset.shape.sizes, seed), *load_models(inputs[models_name(seed)])) for seed in preset.seeds}


def _scale(preset: TransformerPreset, beta: float) -> float:
    """The unit in which drops are counted."""
    return beta or min(preset.law.betas)


def _values(preset: TransformerPreset, beta: float, **more: Any) -> dict[str, Any]:
    found = {"method": "NPO" if beta else "GA", "beta": beta, "scale": _scale(preset, beta)}
    return found | {"seeds": list(preset.seeds)} | more


def _followed(
    beta: float, log_probs_of: Callable[[Mapping[str, Tensor]], Tensor], models: Parameters, **how: Any
) -> IntrinsicPath:
    """`follow` under GA or NPO; UserError where no sequence moves any more."""
    try:
        return follow(log_probs_of, models, weight_by_drop(beta), **how)
    except HypothesisError as error:
        raise UserError(
            f"The law of {name_of(beta)} can't be followed: {error} Lower target, or the ends (set_until, nats)."
        ) from error


def _single_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset, beta: float
) -> None:
    law, config = preset.law, preset.shape.config
    which = [(s, i) for s in preset.seeds for i in range(min(law.examples, preset.shape.forget))]
    models, scale = _models(preset, inputs), _scale(preset, beta)
    alone = stack_sequences(models[seed][0].forget.pick(i, i + 1) for seed, i in which)
    path = _followed(
        beta,
        all_log_probs(config, alone),
        stack(models[seed][1] for seed, _ in which),
        step=law.single_step,
        until=min(law.single_until, scale * law.nats),
        scale=scale,
        progress=progress,
    )
    arrays: dict[str, Array] = {}
    for k, (seed, i) in enumerate(which):
        arrays |= to_arrays(path.of(k), f"{seed}-{i}")
    save(folder, Data(arrays, _values(preset, beta, step=law.single_step)))


def _watchers(
    preset: TransformerPreset, models: Mapping[int, tuple[SequenceSplit, Parameters, Parameters]], **how: Any
) -> dict[str, Watcher]:
    """A watcher for each seed, by its name."""
    config = preset.shape.config
    return {
        str(seed): Watcher(config, reference, retrained, split, **how)
        for seed, (split, reference, retrained) in models.items()
    }


def _set_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset, beta: float
) -> None:
    law = preset.law
    models, scale = _models(preset, inputs), _scale(preset, beta)
    looks = range(0, 100_000, law.every)
    watchers = _watchers(preset, models, nats=np.inf, kernel_at=looks[::KERNEL_EVERY])

    def observe(step: int, theta: Mapping[str, Tensor]) -> None:
        if step in looks:
            for k, watcher in enumerate(watchers.values()):
                watcher(step, {name: p[k] for name, p in theta.items()})

    path = _followed(
        beta,
        all_log_probs(preset.shape.config, stack_sequences(split.forget for split, _, _ in models.values())),
        stack(reference for _, reference, _ in models.values()),
        step=law.set_step,
        until=min(law.set_until, scale * law.nats),
        scale=scale,
        observe=observe,
        progress=progress,
    )
    arrays: dict[str, Array] = {}
    for k, (seed, watcher) in enumerate(watchers.items()):
        own = path.of(k)
        arrays |= to_arrays(own, seed) | _within(watcher, seed, len(own.time))
    save(folder, Data(arrays, _values(preset, beta, step=law.set_step)))


def _within(watcher: Watcher, label: str, length: int) -> dict[str, Array]:
    """What a watcher saw before a path ended; the drops are those of the path."""
    found = watcher.arrays()
    del found["drop"]
    looks, kernels = found["steps"] < length, found["kernel_steps"] < length
    return {f"{label}.{name}": x[kernels if len(x) == len(kernels) else looks] for name, x in found.items()}


def _descent_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset, beta: float
) -> None:
    law = preset.law
    models = _models(preset, inputs)
    at = log_grid(law.steps, PER_DECADE)
    watchers = _watchers(preset, models, nats=law.nats, kernel_at=at[::KERNEL_EVERY])
    descent = partial(torch.optim.SGD, lr=law.lr)
    cases = {
        str(seed): Case(objective_of(beta), descent, reference, split) for seed, (split, reference, _) in models.items()
    }
    unlearn_all(preset.shape.config, cases, at=at, observe=recording(watchers), progress=progress)
    arrays = {f"{seed}.{name}": x for seed, watcher in watchers.items() for name, x in watcher.arrays().items()}
    diverged = {seed: watcher.diverged_at for seed, watcher in watchers.items() if watcher.diverged_at}
    save(folder, Data(arrays, _values(preset, beta, lr=law.lr, diverged_at=diverged)))


def _limit_unit(folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset) -> None:
    law, config = preset.law, preset.shape.config
    models, descent = _models(preset, inputs), partial(torch.optim.SGD, lr=law.limit_lr)
    cases = {
        f"{name_of(beta)}-{seed}": Case(objective_of(beta), descent, reference, split)
        for beta in (0.0, *law.limit_betas)
        for seed, (split, reference, _) in models.items()
    }
    drops: dict[str, list[Array]] = {label: [] for label in cases}
    measures = {label: _drop(case.split.forget, case.reference, preset) for label, case in cases.items()}

    def observe(label: str, step: int, parameters: Mapping[str, Tensor]) -> bool:
        drops[label].append(measures[label](parameters))
        return bool(np.isfinite(drops[label][-1]).all())

    unlearn_all(config, cases, at=range(law.limit_steps + 1), observe=observe, progress=progress)
    arrays = {f"{label}.drop": np.stack(column) for label, column in drops.items()}
    save(folder, Data(arrays, {"betas": list(law.limit_betas), "seeds": list(preset.seeds), "lr": law.limit_lr}))


def _drop(
    forget: Sequences, reference: Mapping[str, Tensor], preset: TransformerPreset
) -> Callable[[Mapping[str, Tensor]], Array]:
    """θ -> the drops (n,) of one seed's forget sequences."""
    logp = log_probs(preset.shape.config, forget)
    start = logp(reference).detach()
    return lambda parameters: (start - logp(parameters).detach()).double().cpu().numpy()
