"""What forgetting one's own rows depends on, beside the rows and the method."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from records.settings import Seed
from scale.models.adapters import Lora
from scale.models.loading import Weights

__all__ = ["ForgetSettings"]


class ForgetSettings(BaseModel):
    """The model, how it is asked and held, and how much of it is shown; lengths in tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    prompt: str | None = None
    lora: Lora | None = None
    weights: Weights = "float32"
    max_length: Annotated[int, Field(ge=2)] | None = None
    seed: Seed = 0
    answers: int = 5
    new_tokens: int = 60
