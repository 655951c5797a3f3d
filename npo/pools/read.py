"""Reading the pools: every model's battery as it is, after relearning, and in four bits.

    python -m npo.pools.read OUT [key=value …] [--recipe tofu-mini] [--unlearned RUN] [--seconds 200]

Reads what lies in OUT and, as models that are said to have forgotten, the unlearning runs in RUN; so training and
reading need not be of one version of the code. `read/<pool>/<name>` holds in data.json `pool`, `name`, `states`, the
scores by state and name (None where there is no value), and `intervals`, their ends. The first two members stand beside
all others, as the finetuned and the retrained model, unless two models are named for that.

Relearning is one epoch of the forget rows at the rate of unlearning, without warm-up and weight decay, falling to 0, as
in arXiv:2605.24614 (2e-5 there, of unlearning at 1e-5 to 5e-5); four bits are NF4, of every linear weight but the head.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError

from npo.pools.members import PoolMember
from npo.pools.train import MEMBER, pool_of, recipe_of
from npo.pools.work import command_line, worked_for
from npo.program.ending import ends_in_words
from npo.program.names import check_models, check_names, nearest
from records.errors import UserError, together
from records.json_lines import parse_json
from records.paths import may_write
from records.settings import said
from records.shown import shown
from records.store import Data, save
from records.work import Progress, Unit
from scale.attacks.matrices import matrices_of
from scale.attacks.quantise import quantised
from scale.audit.asked import AskedSets
from scale.audit.battery import measured, plain_scores
from scale.audit.entities import read_entities
from scale.audit.items import score_of
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside, subject_of
from scale.data.questions import Question, QuestionSet
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.whole import load
from scale.models.reference.identity import model_hash
from scale.runtime.processes import Processes
from scale.stages.shared.context import MODEL, Context
from scale.stages.shared.prepared import context_of
from scale.tasks.corpus import Corpus
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule

__all__ = ["STATES", "PoolReading", "reading_units"]

STATES = ("as it is", "relearned", "four bits")
UNLEARNED = "unlearned"
BESIDE = ("finetuned", "retrained")
TRAIN = (
    "Run python -m npo.pools.train {out} first, as this is called; or name models by --finetuned, --retrained, --also."
)


@dataclass(frozen=True, eq=False)
class PoolReading:
    """What every model of the pools is asked, and what is done to it in between."""

    context: Context
    asked: AskedSets
    settings: AuditSettings
    relearning: Schedule
    finetuned: Path
    retrained: Path
    wanted: tuple[str, ...] = STATES

    def subject(self, name: str, model: LanguageModel) -> AuditSubject:
        """A model ready to be read, in the recipe's prompt format."""
        said = self.context.model
        found = subject_of(name, model, self.context.processes, prompt=said.prompt, longest=said.longest)
        return replace(found, scorer=self.context.scorer(model.model))  # how such models read is tried once

    @cached_property
    def beside(self) -> ModelsBeside:
        """The models that others are read beside, where that is asked for; loaded once."""
        if "hidden" not in self.settings.families:  # the reference attack tells nothing: all lose to the finetuned one
            return ModelsBeside()
        return ModelsBeside(
            retrained=self.subject("retrained", load(self.retrained)),
            finetuned=self.subject("finetuned", load(self.finetuned)),
        )

    def states(self, folder: Path) -> Iterator[tuple[str, LanguageModel]]:
        """The model in each state that is wanted, loaded anew each time."""
        changes: tuple[Callable[[LanguageModel], None], ...] = (lambda model: None, self.relearn, in_four_bits)
        for state, change in zip(STATES, changes, strict=True):
            if state in self.wanted:
                model = self.context.ready(load(folder))
                change(model)
                yield state, model

    def relearn(self, model: LanguageModel) -> None:
        """Train in place on the rows to forget."""
        writer, rows = self.context.writer(model), self.context.corpus.forget
        encoded = TrainingRows([piece for row in rows for piece in row.encode(writer)])
        scorer = self.context.scorer(model.model)
        training = Training(
            scorer, likelihood, encoded, self.relearning, seed=0, pad=writer.pad, processes=self.context.processes
        )
        for _ in training.run():
            pass
        model.model.eval()


def in_four_bits(model: LanguageModel) -> None:
    """Round every linear weight but the head's to NF4, in place."""
    with torch.no_grad():
        for weight in matrices_of(model.model).changed.values():
            weight.copy_(quantised(weight, 4, "nf4"))


def read_model(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    reading: PoolReading,
    pool: str,
    name: str,
    model: Path,
) -> None:
    """The battery of one model in every state."""
    del inputs
    states, intervals = {}, {}
    for done, (state, language_model) in enumerate(reading.states(model)):
        progress(done, len(STATES))
        found = measured(reading.subject(name, language_model), reading.asked, reading.settings, reading.beside)
        states[state] = plain_scores(found)
        intervals[state] = {
            score: [x if math.isfinite(x) else None for x in score_of(items, draws=reading.settings.draws)[1:]]
            for family in found.values()
            for score, items in family.items()
        }
    save(folder, Data({}, {"pool": pool, "name": name, "states": states, "intervals": intervals}))


class HowMany(NamedTuple):
    """How many questions are asked: of each set, and with their wrong answers, which the truth ratio is made of."""

    rows: int
    retain: int
    wrong: int


def asked_of(corpus: Corpus, sizes: HowMany, entities: Path | None = None) -> AskedSets:
    """The questions: of rows to retain and held out the true answers alone, where a truth ratio says nothing.

    `entities` is a file of the words that give answers away (`scale.audit.entities`).
    """
    forget, retain, worded = (corpus.asked[name] for name in ("forget", "retain", "forget_paraphrased"))
    questions = tuple(_less(q, i < sizes.wrong) for i, q in enumerate(forget.questions[: sizes.rows]))
    held = corpus.held_out[: sizes.rows]  # the last are the related rows of attacks
    return AskedSets(
        replace(forget, questions=questions),
        replace(retain, questions=tuple(_plain(q) for q in retain.questions[: sizes.retain])),
        QuestionSet(tuple(_plain(row.asked) for row in held), forget.metrics),
        entities=read_entities(entities, questions) if entities else (),
        reworded=tuple(q.asked.shown for q in worded.questions[: sizes.rows]),
    )


def _less(question: Question, whole: bool) -> Question:
    """All of a question, or it with its paraphrases and without wrong answers."""
    return question if whole else replace(question, answers=question.answers[: 1 + question.paraphrases])


def _plain(question: Question) -> Question:
    return Question(question.prompt, (question.truth,))


def models_of(out: Path, pool: Sequence[PoolMember], unlearned: Path | None) -> dict[tuple[str, str], Path]:
    """By pool and name, the folders of the models that are there; UserError where a run has none."""
    found = {("know" if one.knows else "don't know", one.name): out / MEMBER / one.name / MODEL for one in pool}
    if unlearned:
        found |= {(UNLEARNED, place.parent.name): place for place in sorted(unlearned.glob(f"unlearn/*/{MODEL}"))}
    there = {key: place for key, place in found.items() if place.is_dir()}
    if unlearned and not any(group == UNLEARNED for group, _ in there):
        raise UserError(
            f"--unlearned {unlearned}: there is no {unlearned / 'unlearn'}/…/{MODEL}. Name the run's folder."
        )
    return there


def states_of(word: str) -> tuple[str, ...]:
    """The states with commas between; UserError for others.

    >>> states_of("as it is,four bits")
    ('as it is', 'four bits')
    """
    wanted = tuple(one.strip() for one in word.split(","))
    check_names("--states", wanted, STATES)
    return wanted


def audit_of(text: str) -> AuditSettings:
    """The usual settings of such an audit with a JSON object put over them; UserError with all that is wrong."""
    try:
        given = parse_json(text)
    except ValueError as error:
        raise UserError(f'--audit {shown(text)} is not JSON ({error}). Write an object, as {{"answers": 4}}.') from None
    if not isinstance(given, dict):
        raise UserError(f'--audit {shown(text)} is no JSON object. Write one, as {{"answers": 4}}.')
    try:
        return AuditSettings.model_validate({"families": ["memorisation", "membership"], **given})
    except ValidationError as error:
        keys = list(AuditSettings.model_fields)
        lines = ((".".join(map(str, e["loc"])), said(e)) for e in error.errors())
        raise UserError("\n".join(f"--audit {key}: {what}.{nearest(key, keys)}" for key, what in lines)) from None


def also_of(words: Sequence[str]) -> dict[tuple[str, str], Path]:
    """Further models by pool and name; UserError for what is not POOL/NAME=DIR."""
    if wrong := [one for one in words if not (one.partition("=")[2] and "/" in one.partition("=")[0])]:
        raise UserError(f"--also {' '.join(wrong)}: write POOL/NAME=DIR.")
    pairs = [(name.partition("/"), Path(place)) for name, _, place in (one.partition("=") for one in words)]
    return {(group, name): place for (group, _, name), place in pairs}


def reading_units(reading: PoolReading, models: Mapping[tuple[str, str], Path]) -> list[Unit]:
    """One for each model, those that the others stand beside first."""
    models = {("finetuned", "finetuned"): reading.finetuned, ("retrained", "retrained"): reading.retrained, **models}
    shared = {
        "data": reading.context.corpus.describe(),
        "asked": {name: len(one.questions) for name, one in reading.asked.sets.items()},
        "answers": sum(len(q.answers) for one in reading.asked.sets.values() for q in one.questions),
        "audit": reading.settings.model_dump(mode="json"),
        "relearning": reading.relearning.described(),
        "states": list(reading.wanted),
        "beside": [model_hash(str(place)) for place in (reading.finetuned, reading.retrained)],
    }
    return [
        Unit(
            f"read/{pool}/{name}",
            {**shared, "pool": pool, "weights_of": model_hash(str(place))},
            partial(read_model, reading=reading, pool=pool, name=name, model=place),
            reads=(place,),
            alone=True,
        )
        for (pool, name), place in models.items()
    ]


def _told() -> argparse.Namespace:
    parser = command_line("npo.pools.read", __doc__)
    parser.add_argument("--finetuned", type=Path, help="beside which all others are read; default: the first member")
    parser.add_argument("--retrained", type=Path, help="likewise; default: the second")
    parser.add_argument("--unlearned", type=Path, help="a run's folder: its unlearned models are read too")
    parser.add_argument(
        "--also", nargs="*", metavar="POOL/NAME=DIR", default=(), help="further models, each with its folder"
    )
    parser.add_argument("--audit", default="{}", help='settings of the audit, as {"answers": 4}')
    parser.add_argument("--entities", type=Path, help="a file of the words that give answers away")
    parser.add_argument("--states", default=",".join(STATES), help="with commas between; default: %(default)s")
    parser.add_argument("--only", default="", help="of one pool, or of one model: POOL/NAME")
    parser.add_argument("--lr", type=float, help="of relearning; default: that of unlearning")
    parser.add_argument(
        "--rows", type=int, default=60, help="to forget and held out that are asked; default: %(default)s"
    )
    parser.add_argument("--retain", type=int, default=60, help="rows to retain that are asked; default: %(default)s")
    parser.add_argument(
        "--wrong", type=int, default=60, help="rows to forget that are read with wrong answers; default: %(default)s"
    )
    return parser.parse_intermixed_args()


def _main(told: argparse.Namespace) -> None:
    recipe, states, audit, also, *_ = together(
        lambda: recipe_of(told.recipe, told.words),
        lambda: states_of(told.states),
        lambda: audit_of(told.audit),
        lambda: also_of(told.also),
        lambda: may_write(told.out),
    )
    pool = pool_of(recipe)
    first = [told.out / MEMBER / one.name / MODEL for one in pool[:2]]
    finetuned, retrained = told.finetuned or first[0], told.retrained or first[1]
    models, _ = together(
        lambda: {**models_of(told.out, pool[2:], told.unlearned), **also},
        lambda: check_models((finetuned, retrained, *also.values()), TRAIN.format(out=told.out)),
    )
    if not models:
        raise UserError(f"No model of the pools is in {told.out / MEMBER}. {TRAIN.format(out=told.out)}")
    names = {*(f"{group}/{name}" for group, name in models), *(group for group, _ in models), *BESIDE}
    check_names("--only", [told.only] if told.only else [], sorted(names))
    context = context_of(recipe, Processes(recipe.device, recipe.precision))
    assert recipe.finetune is not None
    changes = {"lr": told.lr or recipe.unlearn.lr, "epochs": 1, "warmup": 0.0, "weight_decay": 0.0}
    reading = PoolReading(
        context,
        asked_of(context.corpus, HowMany(told.rows, told.retain, told.wrong), told.entities),
        audit,
        recipe.finetune.model_copy(update=changes),
        finetuned=finetuned,
        retrained=retrained,
        wanted=states,
    )
    wanted = f"read/{told.only}"
    units = [u for u in reading_units(reading, models) if not told.only or f"{u.name}/".startswith(f"{wanted}/")]
    left = worked_for(told.seconds, units, told.out)
    sys.stderr.write(f"{left} of {len(units)} to do\n")


if __name__ == "__main__":
    ends_in_words(lambda: _main(_told()))
