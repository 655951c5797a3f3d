"""What `auto-beta/<method>` does: the schedule is run through at a provisional β, and the law corrects it.

Whoever is killed on the way goes on from the last epoch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from records.doing import doing
from records.errors import UserError
from records.store import CHECKPOINT, Data, load, save
from records.work import Progress
from scale.beta.budget import beta_for, between, budget_of, drops_at, provisional
from scale.beta.sure import beta_range, caveats
from scale.models.reading.scoring import score_all
from scale.recipes.evaluate_settings import EvaluateSettings
from scale.recipes.method import Method, with_beta
from scale.runtime import checkpoint
from scale.stages.shared.context import Context
from scale.stages.unlearning.ready import ReadyToUnlearn
from scale.tasks.task import Task
from scale.training.loop import Training
from scale.training.optimizer_settings import chosen

__all__ = ["ALMOST_ASCENT", "PROBES", "choose_beta"]

PROBES = 3
"""Runs at most: one, and others where it asked for a β that is further than `NEAR` from its own."""
NEAR = 0.25
"""|log β/β₀| up to which the law was found to correct the drop to a few per cent."""
ALMOST_ASCENT = 0.1
"""β u* where the schedule lets no β come to u*: NPO is nearly gradient ascent, and falls as far as that does."""


def choose_beta(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    task: Task,
    method: Method,
    seed: int,
    finetuned: str | None,
    wanted: str,
) -> None:
    """Find the β of a method whose run ends at the wanted drop; UserError where that is not above 0."""
    told = load(inputs[wanted]).values
    drop = float(told["drop"])
    if not drop > 0:
        raise UserError(
            f"beta: auto has nothing to aim at: the answers to forget are to fall by {drop:.3g} nats (by "
            f"{told['by']}), so the model knows them no better than that does. Give unlearn.wanted_drop=NATS, or a β."
        )
    blind = replace(context, asked=EvaluateSettings(every="none"))
    ready = ReadyToUnlearn(
        folder,
        context=blind,
        task=task,
        method=method,
        seed=seed,
        live=False,
        finetuned=inputs[finetuned] if finetuned else None,
        judges=(),
    )
    probes = _probes(ready, drop, progress)
    if context.processes.first:
        save(folder, Data({}, _values(method, told, probes)))


def _values(method: Method, told: Mapping[str, Any], probes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is kept: the β, what it is for, and how sure it is."""
    drop, found = told["drop"], _chosen(told["drop"], probes)
    budget, ended = found["budget"], probes[-1]["drops"][-1]
    optimizer = chosen(method.schedule.optimizer).name
    return {
        "stage": "auto-beta",
        "method": method.name,
        "wanted": drop,
        "by": told["by"],
        "tokens": told["tokens"],
        **found,
        "range": list(beta_range(drop, told["by"], budget)),
        "of_estimates": {name: beta_for(one["drop"], budget) for name, one in told["estimates"].items()},
        "caveats": caveats(told, ended=ended, budget=budget, reached=found["reached"], optimizer=optimizer),
        "probes": list(probes),
    }


def _chosen(drop: float, probes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The β after the last probe, the drops at it by epoch, and whether they come to the wanted one.

    Between two probes, where they lie on both sides of the wanted drop; else by the law, from the last.
    """
    last = probes[-1]
    if (middle := between(drop, [(probe["beta"], probe["drops"]) for probe in probes])) is not None:
        budget = budget_of(drop, middle.beta)
        return {"beta": middle.beta, "reached": True, "budget": budget, "predicted": middle.drops}
    found = beta_for(drop, last["budget"])
    beta = ALMOST_ASCENT / drop if found is None else found
    predicted = drops_at(beta, last["drops"], last["beta"])
    return {"beta": beta, "reached": found is not None, "budget": last["budget"], "predicted": predicted}


def _probes(ready: ReadyToUnlearn, drop: float, progress: Progress) -> list[dict[str, Any]]:
    """Runs through the schedule, each at the β that the one before asked for."""
    place = ready.folder / CHECKPOINT
    before = load(place).values if ready.context.processes.agreed(place.is_dir) else {}
    found: list[dict[str, Any]] = before.get("probes", [])
    beta: float | None = _next(drop, found) if found else provisional(drop)
    while beta is not None:
        mine = replace(ready, method=with_beta(ready.method, beta))
        drops = _drops(mine, found, place, progress, resumes=before.get("count") == len(found))
        found = [*found, {"beta": beta, "drops": drops, "budget": budget_of(drops[-1], beta)}]
        beta = _next(drop, found)
    return found


def _next(drop: float, probes: Sequence[Mapping[str, Any]]) -> float | None:
    """The β of the next run; None where none is needed."""
    asked = _chosen(drop, probes)["beta"]
    near = abs(math.log(asked / probes[-1]["beta"])) < NEAR
    return None if near or len(probes) == PROBES else float(asked)


def _drops(
    ready: ReadyToUnlearn, found: Sequence[Mapping[str, Any]], place: Path, progress: Progress, *, resumes: bool
) -> list[float]:
    """The mean drop (nats an answer) after every epoch of one run; UserError where it diverges."""
    training, beta = ready.training, ready.method.beta
    start = _mean_logp(training)
    before = checkpoint.read(place, training.scorer, training.optimizer, training.processes) if resumes else None
    drops: list[float] = before.values["drops"] if before else []
    state = {"history": [], "probes": list(found), "count": len(found)}
    doing(f"the schedule at β = {beta:.3g}, to see how far it goes")
    for moment in training.run(after=len(drops)):
        if moment.stopped:
            raise UserError(f"beta: auto: the run at β = {beta:.3g} broke off. {moment.stopped} Choose a smaller lr.")
        drops.append(start - _mean_logp(training))
        progress(moment.epoch, training.epochs)
        if moment.epoch < training.epochs:
            kept = Data({}, {**state, "epoch": len(drops), "drops": drops})
            checkpoint.write(place, training.scorer, training.optimizer, kept, training.processes)
    return drops


def _mean_logp(training: Training) -> float:
    """Of the forget answers, nats."""
    found = score_all(training.scorer, training.rows.forget, training.pad, training.processes)
    return float(np.mean(found.logp.numpy().astype(np.float64)))
