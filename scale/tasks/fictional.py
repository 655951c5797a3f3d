"""The fictitious authors: TOFU in small and made from a seed, for machines that hold none of its files."""

from collections.abc import Mapping

from pydantic import model_validator

from scale.data import fictional, general
from scale.data.idk import IDK_ANSWERS
from scale.data.row import Row
from scale.data.tofu import percent_of, split
from scale.evaluation.asked import tofu_sets
from scale.evaluation.scores import TOFU_WHOLE
from scale.evaluation.tofu_log import as_log
from scale.tasks.authors import AuthorSettings, parted
from scale.tasks.corpus import Corpus
from scale.tasks.task import Task

__all__ = ["FICTIONAL"]

NOBODY_LEARNS = 5
"""Authors beyond those of a run, who are in none of its sets."""
_ASKED = 400  # TOFU asks the last 400 rows of the larger forget sets, and of every retain set the first 400


class FictionalSettings(AuthorSettings):
    """Which of the fictitious authors are forgotten."""

    kind: str = "fictional"

    @model_validator(mode="after")
    def _made_here(self) -> "FictionalSettings":
        if self.source != "fictional":
            raise ValueError("the kind fictional makes its own rows: leave source out, or choose kind=TOFU")
        return self


def corpus(settings: AuthorSettings) -> Corpus:
    """Authors from the embedded generator, and the questions of general knowledge."""
    rows = fictional.authors(settings.authors, seed=settings.seed)
    if settings.forget is not None:
        forget, retain = split(rows, percent_of(settings.forget))
    else:
        forget, retain = parted(settings, rows, rows, where="the generator (data.authors)")
    known = {"real_authors": general.real_authors(), "world_facts": general.world_facts()}
    asked: Mapping[str, tuple[Row, ...]] = {"forget": forget[-_ASKED:], "retain": retain[:_ASKED], **known}
    everything = tuple(row for several in known.values() for row in several)
    source = f"embedded generator, seed {settings.seed}"
    held_out = fictional.authors(settings.authors + NOBODY_LEARNS, seed=settings.seed)[len(rows) :]
    return Corpus(forget, retain, tofu_sets(asked), IDK_ANSWERS, source, everything, held_out=held_out)


FICTIONAL = Task(
    name="fictional",
    about="fictitious authors from an embedded generator, in the form of TOFU",
    settings=FictionalSettings,
    corpus=corpus,
    whole=TOFU_WHOLE,
    log=as_log,
)
