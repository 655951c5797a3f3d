"""What all stages of a run share: data, model settings, exams, processes; and what they leave alike."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel

from records.store import content_hash
from scale.data.formats import format_of
from scale.data.prompts import Writer
from scale.models.folders.card import write_card
from scale.models.folders.language_model import LanguageModel, max_length
from scale.models.folders.language_model import save as save_model
from scale.models.loading.whole import load as load_model
from scale.models.reading.scorable import check_head
from scale.models.reading.scorer import Key, Scorer
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.training.loop import Moment, Training

if TYPE_CHECKING:  # what trains does not depend on what a recipe or an examination may say
    from scale.evaluation.protocols import Protocol
    from scale.recipes.recipe import EvaluateSettings, ModelSettings
    from scale.tasks.corpus import Corpus

__all__ = ["MODEL", "Context", "about_model", "history_columns", "lines", "save_model_of"]

MODEL = "model"


@dataclass(frozen=True)
class Context:
    """Data, model settings, exams, and the processes that do the work."""

    corpus: "Corpus"
    model: "ModelSettings"
    exams: "Protocol"
    asked: "EvaluateSettings"
    processes: Processes
    ways: dict[str, dict[Key, bool]] = field(default_factory=dict, repr=False, compare=False)
    """What was found of how models read, by their configuration (`scale.models.reading.faster`)."""

    def scorer(self, model: PreTrainedModel) -> Scorer:
        """A model that scores answers; how it reads is not tried again where that was tried of one made alike."""
        config = {
            name: x for name, x in model.config.to_dict().items() if name not in ("_name_or_path", "architectures")
        }
        made = [type(model).__name__, config, str(model.dtype), str(model.device)]
        found = Scorer(model)
        found.ways = self.ways.setdefault(content_hash([*made, found.plain.config._attn_implementation]), {})
        return found

    def ready(self, language_model: LanguageModel) -> LanguageModel:
        """The model on its device; UserError where answers can't be scored with its head."""
        language_model.model.to(self.processes.accelerator.device)
        check_head(language_model.model)
        return language_model

    def writer(self, language_model: LanguageModel) -> Writer:
        """How questions are written for this model."""
        most = min(x for x in (max_length(language_model.model), self.model.longest) if x is not None)
        return Writer(language_model.tokenizer, format_of(self.model.prompt, language_model.tokenizer), most)


def about_model(language_model: LanguageModel) -> dict[str, Any]:
    """Kind, parameters, vocabulary."""
    model = language_model.model
    parameters = list(model.parameters())
    return {
        "kind": str(model.config.model_type),
        "parameters": sum(p.numel() for p in parameters),
        "trained": sum(p.numel() for p in parameters if p.requires_grad),
        "vocabulary": len(language_model.tokenizer),
    }


def lines(run: str, moment: Moment, processes: Processes) -> list[dict[str, Any]]:
    """A moment's steps, each with its epoch; trackers are told of them too."""
    first = moment.step - len(moment.steps)
    for i, step in enumerate(moment.steps):
        processes.log(run, step, first + i)
    return [{"epoch": moment.epoch, **step} for step in moment.steps]


def history_columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The steps by column."""
    return {name: [step[name] for step in history] for name in history[0]} if history else {}


def save_model_of(
    folder: Path,
    training: Training,
    language_model: LanguageModel,
    *,
    merge: bool,
    about: Mapping[str, Any],
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    processes: Processes,
) -> None:
    """Write `model/`: weights, tokenizer, generation settings, card; of an adapter the adapter alone, unless merged.

    All processes call it, the first writes.
    """
    weights = checkpoint.trained_weights(training.scorer, training.optimizer)
    if not processes.first:
        return
    place = folder / MODEL
    save_model(place, language_model, {name.removeprefix("model."): tensor for name, tensor in weights.items()})
    if merge and (place / "adapter_config.json").is_file():
        whole = load_model(place)
        shutil.rmtree(place)
        save_model(place, whole)
    write_card(place, about=about, settings=settings, results=results)
