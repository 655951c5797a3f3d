"""Unlearning of small transformers by any objective and any optimiser of torch, many runs in one computation.

Runs go together (`synthetic.transformer.stacked`) where they compute the same things and share an optimiser; seeds, β
and kernels may differ. Full batch by default; minibatches by shuffled epochs. The optimiser must treat every number on
its own, as SGD, momentum, Adam, AdamW and AMSGrad do: one that looks at the norm of a whole gradient would mix runs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from records.work import Progress, silent
from synthetic.transformer.model import Config
from synthetic.transformer.quantities import Parts, Stacked, asked_of, fixed, moving, of_run, parts_of, union
from synthetic.transformer.sequences import Sequences, SequenceSplit
from synthetic.transformer.stacked import stack, stack_sequences
from theory.objective import Objective

__all__ = ["Case", "Observe", "Optimiser", "unlearn_all"]

Optimiser = Callable[[list[Tensor]], torch.optim.Optimizer]
Parameters = Mapping[str, Tensor]
Observe = Callable[[str, int, Parameters], bool]
"""Sees the model of a run (label, step, parameters) and says whether that run goes on."""

StepRows = tuple[Tensor, Tensor] | None  # the forget and the retain rows of a step; None for all


@dataclass(frozen=True)
class Case:
    """One run: what is minimised, how, from which π_ref, on which sequences.

    Cases that hold the very same `optimiser` and whose objectives ask for the same quantities go together.
    """

    objective: Objective
    optimiser: Optimiser
    reference: Parameters
    split: SequenceSplit


def unlearn_all(
    config: Config,
    cases: Mapping[str, Case],
    *,
    at: Sequence[int],
    observe: Observe,
    batch: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> None:
    """Run the cases, by label, to the last of the steps `at`; `observe` sees each at these, the first before any step.

    A run that `observe` ends leaves the others undisturbed. `batch` forget rows a step (None: all) by shuffled
    epochs, and as many retain rows, drawn anew each step, from a generator seeded with `seed`.
    """
    groups: dict[object, dict[str, Case]] = {}
    for label, case in cases.items():
        asked = ((side.moving, side.layers) for side in asked_of(case.objective, config))
        groups.setdefault((id(case.optimiser), *asked), {})[label] = case
    total = len(groups) * at[-1]
    for k, group in enumerate(groups.values()):
        before = k * at[-1]
        progress(before, total)
        for done in _Together(config, group, batch, seed).descend(at, observe):
            progress(before + done, total)
    progress(total, total)


class _Together:
    """Runs that go together: their models, their optimiser, and what their references say."""

    def __init__(self, config: Config, cases: Mapping[str, Case], batch: int | None, seed: int) -> None:
        self.config, self.labels = config, list(cases)
        every = list(cases.values())
        self.objectives = [case.objective for case in every]
        self.asked = [asked_of(case.objective, config) for case in every]
        self.parts = tuple(map(_stacked, zip(*(parts_of(case.split) for case in every), strict=True)))
        self.make = every[0].optimiser
        self.theta = {name: p.requires_grad_() for name, p in stack(case.reference for case in every).items()}
        self.optimiser = self.make(list(self.theta.values()))
        self.rows = _rows(self.parts, batch, torch.Generator().manual_seed(seed))
        self.together = [union(side) for side in zip(*self.asked, strict=True)]
        self.fixed = [
            fixed(self.theta, parts, asked, config) for parts, asked in zip(self.parts, self.together, strict=True)
        ]

    def quantities(self, rows: StepRows) -> list[Stacked]:
        """What is asked of the models on these forget and retain rows, (runs, rows, …) by name."""
        found = []
        for parts, asked, fixed_, chosen in zip(
            self.parts, self.together, self.fixed, rows or (None, None), strict=True
        ):
            some = parts if chosen is None else {kind: part.rows(chosen) for kind, part in parts.items()}
            known = fixed_ if chosen is None else {name: x[:, chosen] for name, x in fixed_.items()}
            found.append(known | moving(self.theta, some, asked, self.config))
        return found

    def loss(self) -> Tensor:
        """The sum of the losses of all runs, so that its gradient holds that of each."""
        forget, retain = self.quantities(next(self.rows))
        own = (
            objective(of_run(forget, i, asked[0]), of_run(retain, i, asked[1])).total
            for i, (objective, asked) in enumerate(zip(self.objectives, self.asked, strict=True))
        )
        return torch.stack(list(own)).sum()

    def descend(self, at: Sequence[int], observe: Observe) -> Iterator[int]:
        """Take the steps, let the models be looked at, drop runs that have ended; yields the steps taken."""
        for before, target in pairwise((0, *at)):
            for done in range(before + 1, target + 1):
                self.optimiser.zero_grad()
                self.loss().backward()
                self.optimiser.step()
                yield done
            models = ({name: p.detach()[i] for name, p in self.theta.items()} for i in range(len(self.labels)))
            stays = [observe(label, target, model) for label, model in zip(self.labels, models, strict=True)]
            if not any(stays):
                return
            if not all(stays):
                self.keep([i for i, stay in enumerate(stays) if stay])

    def keep(self, runs: list[int]) -> None:
        """Go on with these runs only; what the optimiser remembers of them goes along."""
        before = self.optimiser
        self.labels = [self.labels[i] for i in runs]
        self.objectives = [self.objectives[i] for i in runs]
        self.asked = [self.asked[i] for i in runs]
        self.parts = tuple(
            {kind: Sequences(*(x[runs] for x in part)) for kind, part in parts.items()} for parts in self.parts
        )
        self.fixed = [{name: x[runs] for name, x in of.items()} for of in self.fixed]
        old, self.theta = self.theta, {name: p.detach()[runs].requires_grad_() for name, p in self.theta.items()}
        self.optimiser = self.make(list(self.theta.values()))
        for name, p in self.theta.items():
            for key, x in before.state[old[name]].items():
                own = isinstance(x, Tensor) and x.shape == old[name].shape
                self.optimiser.state[p][key] = x[runs] if own else x


def _stacked(sides: tuple[Parts, ...]) -> Parts:
    """The parts of several runs as one, those that all have."""
    kinds = [kind for kind in sides[0] if all(kind in parts for parts in sides)]
    return {kind: stack_sequences(parts[kind] for parts in sides) for kind in kinds}


def _rows(parts: Sequence[Parts], batch: int | None, generator: torch.Generator) -> Iterator[StepRows]:
    """The rows of each step: all, or shuffled epochs of the forget set with as many retain rows beside them."""
    n_forget, n_retain = (side[""].tokens.shape[-2] for side in parts)
    while True:
        if batch is None:
            yield None
            continue
        for forget in torch.randperm(n_forget, generator=generator).split(batch):
            yield forget, torch.randperm(n_retain, generator=generator)[:batch]
