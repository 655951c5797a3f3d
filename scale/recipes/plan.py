"""What a recipe would do, and what it would cost: steps, floating-point operations, memory. Nothing is run."""

import math
from pathlib import Path
from typing import NamedTuple

from scale.data.corpora import corpus_of
from scale.data.tofu import Row
from scale.models.adapter_files import base_of, is_adapter
from scale.models.loading import described, place_of
from scale.recipes.recipe import Recipe
from scale.training.schedule import Schedule

__all__ = ["Estimate", "Stage", "estimate"]

CHARACTERS_A_TOKEN = 4.2
"""Of English under the tokenizers of today's models; one's own small ones have shorter tokens."""
GIB = 2**30


class Stage(NamedTuple):
    """A stage: its name, how often it runs, steps of each run, tokens of all its runs together."""

    name: str
    runs: int
    steps: int
    tokens: float


class Estimate(NamedTuple):
    """The stages; parameters; operations in all; bytes of weights, gradients and moments, and of activations."""

    stages: list[Stage]
    parameters: int
    trained: int
    operations: float
    state_bytes: float
    activation_bytes: float


def estimate(recipe: Recipe) -> Estimate:
    """Count tokens by the length of the texts, operations as 6 a parameter and token (2 without gradient)."""
    corpus = corpus_of(recipe.data)
    parameters, width, layers, vocabulary = _size(recipe)
    forget, retain = _tokens(corpus.forget), _tokens(corpus.retain)
    known = _tokens((*corpus.asked.real_authors, *corpus.asked.world_facts))
    n_forget, n_retain = len(corpus.forget), len(corpus.retain)
    stages = []
    if recipe.pretrain:
        stages.append(
            _fit("pretrain", recipe.pretrain, known, len(corpus.asked.real_authors + corpus.asked.world_facts))
        )
    stages.append(_fit("finetune", recipe.finetune, forget + retain, n_forget + n_retain))
    stages.append(_fit("retrain", recipe.retrain or recipe.finetune, retain, n_retain))
    unlearn, runs = recipe.unlearn, len(recipe.unlearn.methods) * len(recipe.unlearn.seeds)
    paired = forget + retain / n_retain * n_forget
    steps = unlearn.epochs * math.ceil(n_forget / unlearn.batch)
    stages.append(Stage("unlearn", runs, steps, runs * unlearn.epochs * paired))
    asked = 8 * sum(_tokens(rows[: recipe.evaluate.questions or 300]) for rows in corpus.asked)
    evaluations = runs * (unlearn.epochs if recipe.evaluate.every == "epoch" else steps)
    stages.append(Stage("evaluate", 2 + evaluations, 0, (2 + evaluations) * asked))
    trained = parameters if recipe.model.lora is None else _adapter(recipe, width, layers)
    operations = sum((2 if stage.name == "evaluate" else 6) * parameters * stage.tokens for stage in stages)
    row = 2 * paired / max(1, n_forget)
    rows = min(unlearn.piece, unlearn.batch) * row
    kept = 4 if unlearn.recompute else 34
    activations = 4 * rows * (layers * width * kept / 2 + 2 * vocabulary * 0.5)
    weights = parameters * {"float32": 4, "bf16": 2, "4bit": 0.5}[recipe.model.kept]
    number = 2 if recipe.model.kept == "bf16" and recipe.model.lora is None else 4  # bytes; an adapter is float32
    state = trained * (number + (2 if unlearn.optimizer == "adamw8bit" else 2 * number))
    return Estimate(stages, parameters, trained, operations, weights + state, activations)


def _fit(name: str, schedule: Schedule, tokens: float, rows: int) -> Stage:
    return Stage(name, 1, schedule.epochs * math.ceil(rows / schedule.batch), schedule.epochs * tokens)


def _tokens(rows: tuple[Row, ...]) -> float:
    return sum(len(row.question) + len(row.answer) + 20 for row in rows) / CHARACTERS_A_TOKEN


def _adapter(recipe: Recipe, width: int, layers: int) -> int:
    assert recipe.model.lora is not None
    return layers * recipe.model.lora.rank * width * 18  # seven matrices, two sides, wider in the feed-forward part


def _size(recipe: Recipe) -> tuple[int, int, int, int]:
    """Parameters, width, layers and vocabulary; from the configuration alone."""
    shape = recipe.model.scratch
    if shape is not None:
        return shape.parameters, shape.hidden, shape.layers, shape.vocab
    source = place_of(recipe.model.base)
    while is_adapter(source):
        source = base_of(Path(source))
    config, model = described(source, recipe.model.revision)
    text = config.get_text_config()
    return model.num_parameters(), text.hidden_size, text.num_hidden_layers, text.vocab_size
