"""Forgetting one's own rows: a model, a file, and no perturbed answers or retrained model to judge by.

What can be known without them is measured before and after: probability and drop on the rows to forget; probability,
perplexity and KL to the reference on those to retain; answers. What can't be known is named
(`scale.stages.findings.UNKNOWN`).

The unit `forget` leaves `model/`, `data.json` and `data.npz`:

    method, beta, seed, model, history     as in `scale.stages.pipeline`
    stopped                                null, or why it ended early: numbers that were not finite; model and `after`
                                           are then those of the last epoch that ended well
    before, after                          forget_probability, forget_nll (nats a token), forget_perplexity; the same
                                           of retain; after: forget_drop (log π_ref − log π_θ, nats an answer),
                                           forget_kl, retain_kl (nats a token)
    answers                                list of {set, question, answer, before, after}
    rows                                   of each set: rows, repeated, cut, pieces, tokens, longest (`user_sets`)
    kl_rows                                pieces that each KL was measured on, the first ones
    changed                                false where not one weight is another than before
    said                                   what it has come to, in sentences
    unknown                                what can't be measured, and what it would take
    arrays                                 {forget, retain}.{before, after}_nll, one entry a row
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from records.errors import UserError
from records.loader import source_of
from records.store import CHECKPOINT, Data, content_hash, save
from records.work import Progress, Unit
from scale.data.formats import FORMATS, Format
from scale.data.prompts import Encoded, Writer
from scale.data.row import Learnable
from scale.data.user_rows import UserFile
from scale.data.user_sets import about, encoded, refuse_common, refuse_equal
from scale.evaluation.measured import Measured, ended, losses, summary
from scale.models.adapter_files import is_adapter
from scale.models.adapters import adapted
from scale.models.generation import Generation, answers_after
from scale.models.identity import folders_of, model_hash
from scale.models.language_model import LanguageModel, max_length, recompute_activations
from scale.models.loading import load
from scale.models.reference_cache import ReferenceCache, ReferenceModel, held_as
from scale.models.scorable import check_head
from scale.models.scorer import Scorer
from scale.models.tokenizer_files import check_ids
from scale.recipes.method import Method
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.stages.context import about_model, history_columns, lines, save_model_of
from scale.stages.findings import UNKNOWN, findings, remarks
from scale.stages.forget_settings import ForgetSettings
from scale.training.loop import Training
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import idle
from scale.training.unlearning_rows import unlearning_user_rows

__all__ = ["unit_of"]


@dataclass
class Forgetting:
    """The work of the unit `forget`."""

    settings: ForgetSettings
    method: Method
    files: Mapping[str, UserFile]
    processes: Processes

    def __call__(self, folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        """Measure, unlearn, measure again, save; killed in between, it goes on from its last finished epoch."""
        del inputs
        training = self._training(folder.parent / "reference")
        place, epochs = folder / CHECKPOINT, self.method.schedule.epochs
        state = checkpoint.read(place, training.scorer, training.optimizer, self.processes)
        if state is None:
            first = {f"{name}.before_nll": nll for name, nll in self._losses(training.scorer).items()}
            if not _finite(first):
                raise UserError(
                    f"{self.settings.model} gives some of these rows no finite probability. Mend the model."
                )
            said = self._answers(training.scorer)
            state = Data(first, {"epoch": 0, "history": [], "before_answers": said})
        history = list(state.values["history"])
        stopped = None
        for moment in training.run(after=state.values["epoch"]):
            history += lines("forget", moment, self.processes)
            stopped = moment.stopped
            progress(moment.epoch, epochs)
            if moment.ended and moment.epoch < epochs:
                now = {**state.values, "epoch": moment.epoch, "history": history}
                checkpoint.write(place, training.scorer, training.optimizer, Data(state.arrays, now), self.processes)
        later = self._losses(training.scorer)
        if stopped or not _finite(later):
            stopped = self._back(place, training, stopped or "The probabilities of some rows are not finite.")
            later = self._losses(training.scorer)
        self._save(folder, training, state, later, history, stopped)

    def _back(self, place: Path, training: Training, why: str) -> str:
        """Put back the weights of the last epoch that ended well, and say so; UserError where there is none."""
        found = checkpoint.read(place, training.scorer, training.optimizer, self.processes)
        if found is None:
            raise UserError(f"Forgetting blew up: {why} There is no epoch before to go back to. Choose a smaller --lr.")
        return f"{why} The model is that of epoch {found.values['epoch']}. Choose a smaller --lr."

    # --- the model and its rows ---------------------------------------------------------------------------------

    @cached_property
    def language_model(self) -> LanguageModel:
        """The model, with a fresh adapter where one is trained."""
        loaded = load(self.settings.model, weights=self.settings.weights)
        loaded.model.to(self.processes.accelerator.device)
        check_head(loaded.model)
        if self.settings.lora is None:
            return loaded
        return adapted(loaded, self.settings.lora, seed=self.settings.seed, base=self.settings.model)

    @cached_property
    def writer(self) -> Writer:
        """How questions are written: as said, else by the tokenizer's chat template, else plainly."""
        tokenizer = self.language_model.tokenizer
        usual: Format = FORMATS["chat"] if tokenizer.chat_template else FORMATS["plain"]
        chosen = FORMATS[self.settings.prompt] if self.settings.prompt else usual
        return Writer(
            tokenizer, chosen, min(max_length(self.language_model.model), self.settings.max_length or 1 << 30)
        )

    @cached_property
    def pieces(self) -> dict[str, list[tuple[Encoded, ...]]]:
        """Every row of both sets in token ids, long documents in pieces; UserError where a row is in both."""
        found = {name: encoded(file, self.writer) for name, file in self.files.items()}
        refuse_equal(self.files, found)
        return found

    @cached_property
    def encoded(self) -> dict[str, list[Encoded]]:
        """All pieces of each set."""
        found = {name: [piece for row in rows for piece in row] for name, rows in self.pieces.items()}
        check_ids(*self.language_model, [x.ids for rows in found.values() for x in rows])
        return found

    def _training(self, cache: Path) -> Training:
        model, objective = self.language_model.model, self.method.objective
        if self.method.schedule.recompute:
            recompute_activations(model)
        schedule, seed, scorer = self.method.schedule, self.settings.seed, Scorer(model)
        rows = unlearning_user_rows(
            self.writer,
            self.files["forget"].rows,
            objective,
            forget=self.encoded["forget"],
            retain=self.encoded.get("retain", []),
            epochs=schedule.epochs,
            seed=seed,
        )
        weights = held_as(model_hash(self.settings.model), self.settings.weights)
        reference_model = ReferenceModel(scorer, weights, self.writer.pad, self.processes)
        reference = cached_reference(ReferenceCache(cache), reference_model, objective, rows)
        self.measured = Measured.of(ReferenceCache(cache), reference_model, self.encoded)
        return Training(
            scorer,
            objective,
            rows,
            schedule,
            seed=seed,
            pad=self.writer.pad,
            processes=self.processes,
            reference=reference,
            pooled=self.method.pooled,
        )

    # --- what can be measured -----------------------------------------------------------------------------------

    def _losses(self, scorer: Any) -> dict[str, np.ndarray]:
        """NLL a token of every row, in nats."""
        return losses(scorer, self.encoded, self.writer.pad, self.processes)

    def _answers(self, scorer: Any) -> list[str]:
        how = Generation(self.settings.new_tokens, prompt_counts=False)
        openings = [row.opening(self.writer) for _, row in self._asked()]
        return [answer.text for answer in answers_after(scorer, openings, self.writer, self.processes, how)]

    def _asked(self) -> list[tuple[str, Learnable]]:
        """The rows whose answers are shown: the first of each set."""
        return [(name, row) for name, file in self.files.items() for row in file.rows[: self.settings.answers]]

    def _values(
        self,
        training: Training,
        state: Data,
        later: Mapping[str, np.ndarray],
        history: Sequence[Mapping[str, Any]],
        stopped: str | None,
    ) -> dict[str, Any]:
        """What is saved beside the arrays."""
        before = {name: state.arrays[f"{name}.before_nll"] for name in later}
        said = zip(self._asked(), state.values["before_answers"], self._answers(training.scorer), strict=True)
        rows = {name: about(file, self.pieces[name]) for name, file in self.files.items()}
        values = {
            "method": self.method.label,
            "beta": self.method.beta,
            "seed": self.settings.seed,
            "model": about_model(self.language_model),
            "history": history_columns(history),
            "stopped": stopped,
            "changed": training.changed(),
            "before": summary(before, self.encoded),
            "after": ended(before, later, self.encoded)
            | self.measured.moved(training.scorer, self.writer.pad, self.processes),
            "answers": [
                {"set": name, "question": row.shown[0], "answer": row.shown[1], "before": old, "after": new}
                for (name, row), old, new in said
            ],
            "rows": rows,
            "kl_rows": self.measured.counts,
            "unknown": UNKNOWN,
        }
        told = findings(values, trains_on_retain=bool(self.method.objective.retain_needs))
        return {**values, "said": [*remarks(rows, max_length=self.writer.max_length), *told]}

    def _save(
        self,
        folder: Path,
        training: Training,
        state: Data,
        later: Mapping[str, np.ndarray],
        history: Sequence[Mapping[str, Any]],
        stopped: str | None,
    ) -> None:
        values = self._values(training, state, later, history, stopped)
        if self.processes.first:
            arrays = {f"{name}.after_nll": nll for name, nll in later.items()}
            save(folder, Data({**state.arrays, **arrays}, values))
        lora, forget = self.settings.lora, self.files["forget"]
        save_model_of(
            folder,
            training,
            self.language_model,
            merge=lora is not None and (lora.merge or is_adapter(self.settings.model)),
            about={
                "stage": "forget",
                "model": Path(self.settings.model).name,
                "rows": len(forget.rows),
                "label": self.method.label,
            },
            settings={
                **self.settings.model_dump(mode="json"),
                "schedule": self.method.schedule.model_dump(mode="json"),
            },
            results=values["after"],
            processes=self.processes,
        )


def _finite(nlls: Mapping[str, np.ndarray]) -> bool:
    return all(bool(np.isfinite(nll).all()) for nll in nlls.values())


def unit_of(
    settings: ForgetSettings, method: Method, forget: UserFile, retain: UserFile | None, processes: Processes
) -> Unit:
    """The unit of work; UserError where rows, method and schedule don't go together."""
    if method.objective.retain_needs and retain is None:
        raise UserError(f"{method.name} needs rows to retain: give --retain FILE, or choose NPO or GA.")
    if reason := idle(method.schedule, len(forget.rows)):
        raise UserError(reason)
    if retain is not None:
        refuse_common(forget, retain)
    files = {"forget": forget} | ({"retain": retain} if retain is not None else {})
    facts = {
        **settings.model_dump(mode="json"),
        "model_of": model_hash(settings.model),
        "rows": content_hash([[row.shown, repr(row)] for file in files.values() for row in file.rows]),
        "counts": [len(file.rows) for file in files.values()],
        "method": {"label": method.label, "beta": method.beta},
        "own_source": content_hash(source_of(method.name)),
        "schedule": method.schedule.model_dump(mode="json"),
        "precision": processes.precision,
    }
    named = (*(file.path for file in files.values()), *folders_of(settings.model))
    reads = tuple(path for path in named if path.exists())
    work = Forgetting(settings, method, files, processes)
    return Unit("forget", facts, work, reads=reads, alone=True)
