"""Unlearning of small transformers by any objective and any optimiser of torch, many runs in one computation.

Runs go together (`synthetic.transformer.stacked`) where they compute the same things and share an optimiser; seeds, β
and kernels may differ. Full batch by default; minibatches by shuffled epochs. An optimiser that does
not treat every number on its own, as SAM, would mix runs: under such a one each goes alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from records.work import Progress, silent
from synthetic.dual_state import DualState, begun
from synthetic.transformer.apart import Optimiser, takes_runs_together
from synthetic.transformer.model import Config
from synthetic.transformer.quantities import Parts, Stacked, asked_of, fixed, moving, of_run, parts_of, union
from synthetic.transformer.sequences import Sequences, SequenceSplit
from synthetic.transformer.stacked import stack, stack_sequences
from theory.objective import Objective, Terms
from theory.optimizers.sam import LooksNearby

__all__ = ["Case", "Observe", "Optimiser", "unlearn_all"]

Parameters = Mapping[str, Tensor]
Observe = Callable[[str, int, Parameters], bool]
"""Sees the model of a run (label, step, parameters) and says whether that run goes on."""

Part = Callable[[Objective, Terms], Tensor]  # what of a loss a gradient is wanted of
StepRows = tuple[Tensor, Tensor] | None  # the forget and the retain rows of a step; None for all


@dataclass(frozen=True)
class Case:
    """One run: what is minimised, how, from which π_ref, on which sequences.

    Cases that hold the very same `optimiser` and whose objectives ask for the same quantities go together, if that
    optimiser keeps runs apart.
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
    optimisers = {id(case.optimiser): case.optimiser for case in cases.values()}
    together = {key for key, optimiser in optimisers.items() if takes_runs_together(optimiser)}
    for label, case in cases.items():
        asked = ((side.moving, side.layers) for side in asked_of(case.objective, config))
        apart = "" if id(case.optimiser) in together else label
        groups.setdefault((id(case.optimiser), apart, *asked), {})[label] = case
    total = len(groups) * at[-1]
    for k, group in enumerate(groups.values()):
        before = k * at[-1]
        progress(before, total)
        alone = len(group) == 1 and id(next(iter(group.values())).optimiser) not in together
        for done in _Together(config, group, batch, seed, alone=alone).descend(at, observe):
            progress(before + done, total)
    progress(total, total)


class _Together:
    """Runs that go together: their models, their optimiser, and what their references say."""

    def __init__(self, config: Config, cases: Mapping[str, Case], batch: int | None, seed: int, *, alone: bool) -> None:
        self.config, self.labels = config, list(cases)
        every = list(cases.values())
        self.objectives = [case.objective for case in every]
        self.asked = [asked_of(case.objective, config) for case in every]
        self.parts = tuple(map(_stacked, zip(*(parts_of(case.split) for case in every), strict=True)))
        self.make = every[0].optimiser
        self.alone = alone
        whole = every[0].reference if alone else stack(case.reference for case in every)
        self.taken = {name: p.clone().requires_grad_() for name, p in whole.items()}
        self.optimiser = self.make(list(self.taken.values()))
        self.rows = _rows(self.parts, batch, torch.Generator().manual_seed(seed))
        self.together = [union(side) for side in zip(*self.asked, strict=True)]
        self.fixed = [
            fixed(self.theta, parts, asked, config) for parts, asked in zip(self.parts, self.together, strict=True)
        ]
        self.duals: list[DualState | None] = [None] * len(every)
        self.retained = list[float]()
        if any(objective.dual for objective in self.objectives):
            with torch.no_grad():
                self.loss(None, _total)
            n_forget = self.parts[0][""].tokens.shape[-2]
            epoch = 1 if batch is None else -(-n_forget // batch)
            pairs = zip(self.objectives, self.retained, strict=True)
            self.duals = [begun(objective, retain, epoch=epoch) for objective, retain in pairs]

    @property
    def theta(self) -> Stacked:
        """The parameters (runs, …) by name; of a run that goes alone the optimiser has them without that axis."""
        return {name: p[None] for name, p in self.taken.items()} if self.alone else self.taken

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

    def loss(self, rows: StepRows, part: Part) -> Tensor:
        """The sum of (a part of) the losses of all runs, so that its gradient holds that of each."""
        forget, retain = self.quantities(rows)
        weighed = [
            objective if dual is None else replace(objective, retain_weight=dual.value)
            for objective, dual in zip(self.objectives, self.duals, strict=True)
        ]
        terms = [
            objective(of_run(forget, i, asked[0]), of_run(retain, i, asked[1]))
            for i, (objective, asked) in enumerate(zip(weighed, self.asked, strict=True))
        ]
        if any(objective.dual for objective in weighed):
            self.retained = [0.0 if one.retain is None else float(one.retain.detach()) for one in terms]
        return torch.stack([part(objective, one) for objective, one in zip(weighed, terms, strict=True)]).sum()

    def step(self) -> None:
        """One step of the optimiser, on the next rows; its forget gradient is that of another place if it wants so."""
        rows = next(self.rows)
        self.optimiser.zero_grad()
        if isinstance(self.optimiser, LooksNearby):
            self.loss(rows, _forget).backward()
            self.optimiser.perturb()
            self.loss(rows, _forget).backward()
            self.optimiser.restore()
            if any(objective.retain is not None for objective in self.objectives):
                self.loss(rows, _retain).backward()
        else:
            self.loss(rows, _total).backward()
        self.optimiser.step()
        for i, dual in enumerate(self.duals):
            if dual is not None:
                dual.step(self.retained[i])

    def descend(self, at: Sequence[int], observe: Observe) -> Iterator[int]:
        """Take the steps, let the models be looked at, drop runs that have ended; yields the steps taken."""
        for before, target in pairwise((0, *at)):
            for done in range(before + 1, target + 1):
                self.step()
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
        self.duals = [self.duals[i] for i in runs]
        self.parts = tuple(
            {kind: Sequences(*(x[runs] for x in part)) for kind, part in parts.items()} for parts in self.parts
        )
        self.fixed = [{name: x[runs] for name, x in of.items()} for of in self.fixed]
        old, self.taken = self.taken, {name: p.detach()[runs].requires_grad_() for name, p in self.taken.items()}
        self.optimiser = self.make(list(self.taken.values()))
        for name, p in self.taken.items():
            for key, x in before.state[old[name]].items():
                own = isinstance(x, Tensor) and x.shape == old[name].shape
                self.optimiser.state[p][key] = x[runs] if own else x


def _total(objective: Objective, terms: Terms) -> Tensor:
    del objective
    return terms.total


def _forget(objective: Objective, terms: Terms) -> Tensor:
    return objective.forget_weight * terms.forget


def _retain(objective: Objective, terms: Terms) -> Tensor:
    return objective.retain_weight * (0 * terms.forget if terms.retain is None else terms.retain)


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
