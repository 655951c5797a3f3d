"""What the units of a run do: finetune or retrain a model from scratch, and unlearn with one method.

A finetuned or retrained folder holds the model (safetensors), its tokenizer, data.json and data.npz; an unlearned one
the last two only. Their contents are documented in `scale.preset`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import PositiveInt

from records.errors import UserError
from records.store import Data, load, save
from records.work import Progress
from scale import models, train
from scale.answers import score_all
from scale.evaluate import Exam, arrays, generate, measure, quality, questions, summary
from scale.metrics import Losses, forget_quality, log_truth_ratio_geometric, probability, rankable
from scale.models import LanguageModel, Shape
from scale.prompts import Encoded, encode, prompt
from scale.tofu import AUTHOR, Corpus, Row
from scale.train import Epoch, Schedule
from theory.objective import Objective, kernels, method, takes

__all__ = ["Asked", "Method", "Task", "fit", "spaced", "unlearn", "varied"]

T = TypeVar("T")


@dataclass(frozen=True)
class Method:
    """One of the paper's methods: its name, its β (None for gradient ascent, which has none), its objective."""

    name: str
    beta: float | None
    objective: Objective

    @classmethod
    def of(cls, name: str, beta: float) -> "Method":
        """By name; UserError where it is unknown, or needs what this pass does not compute."""
        try:
            own = beta if "beta" in takes(kernels(name)[0]) else None
            objective = method(name) if own is None else method(name, beta=own)
        except ValueError as error:
            raise UserError(str(error)) from None
        train.check_supplied(name, objective)
        return cls(name.upper(), own, objective)


@dataclass(frozen=True)
class Asked:
    """How much is asked of a model: retain questions scored (all forget questions are), greedy answers of each set."""

    retain: PositiveInt
    samples: PositiveInt
    max_new_tokens: PositiveInt


@dataclass(frozen=True)
class Task:
    """What all stages of a run share."""

    corpus: Corpus
    asked: Asked
    seed: int


def spaced(items: Sequence[T], count: int) -> list[T]:
    """`count` items, evenly spaced; all of them where there are fewer.

    >>> spaced("abcdefgh", 3)
    ['a', 'c', 'f']
    """
    kept = min(count, len(items))
    return [items[i * len(items) // kept] for i in range(kept)]


def varied(rows: Sequence[T], count: int) -> list[T]:
    """`count` rows, each of another author and at another place among that author's questions, as far as they go.

    >>> varied(range(60), 3)
    [0, 23, 46]
    """
    return [rows[i * (AUTHOR + 3) % len(rows)] for i in range(min(count, len(rows)))]


def fit(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    task: Task,
    stage: str,
    rows: Sequence[Row],
    vocab: int,
    shape: Shape,
    schedule: Schedule,
) -> None:
    """Train a small Llama from scratch on `rows`, evaluate and save it.

    The tokenizer is trained on all rows of the corpus, so that finetuned and retrained model read the same tokens; it
    is the one thing of a retrained model that has seen the forget set.
    """
    texts = [prompt(row.question) + row.answer for row in (*task.corpus.retain, *task.corpus.forget)]
    tokenizer = models.train_tokenizer(texts, vocab)
    language_model = LanguageModel(models.small_llama(tokenizer, shape, seed=task.seed), tokenizer)
    data = train.Rows(_encoded(language_model, rows))
    log: list[Epoch] = []
    for epoch in train.train(
        language_model.model, train.likelihood, data, schedule, seed=task.seed, pad=tokenizer.pad_token_id
    ):
        if epoch.stopped:
            raise UserError(f"The {stage} run diverged: {epoch.stopped} Lower its learning rate, {schedule.lr}.")
        log.append(epoch)
        progress(epoch.number, schedule.epochs + 1)
    found = measure(language_model, _exam(language_model, task))
    models.save(folder, language_model)
    values = {
        "stage": stage,
        **_about(language_model, task),
        "history": _columns(log, ("lr", "loss")),
        "evaluation": summary(found),
    }
    save(folder, Data({name: array[0] for name, array in arrays([found]).items()}, values))


def unlearn(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    task: Task,
    chosen: Method,
    schedule: Schedule,
    finetuned: str,
    retrained: str,
) -> None:
    """Unlearn the forget set from the finetuned model; evaluate before, and after every epoch."""
    language_model = models.load(inputs[finetuned])
    model, pad = language_model.model, language_model.tokenizer.pad_token_id
    target = _forget_losses(inputs[retrained])
    exam = _exam(language_model, task)
    found = [measure(language_model, exam)]
    log: list[Epoch] = []
    data = _unlearning_rows(language_model, task.corpus)
    for epoch in train.train(model, chosen.objective, data, schedule, seed=task.seed, pad=pad):
        log.append(epoch)
        if not epoch.stopped:
            found.append(measure(language_model, exam))
        progress(epoch.number, schedule.epochs)
    values = {
        "stage": "unlearn",
        "method": chosen.name,
        "beta": chosen.beta,
        **_about(language_model, task),
        "history": _columns(log, ("lr", "loss", "forget", "retain", "drop", "weight")),
        "stopped": log[-1].stopped,
        "epochs": [{"epoch": i, **summary(one), **quality(one.forget, target)} for i, one in enumerate(found)],
        "retrained": load(inputs[retrained]).values["evaluation"],
        **_yardstick(found[0].forget, target),
    }
    save(folder, Data(arrays(found), values))


def _encoded(language_model: LanguageModel, rows: Iterable[Row]) -> list[Encoded]:
    return [encode(language_model.tokenizer, row.question, row.answer) for row in rows]


def _unlearning_rows(language_model: LanguageModel, corpus: Corpus) -> train.Rows:
    """Forget and retain rows, and the reference: the forget answers' log-probabilities before the first step."""
    forget, retain = _encoded(language_model, corpus.forget), _encoded(language_model, corpus.retain)
    return train.Rows(
        forget, retain, score_all(language_model.model, forget, language_model.tokenizer.pad_token_id).logp
    )


def _exam(language_model: LanguageModel, task: Task) -> Exam:
    retain = spaced(task.corpus.retain, task.asked.retain)
    return Exam(questions(language_model, task.corpus.forget), questions(language_model, retain))


def _forget_losses(folder: Path) -> Losses:
    """What a finished unit found on the forget questions."""
    saved = load(folder).arrays
    return Losses(*(saved[f"forget_{part}_nll"] for part in Losses._fields))


def _about(language_model: LanguageModel, task: Task) -> dict[str, Any]:
    """Data, model, the questions that were asked, and some answers of the model as it is now."""
    corpus, asked = task.corpus, task.asked
    asked_rows = {"forget": corpus.forget, "retain": spaced(corpus.retain, asked.retain)}
    return {
        "seed": task.seed,
        "data": corpus.describe(),
        "model": {
            "parameters": sum(parameter.numel() for parameter in language_model.model.parameters()),
            "vocabulary": len(language_model.tokenizer),
        },
        "questions": {name: [row.question for row in rows] for name, rows in asked_rows.items()},
        "samples": [
            {
                "set": name,
                "question": row.question,
                "answer": row.answer,
                "generated": generate(language_model, row.question, max_new_tokens=asked.max_new_tokens),
            }
            for name, rows in {"forget": corpus.forget, "retain": corpus.retain}.items()
            for row in varied(rows, asked.samples)
        ],
    }


def _columns(log: Sequence[Epoch], names: Sequence[str]) -> dict[str, list[float | None]]:
    """The steps of all epochs, by column; a column that no step has is left out."""
    steps = [(epoch.number, step) for epoch in log for step in epoch.steps]
    columns: dict[str, list[float | None]] = {"epoch": [number for number, _ in steps]}
    for name in names:
        if name in steps[0][1]:
            columns[name] = [step[name] for _, step in steps]
    return columns


def _yardstick(finetuned: Losses, retrained: Losses) -> dict[str, Any]:
    """The least forget quality that n questions allow, and why these two models can't rank methods, if they can't."""
    start = forget_quality(log_truth_ratio_geometric(finetuned), log_truth_ratio_geometric(retrained))
    reasons = rankable(
        finetuned=float(probability(finetuned).mean()), retrained=float(probability(retrained).mean()), p=start.p
    )
    return {"n": start.n, "log10_floor": start.log10_floor, "not_rankable": reasons}
