"""A recipe: everything that a run depends on, as a checked value. Its YAML files are read by `scale.recipes.file`."""

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from records.settings import NotNegative, Positive, Seed, scalar
from scale.attacks.settings import Attacks
from scale.audit.settings import AuditSettings
from scale.data.formats import AUTO, FORMATS, Tags
from scale.models.loading.lora import Lora
from scale.models.loading.scratch import SHAPES, Shape
from scale.models.loading.whole import Weights
from scale.recipes.best import BestSettings
from scale.recipes.evaluate_settings import EvaluateSettings
from scale.recipes.law import LawSettings, RungName
from scale.recipes.reinforce import ReinforceSettings
from scale.recipes.wanted_drop import AUTO_BETA, Beta, WantedDropSettings
from scale.tasks.kinds import AnyTask, task_of
from scale.training.schedule import Epochs, Schedule
from theory.methods import named

__all__ = [
    "EvaluateSettings",
    "LawSettings",
    "MethodSettings",
    "ModelSettings",
    "Recipe",
    "RungName",
    "UnlearnSettings",
]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Settings):
    """Which model: one from scratch by the name of its size, a folder, or a model of the hub."""

    base: str = Field("tiny", description=f"{', '.join(SHAPES)} (from scratch), a folder, or owner/name of the hub")
    revision: str | None = None
    shape: Shape | None = Field(None, description="from scratch: another size than the one of that name")
    prompt: str | Tags = Field("plain", description=f"{', '.join(FORMATS)}, auto, or {{before: …, after: …, tag: …}}")
    longest: PositiveInt | None = Field(None, description="tokens of the longest text; default: what the model reads")
    lora: Lora | None = Field(None, description="train an adapter instead of all weights")
    weights: Literal["float32", "bf16"] = Field(
        "float32",
        description="bf16: half the memory, and small updates are lost; best with lora, whose part is float32",
    )
    four_bit: bool = Field(False, description="QLoRA: the frozen weights in four bits (GPU)")

    @field_validator("prompt")
    @classmethod
    def _known(cls, prompt: str | Tags) -> str | Tags:
        if isinstance(prompt, str) and prompt not in (*FORMATS, AUTO):
            near = difflib.get_close_matches(prompt, FORMATS, n=1)
            hint = f", did you mean {near[0]}?" if near else ";"
            raise ValueError(f"unknown format{hint} known: {', '.join(FORMATS)}")
        return prompt

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSettings":
        if self.shape is not None and self.base not in SHAPES:
            raise ValueError(f"base={self.base} is loaded with its own shape: take shape away (model.shape=null)")
        if self.four_bit and self.lora is None:
            raise ValueError("four_bit trains nothing without lora: give lora too")
        if self.four_bit and self.weights != "float32":
            raise ValueError("four_bit and weights=bf16 both say how weights are kept: choose one")
        if self.scratch is not None and self.weights != "float32":
            raise ValueError("weights=bf16 is for a model that is loaded: leave it out, or choose a trained model.base")
        return self

    @property
    def kept(self) -> Weights:
        """In what form the weights are kept that are trained, or lie below what is."""
        return "4bit" if self.four_bit else self.weights

    @property
    def scratch(self) -> Shape | None:
        """The shape of a model that is trained from scratch; None for one that is loaded."""
        return self.shape or SHAPES.get(self.base)


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("it should be a finite number")
    return value


Number = Annotated[int | float, PlainValidator(_number)]
"""Whole where it is written so, as a layer; a union of pydantic's would tell each mistake twice."""


class MethodSettings(_Settings):
    """One method of a run; what is not given is taken from `unlearn`."""

    name: str
    beta: Beta | None = Field(None, description="short for hyperparameters: {beta: …}; auto: as unlearn.beta")
    hyperparameters: Mapping[str, Number] = Field(
        default_factory=dict, description="of its loss, by name; those left out are its paper's"
    )
    forget_weight: NotNegative = 1.0
    retain_weight: NotNegative | None = Field(None, description="its paper's if it is left out, 1 for most")
    lr: Positive | None = None
    epochs: Epochs | None = None

    @model_validator(mode="after")
    def _once(self) -> "MethodSettings":
        if self.beta is not None and "beta" in self.hyperparameters:
            raise ValueError("beta is there twice: by itself and among the hyperparameters")
        return self

    @property
    def own(self) -> dict[str, float | int]:
        """The hyperparameters that are set for this method alone, `beta` among them where it is a number."""
        return {**self.hyperparameters, **({} if isinstance(self.beta, str | None) else {"beta": self.beta})}

    @property
    def auto(self) -> bool:
        """Is its β asked of the rule?"""
        return self.beta == AUTO_BETA

    @property
    def label(self) -> str:
        """The name of its results: the method's, with all that was set for it alone.

        >>> MethodSettings(name="npo+rt", retain_weight=5).label
        'NPO+RT,retain_weight=5'
        >>> MethodSettings(name="SimNPO+RT", hyperparameters={"beta": 4.5, "gamma": 0}).label
        'SIMNPO+RT,beta=4.5,gamma=0'
        >>> MethodSettings(name="NPO+RT", beta="auto").label
        'NPO+RT,beta=auto'
        """
        changed = self.model_dump(exclude_defaults=True, exclude={"name", "hyperparameters"})
        if changed.get("retain_weight") == _usual_retain_weight(self.name):
            del changed["retain_weight"]
        own = [
            f"{key}={value if isinstance(value, str) else format(value, 'g')}"
            for key, value in {**self.hyperparameters, **changed}.items()
        ]
        plain = self.name.rpartition(":")[2] if ":" in self.name else self.name.upper()
        return ",".join([plain, *own])


def _usual_retain_weight(name: str) -> float:
    """The retain weight of a method that is given none."""
    try:
        row, kept = named(name)
    except ValueError:  # one's own function, or no method at all
        return 1.0
    return row.retain_weight if kept else row.own_weight


class UnlearnSettings(Schedule):
    """Schedule and methods of unlearning."""

    methods: Annotated[tuple[MethodSettings, ...], Field(min_length=1)]
    beta: Beta = Field(0.1, description="auto: of NPO the one whose drop is the wanted one (docs/beta.md)")
    wanted_drop: WantedDropSettings = WantedDropSettings()
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    reduction: Literal["sum", "token_mean", "pooled"] = Field(
        "sum",
        description="sum: the paper's formulas; token_mean: GA, IDK, RT over answer tokens, as in the authors' code; "
        "pooled: IDK and retain rows in one cross-entropy, as there",
    )
    reference: Literal["cached", "live"] = Field("cached", description="live: a second model in memory, to compare")
    reinforce: ReinforceSettings = Field(
        ReinforceSettings(), description="how the reference is trained further on the forget rows, where a loss asks it"
    )
    keep_models: bool = True
    keep: Literal["last", "best"] = Field("last", description="which examined model; the best by the rule `best`")
    best: BestSettings = BestSettings()

    @field_validator("methods", mode="before")
    @classmethod
    def _by_name(cls, methods: Any) -> Any:
        names = [name.strip() for name in methods.split(",")] if isinstance(methods, str) else methods
        return (
            tuple({"name": m} if isinstance(m, str) else m for m in names) if isinstance(names, list | tuple) else names
        )

    @field_validator("wanted_drop", mode="before")
    @classmethod
    def _short(cls, wanted: Any) -> Any:
        return {"by": wanted} if isinstance(wanted, str | int | float) else wanted

    @field_validator("seeds", mode="before")
    @classmethod
    def _listed(cls, seeds: Any) -> Any:
        if isinstance(seeds, str):
            return tuple(scalar(seed.strip()) for seed in seeds.split(","))
        return tuple(seeds) if isinstance(seeds, list) else (seeds,)

    @model_validator(mode="after")
    def _ruled(self) -> "UnlearnSettings":
        if self.keep == "last" and "best" in self.model_fields_set:
            raise ValueError("best is a rule for keep=best, and keep is last: set keep=best, or take best away")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> "UnlearnSettings":
        """No two runs of one folder; names that differ in capitals alone share one on some systems."""
        labels = Counter(method.label.casefold() for method in self.methods)
        twice = [method for method in self.methods if labels[method.label.casefold()] > 1]
        if len({method.name for method in twice}) > 1 and any(":" in method.name for method in twice):
            names = ", ".join(dict.fromkeys(method.name for method in twice))
            raise ValueError(f"the results of {names} would share a name: give the functions different ones")
        if twice or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a method or a seed is there more than once")
        return self


class Recipe(_Settings):
    """A run. `pretrain` teaches a model from scratch the general-knowledge questions: so utility means something."""

    about: str = ""
    tuned: str = Field("", description="where the numbers are from: the paper's, or how they were chosen")
    data: AnyTask
    model: ModelSettings = ModelSettings()
    pretrain: Schedule | None = None
    rehearse: bool = Field(
        False, description="finetune and retrain on the general-knowledge questions too; small models forget them else"
    )
    finetune: Schedule | None = Field(description="null: model.base is finetuned already, none is retrained")
    retrain: Schedule | None = Field(None, description="as finetune if it is left out")
    finetuned: str | None = Field(
        None, description="instead of finetune: a model that knows all, a folder or of the hub"
    )
    retrained: str | None = Field(None, description="instead of retrain: one that never saw what is forgotten")
    retain_log: str | None = Field(
        None,
        description="instead of both: the evaluation log of such a model (TOFU_EVAL.json, a log in TOFU's format, or "
        "evaluate/retrain of a run), which judges without it",
    )
    unlearn: UnlearnSettings
    evaluate: EvaluateSettings = EvaluateSettings()
    law: LawSettings = Field(LawSettings(), description="npo law: the intrinsic-time law on the finetuned model")
    audit: AuditSettings | None = Field(
        None, description="audit the finetuned, the retrained and every unlearned model; {}: as it is usual"
    )
    attacks: Attacks = Field(
        (), description="attack these models and audit them at every level: [relearn, {quantise: {bits: [4]}}]"
    )
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()

    @field_validator("finetune")
    @classmethod
    def _trained(cls, finetune: Schedule | None, info: ValidationInfo) -> Schedule | None:
        model = info.data.get("model")
        if finetune is None and model is not None and model.scratch is not None:
            raise PydanticCustomError("model_type", "a model from scratch has to be finetuned")
        return finetune

    @field_validator("retrain")
    @classmethod
    def _of_a_finetuned(cls, retrain: Schedule | None, info: ValidationInfo) -> Schedule | None:
        if retrain is not None and info.data.get("finetune", retrain) is None:
            raise ValueError("finetune is null, so there is nothing to retrain without: leave retrain out")
        return retrain

    @property
    def starts_as_it_is(self) -> bool:
        """Is model.base itself what is unlearned, with nothing trained before?"""
        return self.finetune is None and self.finetuned is None

    @property
    def files(self) -> tuple[str, ...]:
        """The user's own files and folders that it reads beside models and code."""
        examples = self.evaluate.few_shot.rows if self.evaluate.few_shot else None
        related = (attack.relearn.file for attack in self.attacks if attack.relearn)
        audit = (self.audit.entities, self.audit.reworded, self.audit.fluency) if self.audit else ()
        own = (self.retain_log, examples, self.unlearn.wanted_drop.held_out, *related, *audit)
        return tuple(filter(None, (*self.data.files, *own)))

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The schedules that it gives, by stage."""
        named = {"pretrain": self.pretrain, "finetune": self.finetune, "retrain": self.retrain, "unlearn": self.unlearn}
        relearned = {
            f"attacks.{i}.relearn": attack.relearn.schedule(self.unlearn)
            for i, attack in enumerate(self.attacks)
            if attack.relearn
        }
        return {stage: schedule for stage, schedule in named.items() if schedule is not None} | relearned

    @property
    def protocol(self) -> str:
        """The protocol of examinations; the task's own where none is named."""
        named = "protocol" in self.evaluate.model_fields_set
        return self.evaluate.protocol if named else task_of(self.data.kind).protocol

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if len(set(self.trackers)) < len(self.trackers):
            raise ValueError("a tracker is there more than once")
        if self.retain_log is not None and (self.retrained is not None or self.retrain is not None):
            raise ValueError("retain_log spares retrain and retrained: give one of them")
        if self.retain_log is not None and not self.evaluate.examines:
            raise ValueError("evaluate is none, so retain_log has nothing to judge: leave one of them out")
        if (self.audit is not None or self.attacks) and not self.unlearn.keep_models:
            raise ValueError("what is audited or attacked is kept: leave unlearn.keep_models=false out")
        judged = self.retrained is not None or (self.finetuned is not None and self.retain_log is not None)
        if self.finetune is None and (self.finetuned is not None) != judged:
            raise ValueError(
                "with finetune null, finetuned and retrained (or its retain_log) are both given, or neither"
            )
        if (self.pretrain is not None or self.rehearse) and self.model.scratch is None:
            raise ValueError(
                "pretrain and rehearse are for models from scratch: leave them out, or set model.base=tiny"
            )
        if self.model.lora is not None and self.model.scratch is not None and self.pretrain is None:
            raise ValueError("lora needs weights to be put on: choose a trained model.base, or give pretrain")
        return self
