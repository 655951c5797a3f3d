"""How `npo synthetic logistic` fits and unlearns: the paper's problem, other optimisers, K classes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from npo.running.methods import words
from npo.verbs.synthetic.logistic_choices import LogisticChoices, LogisticData, NamedObjectives, activation_of
from records.errors import UserError
from records.work import Progress
from synthetic.logistic import Trajectory, evaluated, unlearn_together
from synthetic.logistic.optimisers import unlearn_with
from synthetic.logistic.problem import Problem, problem_from_arrays
from synthetic.logistic.softmax import SoftmaxProblem, softmax_problem_from_arrays, unlearn_softmax
from theory.objective import METHODS
from theory.optimizers.named import made

__all__ = ["Room", "binary", "many_classes"]

UnlearnAll = Callable[[Any, NamedObjectives, Progress], dict[str, Trajectory]]


@dataclass(frozen=True)
class Room:
    """How a problem is fitted, and how it is unlearned; the two fit together."""

    fit: Callable[[Mapping[str, Any], int, Progress], Any]
    unlearn: UnlearnAll


def binary(data: LogisticData, choices: LogisticChoices) -> Room:
    """The paper's problem, by plain descent or another optimiser."""

    def fit(arrays: Mapping[str, Any], steps: int, progress: Progress) -> Problem:
        return problem_from_arrays(
            **arrays, activation=activation_of(data.activation), fit_steps=steps, progress=progress
        )

    return Room(fit, _plain(choices) if choices.optimiser is None and choices.batch is None else _other(choices))


def many_classes(data: LogisticData, choices: LogisticChoices) -> Room:
    """K classes, at half the step size, which makes K = 2 the paper's problem."""

    def fit(arrays: Mapping[str, Any], steps: int, progress: Progress) -> SoftmaxProblem:
        act = activation_of(data.activation)
        return softmax_problem_from_arrays(
            classes=data.classes, **arrays, activation=act, fit_steps=steps, progress=progress
        )

    def unlearn(problem: SoftmaxProblem, runs: NamedObjectives, progress: Progress) -> dict[str, Trajectory]:
        found = {}
        for name, (objective, lr) in runs.items():
            with _named(name):
                found[name] = unlearn_softmax(
                    problem, objective, lr=lr / 2, steps=choices.steps, every=choices.every, progress=progress
                )
        return found

    return Room(fit, unlearn)


def _plain(choices: LogisticChoices) -> UnlearnAll:
    """Full-batch gradient descent, the methods of the paper together; an own loss that fails is named."""

    def unlearn_all(problem: Problem, runs: NamedObjectives, progress: Progress) -> dict[str, Trajectory]:
        at = evaluated(choices.steps, choices.every)
        own = {name: run for name, run in runs.items() if name.upper() not in METHODS}
        together = {name: run for name, run in runs.items() if name not in own}
        found = unlearn_together(problem, together, at=at, progress=progress) if together else {}
        for name, run in own.items():
            with _named(name):
                found |= unlearn_together(problem, {name: run}, at=at, progress=progress)
        return {name: found[name] for name in runs}

    return unlearn_all


def _other(choices: LogisticChoices) -> UnlearnAll:
    """Any optimiser by name, and minibatches."""
    optimiser, options = choices.of_optimiser

    def unlearn_all(problem: Problem, runs: NamedObjectives, progress: Progress) -> dict[str, Trajectory]:
        found = {}
        for name, (objective, lr) in runs.items():
            with _named(name):
                found[name] = unlearn_with(
                    problem,
                    objective,
                    partial(made, optimiser, lr=lr, **options),
                    steps=choices.steps,
                    every=choices.every,
                    batch=choices.batch,
                    progress=progress,
                )
        return found

    return unlearn_all


@contextmanager
def _named(name: str) -> Iterator[None]:
    """A mistake in a method with its name; what an optimiser can't take was tried before (`logistic_choices.check`)."""
    try:
        yield
    except UserError as error:
        raise UserError(f"--methods {name}: {words(error)}") from error
