"""The levels of an attack on a model, one after another: the model as it was, then as it was made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from records.doing import doing
from records.errors import UserError
from scale.attacks.matrices import matrices_of
from scale.attacks.mix import largest_weight, mix, put
from scale.attacks.prune import prune
from scale.attacks.quantise import quantise
from scale.attacks.relearn import relearn
from scale.attacks.settings import AttackSettings, Mix, Prune, Quantise, Relearn
from scale.audit.asked import AskedSets
from scale.audit.subject import AuditSubject
from scale.data.prompts import Writer
from scale.data.row import Learnable
from scale.models.folders.language_model import recompute_activations
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule
from scale.training.trained_as import trained_as
from scale.training.unlearning_rows import pieces_of

__all__ = ["Levels", "Ready", "levels_of"]


class Levels(NamedTuple):
    """Each level with the module that scores answers there, how many there are, and what is told of them."""

    walk: Iterator[tuple[float, nn.Module]]
    number: int
    told: dict[str, Any]


@dataclass(frozen=True)
class Ready:
    """What an attack is made with: the model, the finetuned one of a mixture, what is asked of them.

    Of relearning rows, schedule and seed, who writes the rows, and what scores them while they are trained on.
    """

    subject: AuditSubject
    finetuned: AuditSubject | None
    asked: AskedSets
    rows: Sequence[Learnable]
    schedule: Schedule | None
    seed: int
    writer: Writer
    scorer: Callable[[PreTrainedModel], Scorer] = Scorer

    @property
    def model(self) -> nn.Module:
        """The model that is attacked."""
        return self.subject.language_model.model


def levels_of(ready: Ready, chosen: AttackSettings) -> Levels:
    """The levels of an attack; the model is changed from one to the next."""
    if isinstance(chosen, Relearn):
        return _relearned(ready, chosen)
    if isinstance(chosen, Mix):
        return _mixed(ready, chosen)
    return _on_weights(ready, chosen)


def _walk(first: float, scorer: nn.Module, later: Iterator[float]) -> Iterator[tuple[float, nn.Module]]:
    """The model as it is, then at every level that changes it."""
    yield first, scorer
    for level in later:
        yield level, scorer


def _on_weights(ready: Ready, chosen: Quantise | Prune) -> Levels:
    found = matrices_of(ready.subject.language_model.model, chosen.also)
    told = {"weights": found.told()}
    if isinstance(chosen, Prune):
        first, later = 0.0, prune(found.changed, chosen.shares, chosen.over)
    else:
        first = float(torch.finfo(next(iter(found.changed.values())).dtype).bits)
        later = quantise(found.changed, chosen.bits, chosen.grid, chosen.block)
    return Levels(_walk(first, ready.subject.scorer, later), 1 + len(chosen.levels), told)


def _relearned(ready: Ready, chosen: Relearn) -> Levels:
    training, schedule = _training(ready, chosen.steps), ready.schedule
    assert schedule is not None
    told = {"training": trained_as(likelihood, schedule), "rows": len(training.rows.forget)}
    walk = _walk(0.0, training.scorer, relearn(training, chosen.steps))
    return Levels(walk, 1 + len(chosen.steps), told)


def _training(ready: Ready, steps: Sequence[int]) -> Training:
    """The model on the likelihood of the rows, before its first step."""
    model, schedule, writer = ready.subject.language_model.model, ready.schedule, ready.writer
    assert schedule is not None
    if schedule.recompute:
        recompute_activations(model)
    rows, processes = TrainingRows(pieces_of(ready.rows, writer)), ready.subject.processes
    scorer = ready.scorer(model)
    return Training(scorer, likelihood, rows, schedule, seed=ready.seed, pad=writer.pad, processes=processes, at=steps)


def _mixed(ready: Ready, chosen: Mix) -> Levels:
    """The mixtures that are asked for, and where one keeps enough of the finetuned model's retain probability."""
    assert ready.finetuned is not None
    finetuned, own = _weights(ready.finetuned.language_model.model), _copied(ready.model)
    weights = list(chosen.weights)
    told: dict[str, Any] = {}
    if chosen.keep is not None and ready.asked.retain is not None:
        at, told = _kept_at(partial(_retained, ready, finetuned, own), chosen.keep)
        weights += [at] if at is not None and at not in (*weights, 1.0) else []
    later = _put_each(ready.model, finetuned, own, weights)
    return Levels(_walk(1.0, ready.subject.scorer, later), 1 + len(weights), told)


def _put_each(
    model: nn.Module, finetuned: dict[str, Tensor], own: dict[str, Tensor], weights: Sequence[float]
) -> Iterator[float]:
    try:
        yield from mix(model, finetuned, own, weights)
    except ValueError as error:
        raise UserError(f"The two models can't be mixed: {error}.") from None


def _kept_at(score: Callable[[float], float], share: float) -> tuple[float | None, dict[str, Any]]:
    """The largest weight that keeps this share of the finetuned model's score, and what is told of it."""
    doing("looking for the weight that keeps enough")
    least = share * score(0.0)
    at = largest_weight(score, least)
    found = None if at is None else score(at)
    return at, {"kept_at": {"weight": at, "retain_probability": found, "least": least}}


def _retained(ready: Ready, finetuned: dict[str, Tensor], own: dict[str, Tensor], weight: float) -> float:
    """Mean probability, a token, of the answers to retain under a mixture; the model is its own again afterwards."""
    assert ready.asked.retain is not None
    subject, questions = ready.subject, ready.asked.retain.questions
    answers = [piece for question in questions for piece in question.encode(subject.writer)[0]]
    put(ready.model, finetuned, own, weight)
    found = score_all(subject.scorer, answers, subject.writer.pad, subject.processes)
    put(ready.model, finetuned, own, 1.0)
    return float((found.logp / found.tokens).exp().mean())


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.clone() for name, p in _weights(model).items()}
