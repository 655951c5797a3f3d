"""`npo synthetic logistic`: methods on the paper's logistic problem, one's own losses and data among them."""

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress as Bars
from rich.table import Table

from figures import logistic_runs
from figures.canvas import save as save_figure
from figures.logistic_fronts import areas
from npo.display import COLUMNS
from npo.methods import objectives_of
from records.errors import UserError
from records.store import environment, writable
from records.work import Progress
from synthetic.gaussians import Sample, draw
from synthetic.logistic import Trajectory, evaluated, save_trajectories, unlearn_together
from synthetic.logistic_study import table_1
from synthetic.optimisers import unlearn_with
from synthetic.problem import FIT_STEPS, Problem, problem_from_arrays, relu
from synthetic.softmax import SoftmaxProblem, draw_classes, softmax_problem_from_arrays, unlearn_softmax
from theory.objective import METHODS, Objective

__all__ = ["Choices", "Data", "problems", "run", "runs_of"]

ARRAYS = tuple(Sample.__annotations__)
QUICK_FIT = 2000


@dataclass(frozen=True)
class Data:
    """The data of a run: a file of arrays, or draws of the paper's Gaussians."""

    file: Path | None
    alpha: float
    seeds: tuple[int, ...]
    label_noise: float
    d: int
    features: int
    n_forget: int
    n_retain: int
    classes: int = 2
    activation: str = "relu"


@dataclass(frozen=True)
class Choices:
    """How to unlearn; None stands for the values of the paper's Table 1, and for plain full-batch descent."""

    methods: tuple[str, ...]
    lr: float | None
    beta: float | None
    steps: int
    every: int
    optimiser: str | None = None
    momentum: float | None = None
    batch: int | None = None


def run(data: Data, choices: Choices, *, quick: bool, out: Path) -> None:
    """Fit π_ref and π_retr for each seed, unlearn by each method, save, draw, print the table."""
    if quick:
        data, choices = replace(data, seeds=data.seeds[:1]), replace(choices, steps=min(choices.steps, 500))
    check(data, choices)
    runs = runs_of(choices, data.alpha)
    room = _binary(data, choices) if data.classes == 2 else _many_classes(data, choices)
    samples = list(problems(data))
    folders = {label: writable(out / label) for label, _ in samples}
    torch.set_num_threads(1)  # 200 rows are too few for a second thread to be of use
    found = []
    with progress_bars() as bar:
        for label, arrays in samples:
            fit_steps = QUICK_FIT if quick else FIT_STEPS
            problem = room.fit(arrays, fit_steps, bar(f"{label}: π_ref and π_retr"))
            paths = room.unlearn(problem, runs, bar(f"{label}: unlearning"))
            save_trajectories(folders[label], paths, _provenance(data, choices, runs, label, fit_steps))
            found.append(paths)
    title = "one problem from a file" if data.file else f"α = {data.alpha:g}, {len(found)} seed(s)"
    arrays_of = [{f"{n}.{k}": x for n, p in paths.items() for k, x in p.arrays().items()} for paths in found]
    save_figure(logistic_runs.draw(arrays_of, title), writable(out), "distances")
    _print(found, choices.steps, title)
    Console().print(f"{out / 'distances.png'}, and the trajectories of each seed beside it", highlight=False)


def _provenance(data: Data, choices: Choices, runs: "Runs", label: str, fit_steps: int) -> dict[str, Any]:
    """What made a trajectory, for the JSON beside it."""
    found: dict[str, Any] = {"label": label, "fit_steps": fit_steps, "choices": asdict(choices)}
    found |= {"lr": {name: lr for name, (_, lr) in runs.items()}, "environment": environment()}
    found |= {"beta": {name: getattr(o.forget, "keywords", {}).get("beta") for name, (o, _) in runs.items()}}
    return found | {"data": asdict(data) | {"file": str(data.file or "")}}


# --- what to run --------------------------------------------------------------------------------------------------


def check(data: Data, choices: Choices) -> None:
    """UserError for what no run can start from, all at once."""
    wrong = []
    if choices.lr is not None and not 0 < choices.lr < math.inf:
        wrong.append(f"--lr must be a positive number, got {choices.lr}.")
    if not math.isfinite(data.alpha):
        wrong.append(f"--alpha must be a finite number, got {data.alpha}.")
    if choices.optimiser is None and choices.momentum is not None:
        wrong.append("--momentum needs --optimiser SGD.")
    named = getattr(torch.optim, choices.optimiser or "SGD", None)
    if not (isinstance(named, type) and issubclass(named, torch.optim.Optimizer)):
        wrong.append(f"--optimiser {choices.optimiser}: torch.optim has no optimiser of this name; try SGD or Adam.")
    if data.classes > 2 and (choices.optimiser is not None or choices.batch is not None):
        wrong.append("--classes goes with full-batch gradient descent alone: leave --optimiser and --batch out.")
    if data.activation != "relu" and not isinstance(_activation(data.activation), np.ufunc):
        wrong.append(f"--activation {data.activation}: give relu or a function of numpy of one number, e.g. tanh.")
    if len(set(data.seeds)) < len(data.seeds):
        wrong.append("--seeds names a seed twice.")
    if wrong:
        raise UserError("\n".join(wrong))


def runs_of(choices: Choices, alpha: float) -> dict[str, tuple[Objective, float]]:
    """Objective and step size of each method: what was typed, else the values of Table 1 at this α."""
    rows = {row.method: row for row in table_1(alpha)}
    usual = {name: row.beta for name, row in rows.items() if row.beta is not None}
    objectives = objectives_of(list(choices.methods or METHODS), beta=choices.beta, usual=usual)
    usual_lr = {name: row.lr for name, row in rows.items()}
    own_lr = rows["NPO"].lr
    return {
        name: (objective, choices.lr or usual_lr.get(name.upper(), own_lr)) for name, objective in objectives.items()
    }


def problems(data: Data) -> Iterator[tuple[str, dict[str, Any]]]:
    """Label and arrays of each problem."""
    if data.file is not None:
        yield data.file.stem, _arrays_of(data.file)
        return
    size = {name: getattr(data, name) for name in ("label_noise", "d", "features", "n_forget", "n_retain")}
    for seed in data.seeds:
        if data.classes == 2:
            yield str(seed), vars(draw(alpha=data.alpha, seed=seed, **size))
        else:
            yield str(seed), vars(draw_classes(classes=data.classes, alpha=data.alpha, seed=seed, **size))


def _arrays_of(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file under the names of `problem_from_arrays`; UserError naming what is missing."""
    try:
        with np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except FileNotFoundError:
        raise UserError(f"--problem {file}: there is no such file.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise UserError(
            f"--problem {file}: it is no .npz file of plain arrays. Write it with numpy.savez(file, W=W, …)."
        ) from error
    missing, unknown = [n for n in ARRAYS if n not in arrays], [n for n in arrays if n not in ARRAYS]
    if missing or unknown:
        parts = [f"it lacks {', '.join(missing)}"] * bool(missing) + [f"it has unknown {', '.join(unknown)}"] * bool(
            unknown
        )
        raise UserError(f"--problem {file}: {'; '.join(parts)}. The arrays are {', '.join(ARRAYS)}.")
    return arrays


# --- running it ---------------------------------------------------------------------------------------------------

Runs = Mapping[str, tuple[Objective, float]]
UnlearnAll = Callable[[Any, Runs, Progress], dict[str, Trajectory]]


@dataclass(frozen=True)
class Room:
    """How a problem is fitted, and how it is unlearned; the two fit together."""

    fit: Callable[[Mapping[str, Any], int, Progress], Any]
    unlearn: UnlearnAll


def _activation(name: str) -> Any:
    """relu, or numpy's function of that name, None where there is none of one argument."""
    found = relu if name == "relu" else getattr(np, name, None)
    return found if getattr(found, "nin", 1) == 1 else None


def _binary(data: Data, choices: Choices) -> Room:
    """The paper's problem, by plain descent or another optimiser."""

    def fit(arrays: Mapping[str, Any], steps: int, progress: Progress) -> Problem:
        return problem_from_arrays(
            **arrays, activation=_activation(data.activation), fit_steps=steps, progress=progress
        )

    return Room(fit, _plain(choices) if choices.optimiser is None and choices.batch is None else _other(choices))


def _many_classes(data: Data, choices: Choices) -> Room:
    """K classes, at half the step size, which makes K = 2 the paper's problem."""

    def fit(arrays: Mapping[str, Any], steps: int, progress: Progress) -> SoftmaxProblem:
        act = _activation(data.activation)
        return softmax_problem_from_arrays(
            classes=data.classes, **arrays, activation=act, fit_steps=steps, progress=progress
        )

    def unlearn(problem: SoftmaxProblem, runs: Runs, progress: Progress) -> dict[str, Trajectory]:
        found = {}
        for name, (objective, lr) in runs.items():
            with _named(name):
                found[name] = unlearn_softmax(
                    problem, objective, lr=lr / 2, steps=choices.steps, every=choices.every, progress=progress
                )
        return found

    return Room(fit, unlearn)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Progress]]:
    """A function from a description to a new bar's progress."""
    with Bars(*COLUMNS, console=Console(stderr=True), transient=True) as bars:

        def bar(description: str) -> Progress:
            task = bars.add_task(description, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield bar


def _plain(choices: Choices) -> UnlearnAll:
    """Full-batch gradient descent, the methods of the paper together; an own loss that fails is named."""

    def unlearn_all(problem: Problem, runs: Runs, progress: Progress) -> dict[str, Trajectory]:
        at = evaluated(choices.steps, choices.every)
        own = {name: run for name, run in runs.items() if name.upper() not in METHODS}
        together = {name: run for name, run in runs.items() if name not in own}
        found = unlearn_together(problem, together, at=at, progress=progress) if together else {}
        for name, run in own.items():
            with _named(name):
                found |= unlearn_together(problem, {name: run}, at=at, progress=progress)
        return {name: found[name] for name in runs}

    return unlearn_all


def _other(choices: Choices) -> UnlearnAll:
    """Any optimiser of torch, and minibatches."""
    optimiser = getattr(torch.optim, choices.optimiser or "SGD")
    extra: dict[str, Any] = {} if choices.momentum is None else {"momentum": choices.momentum}

    def unlearn_all(problem: Problem, runs: Runs, progress: Progress) -> dict[str, Trajectory]:
        found = {}
        for name, (objective, lr) in runs.items():
            with _named(name):
                found[name] = unlearn_with(
                    problem,
                    objective,
                    partial(optimiser, lr=lr, **extra),
                    steps=choices.steps,
                    every=choices.every,
                    batch=choices.batch,
                    progress=progress,
                )
        return found

    return unlearn_all


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"--methods {name}: {error}") from error
    except (TypeError, ValueError, RuntimeError) as error:  # of torch.optim: an option or a gradient that it can't take
        raise UserError(f"--optimiser, at --methods {name}: {error}") from error


# --- telling ------------------------------------------------------------------------------------------------------


def _print(found: Sequence[Mapping[str, Trajectory]], steps: int, title: str) -> None:
    headings = ("method", "forget, least", "at step", "forget, end", "retain, end", "forget KL, end", "front missed")
    table = Table(*headings, title=f"Logistic unlearning, {title}; E KL in nats, mean ± s.d.", title_justify="left")
    for name in found[0]:
        paths = [paths[name] for paths in found]
        least = [int(p.forget_distance.argmin()) for p in paths]
        table.add_row(
            name,
            _spread([p.forget_distance[k] for p, k in zip(paths, least, strict=True)]),
            f"{np.mean([p.steps[k] for p, k in zip(paths, least, strict=True)]):.0f}",
            _spread([p.forget_distance[-1] for p in paths]),
            _spread([p.retain_distance[-1] for p in paths]),
            _spread([p.forget_kl[-1] for p in paths]),
            _spread((1 - areas([{f"{name}.{k}": x for k, x in p.arrays().items()} for p in paths], name)).tolist()),
        )
    console = Console()
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
