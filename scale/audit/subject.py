"""A model that is audited, ready to be read and asked, and the models that it stands beside."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from scale.data.formats import format_of
from scale.data.prompts import Writer
from scale.evaluation.kept import KeptMeasures
from scale.evaluation.protocols import protocol_of
from scale.models.folders.language_model import LanguageModel, max_length
from scale.models.loading.whole import Weights, load
from scale.models.reading.scorable import check_head
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["AuditSubject", "ModelsBeside", "loaded", "subject_of"]


@dataclass(frozen=True, eq=False)
class AuditSubject:
    """A model with its tokenizer, the module that scores answers, who writes its prompts, the processes that work.

    `kept` is where on disk is kept what was read of it; `read` is what was read and answered in this process, by token
    ids (`scale.audit.reading`, `answers`, `hidden`). So the model must stay as it is: one whose weights were changed is
    another subject.
    """

    name: str
    language_model: LanguageModel
    scorer: nn.Module
    writer: Writer
    processes: Processes
    kept: KeptMeasures | None = None
    read: dict[Any, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ModelsBeside:
    """What is known beside the model: one trained without the rows to forget, the one before unlearning, a third.

    `reference` is what losses are compared with in the reference attack; the finetuned model where it is absent.
    """

    retrained: AuditSubject | None = None
    finetuned: AuditSubject | None = None
    reference: AuditSubject | None = None


def subject_of(
    name: str,
    language_model: LanguageModel,
    processes: Processes,
    *,
    prompt: Any = "auto",
    longest: int | None = None,
    protocol: str = "all-questions",
    kept: KeptMeasures | None = None,
) -> AuditSubject:
    """A loaded model as a subject, on its device.

    `prompt` is a prompt format as a recipe names it; "auto" is the chat template, else plain. UserError where answers
    can't be scored with the model's head.
    """
    model, tokenizer = language_model
    model.to(processes.accelerator.device)
    check_head(model)
    most = min(x for x in (max_length(model), longest) if x is not None)
    chosen = protocol_of(protocol)
    writer = chosen.writer(Writer(tokenizer, format_of(prompt, tokenizer), most, chosen.tag_counts))
    return AuditSubject(name, language_model, Scorer(model), writer, processes, kept)


def loaded(
    model: str | Path,
    processes: Processes,
    *,
    name: str | None = None,
    prompt: Any = "auto",
    longest: int | None = None,
    protocol: str = "all-questions",
    weights: Weights = "float32",
    kept: KeptMeasures | None = None,
) -> AuditSubject:
    """A subject from a folder, an adapter's folder, or the hub; UserError where there is no such model."""
    language_model = load(model, weights=weights)
    return subject_of(
        name or str(model), language_model, processes, prompt=prompt, longest=longest, protocol=protocol, kept=kept
    )
