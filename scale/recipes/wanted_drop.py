"""What a recipe says of `beta: auto`: from what the wanted drop of the forget answers is estimated."""

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, field_validator

__all__ = ["AUTO_BETA", "ESTIMATES", "Beta", "WantedDropSettings"]

AUTO_BETA = "auto"
_Estimate = Literal["retrained", "held-out", "base", "paraphrase"]
ESTIMATES: tuple[_Estimate, ...] = get_args(_Estimate)
"""In the order in which they are taken where a recipe names none: as near as they were found to come (docs/beta.md)."""


def _beta(value: Any) -> float | str:
    if value == AUTO_BETA:
        return AUTO_BETA
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("it should be a number above 0, or auto")
    return float(value)


def _source(value: Any) -> float | str:
    if value == "auto" or value in ESTIMATES:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"it should be auto, {', '.join(ESTIMATES)}, or a number of nats above 0")
    return float(value)


Beta = Annotated[float | Literal["auto"], PlainValidator(_beta)]
"""A number, or the one that a wanted drop asks for (`scale.beta`)."""
Source = Annotated[float | Literal["auto"] | _Estimate, PlainValidator(_source)]


class WantedDropSettings(BaseModel):
    """By what `beta: auto` knows how far the forget answers should fall."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Source = Field(
        "auto",
        description="retrained: the retrained model; held-out: answers that nobody learnt; base: the model before "
        "finetuning; paraphrase: other words for the forget answers; or nats an answer. auto: the first of these there "
        "is. `wanted_drop: held-out` is short for it",
    )
    base: str | None = Field(
        None, description="the model before finetuning, a folder or of the hub, where the recipe has none"
    )
    held_out: str | None = Field(
        None, description="a file of rows of the same kind that nobody learnt, where the data has none"
    )

    @field_validator("held_out", "base")
    @classmethod
    def _named(cls, name: str | None) -> str | None:
        if name is not None and not name.strip():
            raise ValueError("it is empty: name one, or leave it out")
        return name
