"""The presets of the thin pass and the units of work that they stand for.

Learning rates, epochs and sizes are tuned by hand, on both data sources, for three things: the whole pass takes at
most two minutes on two cores; the finetuned and the retrained model can rank methods (`scale.metrics.rankable`); and
at one common learning rate and β, gradient ascent visibly destroys the model while NPO+RT keeps it. The loss
is the paper's: summed log-probability of an answer, mean over answers. β = 0.1, ten epochs of unlearning, weight decay
0.01 and the warm-up through the first epoch are the paper's too; every other number is ours.

A unit's folder holds `data.json` and `data.npz` (`records.store.load` reads both). n, m: forget and retain questions
asked; k: perturbed answers; e: evaluations, the first before training and then one after each finished epoch.

`llm/finetune`, `llm/retrain`, beside the model and its tokenizer (`scale.models.load`):

    stage        "finetune" or "retrain"
    seed         of initial weights, order and pairing
    data         source ("TOFU rows" or "embedded generator, seed …"), hash of all rows, forget_rows, retain_rows
    model        parameters, vocabulary
    questions    forget: n texts, retain: m texts; the order of the arrays
    samples      list of {set, question, answer, generated}: greedy answers of the trained model
    history      columns with one entry a step: epoch, lr, loss (nats per answer token)
    evaluation   forget_probability, forget_truth_ratio, retain_probability, retain_truth_ratio, utility
    arrays       forget_answer_nll (n,), forget_paraphrase_nll (n,), forget_perturbed_nll (n, k), nats per token;
                 forget_truth_ratio (n,), geometric; the same with retain_ and m

`llm/unlearn-<method>`: seed, data, model, questions and samples as above, and

    stage, method, beta   "unlearn", the method's name, its β (null for GA)
    history      columns: epoch, lr, loss, forget, retain (methods with a retain term), drop (mean of
                 log π_ref − log π_θ over the batch, nats), weight (mean gradient weight W); null: not finite
    stopped      null, or why the run ended early: a loss that was not finite; what came before is kept
    epochs       e times {epoch, what `evaluation` has, forget_quality, log10_forget_quality, ks_statistic (against the
                 retrained model, geometric truth ratio), and these three once more with _arithmetic}; null: not finite
    retrained    `evaluation` of the retrained model
    n, log10_floor   forget questions, and log10 of the least forget quality that so many allow
    not_rankable     reasons (sentences) why finetuned and retrained model can't rank methods; empty if they can
    arrays       as above, with a first axis of length e
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from records.errors import UserError
from records.settings import Positive
from records.work import Unit
from scale import fictional
from scale.models import LEAST_VOCAB, Shape
from scale.stages import Asked, Method, Task, fit, unlearn
from scale.tofu import Corpus, Row, Subset
from scale.train import Schedule

__all__ = ["QUICK", "REPRODUCE", "Preset", "corpus", "units"]

PACKAGES = ("theory", "scale", "records")
FINETUNE, RETRAIN = "llm/finetune", "llm/retrain"
FICTIONAL_SEED = 0


@dataclass(frozen=True)
class Preset:
    """Everything that a run of the thin pass depends on, beside its data and its seed."""

    subset: Subset
    vocab: Annotated[int, Field(ge=LEAST_VOCAB)]
    shape: Shape
    finetune: Schedule
    unlearn: Schedule
    asked: Asked
    beta: Positive = 0.1
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("GA", "NPO", "NPO+RT")

    def __post_init__(self) -> None:
        """Refuse learning rates and weight decays without end."""
        for stage in ("finetune", "unlearn"):
            for name in ("lr", "weight_decay"):
                if not math.isfinite(getattr(getattr(self, stage), name)):
                    raise ValueError(f"{stage}.{name} must be finite")


REPRODUCE = Preset(
    subset=Subset(forget_authors=3, retain_authors=8),
    vocab=2048,
    shape=Shape(hidden=128, layers=4, heads=4, feed_forward=352),
    finetune=Schedule(lr=4e-3, epochs=13, batch=16, piece=16),
    unlearn=Schedule(lr=1e-3, epochs=10, batch=16, piece=16),
    asked=Asked(retain=50, samples=3, max_new_tokens=48),
)
"""On two cores 90 s with TOFU rows, 35 s with fictitious ones, whose answers are shorter; both can rank methods."""

QUICK = Preset(
    subset=Subset(forget_authors=1, retain_authors=3),
    vocab=1024,
    shape=Shape(hidden=96, layers=2, heads=3, feed_forward=256),
    finetune=Schedule(lr=4e-3, epochs=12, batch=8, piece=8),
    unlearn=Schedule(lr=2e-3, epochs=5, batch=10, piece=10),
    asked=Asked(retain=15, samples=1, max_new_tokens=24),
)
"""About 10 s; shows that everything runs. On so few questions forget quality says little."""


def corpus(preset: Preset, data: Path | None) -> Corpus:
    """The rows of a run: from the TOFU files in the folder `data`, or from the embedded generator where it is None."""
    if data is not None:
        return preset.subset.read(data)
    rows = fictional.authors(preset.subset.forget_authors + preset.subset.retain_authors, seed=FICTIONAL_SEED)
    return preset.subset.take(forget=rows, retain=rows, source=f"embedded generator, seed {FICTIONAL_SEED}")


def _methods(preset: Preset) -> list[Method]:
    """The methods to run; UserError, by the key of a setting, where one can't run or the model has no such shape."""
    key = "llm"
    try:
        preset.shape.check()
        key = "llm.methods"
        return [Method.of(name, preset.beta) for name in dict.fromkeys(map(str.upper, preset.methods))]
    except UserError as error:
        raise UserError(f"{key}.{error}" if key == "llm" else f"{key}: {error}") from None


def units(preset: Preset, data: Path | None, seed: int = 0) -> list[Unit]:
    """Finetune, retrain, and one unit for each method; the rows are read now, so their errors come at once."""
    methods = _methods(preset)
    rows = corpus(preset, data)
    task = Task(rows, preset.asked, seed)
    shared = {"data": rows.describe(), "asked": asdict(preset.asked), "seed": seed}
    model = {"vocab": preset.vocab, "shape": asdict(preset.shape), "schedule": asdict(preset.finetune)}

    def fitted(name: str, stage: str, training: Sequence[Row]) -> Unit:
        run = partial(
            fit, task=task, stage=stage, rows=training, vocab=preset.vocab, shape=preset.shape, schedule=preset.finetune
        )
        return Unit(name, {**shared, **model, "stage": stage}, PACKAGES, run)

    def unlearned(chosen: Method) -> Unit:
        run = partial(unlearn, task=task, chosen=chosen, schedule=preset.unlearn, finetuned=FINETUNE, retrained=RETRAIN)
        settings = {**shared, "beta": chosen.beta, "schedule": asdict(preset.unlearn)}
        return Unit(f"llm/unlearn-{chosen.name}", settings, PACKAGES, run, needs=(FINETUNE, RETRAIN))

    return [
        fitted(FINETUNE, "finetune", (*rows.retain, *rows.forget)),
        fitted(RETRAIN, "retrain", rows.retain),
        *(unlearned(chosen) for chosen in methods),
    ]
