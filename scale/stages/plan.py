"""What the units of a recipe would do, and what it would cost: steps, operations, memory. Nothing is run.

Everything is counted from the units themselves, so that what is planned is what is run.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from records.work import Unit
from scale.data.questions import Question
from scale.data.row import Learnable
from scale.models.loading.merged import base_of, is_adapter
from scale.models.loading.whole import described, place_of
from scale.recipes.recipe import EvaluateSettings, ModelSettings
from scale.stages.audits.attacked import PlannedAttack
from scale.stages.pipeline import stage_of
from scale.stages.shared.context import Context
from scale.training.optimizers import kept_bytes
from scale.training.schedule import Schedule, all_steps, steps_of

__all__ = ["Estimate", "PlannedStage", "estimate"]

CHARACTERS_A_TOKEN = 4.2
"""Of English under the tokenizers of today's models; one's own small ones have shorter tokens."""


class PlannedStage(NamedTuple):
    """A stage: its name, how often it runs, the steps of its runs (each number once), tokens of all runs together."""

    name: str
    runs: int
    steps: tuple[int, ...]
    tokens: float


class Estimate(NamedTuple):
    """The stages; parameters; operations in all; bytes of weights, gradients and moments, and of activations."""

    stages: list[PlannedStage]
    parameters: int
    trained: int
    operations: float
    state_bytes: float
    activation_bytes: float


class _Training(NamedTuple):
    """What a unit trains: its stage, schedule, steps, epochs, and the tokens that an epoch reads."""

    stage: str
    schedule: Schedule
    steps: int
    epochs: float
    tokens: float


def estimate(units: Sequence[Unit]) -> Estimate:
    """Count tokens by the length of the texts, operations as 6 a parameter and token (2 without gradient)."""
    trainings = [found for unit in units if (found := _training(unit)) is not None]
    stages = [*_trained(trainings), _evaluated(units, trainings), *_audited(units)]
    context: Context = _given(units[0])["context"]
    parameters, width, layers, vocabulary = _size(context.model)
    trained = parameters if context.model.lora is None else layers * context.model.lora.rank * width * 18
    # seven matrices, two sides, wider in the feed-forward part
    operations = sum((2 if stage.name in ("evaluate", "audit") else 6) * parameters * stage.tokens for stage in stages)
    unlearnings = [one for one in trainings if one.stage == "unlearn"]
    activations = max(_micro_batch(one, context, width * layers, vocabulary) for one in unlearnings)
    kept = context.model.kept
    weights = parameters * {"float32": 4, "bf16": 2, "4bit": 0.5}[kept]
    number = torch.bfloat16 if kept == "bf16" and context.model.lora is None else torch.float32  # of an adapter
    state = trained * (number.itemsize + max(kept_bytes(one.schedule, number) for one in unlearnings))
    return Estimate(stages, parameters, trained, operations, weights + state, activations)


def _given(unit: Unit) -> dict[str, Any]:
    """What the function of a unit is called with, beside the folders."""
    assert isinstance(unit.run, partial)
    return unit.run.keywords


def _training(unit: Unit) -> _Training | None:
    """What a unit trains, whatever its stage is called; None where it trains nothing."""
    given = _given(unit)
    stage = "relearn" if "attack" in given else stage_of(unit)
    attack: PlannedAttack | None = given.get("attack")
    schedule, trained_on = (attack.schedule, attack.rows) if attack else (given.get("schedule"), given.get("rows"))
    if schedule is not None and trained_on is not None:
        rows, tokens = len(trained_on), _tokens(trained_on)
    elif "method" not in given:
        return None
    else:
        corpus, method = given["context"].corpus, given["method"]
        schedule, rows, tokens = method.schedule, len(corpus.forget), _tokens(corpus.forget)
        if method.objective.retain_needs:  # a row to retain beside each row to forget
            tokens += _tokens(corpus.retain) / len(corpus.retain) * rows
    steps = all_steps(schedule, rows)
    return _Training(stage, schedule, steps, steps / steps_of(schedule, rows), tokens)


def _trained(trainings: Sequence[_Training]) -> list[PlannedStage]:
    """The stages that train, in their order."""
    found = []
    for stage in dict.fromkeys(one.stage for one in trainings):
        mine = [one for one in trainings if one.stage == stage]
        steps = tuple(sorted({one.steps for one in mine}))
        found.append(PlannedStage(stage, len(mine), steps, sum(one.epochs * one.tokens for one in mine)))
    return found


def _evaluated(units: Sequence[Unit], trainings: Sequence[_Training]) -> PlannedStage:
    """All examinations: of the models that judge, and on the way of each unlearning run."""
    context: Context = _given(units[0])["context"]
    most = min(x for x in (context.exams.questions, context.asked.questions, 10**9) if x is not None)
    asked = sum(_readings(one.first(most).questions) for one in context.corpus.asked.values())
    runs = sum(stage_of(unit) == "evaluate" and "log" not in _given(unit) for unit in units)
    runs += sum(_looks(one, context.asked) for one in trainings if one.stage == "unlearn")
    return PlannedStage("evaluate", runs, (0,), runs * asked)


def _audited(units: Sequence[Unit]) -> list[PlannedStage]:
    """All audits, of models and of every level of an attack that is known before: of answers to forget and retain."""
    runs = 0
    for given in map(_given, units):
        if "attack" in given:
            runs += len(given["attack"].choice.settings.levels) + (given["before"] is None)
        elif "models" in given:
            runs += 1
    corpus = _given(units[0])["context"].corpus
    asked = sum(_readings(one.questions) for name, one in corpus.asked.items() if name in ("forget", "retain"))
    return [PlannedStage("audit", runs, (0,), runs * asked)] if runs else []


def _looks(training: _Training, asked: EvaluateSettings) -> int:
    """Examinations on the way of one run."""
    if not asked.examines:
        return 0
    if asked.at:
        return len({*asked.at, training.steps})
    if asked.every == "end":
        return 1
    return training.steps if asked.every == "step" else math.ceil(training.epochs)


def _tokens(rows: Iterable[Learnable]) -> float:
    return sum(_length(*row.words) for row in rows)


def _readings(questions: Iterable[Question]) -> float:
    """Tokens of questions, read with every answer, and with a generated one as long as the true one."""
    texts = ((asked, text) for asked in questions for text in (*asked.answers, asked.truth))
    return sum(_length(asked.asked.shown, text) for asked, text in texts)


def _length(given: str, answer: str) -> float:
    return (len(given) + len(answer) + 20) / CHARACTERS_A_TOKEN


def _micro_batch(training: _Training, context: Context, size: int, vocabulary: int) -> float:
    """Bytes of the activations of one forward pass of unlearning; `size` is width × layers."""
    row = 2 * training.tokens / max(1, len(context.corpus.forget))
    rows = min(training.schedule.piece, training.schedule.batch) * row
    kept = 4 if training.schedule.recompute else 34
    return 4 * rows * (size * kept / 2 + 2 * vocabulary * 0.5)


def _size(model: ModelSettings) -> tuple[int, int, int, int]:
    """Parameters, width, layers and vocabulary; from the configuration alone."""
    shape = model.scratch
    if shape is not None:
        return shape.parameters, shape.hidden, shape.layers, shape.vocab
    source = place_of(model.base)
    while is_adapter(source):
        source = base_of(Path(source))
    config, empty = described(source, model.revision)
    text = config.get_text_config()
    return empty.num_parameters(), text.hidden_size, text.num_hidden_layers, text.vocab_size
