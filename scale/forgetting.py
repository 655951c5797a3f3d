"""Forgetting one's own rows: a model, a file, and no perturbed answers or retrained model to judge by.

What can be known without them is measured before and after: probability and drop on the rows to forget; probability,
perplexity and KL to the reference on those to retain; answers. What can't be known is named (`UNKNOWN`).

The unit `forget` leaves `model/`, `data.json` and `data.npz`:

    method, beta, seed, model, history     as in `scale.pipeline`
    stopped                                null, or why it ended early
    before, after                          forget_probability, forget_nll (nats a token), forget_perplexity; the same
                                           of retain; after: forget_drop (log π_ref − log π_θ, nats an answer),
                                           forget_kl, retain_kl (nats a token)
    answers                                list of {set, question, answer, before, after}
    unknown                                what can't be measured, and what it would take
    arrays                                 {forget, retain}.{before, after}_nll, one entry a row
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from records.errors import UserError
from records.settings import Seed
from records.store import CHECKPOINT, Data, content_hash, save
from records.work import Progress, Unit
from scale import checkpoint
from scale.adapter_files import is_adapter
from scale.adapters import Lora, adapted
from scale.answers import score_all
from scale.bench import about_model, columns, lines, save_model_of
from scale.drift import drift
from scale.evaluate import finite
from scale.formats import FORMATS, Format
from scale.generation import Generation, answers_after
from scale.idk import IDK_ANSWERS
from scale.method import Method
from scale.models import LanguageModel, Weights, load, longest
from scale.own import OwnRow
from scale.pairing import idk_answer
from scale.pretrained import located
from scale.processes import Processes
from scale.prompts import Encoded, Writer
from scale.reference import Cache, Source, weights_hash
from scale.references import kept
from scale.scorable import check_head
from scale.scorer import Scorer
from scale.train import Rows, Training

__all__ = ["UNKNOWN", "ForgetSettings", "unit_of"]

UNKNOWN = {
    "forget_quality": "needs a model that was retrained without these rows",
    "truth_ratio": "needs a paraphrase and wrong answers to each question",
    "model_utility": "needs TOFU's questions on real authors and world facts, or a benchmark of your own",
}
"""What can't be measured on one's own rows, and what it would take."""


class ForgetSettings(BaseModel):
    """Everything beside the rows and the method."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    prompt: str | None = None
    lora: Lora | None = None
    weights: Weights = "float32"
    seed: Seed = 0
    answers: int = 5
    new_tokens: int = 60


@dataclass
class Forgetting:
    """The work of the unit `forget`."""

    settings: ForgetSettings
    method: Method
    forget: tuple[OwnRow, ...]
    retain: tuple[OwnRow, ...]
    processes: Processes

    def __call__(self, folder: Path, inputs: Mapping[str, Path], progress: Progress) -> None:
        """Measure, unlearn, measure again, save; killed in between, it goes on from its last finished epoch."""
        del inputs
        training = self._training(folder.parent / "reference")
        place, epochs = folder / CHECKPOINT, self.method.schedule.epochs
        state = checkpoint.read(place, training.scorer, training.optimizer, self.processes)
        if state is None:
            first = {f"{name}.before_nll": nll for name, nll in self._losses(training.scorer).items()}
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
        self._save(folder, training, state, history, stopped)

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
        return Writer(tokenizer, chosen, longest(self.language_model.model))

    @cached_property
    def encoded(self) -> dict[str, list[Encoded]]:
        """Both sets in token ids."""
        sets = {"forget": self.forget, "retain": self.retain}
        return {name: [piece for row in rows for piece in row.encode(self.writer)] for name, rows in sets.items()}

    def _rows(self) -> Rows:
        forget, retain = self.encoded["forget"], self.encoded["retain"]
        objective = self.method.objective
        if not objective.forget_needs & {"logp_win", "ref_logp_win"}:
            return Rows(forget, retain)
        n, seed = len(self.forget), self.settings.seed
        pairs = dict.fromkeys(
            (i, idk_answer(seed, epoch, i, forget=n, answers=len(IDK_ANSWERS)))
            for epoch in range(self.method.schedule.epochs)
            for i in range(n)
        )
        idk = [self.forget[i].declined(self.writer, IDK_ANSWERS[answer]) for i, answer in pairs]
        found = [row for row in idk if row is not None]
        if len(found) < len(idk):
            raise UserError(
                f"{self.method.name} answers “I don't know”, and a document asks nothing. Choose NPO, NPO+RT or GA."
            )
        return Rows(forget, retain, found, {pair: place for place, pair in enumerate(pairs)}, len(IDK_ANSWERS))

    def _training(self, cache: Path) -> Training:
        model, objective = self.language_model.model, self.method.objective
        scorer, rows = Scorer(model), self._rows()
        path = Path(located(self.settings.model)).expanduser()
        weights = weights_hash(path) if path.is_dir() else self.settings.model
        source = Source(scorer, weights, self.writer.pad, self.processes)
        reference = kept(Cache(cache), source, objective, rows)
        self.states = {name: Cache(cache).retain(source, found) for name, found in self.encoded.items() if found}
        return Training(
            scorer,
            objective,
            rows,
            self.method.schedule,
            self.settings.seed,
            self.writer.pad,
            self.processes,
            reference,
            pooled=self.method.pooled,
        )

    # --- what can be measured -----------------------------------------------------------------------------------

    def _losses(self, scorer: Any) -> dict[str, np.ndarray]:
        """NLL a token of every row, in nats."""
        found = {}
        for name, rows in self.encoded.items():
            if rows:
                logp, tokens = score_all(scorer, rows, self.writer.pad, self.processes)
                found[name] = (-logp.double() / tokens).numpy()
        return found

    def _answers(self, scorer: Any) -> list[str]:
        how = Generation(self.settings.new_tokens, prompt_counts=False)
        openings = [row.opening(self.writer) for _, row in self._asked()]
        return [answer.text for answer in answers_after(scorer, openings, self.writer, self.processes, how)]

    def _asked(self) -> list[tuple[str, OwnRow]]:
        """The rows whose answers are shown: the first of each set."""
        sets = {"forget": self.forget, "retain": self.retain}
        return [(name, row) for name, rows in sets.items() for row in rows[: self.settings.answers]]

    def _after(
        self, scorer: Any, before: Mapping[str, np.ndarray], losses: Mapping[str, np.ndarray]
    ) -> dict[str, float | None]:
        """What is known at the end, the drop and the KL to the reference among it."""
        after = _summary(losses, self.encoded)
        drop = [
            float((now - old) * row.targets)
            for now, old, row in zip(losses["forget"], before["forget"], self.encoded["forget"], strict=True)
        ]
        after["forget_drop"] = finite(float(np.mean(drop)))
        for name, reference in self.states.items():
            moved = drift(scorer, self.encoded[name], reference, self.writer.pad, self.processes)
            after[f"{name}_kl"] = finite(moved)
        return after

    def _save(
        self,
        folder: Path,
        training: Training,
        state: Data,
        history: Sequence[Mapping[str, Any]],
        stopped: str | None,
    ) -> None:
        losses = self._losses(training.scorer)
        before = {name: state.arrays[f"{name}.before_nll"] for name in losses}
        after = self._after(training.scorer, before, losses)
        said = zip(self._asked(), state.values["before_answers"], self._answers(training.scorer), strict=True)
        values = {
            "method": self.method.label,
            "beta": self.method.beta,
            "seed": self.settings.seed,
            "model": about_model(self.language_model),
            "history": columns(history),
            "stopped": stopped,
            "before": _summary(before, self.encoded),
            "after": after,
            "answers": [
                {"set": name, "question": row.shown[0], "answer": row.shown[1], "before": old, "after": new}
                for (name, row), old, new in said
            ],
            "unknown": UNKNOWN,
        }
        if self.processes.first:
            later = {f"{name}.after_nll": nll for name, nll in losses.items()}
            save(folder, Data({**state.arrays, **later}, values))
        lora = self.settings.lora
        save_model_of(
            folder,
            training,
            self.language_model,
            merge=lora is not None and (lora.merge or is_adapter(self.settings.model)),
            title=f"{Path(self.settings.model).name} without {len(self.forget)} rows ({self.method.label})",
            settings={
                **self.settings.model_dump(mode="json"),
                "schedule": self.method.schedule.model_dump(mode="json"),
            },
            results=after,
            processes=self.processes,
        )


def _summary(losses: Mapping[str, np.ndarray], encoded: Mapping[str, Sequence[Encoded]]) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name, nll in losses.items():
        tokens = np.array([row.targets for row in encoded[name]])
        mean = float((nll * tokens).sum() / tokens.sum())
        values[f"{name}_probability"] = finite(float(np.exp(-nll).mean()))
        values[f"{name}_nll"] = finite(mean)
        values[f"{name}_perplexity"] = finite(float(np.exp(min(mean, 700.0))))
    return values


def unit_of(
    settings: ForgetSettings,
    method: Method,
    forget: tuple[OwnRow, ...],
    retain: tuple[OwnRow, ...],
    processes: Processes,
) -> Unit:
    """The unit of work; UserError where the method needs rows to retain and there are none."""
    if method.objective.retain_needs and not retain:
        raise UserError(f"{method.name} needs rows to retain: give --retain FILE, or choose NPO or GA.")
    path = Path(located(settings.model)).expanduser()
    facts = {
        **settings.model_dump(mode="json"),
        "weights": weights_hash(path) if path.is_dir() else settings.model,
        "rows": content_hash([[row.shown, repr(row)] for row in (*forget, *retain)]),
        "counts": [len(forget), len(retain)],
        "method": {"label": method.label, "beta": method.beta},
        "schedule": method.schedule.model_dump(mode="json"),
        "precision": processes.precision,
    }
    work = Forgetting(settings, method, forget, retain, processes)
    return Unit("forget", facts, ("theory", "scale", "records"), work)
