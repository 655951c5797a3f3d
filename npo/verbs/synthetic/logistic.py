"""`npo synthetic logistic`: methods on the paper's logistic problem, one's own losses and data among them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from figures import logistic_runs
from figures.canvas import save as save_figure
from npo.running.display import progress_bars
from npo.verbs.synthetic.logistic_choices import (
    LogisticChoices,
    LogisticData,
    NamedObjectives,
    check_choices,
    problems,
    runs_of,
)
from npo.verbs.synthetic.logistic_rooms import binary, many_classes
from records.outputs import check_outputs, publish
from records.paths import may_write
from records.plain import plain
from records.store import Data, environment, writable
from synthetic.logistic import Trajectory, save_trajectories
from synthetic.logistic.fronts import areas
from synthetic.logistic.problem import FIT_STEPS

__all__ = ["run"]

QUICK_FIT = 2000


def run(data: LogisticData, choices: LogisticChoices, *, quick: bool, out: Path) -> None:
    """Fit π_ref and π_retr for each seed, unlearn by each method, save, draw, print the table."""
    check_choices(data, choices)
    if quick:
        data, choices = replace(data, seeds=data.seeds[:1]), replace(choices, steps=min(choices.steps, 500))
    runs = runs_of(choices, data.alpha)
    room = binary(data, choices) if data.classes == 2 else many_classes(data, choices)
    samples = list(problems(data))
    names = [f"{label}/data.{kind}" for label, _ in samples for kind in ("npz", "json")]
    reads = [data.file] if data.file else []
    may_write(out)
    check_outputs(out, [*names, "distances.png", "distances.svg"], reads)
    writable(out)
    torch.set_num_threads(1)  # 200 rows are too few for a second thread to be of use
    found, provenance = [], {}
    with progress_bars() as bar:
        for label, arrays in samples:
            fit_steps = QUICK_FIT if quick else FIT_STEPS
            problem = room.fit(arrays, fit_steps, bar(f"{label}: π_ref and π_retr"))
            paths = room.unlearn(problem, runs, bar(f"{label}: unlearning"))
            provenance[label] = _provenance(data, choices, runs, label, fit_steps)
            found.append(paths)
    title = "one problem from a file" if data.file else f"α = {data.alpha:g}, {len(found)} seed(s)"
    results = {
        label: Data({f"{n}.{k}": x for n, p in paths.items() for k, x in p.arrays().items()}, {"title": title})
        for label, paths in zip(provenance, found, strict=True)
    }

    def write(place: Path) -> None:
        for (label, about), paths in zip(provenance.items(), found, strict=True):
            save_trajectories(writable(place / label), paths, about)
        save_figure(logistic_runs.draw(results), place, "distances")

    publish(out, write, reads)
    _print(found, choices.steps, title)
    said = plain(f"{out / 'distances.png'}, and the trajectories of each seed beside it")
    Console().print(said, highlight=False, markup=False, soft_wrap=True)


def _provenance(
    data: LogisticData, choices: LogisticChoices, runs: NamedObjectives, label: str, fit_steps: int
) -> dict[str, Any]:
    """What made a trajectory, for the JSON beside it."""
    found: dict[str, Any] = {"label": label, "fit_steps": fit_steps, "choices": asdict(choices)}
    found |= {"lr": {name: lr for name, (_, lr) in runs.items()}, "environment": environment()}
    found |= {"beta": {name: o.hyperparameters.get("beta") for name, (o, _) in runs.items()}}
    found |= {"hyperparameters": {name: o.hyperparameters for name, (o, _) in runs.items()}}
    return found | {"data": asdict(data) | {"file": str(data.file or "")}}


def _print(found: Sequence[Mapping[str, Trajectory]], steps: int, title: str) -> None:
    headings = ("method", "forget, least", "at step", "forget, end", "retain, end", "forget KL, end", "front missed")
    table = Table(*headings, title=f"Logistic unlearning, {title}; E KL in nats, mean ± s.d.", title_justify="left")
    table.columns[0].overflow = "fold"  # a label with hyperparameters is long
    for name in found[0]:
        paths = [paths[name] for paths in found]
        least = [int(p.forget_distance.argmin()) for p in paths]
        table.add_row(
            Text(plain(name)),
            _spread([p.forget_distance[k] for p, k in zip(paths, least, strict=True)]),
            f"{np.mean([p.steps[k] for p, k in zip(paths, least, strict=True)]):.0f}",
            _spread([p.forget_distance[-1] for p in paths]),
            _spread([p.retain_distance[-1] for p in paths]),
            _spread([p.forget_kl[-1] for p in paths]),
            _spread((1 - areas([{f"{name}.{k}": x for k, x in p.arrays().items()} for p in paths], name)).tolist()),
        )
    console = Console(markup=False)  # names of one's own methods are paths
    console.print(table)
    missed = (
        "front missed: the share of π_ref's forget distance × 1 nat of retain distance that the path does not dominate"
    )
    console.print(f"forget, retain: E KL(π_retr ‖ π_θ); forget KL: E KL(π_ref ‖ π_θ); {missed}", highlight=False)
    for name in found[0]:
        ends = [f"{p[name].diverged_at}" for p in found if p[name].diverged_at is not None]
        if ends:
            console.print(
                f"{name} diverged in {len(ends)} of {len(found)} run(s), by step {', '.join(ends)} of {steps}; what "
                "came before is kept. Lower --lr to see the rest.",
                markup=False,
            )


def _spread(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.3g}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2g}"
