"""What a recipe says of examinations: by which protocol, when, how many questions, which further metrics."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from records.errors import UserError, together
from records.settings import Seed, distinct
from scale.data.questions import EVERY_SET

__all__ = ["EvaluateSettings", "in_full"]

Metrics = Mapping[str, tuple[str, ...]]
"""Metrics by the name of a set, or under `scale.data.questions.EVERY_SET`."""


class FewShot(BaseModel):
    """Examples before every question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: PositiveInt
    rows: str | None = Field(None, description="a file of rows; default: rows to retain that are not asked")
    seed: Seed = Field(0, description="which of them")


class EvaluateSettings(BaseModel):
    """How models are examined."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = "tofu"
    every: Literal["epoch", "step", "end", "none"] = Field(
        "epoch", description="none: no model is examined, and none is retrained; `evaluate: none` is short for it"
    )
    at: tuple[PositiveInt, ...] = Field((), description="instead of every: after these steps, and at the end")
    generate: Literal["always", "end"] = Field("always", description="answers at every evaluation, or the last alone")
    sample: bool = Field(False, description="draw answers instead of taking the likeliest token, as the NPO authors do")
    new_tokens: PositiveInt | None = Field(None, description="length of an answer, if not the protocol's")
    questions: PositiveInt | None = Field(None, description="at most so many of a set, if fewer than the protocol asks")
    texts: NonNegativeInt = Field(5, description="answers of each set that are kept as words in the results")
    metrics: Metrics = Field(
        {}, description="further ones, own ones as file.py:name: of every set [a, b], or by set {forget: [a], …}"
    )
    few_shot: FewShot | None = Field(
        None, description="so many questions with their answers before each, in the prompt format: 3, or {count: 3, …}"
    )

    @field_validator("few_shot", mode="before")
    @classmethod
    def _counted(cls, few_shot: Any) -> Any:
        return {"count": few_shot} if isinstance(few_shot, int) and not isinstance(few_shot, bool) else few_shot

    @field_validator("metrics", mode="before")
    @classmethod
    def _by_set(cls, metrics: Any) -> Any:
        given = metrics if isinstance(metrics, dict) else {EVERY_SET: metrics}
        lists = {name: [one] if isinstance(one, str) else one for name, one in given.items()}
        return {name: tuple(one) if isinstance(one, list) else one for name, one in lists.items()} if metrics else {}

    @field_validator("protocol")
    @classmethod
    def _known(cls, protocol: str, info: ValidationInfo) -> str:
        _checked(info, "protocol", protocol)
        return protocol

    @field_validator("metrics")
    @classmethod
    def _all_known(cls, metrics: Metrics, info: ValidationInfo) -> Metrics:
        _checked(info, "metric", *(name for names in metrics.values() for name in names))
        return metrics

    @model_validator(mode="after")
    def _either(self) -> "EvaluateSettings":
        if self.at:
            distinct("at", self.at)
        if self.at and "every" in self.model_fields_set:
            raise ValueError("every and at both say when models are examined: give one of them")
        return self

    @property
    def examines(self) -> bool:
        """Is any model examined?"""
        return bool(self.at) or self.every != "none"

    def described(self) -> dict[str, Any]:
        """What is asked of every model, as JSON has it; without metrics or examples where there are none."""
        absent = {name for name in ("metrics", "few_shot") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude={"at", *absent})


def in_full(key: str, value: Any, inner: Any) -> Any:
    """What stands for a key of a recipe in the place of `inner`: of `evaluate: end` the group, all else as it is.

    The word takes the place of `every` and `at`, and leaves the other keys.

    >>> in_full("evaluate", "end", {"questions": 20, "at": [1, 2]})
    {'questions': 20, 'every': 'end'}
    """
    if key != "evaluate" or not isinstance(value, str):
        return value
    given = inner if isinstance(inner, dict) else {}
    return {**{name: one for name, one in given.items() if name != "at"}, "every": value}


def _checked(info: ValidationInfo, kind: str, *names: str) -> None:
    """ValueError where whoever reads the recipe knows no such names: which there are is not known here.

    So a change of a protocol or of a metric is none of what fitting a model depends on (`records.sources`).
    """
    known = (info.context or {}).get(kind, str)
    try:
        together(*(partial(known, name) for name in names))
    except UserError as error:
        raise ValueError(str(error)) from None
