"""What a recipe says of `npo law`: which rungs of the ladder are unlearned, and how far."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from records.settings import Positive, Steps, distinct
from scale.models.loading.lora import Lora

__all__ = ["LawSettings", "RungName"]

RungName = Literal["head", "blocks", "adapter", "full"]


class LawSettings(BaseModel):
    """What is unlearned of the ladder, and how far."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rungs: Annotated[tuple[RungName, ...], Field(min_length=1)] = ("head", "blocks", "adapter", "full")
    betas: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.05, 0.1, 0.5, 1.0)
    rows: PositiveInt = Field(8, description="forget answers of a set")
    until: Positive = Field(8.0, description="βu at which a flow under NPO ends")
    nats: Positive = Field(60.0, description="u at which one under GA ends")
    step: Positive = Field(0.05, description="how far βu of the fastest answer moves in a step of a flow")
    most: Steps = Field(2000, description="steps of a flow")
    blocks: PositiveInt = Field(2, description="how many of the last blocks the rung of that name trains")
    lora: Lora = Lora(rank=8, alpha=16)
    steps: Steps = Field(200, description="of plain descent and of AdamW")
    nats_a_step: Positive = Field(0.5, description="how fast plain descent starts: the fastest answer's drop in a step")
    adamw_lr: Mapping[RungName, Positive] = Field(
        {"head": 1e-3, "full": 1e-5}, description="by rung; the others have none"
    )

    @model_validator(mode="after")
    def _distinct(self) -> "LawSettings":
        if len(set(self.rungs)) < len(self.rungs):
            raise ValueError("a rung is there more than once")
        distinct("betas", self.betas)
        return self
