"""How much of the paper's Section 4 is run: Table 1, presets of three sizes, what all units read or say."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt

from records.settings import MOST_STEPS, NotNegative, Positive, Seed, Steps, distinct
from records.store import load
from synthetic.logistic.problem import FIT_STEPS, Problem
from theory.objective import Objective, method

__all__ = [
    "FULL",
    "N_FORGET",
    "QUICK",
    "REPRODUCE",
    "LogisticPreset",
    "Table1Row",
    "as_run",
    "load_problem",
    "table_1",
]

N_FORGET = 200
"""Forget examples of a problem, as in the paper."""


@dataclass(frozen=True)
class Table1Row:
    """A method with its step size and β; `ours` where Table 1 of the paper has no such row."""

    method: str
    lr: float
    beta: float | None = None
    ours: bool = False

    def objective(self) -> Objective:
        """The objective of this row."""
        return method(self.method) if self.beta is None else method(self.method, beta=self.beta)


def table_1(alpha: float) -> tuple[Table1Row, ...]:
    """All twelve methods with the step sizes and β of Table 1 of arXiv:2404.05868.

    The methods that it leaves out take those of their nearest kin (KTO as NPO). The table has α = 1 and α = 0; any
    other α takes the values of α = 1.

    >>> [s.method for s in table_1(1.0) if not s.ours]
    ['GA', 'GA+RT', 'IDK+RT', 'DPO+RT', 'NPO', 'NPO+RT']
    """
    ascent, npo, dpo = (5e-4, (5e-3, 1.0), (5e-3, 0.1)) if alpha else (1e-4, (5e-2, 10.0), (5e-2, 5.0))
    return (
        Table1Row("GA", ascent),
        Table1Row("GA+RT", ascent),
        Table1Row("GA+KL", ascent, ours=True),
        Table1Row("IDK+RT", ascent),
        Table1Row("DPO", *dpo, ours=True),
        Table1Row("DPO+RT", *dpo),
        Table1Row("DPO+KL", *dpo, ours=True),
        Table1Row("KTO", *npo, ours=True),
        Table1Row("KTO+RT", *npo, ours=True),
        Table1Row("NPO", *npo),
        Table1Row("NPO+RT", *npo),
        Table1Row("NPO+KL", *npo, ours=True),
    )


Alpha = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]  # beyond, π_ref is certain in float64
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class LogisticPreset:
    """How much of Section 4 to run; the paper's values where nothing else is said."""

    seeds: tuple[Seed, ...] = (1000, 2000, 3000, 4000, 5000)  # as in the authors' code
    alphas: tuple[Alpha, ...] = (1.0, 0.0)
    fit_steps: Steps = FIT_STEPS
    steps: Steps = 2000
    every: PositiveInt = 25
    figure3_lr: Positive = 5e-4
    figure3_steps: Steps = 10_000
    figure3_every: PositiveInt = 5
    figure3_betas: tuple[Positive, ...] = (0.01, 0.1, 0.2, 0.5, 1.0)
    long_betas: tuple[Positive, ...] = (0.1, 0.5, 1.0)
    long_steps: Steps = 1_000_000
    law_betas: tuple[NotNegative, ...] = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # 0 is GA
    law_examples: tuple[Annotated[int, Field(ge=0, lt=N_FORGET)], ...] = (0, 1)
    law_step: Annotated[float, Field(gt=0, lt=1)] = 0.02
    law_until: Positive = 8.0
    set_betas: tuple[Positive, ...] = (0.1, 1.0)
    set_step: Annotated[float, Field(gt=0, lt=1)] = 0.04
    set_steps: Steps = 600
    loss_times_examples: Annotated[int, Field(ge=2, le=N_FORGET)] = 4  # of a set
    loss_times_step: Annotated[float, Field(gt=0, lt=1)] = 0.08
    loss_times_until: Positive = 8.0
    loss_times_longest: Positive = 300.0
    loss_times_most: Steps = 400
    departure_seeds: PositiveInt = 5  # the first of `seeds`, as many
    departure_alphas: tuple[Alpha, ...] = (1.0, 0.5, 0.0)
    departure_noises: tuple[Share, ...] = (0.0, 0.2, 0.4)
    departure_betas: tuple[Positive, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)
    departure_until: Positive = 100.0  # Σ η: 200,000 steps of 5e-4
    margin_examples: PositiveInt = 20
    margin_betas: tuple[Positive, ...] = (0.5, 1.0)
    beta_seeds: PositiveInt = 5  # the first of `seeds`, as many
    beta_runs: Annotated[int, Field(ge=3)] = 17  # values of β over two decades
    beta_steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 8000
    beta_lr: Positive = 4e-3
    beta_adam_steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 400
    beta_adam_lr: Positive = 2e-3
    bounded_seeds: PositiveInt = 5  # the first of `seeds`, as many
    bounded_steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 2000
    practice_seeds: PositiveInt = 5  # the first of `seeds`, as many
    practice_steps: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 120
    practice_lr: Positive = 0.1
    practice_adam_lr: Positive = 4e-3
    relearning_seeds: PositiveInt = 5  # the first of `seeds`, as many
    relearning_paces: Annotated[int, Field(ge=2, le=MOST_STEPS)] = 20
    relearning_most: Annotated[int, Field(ge=8, le=MOST_STEPS)] = 600

    def __post_init__(self) -> None:
        """Refuse empty lists, and values that would share a name in the results."""
        lists = ("seeds", "alphas", "figure3_betas", "long_betas", "law_betas", "law_examples", "set_betas")
        for name in (*lists, "departure_alphas", "departure_noises", "departure_betas", "margin_betas"):
            distinct(name, getattr(self, name))
        for until, step in (("law_until", self.law_step), ("departure_until", 1e-6)):
            if getattr(self, until) / step > MOST_STEPS:
                raise ValueError(f"{until}={getattr(self, until):g} is more than {MOST_STEPS:,} steps away")


FULL = LogisticPreset()
REPRODUCE = LogisticPreset(
    long_steps=100_000,
    departure_seeds=1,
    departure_alphas=(1.0, 0.0),
    departure_noises=(0.0, 0.4),
    beta_seeds=3,
    beta_runs=9,
    bounded_seeds=3,
    practice_seeds=2,
    relearning_seeds=3,
)
QUICK = LogisticPreset(
    seeds=(1000,),
    fit_steps=4000,
    figure3_steps=1000,
    long_steps=2000,
    law_betas=(0.0, 0.1, 1.0),
    law_examples=(0,),
    law_step=0.05,
    set_step=0.1,
    set_steps=150,
    loss_times_step=0.1,
    loss_times_longest=100.0,
    loss_times_most=200,
    departure_seeds=1,
    departure_alphas=(1.0,),
    departure_noises=(0.0,),
    departure_betas=(0.1, 1.0),
    departure_until=10.0,
    margin_betas=(0.5,),
    beta_seeds=1,
    beta_runs=5,
    beta_steps=2000,
    beta_adam_steps=100,
    bounded_seeds=1,
    bounded_steps=200,
    practice_seeds=1,
    practice_steps=60,
    relearning_seeds=1,
    relearning_paces=6,
    relearning_most=40,
)


def load_problem(folder: Path) -> Problem:
    """The problem that a problem unit saved."""
    arrays = load(folder).arrays
    return Problem(**{f.name: arrays[f.name] for f in fields(Problem)})


def as_run(preset: LogisticPreset, alpha: float, seed: int) -> dict[str, float]:
    """What a reader must know to say whether this is the paper's experiment."""
    return {"seed": seed, "alpha": alpha, "fit_steps": preset.fit_steps, "steps": preset.steps}
