"""What the saved values of an unlearning run, or of a rung of the ladder, must be to be tabled and drawn."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from records.errors import UserError

__all__ = ["LawUnit", "RunValues", "checked"]

Number = float | None
"""None where it was not finite."""


class _Loose(BaseModel):
    """Nothing is converted, and what else is there is nobody's business here."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Scores(_Loose):
    """What is measured is the task's: TOFU's utility and forget quality, another's own."""

    __pydantic_extra__: dict[str, Number] = Field(init=False)
    model_utility: Number = None


class _Moment(_Scores):
    step: int
    epoch: int
    forget_quality: Number = None
    log10_forget_quality: Number = None


class _Rows(_Loose):
    source: str
    forget_rows: int
    retain_rows: int


class _Model(_Loose):
    kind: str
    parameters: int


class _Rule(_Loose):
    maximise: str
    at_least: dict[str, float]


class _Kept(_Loose):
    step: int
    rule: _Rule
    told: str


class _Text(_Loose):
    set: str
    question: str
    answer: str
    generated: str


class RunValues(_Loose):
    """Of an `unlearn/…` unit; what is in it is documented in `scale.stages.pipeline`."""

    label: str
    seed: int
    protocol: str
    data: _Rows
    model: _Model
    moments: list[_Moment] = Field(min_length=1)
    stopped: str | None
    kept: _Kept | None = None
    finetuned: _Scores
    retrained: _Scores
    n: int
    log10_floor: float
    not_rankable: list[str]
    texts: list[_Text]


class _LawValues(_Loose):
    rung: str
    beta: float
    scale: float
    step: float


class LawUnit(_Loose):
    """Of a `law/…` unit in law.json."""

    values: _LawValues
    arrays: dict[str, list[Number] | list[list[Number]]]


Kind = TypeVar("Kind", bound=BaseModel)


def checked(kind: type[Kind], values: Any, what: str) -> Kind:
    """The values as `kind` reads them; UserError with what is wrong, after the words `what`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc'])) or 'all of it'}: {e['msg']}" for e in error.errors()]
        raise UserError(f"{what} ({'; '.join(wrong[:3])}).") from None
