"""What `auto-beta/wanted` does: how far the forget answers should fall, by everything that there is to tell it by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from records.doing import doing
from records.errors import UserError
from records.store import Data, save
from records.work import Progress
from scale.beta.nats import AnswerNats, nats_of
from scale.beta.wanted import Drops, from_base, from_held_out, from_other_answers, from_retrained
from scale.data.prompts import Encoded, Writer
from scale.data.row import Learnable
from scale.models.loading.whole import load as load_model
from scale.recipes.wanted_drop import ESTIMATES, WantedDropSettings
from scale.stages.fitting.start import start_of
from scale.stages.shared.context import MODEL, Context
from scale.training.unlearning_rows import pieces_of

__all__ = ["MOST_ANSWERS", "Sources", "drop_wanted"]

MOST_ANSWERS = 400
"""Answers of a set that are read, spread evenly over it: a mean over more is hardly known better."""


class Sources(NamedTuple):
    """What a wanted drop can be told by: units of the retrained model and of the base, or the base by name, rows."""

    retrained: str | None = None
    base: str | None = None
    base_model: str | None = None
    held_out: tuple[Learnable, ...] = ()
    paraphrases: bool = False

    @property
    def names(self) -> list[str]:
        """The estimates that can be made, in the order in which they are taken."""
        there = {
            "retrained": self.retrained,
            "base": self.base or self.base_model,
            "held-out": self.held_out,
            "paraphrase": self.paraphrases,
        }
        return [name for name in ESTIMATES if there[name]]


class _Reader(NamedTuple):
    """A model that scores answers, and how they are written for it."""

    context: Context
    scorer: Any
    writer: Writer

    def score(self, answers: Sequence[Encoded]) -> AnswerNats:
        """Nats and tokens of each."""
        return nats_of(self.scorer, answers, self.writer.pad, self.context.processes)

    def rows(self, rows: Sequence[Learnable]) -> AnswerNats:
        """Nats and tokens of rows, a long document's piece by piece."""
        return self.score(pieces_of(rows, self.writer))


def drop_wanted(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    finetuned: str | None,
    sources: Sources,
    wanted: WantedDropSettings,
) -> None:
    """Every estimate that can be made, and which is taken; what it leaves is documented in `scale.stages.pipeline`."""
    del progress
    rows = evenly(context.corpus.forget)
    start = start_of(context, inputs[finetuned] if finetuned else None)
    reference = _reader(context, start.model, start.revision)
    known = reference.rows(rows)
    found: dict[str, Drops] = {}
    if sources.held_out:
        found["held-out"] = from_held_out(known, reference.rows(evenly(sources.held_out)))
    if sources.paraphrases:
        found |= _other_answers(reference)
    del reference
    if sources.retrained:
        found["retrained"] = from_retrained(known, _of(context, inputs[sources.retrained] / MODEL, rows, known))
    if (base := inputs[sources.base] / MODEL if sources.base else sources.base_model) is not None:
        found["base"] = from_base(known, _of(context, base, rows, known))
    if context.processes.first:
        drop, by = (wanted.by, "nats") if isinstance(wanted.by, float) else _taken(found, str(wanted.by))
        told = {name: found[name].described() for name in (*ESTIMATES, "wrong answers") if name in found}
        values = {"stage": "auto-beta", "drop": drop, "by": by, "estimates": told, "tokens": float(known.tokens.mean())}
        arrays = {f"{name}.drop": one.drop for name, one in found.items()}
        save(folder, Data({**arrays, "tokens": known.tokens, "nll": known.nll}, values))


def evenly(rows: Sequence[Learnable]) -> tuple[Learnable, ...]:
    """At most `MOST_ANSWERS` of them, evenly spread."""
    count = min(len(rows), MOST_ANSWERS)
    return tuple(rows[i * len(rows) // count] for i in range(count))


def _reader(context: Context, model: str | Path, revision: str | None = None) -> _Reader:
    doing(f"reading answers with {Path(model).parent.name if Path(model).name == MODEL else model}")
    loaded = context.ready(load_model(model, revision=revision, weights=context.model.weights))
    return _Reader(context, context.scorer(loaded.model), context.writer(loaded))


def _of(context: Context, model: str | Path, rows: Sequence[Learnable], known: AnswerNats) -> AnswerNats:
    """These rows under another model; UserError where it reads them in other pieces."""
    revision = context.model.revision if model == context.model.base else None
    found = _reader(context, model, revision).rows(rows)
    if len(found.nll) != len(known.nll):
        raise UserError(
            f"{model} reads the rows to forget in {len(found.nll)} pieces and the model that forgets in "
            f"{len(known.nll)}, so their nats can't be compared. Cut the documents shorter (model.longest)."
        )
    return found


def _other_answers(reference: _Reader) -> dict[str, Drops]:
    """By the answers in other words, and by the wrong ones, of the questions that have them."""
    every = [q for q in reference.context.corpus.asked["forget"].questions if q.paraphrases][:MOST_ANSWERS]
    encoded = [question.encode(reference.writer) for question in every]
    truth = reference.score([pieces[0][0] for pieces in encoded])
    other = reference.score([pieces[1][0] for pieces in encoded])
    found = {"paraphrase": from_other_answers(truth, other)}
    if all(question.wrong for question in every):
        wrong = reference.score([pieces[1 + q.paraphrases][0] for q, pieces in zip(every, encoded, strict=True)])
        found["wrong answers"] = from_other_answers(truth, wrong)
    return found


def _taken(found: Mapping[str, Drops], by: str) -> tuple[float, str]:
    """The drop and the name of the estimate that is asked for, or of the first that there is."""
    name = next(name for name in ESTIMATES if name in found) if by == "auto" else by
    return found[name].mean, name
