"""What a recipe says of the reinforced model: how the reference is trained further on the rows to forget (RKLD)."""

from pydantic import BaseModel, ConfigDict, Field

from records.settings import Positive, Steps
from scale.training.schedule import Epochs, Schedule

__all__ = ["ReinforceSettings"]


class ReinforceSettings(BaseModel):
    """Learning rate and length of that training; all else is as in `unlearn`.

    Source: arXiv:2406.01983 (RKLD), which trains the original model further on what is to be forgotten.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lr: Positive | None = Field(None, description="that of unlearn if it is left out")
    epochs: Epochs = 5
    steps: Steps | None = Field(None, description="so many steps instead of epochs")

    def schedule(self, unlearn: Schedule) -> Schedule:
        """The whole schedule, beside that of the recipe's methods."""
        shared = {key: getattr(unlearn, key) for key in Schedule.model_fields}
        own = {"lr": self.lr or unlearn.lr, "epochs": self.epochs, "steps": self.steps}
        return Schedule(**{**shared, **own})
