"""A recipe: everything that a run depends on, as a YAML file and as a checked value.

A file may say `like: another`, and give only what differs.

Every mistake is reported at once: unknown keys with the nearest known one, values that do not fit, unknown names.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from records.errors import UserError
from records.settings import NotNegative, Positive, Seed, parse_words
from scale.adapters import Lora
from scale.corpora import DataSettings
from scale.formats import FORMATS, Tags
from scale.models import SHAPES, Shape
from scale.protocols import protocol_of
from scale.train import Schedule

__all__ = [
    "EvaluateSettings",
    "LawSettings",
    "MethodSettings",
    "ModelSettings",
    "Recipe",
    "RungName",
    "UnlearnSettings",
    "read_recipe",
    "shipped",
]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Settings):
    """Which model: one from scratch by the name of its size, a folder, or a model of the hub."""

    base: str = Field("tiny", description=f"{', '.join(SHAPES)} (from scratch), a folder, or owner/name of the hub")
    revision: str | None = None
    shape: Shape | None = Field(None, description="from scratch: another size than the one of that name")
    prompt: str | Tags = Field("plain", description=f"{', '.join(FORMATS)}, or {{before: …, after: …, tag: …}}")
    longest: PositiveInt | None = Field(None, description="tokens of the longest text; default: what the model reads")
    lora: Lora | None = Field(None, description="train an adapter instead of all weights")
    four_bit: bool = Field(False, description="QLoRA: the frozen weights in four bits (GPU)")

    @field_validator("prompt")
    @classmethod
    def _known(cls, prompt: str | Tags) -> str | Tags:
        if isinstance(prompt, str) and prompt not in FORMATS:
            near = difflib.get_close_matches(prompt, FORMATS, n=1)
            hint = f", did you mean {near[0]}?" if near else ";"
            raise ValueError(f"unknown format{hint} known: {', '.join(FORMATS)}")
        return prompt

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSettings":
        if self.four_bit and self.lora is None:
            raise ValueError("four_bit trains nothing without lora: give lora too")
        return self

    @property
    def scratch(self) -> Shape | None:
        """The shape of a model that is trained from scratch; None for one that is loaded."""
        return self.shape or SHAPES.get(self.base)


class MethodSettings(_Settings):
    """One method of a run; what is not given is taken from `unlearn`."""

    name: str
    beta: Positive | None = None
    forget_weight: NotNegative = 1.0
    retain_weight: NotNegative = 1.0
    lr: Positive | None = None
    epochs: PositiveInt | None = None

    @property
    def label(self) -> str:
        """The name of its results: the method's, with all that was set for it alone.

        >>> MethodSettings(name="npo+rt", retain_weight=5).label
        'NPO+RT,retain_weight=5'
        """
        own = [f"{key}={value:g}" for key, value in self.model_dump(exclude_defaults=True, exclude={"name"}).items()]
        plain = self.name.rpartition(":")[2] if ":" in self.name else self.name.upper()
        return ",".join([plain, *own])


class UnlearnSettings(Schedule):
    """Schedule and methods of unlearning."""

    methods: Annotated[tuple[MethodSettings, ...], Field(min_length=1)]
    beta: Positive = 0.1
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    reduction: Literal["sum", "token_mean", "pooled"] = Field(
        "sum",
        description="sum: the paper's formulas; token_mean: GA, IDK, RT over answer tokens, as in the authors' code; "
        "pooled: IDK and retain rows in one cross-entropy, as there",
    )
    reference: Literal["cached", "live"] = Field("cached", description="live: a second model in memory, to compare")
    keep_models: bool = True

    @field_validator("methods", mode="before")
    @classmethod
    def _by_name(cls, methods: Any) -> Any:
        names = methods.split(",") if isinstance(methods, str) else methods
        return [{"name": m} if isinstance(m, str) else m for m in names] if isinstance(names, list | tuple) else names

    @field_validator("seeds", mode="before")
    @classmethod
    def _listed(cls, seeds: Any) -> Any:
        if isinstance(seeds, str):
            return seeds.split(",")
        return [seeds] if isinstance(seeds, int) else seeds

    @model_validator(mode="after")
    def _distinct(self) -> "UnlearnSettings":
        labels = [method.label for method in self.methods]
        if len(set(labels)) < len(labels) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a method or a seed is there more than once")
        return self


class EvaluateSettings(_Settings):
    """How models are examined."""

    protocol: str = "tofu"
    every: Literal["epoch", "step"] = "epoch"
    generate: Literal["always", "end"] = Field("always", description="answers at every evaluation, or the last alone")
    sample: bool = Field(False, description="draw answers instead of taking the likeliest token, as the NPO authors do")
    new_tokens: PositiveInt | None = Field(None, description="length of an answer, if not the protocol's")
    questions: PositiveInt | None = Field(None, description="at most so many of a set, if fewer than the protocol asks")
    texts: NonNegativeInt = Field(5, description="answers of each set that are kept as words in the results")

    @field_validator("protocol")
    @classmethod
    def _known(cls, protocol: str) -> str:
        try:
            protocol_of(protocol)
        except UserError as error:
            raise ValueError(str(error)) from None
        return protocol


RungName = Literal["head", "blocks", "adapter", "full"]


class LawSettings(_Settings):
    """What is unlearned of the ladder, and how far."""

    rungs: Annotated[tuple[RungName, ...], Field(min_length=1)] = ("head", "blocks", "adapter", "full")
    betas: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.05, 0.1, 0.5, 1.0)
    rows: PositiveInt = Field(8, description="forget answers of a set")
    until: Positive = Field(8.0, description="βu at which a flow under NPO ends")
    nats: Positive = Field(60.0, description="u at which one under GA ends")
    step: Positive = Field(0.05, description="how far βu of the fastest answer moves in a step of a flow")
    most: PositiveInt = Field(2000, description="steps of a flow")
    blocks: PositiveInt = Field(2, description="how many of the last blocks the rung of that name trains")
    lora: Lora = Lora(rank=8, alpha=16)
    steps: PositiveInt = Field(200, description="of plain descent and of AdamW")
    nats_a_step: Positive = Field(0.5, description="how fast plain descent starts: the fastest answer's drop in a step")
    adamw_lr: Mapping[RungName, Positive] = Field(
        {"head": 1e-3, "full": 1e-5}, description="by rung; the others have none"
    )


class Recipe(_Settings):
    """A run. `pretrain` teaches a model from scratch the general-knowledge questions: so utility means something."""

    about: str = ""
    tuned: str = Field("", description="where the numbers are from: the paper's, or how they were chosen")
    data: DataSettings
    model: ModelSettings = ModelSettings()
    pretrain: Schedule | None = None
    rehearse: bool = Field(
        False, description="finetune and retrain on the general-knowledge questions too; small models forget them else"
    )
    finetune: Schedule
    retrain: Schedule | None = Field(None, description="as finetune if it is left out")
    unlearn: UnlearnSettings
    evaluate: EvaluateSettings = EvaluateSettings()
    law: LawSettings = Field(LawSettings(), description="npo law: the intrinsic-time law on the finetuned model")
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if (self.pretrain is not None or self.rehearse) and self.model.scratch is None:
            raise ValueError(
                "pretrain and rehearse are for models from scratch: leave them out, or set model.base=tiny"
            )
        if self.model.lora is not None and self.model.scratch is not None and self.pretrain is None:
            raise ValueError("lora needs weights to be put on: choose a trained model.base, or give pretrain")
        return self


# --- reading ----------------------------------------------------------------------------------------------------


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("scale"))) / "recipes"
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.yaml")}
    return dict(sorted(found.items()))


def read_recipe(name: str, words: Sequence[str] = ()) -> Recipe:
    """A recipe by its name or file, with `key.inner=value` words put over it.

    UserError with everything that is wrong with it.
    """
    content = _content(name)
    for key, text in parse_words(list(words)).items():
        _put(content, key.split("."), _value(text), name)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        lines = [_told(e) for e in error.errors()]
        raise UserError(f"The recipe {name} has {len(lines)} mistake(s):\n" + "\n".join(lines)) from None


def _content(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe's keys, put over those of the recipe that it is `like`; `below` are those that are like this one."""
    known = shipped()
    path = known.get(name, Path(name).expanduser())
    if not path.is_file():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UserError(f"There is no recipe {name}. {hint}Shipped: {', '.join(known)}; or name a YAML file.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"The recipe {path} can't be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"The recipe {path} is not a mapping of keys. See `npo ls recipes` for examples.")
    if (like := content.pop("like", None)) is None:
        return content
    if str(like) in (name, *below):
        raise UserError(f"The recipe {path} is like itself. Name another after `like:`, or take the line out.")
    return _over(_content(str(like), (name, *below)), content)


def _over(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` put over it, group by group; a null takes a group away."""
    for key, value in changes.items():
        inner = base.get(key)
        base[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return base


def _value(text: str) -> Any:
    """A word's value as YAML has it; numbers such as 1e-5 too, which YAML takes for text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, str) else value


def _put(content: dict[str, Any], keys: Sequence[str], value: Any, name: str) -> None:
    *outer, last = keys
    for key in outer:
        inner = content.setdefault(key, {})
        if inner is None:
            content[key] = inner = {}
        if not isinstance(inner, dict):
            raise UserError(f"{'.'.join(keys)}: in the recipe {name}, {key} is not a group of keys.")
        content = inner
    content[last] = value


def _told(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors in a sentence."""
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith(("function-", "dataclass-")))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), sorted(_keys(error["loc"])), n=1)
        return f"  {place}: there is no such key.{f' Did you mean {near[0]}?' if near else ''}"
    if error["type"] == "missing":
        return f"  {place}: is missing."
    said = error["msg"].removeprefix("Value error, ").rstrip(".")
    given = "" if isinstance(error["input"], dict | BaseModel) else f", got {error['input']!r}"
    return f"  {place or 'the recipe'}: {said}{given}."


def _keys(place: Sequence[str | int]) -> Iterator[str]:
    """The keys that are known where an unknown one was found."""
    model: Any = Recipe
    for part in place[:-1]:
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        if field is None:
            break
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        options += [inner for option in options for inner in getattr(option, "__args__", ())]
        model = next((x for x in options if isinstance(x, type) and issubclass(x, BaseModel)), model)
    yield from model.model_fields
