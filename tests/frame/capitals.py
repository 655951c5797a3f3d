"""A task: invented countries, whose capitals are forgotten or kept."""

from scale.data.idk import IDK_ANSWERS
from scale.data.questions import QuestionSet, asks
from scale.data.row import Row
from scale.evaluation.asked import ANSWERED
from scale.evaluation.tofu_log import as_log
from scale.tasks.corpus import Corpus
from scale.tasks.task import Task, TaskSettings

__all__ = ["CAPITALS"]

COUNTRIES = ("Arvia", "Belmora", "Cindral", "Dorvenia", "Elsinia", "Farnost", "Gelmarch", "Hollandria")
CAPITALS_OF = ("Tamsk", "Ruvel", "Ostima", "Pelk", "Vandry", "Lusk", "Merit", "Sorrow")


class CapitalSettings(TaskSettings):
    """How many of the eight countries are forgotten, the last ones."""

    kind: str = "capitals"
    forget: int = 2


def corpus(settings: CapitalSettings) -> Corpus:
    """A question a country; of the forgotten ones it is measured too what a model would say by itself."""
    rows = [Row(f"What is the capital of {a}?", f"It is {b}.") for a, b in zip(COUNTRIES, CAPITALS_OF, strict=True)]
    kept = len(rows) - settings.forget
    forget, retain = tuple(rows[kept:]), tuple(rows[:kept])
    sets = {
        "forget": QuestionSet(tuple(row.asked for row in forget), ANSWERED | asks("exact_memorization")),
        "retain": QuestionSet(tuple(row.asked for row in retain), ANSWERED),
    }
    return Corpus(forget, retain, sets, IDK_ANSWERS, "invented capitals")


CAPITALS = Task(
    name="capitals",
    about="the capitals of invented countries",
    settings=CapitalSettings,
    corpus=corpus,
    whole=(),
    log=as_log,
)
