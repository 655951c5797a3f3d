"""The whole family of losses in a small transformer that knows its language by heart, and what the atlas says of each.

The models are those of `synthetic.transformer.beta` that read the language: no person is on both sides, all grammar and
all values are. Full batch, without a schedule. The atlas's scalar model is `synthetic.free_answers`, with as sure a
reference; how far a step moves a logit is told by gradient ascent, where it passes half of the wanted drop.

Units; each holds all seeds:

    transformer/practice-<optimizer>   the columns of `synthetic.practice` under `<seed>.<method>.`, over answer tokens;
                                       values `optimizer`, `lr`, `seeds`, `wanted` (u* of each seed), `methods`,
                                       `without` (why others are not there)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

from records.store import Data, save
from records.work import Progress, Unit
from synthetic.free_answers import KINDS, FreeAnswers, pace, predicted_by_method
from synthetic.grid import log_grid
from synthetic.practice import MEASURED, SHARE, Mover, each_mover, forget_loss, supplied
from synthetic.transformer.apart import Optimiser
from synthetic.transformer.beta import LANGUAGE, Subject, small_models_name, subject_of
from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.model import log_probs
from synthetic.transformer.presets import TransformerPreset
from synthetic.transformer.quantities import parts_of
from synthetic.transformer.watch import Watcher, recording
from theory.logprobs import answer_rows
from theory.objective import Objective

__all__ = ["practice_units"]

Array = np.ndarray
PER_DECADE = 8


def practice_units(preset: TransformerPreset) -> list[Unit]:
    """The units of this part, in order."""
    chosen = preset.practice
    seeds = preset.beta.seeds[: chosen.seeds]
    needs = tuple(small_models_name(LANGUAGE, seed) for seed in seeds)
    settings = asdict(preset.beta.shape) | asdict(chosen) | {"seeds": seeds}
    work = partial(_practice_unit, preset=preset, seeds=seeds)
    return each_mover("transformer", settings, work, needs, seconds=0.1 * chosen.steps * len(seeds))


def _practice_unit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    preset: TransformerPreset,
    mover: Mover,
    seeds: tuple[int, ...],
) -> None:
    chosen = preset.practice
    lr = chosen.adam_lr if mover.signed else chosen.lr
    optimiser = partial(mover.kind, lr=lr, **mover.options)
    subjects = {
        seed: subject_of(preset.beta.shape, LANGUAGE, seed, source)
        for seed, source in zip(seeds, inputs.values(), strict=True)
    }
    methods, without = supplied(partial(_one_step, next(iter(subjects.values())), optimiser))
    measured = _measured(subjects, methods, optimiser, log_grid(chosen.steps, PER_DECADE), progress)
    arrays = dict[str, Array]()
    for seed, subject in subjects.items():
        runs = {name: measured[f"{seed}.{name}"] for name in methods}
        predicted = _predicted(subject, methods, mover, runs["GA"], chosen.steps)
        for name, run in runs.items():
            columns = run | {"predicted": predicted[name][run["steps"].astype(int)]}
            arrays |= {f"{seed}.{name}.{column}": x for column, x in columns.items()}
    wanted = {str(seed): subject.wanted() for seed, subject in subjects.items()}
    values = {"optimizer": mover.name, "lr": lr, "seeds": list(seeds), "methods": list(methods)}
    save(folder, Data(arrays, values | {"without": without, "wanted": wanted}))


def _measured(
    subjects: Mapping[int, Subject],
    methods: Mapping[str, Objective],
    optimiser: Optimiser,
    at: Sequence[int],
    progress: Progress,
) -> dict[str, dict[str, Array]]:
    """The columns of every run but the predicted one, by seed and method."""
    cases, watchers = dict[str, Case](), dict[str, Watcher]()
    for seed, subject in subjects.items():
        for name, objective in methods.items():
            cases[f"{seed}.{name}"] = Case(objective, optimiser, subject.reference, subject.split)
            watchers[f"{seed}.{name}"] = watcher = _watcher(subject)
            watcher(0, subject.reference)
    config = next(iter(subjects.values())).config
    unlearn_all(config, cases, at=at[1:], observe=recording(watchers), progress=progress)
    found = {label: watcher.arrays() for label, watcher in watchers.items()}
    return {
        label: {name: seen[name].mean(axis=1) if name == "drop" else seen[name] for name in MEASURED}
        for label, seen in found.items()
    }


def _one_step(subject: Subject, optimiser: Optimiser, objective: Objective) -> None:
    """UserError where the transformer has not all that an objective asks for."""
    case = Case(objective, optimiser, subject.reference, subject.split)
    unlearn_all(subject.config, {"": case}, at=[1], observe=lambda label, step, theta: False)


def _watcher(subject: Subject) -> Watcher:
    return Watcher(subject.config, subject.reference, subject.retrained, subject.split, np.inf)


def _predicted(
    subject: Subject, methods: Mapping[str, Objective], mover: Mover, ga: Mapping[str, Array], steps: int
) -> dict[str, Array]:
    """The drop of every method by the scalar model, after each step; NaN where it has nothing to say."""
    answers = _free(subject)
    told = pace(answers, mover, ga["steps"], ga["drop"], [1.0] * steps, SHARE * subject.wanted())
    found = predicted_by_method(answers, methods, mover, [told] * steps) if np.isfinite(told) else {}
    return {name: found.get(forget_loss(name), np.full(steps + 1, np.nan)) for name in methods}


def _free(subject: Subject) -> FreeAnswers:
    """As sure of its answers, a token at a time in the geometric mean, as the reference is."""
    logits, tokens = list[float](), list[int]()
    parts, _ = parts_of(subject.split)
    for part in (parts[kind] for kind in KINDS):
        counts = answer_rows(part.labels, subject.config.vocab).tokens
        with torch.no_grad():
            each = log_probs(subject.config, part)(subject.reference) / counts
        mean = float(each.double().mean())
        logits.append(mean - float(np.log(-np.expm1(mean))))
        tokens.append(int(counts[0]))
    return FreeAnswers(tuple(logits), tuple(tokens), subject.config.vocab)
