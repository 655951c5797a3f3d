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
from synthetic.transformer.sequences import Sequences, SequenceSplit
from synthetic.transformer.stacked import all_answer_logits, all_log_probs, stack, stack_sequences
from theory.logprobs import answer_rows
from theory.objective import Objective

__all__ = ["Case", "Observe", "Optimiser", "unlearn_all"]

Optimiser = Callable[[list[Tensor]], torch.optim.Optimizer]
Parameters = Mapping[str, Tensor]
Observe = Callable[[str, int, Parameters], bool]
"""Sees the model of a run (label, step, parameters) and says whether that run goes on."""

StepRows = tuple[Tensor, Tensor] | None  # the forget and the retain rows of a step; None for all
Stacked = dict[str, Tensor]  # quantities by name, with a leading axis of runs


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
        groups.setdefault((id(case.optimiser), *_asks(case.objective)), {})[label] = case
    total = len(groups) * at[-1]
    for k, group in enumerate(groups.values()):
        before = k * at[-1]
        progress(before, total)
        for done in _Together(config, group, batch, seed).descend(at, observe):
            progress(before + done, total)
    progress(total, total)


def _asks(objective: Objective) -> tuple[frozenset[str], frozenset[str]]:
    """What must be computed at every step on forget and on retain rows; what the reference says is computed once."""
    forget, retain = objective.forget_needs, objective.retain_needs
    return frozenset(n for n in forget if n[:4] != "ref_"), frozenset(n for n in retain if n[:4] != "ref_")


class _Together:
    """Runs that go together: their models, their optimiser, and what their references say."""

    def __init__(self, config: Config, cases: Mapping[str, Case], batch: int | None, seed: int) -> None:
        self.config, self.labels = config, list(cases)
        every = list(cases.values())
        self.objectives = [case.objective for case in every]
        self.forget_asks, self.retain_asks = _asks(self.objectives[0])
        self.split = SequenceSplit(
            *(stack_sequences(parts) for parts in zip(*(case.split for case in every), strict=True))
        )
        self.make = every[0].optimiser
        self.theta = {name: p.requires_grad_() for name, p in stack(case.reference for case in every).items()}
        self.optimiser = self.make(list(self.theta.values()))
        self.rows = _rows(self.split, batch, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            forget, retain = self.quantities(None)
        self.forget_ref = {f"ref_{name}": x for name, x in forget.items()} | self.counts()
        self.retain_ref = {f"ref_{name}": x for name, x in retain.items()}

    def counts(self) -> Stacked:
        """Answer tokens of each example, by the names that objectives know them by."""
        parts = {"count": self.split.forget, "count_win": self.split.positive}
        return {
            name: answer_rows(part.labels.flatten(0, 1), self.config.vocab).tokens.view(part.labels.shape[:2])
            for name, part in parts.items()
        }

    def quantities(self, rows: StepRows) -> tuple[Stacked, Stacked]:
        """What is asked of the models on these forget and retain rows, (runs, rows, …) by name."""

        def of(part: Sequences, side: int) -> Sequences:
            return part if rows is None else part.rows(rows[side])

        forget, retain = Stacked(), Stacked()
        if "logp" in self.forget_asks:
            forget["logp"] = all_log_probs(self.config, of(self.split.forget, 0))(self.theta)
        if "logp_win" in self.forget_asks:
            forget["logp_win"] = all_log_probs(self.config, of(self.split.positive, 0))(self.theta)
        if "logp" in self.retain_asks:
            retain["logp"] = all_log_probs(self.config, of(self.split.retain, 1))(self.theta)
        if "logits" in self.retain_asks:
            retain["logits"] = all_answer_logits(self.theta, of(self.split.retain, 1), self.config)
        return forget, retain

    def loss(self) -> Tensor:
        """The sum of the losses of all runs, so that its gradient holds that of each."""
        rows = next(self.rows)
        forget, retain = self.quantities(rows)
        forget |= {n: x if rows is None else x[:, rows[0]] for n, x in self.forget_ref.items()}
        retain |= {n: x if rows is None else x[:, rows[1]] for n, x in self.retain_ref.items()}
        own = (
            objective({n: x[i] for n, x in forget.items()}, {n: x[i] for n, x in retain.items()}).total
            for i, objective in enumerate(self.objectives)
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
        self.split = SequenceSplit(*(Sequences(*(x[runs] for x in part)) for part in self.split))
        self.forget_ref, self.retain_ref = (
            {name: x[runs] for name, x in of.items()} for of in (self.forget_ref, self.retain_ref)
        )
        old, self.theta = self.theta, {name: p.detach()[runs].requires_grad_() for name, p in self.theta.items()}
        self.optimiser = self.make(list(self.theta.values()))
        for name, p in self.theta.items():
            for key, x in before.state[old[name]].items():
                own = isinstance(x, Tensor) and x.shape == old[name].shape
                self.optimiser.state[p][key] = x[runs] if own else x


def _rows(split: SequenceSplit, batch: int | None, generator: torch.Generator) -> Iterator[StepRows]:
    """The rows of each step: all, or shuffled epochs of the forget set with as many retain rows beside them."""
    n_forget, n_retain = (part.tokens.shape[-2] for part in (split.forget, split.retain))
    while True:
        if batch is None:
            yield None
            continue
        for forget in torch.randperm(n_forget, generator=generator).split(batch):
            yield forget, torch.randperm(n_retain, generator=generator)[:batch]
