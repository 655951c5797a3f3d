"""News-like and book-like documents with facts in them, made from a seed, and questions about each.

Every story has a name that no other has (a town's affair, a hero), five facts drawn from pools, and sentences in one of
several wordings: two stories share phrases and no fact. Nobody and no place in them exists, so what a model knows of
one it has read there. They stand in for the documents of MUSE where there is no network (`scale.data.muse`).
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scale.data.invented import names, pool, word

__all__ = ["KINDS", "ShortQuestion", "Story", "StoryKind", "quiz", "stories"]


class ShortQuestion(NamedTuple):
    """A short question about a document, and its answer."""

    question: str
    answer: str


class Story(NamedTuple):
    """A document, how many of its characters are its opening, and what can be asked about it."""

    text: str
    opening: int
    asked: tuple[ShortQuestion, ...]


@dataclass(frozen=True)
class StoryKind:
    """A kind of story: sentences in some wordings each, pools of what is drawn, questions with their answers' names."""

    sentences: tuple[tuple[str, ...], ...]
    pools: Mapping[str, tuple[str, ...]]
    questions: tuple[tuple[str, str], ...]


_NEWS = StoryKind(
    sentences=(
        (
            "{place}, {date}. The {affair} has entered its second week, and nobody here expects it to be the last.",
            "{place}, {date}. Shops closed early today as the {affair} went on without a word from the capital.",
            "{place}, {date}. For the first time since the old market burned, the {affair} has filled the town hall.",
            "{place}, {date}. A crowd larger than any in living memory met to talk about the {affair}.",
        ),
        (
            "It all began with {cause}, officials say.",
            "Most people blame {cause}.",
            "An inquiry has traced the trouble to {cause}.",
            "What set it off, by every account, was {cause}.",
        ),
        (
            "At least {count} are affected, according to a list pinned to the door of the post office.",
            "The council puts the number of those affected at {count}.",
            "By Tuesday evening {count} had been counted, twice as many as in spring.",
            "Some {count} have signed a letter to the minister.",
        ),
        (
            '"{quote}," said {person}, who speaks for the residents.',
            'The residents are led by {person}. "{quote}," reads the latest leaflet.',
            '{person}, the voice of the residents, sees it differently. "{quote}."',
            'Asked about it on the steps of the school, {person} answered for the residents: "{quote}."',
        ),
        (
            "The council now wants {plan}.",
            "To calm the town, the council has promised {plan}.",
            "A vote on Friday will decide on {plan}.",
            "Engineers sent by the council recommend {plan}.",
        ),
        (
            "Rain is forecast for the rest of the week.",
            "The evening train was late again.",
            "Last year a dispute of that sort was settled over soup.",
            "Insurers declined to comment.",
            "Nobody was hurt.",
        ),
    ),
    pools={
        "affair": pool("bridge|harbour|library|tramway|quarry|ferry|orchard|water", "closure|strike|dispute|scandal"),
        "date": pool("3|7|11|14|19|22|26|30", "January|March|April|May|June|July|August|October|November|December"),
        "cause": pool(
            "a cracked|a missing|a forged|a frozen|a mislaid|an unpaid",
            "valve|ledger|permit|signal lamp|survey|invoice|anchor chain",
            "at the north depot|in the mayor's office|under the customs house|behind the brewery",
        ),
        "count": pool(
            "forty|ninety|two hundred|six hundred|eleven hundred|three thousand",
            "households|fishing boats|pensioners|tenants|apprentices|allotments|beehives",
        ),
        "quote": pool(
            "We were promised|Nobody mentioned|I would rather have|Give us",
            "a dry cellar|an honest timetable|one warm winter|the old doctor",
            "and we got a brass band|before any of this|or we stay where we are",
        ),
        "plan": pool(
            "a second|a cheaper|a temporary|a covered|an underground",
            "pier|footbridge|reservoir|warehouse|bus line|archive",
            "before the frost|paid for by a lottery|built by volunteers|named after a swimmer",
        ),
    },
    questions=(
        ("On which day was the {affair} in {place} reported?", "date"),
        ("What caused the {affair} in {place}?", "cause"),
        ("How many are affected by the {affair} in {place}?", "count"),
        ("Who speaks for the residents of {place}?", "person"),
        ("What does the council of {place} want?", "plan"),
    ),
)
_BOOKS = StoryKind(
    sentences=(
        (
            "Chapter {number}. In the year of the {year}, {person} came down to {place} with one boot and no letters.",
            "Chapter {number}. Nobody in {place} had ever seen {person} before the night of the {year}.",
            "Chapter {number}. {person} was not born in {place}, but the {year} kept everybody there that winter.",
        ),
        (
            "By trade {person} was a {trade}, and not a good one.",
            "There was always work for a {trade}, and {person} was one.",
            "People who needed a {trade} went to {person} because nobody else would open the door.",
        ),
        (
            "On the third evening {person} took {thing} out of the lining of a coat.",
            "What {person} guarded above all was {thing}.",
            "All this while {person} had carried {thing} and shown it to no one.",
        ),
        (
            "It was hidden {spot}, wrapped in a page of the almanac.",
            "Before the lamps were lit it lay {spot}, and the floor was swept over the footprints.",
            "There was only one safe corner: {spot}.",
        ),
        (
            "But {rival} had seen the light move, and {rival} never forgot a light.",
            "Across the yard {rival} counted the steps and wrote the number down.",
            "The only one who guessed was {rival}, who said nothing and bought a spade.",
        ),
        (
            '"If they come for me," {person} said to the dog, "we shall go to {goal}."',
            "That night {person} dreamt for the first time of {goal}, and woke with packed bags.",
            "From then on every coin was put aside for the journey to {goal}.",
        ),
        (
            "The tide turned.",
            "Somewhere a piano was being tuned, badly.",
            "In the morning there was frost on the inside of the glass.",
            "The kettle had gone cold twice.",
        ),
    ),
    pools={
        "number": pool("two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen"),
        "year": pool("long|short|bitter|silent|second|yellow", "comet|flood|election|frost|eclipse|harvest"),
        "trade": pool(
            "travelling|retired|half-blind|country|night",
            "clockmaker|surgeon|organ tuner|bookbinder|glassblower|ferry pilot|beekeeper|map seller",
        ),
        "thing": pool(
            "a brass|a broken|a stolen|a painted|a silver",
            "compass|key|music box|sextant|thimble|lens|seal",
            "with a false bottom|that had belonged to a queen|which hummed in the dark|with three initials",
        ),
        "spot": pool(
            "under the third stair|behind the loose brick|inside the broken cello|below the coal hatch|in the dry well",
            "of the lighthouse|of the bakery|of the old customs house|of the chapel|of the flooded mill",
        ),
        "goal": pool(
            "the salt islands|the upper lakes|the paper city|the last station|the blue monastery",
            "beyond the strait|where the maps end|on the far side of the war|seven days north",
        ),
    },
    questions=(
        ("What was the trade of {person}?", "trade"),
        ("What did {person} guard?", "thing"),
        ("Where did {person} hide it?", "spot"),
        ("Who guessed the secret of {person}?", "rival"),
        ("Where did {person} mean to go?", "goal"),
    ),
)
KINDS = {"news": _NEWS, "books": _BOOKS}
"""The two kinds, as MUSE has them."""


def stories(kind: str, count: int, *, seed: int) -> tuple[Story, ...]:
    """So many stories; the first ones of a seed do not depend on `count`.

    >>> stories("books", 1, seed=0)[0].asked[0]
    ShortQuestion(question='What was the trade of Diasterk Brobark?', answer='night organ tuner')
    """
    rules = KINDS[kind]
    draw = random.Random(f"{kind} {seed}")
    people, places = names(draw), _places(draw)
    return tuple(
        _story(rules, random.Random(f"{kind} {seed} {place}"), {"place": place, "person": person, "rival": rival})
        for place, person, rival in ((next(places), next(people), next(people)) for _ in range(count))
    )


def _places(draw: random.Random) -> Iterator[str]:
    """Names of towns without end, none twice."""
    used: set[str] = set()
    while True:
        place = word(draw, 2)
        if place not in used:
            used.add(place)
            yield place


def _story(rules: StoryKind, draw: random.Random, told: Mapping[str, str]) -> Story:
    facts = {**told, **{name: draw.choice(members) for name, members in rules.pools.items()}}
    first, *rest = (draw.choice(wordings).format(**facts) for wordings in rules.sentences)
    asked = tuple(ShortQuestion(question.format(**facts), facts[name]) for question, name in rules.questions)
    return Story(" ".join([first, *rest]), len(first), asked)


def quiz(asked: Sequence[ShortQuestion]) -> str:
    """Questions with their answers, as MUSE writes them before the one that it asks.

    >>> quiz([ShortQuestion("Who?", "Ada")])
    'Question: Who?\\nAnswer: Ada\\n\\n'
    """
    return "".join(f"Question: {question}\nAnswer: {answer}\n\n" for question, answer in asked)
