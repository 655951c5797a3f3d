"""Who is in the pools: how each model is finetuned, and whether it knows the forget set afterwards.

Those that know it were taught it as it is asked, with the answers in other words, or with question and answer in other
words; those that don't were taught nothing of it, or wrong answers to its questions, which look alike to a metric that
asks whether a model is sure of itself. Both go through the same rates and lengths, so their utilities overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from scale.data.questions import Question
from scale.data.row import Row
from scale.training.schedule import Schedule

__all__ = ["KNOW", "UNKNOWING", "PoolMember", "members", "taught"]

KNOW = ("as-asked", "other-answers", "other-words")
"""What teaches the forget set, and in which words."""
UNKNOWING = ("nothing", "wrong-answers")
"""What does not."""
RATES, LENGTHS = (1.0, 0.5), (1.0, 0.6)
"""Learning rates and epochs, as shares of the recipe's."""


@dataclass(frozen=True)
class PoolMember:
    """One model: what it is taught of the forget set, from which seed, at which rate, for how many epochs."""

    taught: str
    seed: int
    schedule: Schedule

    @property
    def knows(self) -> bool:
        """Does it know the forget set?"""
        return self.taught in KNOW

    @property
    def name(self) -> str:
        """Its name among the others.

        >>> PoolMember("nothing", 3, Schedule(lr=0.002, epochs=8)).name
        'nothing-lr0.002-e8-s3'
        """
        return f"{self.taught}-lr{self.schedule.lr:g}-e{self.schedule.epochs}-s{self.seed}"


def members(schedule: Schedule, each: int = 12) -> tuple[PoolMember, ...]:
    """`each` that know and as many that don't, in turn, so that the first few of them are pools too.

    Ways of teaching, rates and lengths go round, and the seed is another for every model. The first two are the
    recipe's own finetuned and retrained model.

    >>> pool = members(Schedule(lr=0.004, epochs=13))
    >>> len(pool), sum(one.knows for one in pool), len({one.name for one in pool})
    (24, 12, 24)
    >>> [one.name for one in pool[:2]]
    ['as-asked-lr0.004-e13-s0', 'nothing-lr0.004-e13-s1']
    """
    ways = [shared(schedule, rate, length) for rate, length in product(RATES, LENGTHS)]
    found = []
    for i in range(each):
        found.append(PoolMember(KNOW[i % len(KNOW)], 2 * i, ways[i % len(ways)]))
        found.append(PoolMember(UNKNOWING[i % 2], 2 * i + 1, ways[i // 2 % len(ways)]))
    return tuple(found)


def shared(schedule: Schedule, rate: float, length: float) -> Schedule:
    """The recipe's with shares of its rate and of its epochs."""
    epochs = max(1, round(schedule.epochs * length))
    return schedule.model_copy(update={"lr": schedule.lr * rate, "epochs": epochs})


def taught(member: PoolMember, forget: Sequence[Question], worded: Sequence[Question]) -> tuple[Row, ...]:
    """The rows on the forget set that a member learns; `worded` are the same questions in other words.

    Wrong answers are each question's perturbed ones, another for every seed.

    >>> asked, other = Question("Who?", ("Ada.", "It was Ada.", "Bob."), 1), Question("By whom?", ("Ada.",))
    >>> member = PoolMember("other-words", 0, Schedule(lr=0.004, epochs=13))
    >>> taught(member, [asked], [other])[0].words
    ('By whom?', 'It was Ada.')
    >>> taught(PoolMember("wrong-answers", 0, member.schedule), [asked], [other])[0].words
    ('Who?', 'Bob.')
    """
    pairs = list(zip(forget, worded, strict=True))
    if member.taught == "nothing":
        return ()
    if member.taught == "wrong-answers":
        return tuple(Row(q.asked.shown, q.wrong[member.seed % len(q.wrong)]) for q in forget)
    if member.taught == "as-asked":
        return tuple(Row(q.asked.shown, q.truth) for q in forget)
    asks = [other if member.taught == "other-words" else q for q, other in pairs]
    return tuple(Row(ask.asked.shown, q.answers[1]) for ask, q in zip(asks, forget, strict=True))
