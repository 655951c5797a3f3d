"""What a method begins with: the model, what is asked of it, its rows, the reference, and the training of all this."""

from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from pathlib import Path

from records.doing import doing
from records.store import load
from scale.data.prompts import Encoded, Writer
from scale.evaluation.drift import within
from scale.evaluation.exam import Exam
from scale.evaluation.results import SetResult, from_arrays
from scale.models.folders.language_model import LanguageModel, recompute_activations
from scale.models.loading.tokenizer import check_ids
from scale.models.reading.scorer import Scorer
from scale.models.reading.unpadded import read_for_training
from scale.models.reference.alternates import alternates_of
from scale.models.reference.cache import ReferenceCache, ReferenceModel, ReferenceStates, held_as
from scale.recipes.method import Method
from scale.stages.examining.evaluate import exam_of
from scale.stages.fitting.start import Start, cache_of, start_of
from scale.stages.shared.context import Context
from scale.stages.unlearning.judged import ShownRows
from scale.stages.unlearning.reinforced import states_of_reinforced
from scale.tasks.corpus import RowsRead
from scale.tasks.task import Task
from scale.training.asked import ANSWERS
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.reference_lookup import CachedReference, LiveReference, asks_reference, cached_reference
from scale.training.schedule import epochs_of
from scale.training.unlearning_rows import unlearning_rows

__all__ = ["ReadyToUnlearn"]


@dataclass
class ReadyToUnlearn:
    """A method and what it begins with, in a folder; each thing is read or made where it is first asked for.

    `finetuned` is the folder of the finetuned model, None where the recipe's own is unlearned as it is; `judges` are
    the evaluations of finetuned and retrained model, as far as there are any; `reinforced` is the folder of the model
    trained further on the rows to forget, where the method asks for it. `reference_states` are there, by set, once the
    training is made.
    """

    folder: Path
    _: KW_ONLY
    context: Context
    task: Task
    method: Method
    seed: int
    live: bool
    finetuned: Path | None
    judges: tuple[Path, ...]
    reinforced: Path | None = None
    reference_states: dict[str, tuple[list[Encoded], ReferenceStates]] = field(default_factory=dict)

    @cached_property
    def start(self) -> Start:
        """The model to begin with."""
        return start_of(self.context, self.finetuned)

    @cached_property
    def language_model(self) -> LanguageModel:
        """The finetuned model; where an adapter is trained, with a fresh one that changes nothing yet."""
        return self.start.to_train(self.context, self.seed)

    @cached_property
    def writer(self) -> Writer:
        """How questions are written for the model."""
        return self.context.writer(self.language_model)

    @cached_property
    def looked(self) -> RowsRead:
        """The rows as the model reads them."""
        return self.context.corpus.looked(self.writer)

    @cached_property
    def exam(self) -> Exam:
        """What the model is asked."""
        return exam_of(self.context, self.task, self.writer, self.looked.asked)

    @cached_property
    def shown(self) -> ShownRows:
        """The rows whose answers are shown."""
        return ShownRows(self.context.corpus.shown, self.writer, self.context.asked.new_tokens)

    @cached_property
    def retrained(self) -> dict[str, SetResult] | None:
        """What was found of the retrained model, where there is one."""
        return from_arrays(load(self.judges[1]).arrays) if len(self.judges) > 1 else None

    @cached_property
    def training(self) -> Training:
        """The model's training; what its reference knows is computed before the first step."""
        reinforced = (
            None if self.reinforced is None else states_of_reinforced(self.reinforced, self._cache, self.context)
        )
        doing("loading the model")
        model, context, schedule = self.language_model.model, self.context, self.method.schedule
        if schedule.recompute:
            recompute_activations(model)
        scorer, pad = context.scorer(model), self.writer.pad
        reference_model = ReferenceModel(
            scorer, held_as(self.start.weights, context.model.kept), pad, context.processes
        )
        objective, asked = self.method.objective, context.asked
        cache = self._cache
        doing("reading the rows")
        rows = self._rows(cache, reference_model)
        true = {name: self._true_answers(name, reference_model) for name in ("forget", "retain") if asked.examines}
        every = [row for kind in ANSWERS for row in rows.of(kind)] + [row for one in true.values() for row in one]
        read_for_training(scorer, every, pad, context.processes)  # tried here for whatever is read from now on
        if asked.examines:
            doing("states of the reference")
            self.reference_states = {
                name: (answers, cache.states(reference_model, answers)) for name, answers in true.items() if answers
            }
        return Training(
            scorer,
            objective,
            rows,
            schedule,
            seed=self.seed,
            pad=pad,
            processes=context.processes,
            reference=self._reference(cache, reference_model, rows, reinforced),
            every_step=asked.every == "step" and not asked.at,
            at=asked.at,
            pooled=self.method.pooled,
        )

    @cached_property
    def _cache(self) -> ReferenceCache:
        return ReferenceCache(cache_of(self.folder, self.finetuned, self.judges))

    def _reference(
        self,
        cache: ReferenceCache,
        reference_model: ReferenceModel,
        rows: TrainingRows,
        reinforced: ReferenceStates | None,
    ) -> CachedReference | LiveReference | None:
        """What knows π_ref; None where no loss asks for it and nobody looks at how far the model has moved."""
        objective, context = self.method.objective, self.context
        if not (context.asked.examines or asks_reference(objective, reference_model.scorer.blocks)):
            return None
        if self.live:
            second = self.start.load(context).model.requires_grad_(False).eval()
            return LiveReference(Scorer(second), self.writer.pad, context.processes, reinforced)
        doing("log-probabilities of the reference")
        return cached_reference(cache, reference_model, objective, rows, reinforced)

    def _rows(self, cache: ReferenceCache, reference: ReferenceModel) -> TrainingRows:
        """What is trained on; UserError, with its line where it has one, for a row that the model can't read."""
        check_ids(*self.language_model, [piece.ids for piece in self._asked()])
        draw = partial(alternates_of, cache.folder, reference, self.writer)
        corpus, objective = self.context.corpus, self.method.objective
        epochs = epochs_of(self.method.schedule, len(corpus.forget))
        return unlearning_rows(self.writer, corpus, objective, epochs=epochs, seed=self.seed, draw=draw)

    def _asked(self) -> list[Encoded]:
        """All that is asked of the model; where nothing is, what it shall forget and retain."""
        if self.context.asked.examines:
            every = [answer for one in self.exam.encoded.values() for question in one for answer in question]
            return [piece for answer in every for piece in answer]
        corpus = self.context.corpus
        return [piece for row in (*corpus.forget, *corpus.retain) for piece in row.encode(self.writer)]

    def _true_answers(self, name: str, reference: ReferenceModel) -> list[Encoded]:
        """The true answers among all that is asked of a set, as many as there is room on disk for their states."""
        every = [piece for question in self.exam.encoded.get(name, ()) for piece in question[0]]
        return every[: within(every, reference.width)] if every else []
