"""Authors to forget and to retain, each of twenty rows: what TOFU and the fictitious authors have in common."""

from collections.abc import Sequence

from pydantic import Field, model_validator

from records.errors import UserError
from records.settings import Seed
from scale.data.row import Row
from scale.data.tofu import AUTHOR, Split, percent_of
from scale.tasks.task import TaskSettings

__all__ = ["AuthorSettings", "parted"]


class AuthorSettings(TaskSettings):
    """Where rows come from and which are forgotten.

    Either a split by name (`forget: forget10`), or so many authors of those that have perturbed answers
    (`forget_authors: 2, retain_authors: 8`), for runs smaller than TOFU.
    """

    source: str = Field("fictional", description="fictional, hub, or the folder of the TOFU files")
    forget: str | None = Field(None, description="a split: forget01, 05, 10, 20, 30, 50, 90 or any other percentage")
    forget_authors: int | None = Field(None, ge=1, description="instead of a split: authors to forget, the last ones")
    retain_authors: int | None = Field(None, ge=1, description="and authors to retain, the first ones")
    authors: int = Field(200, ge=2, le=10_000, description="fictional: how many authors there are")
    seed: Seed = Field(0, description="fictional: which authors")

    @model_validator(mode="after")
    def _one_way(self) -> "AuthorSettings":
        by_author = (self.forget_authors is not None) + (self.retain_authors is not None)
        if by_author == 1 or (by_author == 2) == (self.forget is not None):
            raise ValueError("give either forget (a split), or both forget_authors and retain_authors")
        if self.forget is not None:
            try:
                percent_of(self.forget)
            except UserError as error:
                raise ValueError(str(error)) from None
        return self


def parted(settings: AuthorSettings, forget: Sequence[Row], retain: Sequence[Row], *, where: str) -> Split:
    """The rows of so many authors, the last to forget and the first to retain; UserError where there are fewer."""
    assert settings.forget_authors is not None
    assert settings.retain_authors is not None
    sides = ((forget, settings.forget_authors, "forget"), (retain, settings.retain_authors, "retain"))
    for rows, authors, key in sides:
        if len(rows) < authors * AUTHOR:
            raise UserError(
                f"{where} has {len(rows)} {key} rows with perturbed answers, and data.{key}_authors={authors} asks for "
                f"{authors} authors of {AUTHOR} rows. Ask for fewer."
            )
    first = len(forget) - settings.forget_authors * AUTHOR
    return Split(tuple(forget[first:]), tuple(retain[: settings.retain_authors * AUTHOR]))
