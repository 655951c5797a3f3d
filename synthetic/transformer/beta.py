"""Does the rule for β end where it should? β over two decades in a small transformer, by what may bend the rule.

Random answers of 2, 5 and 10 tokens, which the retrained model can't know: u* is 5 to 6 nats a token, all of it
memory. In the language (no person on both sides) it knows the grammar, so that u* is nearly that of the value alone,
and its distance from the unlearned model means something: on random answers even a perfect stranger is far from it.

Units, <run> of `RUNS`; each holds all seeds:

    transformer/small-<kind>-<seed>   π_ref and π_retr, see `synthetic.transformer.memorise`; <kind> the tokens of an
                                      answer, or `language`
    transformer/beta-<run>            the columns of `synthetic.chosen_beta` under `<seed>.`, distances over answer
                                      tokens; values `label`, `method`, `kind`, `optimizer`, `lr`, `seeds`
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from records.store import Data, save
from records.work import Progress, Unit, silent
from synthetic.chosen_beta import Ran, looks, multiples, of_adam, of_descent, ruled, tried
from synthetic.transformer.apart import Optimiser
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.memorise import load_models, train
from synthetic.transformer.model import Config, log_probs
from synthetic.transformer.presets import BetaSweep, Setup, TransformerPreset, drawn
from synthetic.transformer.sequences import SequenceSplit, draw
from synthetic.transformer.watch import Watcher, recording
from theory.objective import method

__all__ = ["LANGUAGE", "RUNS", "Subject", "beta_units", "small_models_name", "small_models_unit", "subject_of"]

Array = np.ndarray
Parameters = Mapping[str, torch.Tensor]
GD, ADAM = "GD", "AdamW"
LANGUAGE = "language"


@dataclass(frozen=True)
class BetaSetting:
    """A setting in which β is swept; `kind` is the tokens of an answer, or the language."""

    label: str
    method: str = "NPO+RT"
    kind: str = "5"
    optimizer: str = GD


RUNS = {
    "NPO": BetaSetting("NPO", "NPO"),
    "NPO+RT": BetaSetting("NPO+RT"),
    "NPO+RT-AdamW": BetaSetting("NPO+RT, AdamW", optimizer=ADAM),
    "NPO+RT-2": BetaSetting("NPO+RT, 2 tokens", kind="2"),
    "NPO+RT-10": BetaSetting("NPO+RT, 10 tokens", kind="10"),
    "NPO+RT-language": BetaSetting("NPO+RT, language", kind=LANGUAGE),
}
"""Answers have 5 tokens where nothing else is said."""


@dataclass(frozen=True)
class Subject:
    """What is unlearned: a split with its two models, and u* of it."""

    config: Config
    split: SequenceSplit
    reference: Parameters
    retrained: Parameters

    def wanted(self) -> float:
        """u*: mean over the forget answers of log π_ref − log π_retr, nats."""
        logp = log_probs(self.config, self.split.forget)
        with torch.no_grad():
            return float((logp(self.reference) - logp(self.retrained)).mean())


def beta_units(preset: TransformerPreset) -> list[Unit]:
    """The units of this part, in order."""
    chosen = preset.beta
    kinds = dict.fromkeys(run.kind for run in RUNS.values())
    found = [small_models_unit(chosen.shape, kind, seed) for kind in kinds for seed in chosen.seeds]
    for name, run in RUNS.items():
        needs = tuple(small_models_name(run.kind, seed) for seed in chosen.seeds)
        work = partial(_beta_unit, preset=preset, run=run)
        seconds = 1e-3 * chosen.steps * chosen.runs * len(chosen.seeds)
        found.append(Unit(f"transformer/beta-{name}", asdict(chosen) | asdict(run), work, needs, seconds=seconds))
    return found


def small_models_name(kind: str, seed: int) -> str:
    """The unit that leaves the models of a kind of rows."""
    return f"transformer/small-{kind}-{seed}"


def _of_kind(shape: Setup, kind: str) -> Setup:
    return shape if kind == LANGUAGE else replace(shape, answer=int(kind))


def _split_of(shape: Setup, kind: str, seed: int) -> tuple[Config, SequenceSplit]:
    if kind == LANGUAGE:
        return shape.reader, drawn(shape, 0.0, seed).split
    return _of_kind(shape, kind).config, draw(_of_kind(shape, kind).sizes, seed)


def small_models_unit(shape: Setup, kind: str, seed: int) -> Unit:
    """The unit that trains them."""
    settings = asdict(_of_kind(shape, kind)) | {"kind": kind, "seed": seed}
    return Unit(small_models_name(kind, seed), settings, partial(_models, shape=shape, kind=kind, seed=seed))


def _models(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, shape: Setup, kind: str, seed: int
) -> None:
    config, split = _split_of(shape, kind, seed)
    train(split, config, shape.training, seed, folder, progress)


def subject_of(shape: Setup, kind: str, seed: int, models: Path) -> Subject:
    """What a seed unlearns, with the models that the unit `small_models_name` left."""
    return Subject(*_split_of(shape, kind, seed), *load_models(models))


def _beta_unit(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, preset: TransformerPreset, run: BetaSetting
) -> None:
    chosen, multiple, at = preset.beta, multiples(preset.beta.runs), looks(preset.beta.steps)
    subjects = {
        seed: subject_of(chosen.shape, run.kind, seed, source)
        for seed, source in zip(chosen.seeds, inputs.values(), strict=True)
    }
    wanted = {seed: subject.wanted() for seed, subject in subjects.items()}
    go = partial(_swept, chosen, run, subjects)
    first = go({seed: multiple / nats for seed, nats in wanted.items()}, lambda k, n: progress(k, n + 1))
    law = of_adam if run.optimizer == ADAM else of_descent
    found = {seed: ruled(ran, at, multiple, wanted[seed], law) for seed, ran in first.items()}
    last = {seed: columns["chosen"][-1:] / wanted[seed] for seed, columns in found.items()}
    own = go({seed: beta for seed, beta in last.items() if beta[0] > 0})
    arrays = dict[str, Array]()
    for seed, columns in found.items():
        columns |= tried(own.get(seed), len(at)) | {"before": _before(subjects[seed])}
        arrays |= {f"{seed}.{name}": x for name, x in columns.items()}
    lr = chosen.adam_lr if run.optimizer == ADAM else chosen.lr
    save(folder, Data(arrays, asdict(run) | {"lr": lr, "seeds": list(chosen.seeds)}))


def _swept(
    chosen: BetaSweep,
    run: BetaSetting,
    subjects: Mapping[int, Subject],
    betas: Mapping[int, Array],
    progress: Progress = silent,
) -> dict[int, Ran]:
    """What the runs at several β left, by seed; all go together."""
    optimiser = _optimiser(chosen, run)
    cases, watchers = dict[str, Case](), dict[str, Watcher]()
    for seed, values in betas.items():
        subject = subjects[seed]
        for k, beta in enumerate(values):
            objective = method(run.method, beta=float(beta))
            cases[f"{seed}.{k}"] = Case(objective, optimiser, subject.reference, subject.split)
            watchers[f"{seed}.{k}"] = _watcher(subject)
    at = looks(chosen.steps)
    if cases:
        config = next(iter(subjects.values())).config
        unlearn_all(config, cases, at=at, observe=recording(watchers), progress=progress)
    return {
        seed: _ran([watchers[f"{seed}.{k}"] for k in range(len(values))], len(at)) for seed, values in betas.items()
    }


def _optimiser(chosen: BetaSweep, run: BetaSetting) -> Optimiser:
    if run.optimizer == ADAM:
        return partial(torch.optim.AdamW, lr=chosen.adam_lr, weight_decay=0.01)
    return partial(torch.optim.SGD, lr=chosen.lr)


def _watcher(subject: Subject) -> Watcher:
    return Watcher(subject.config, subject.reference, subject.retrained, subject.split, np.inf)


def _before(subject: Subject) -> Array:
    """The forget distance of π_ref."""
    watcher = _watcher(subject)
    watcher(0, subject.reference)
    return watcher.arrays()["forget_distance"][0]


def _ran(watchers: Sequence[Watcher], count: int) -> Ran:
    """Means over the forget answers at so many looks; NaN from where a run has diverged."""
    found = np.full((3, count, len(watchers)), np.nan)
    for k, watcher in enumerate(watchers):
        seen = watcher.arrays()
        if seen:
            kept = len(seen["steps"])
            found[:, :kept, k] = seen["drop"].mean(axis=1), seen["forget_distance"], seen["retain_distance"]
    return Ran(*found)
