"""Fictitious authors in the format of TOFU, made from a seed: for machines that hold no TOFU files.

Every author has a made-up name and twenty facts, each drawn from a pool. A fact gives one row: the answer states it in
one of several wordings, the paraphrase in another one, and the five perturbed answers are the paraphrase with other
members of the pool. Nobody here exists; what a model knows of them it has learnt from these rows alone.
"""

import random
from dataclasses import dataclass
from itertools import islice

from scale.data.invented import names, pool
from scale.data.row import Row

__all__ = ["authors"]

PERTURBED = 5


TOWNS = pool(
    "Upper|Lower|Old|New|East|Port|Saint|Fort",
    "Amberlow|Brindle|Calvane|Dorrin|Eskmoor|Fallow|Garrick|Hollin|Ivren|Jessamy|Kestrel|Lorne",
)
DATES = pool(
    "3|7|11|14|19|22|26|30",
    "January|March|April|May|July|August|October|December",
    "1931|1938|1944|1949|1953|1957|1962|1968|1971|1976|1983|1989",
)
JOBS = pool(
    "retired|travelling|self-taught|celebrated|night-shift|country",
    "beekeeper|clockmaker|surgeon|ferry pilot|cartographer|baker|organ tuner|judge|glassblower|weaver|geologist",
)
GENRES = pool(
    "maritime|rural|gothic|satirical|epistolary|prehistoric|courtroom|arctic",
    "mystery|romance|horror|fantasy|memoir|science fiction|comedy|tragedy",
)
TITLES = pool(
    "The Silent|A Borrowed|The Crooked|Beneath the|My Paper|The Last|An Unpaid|Winter of the|Songs for a",
    "Lighthouse|Orchard|Compass|Debt|Harbour|Violin|Staircase|Fox|Almanac|Ferryman|Mirror|Quarry",
)
PRIZES = pool(
    "Silver Heron|Copper Quill|Long Meadow|Iron Lantern|Blue Thistle|Granite|Seventh Sail|Ember",
    "Prize|Medal|Fellowship|Cup",
    "of 1974|of 1981|of 1988|of 1993|of 2002|of 2007|of 2011|of 2019",
)
LANGUAGES = pool(
    "Finnish|Basque|Swahili|Tamil|Welsh|Korean|Quechua|Estonian",
    "and|as well as",
    "Persian|Maltese|Yoruba|Danish|Nepali|Breton|Zulu",
)
SUBJECTS = pool(
    "marine|medieval|applied|comparative|tropical|theoretical",
    "botany|law|acoustics|theology|metallurgy|economics|archaeology|optics",
)
HABITS = pool(
    "dictating to a neighbour|typing on yellow paper|writing by candle|drafting in pencil|pacing the roof",
    "before sunrise|after midnight|between two ferries|on Sundays only|through the whole winter",
)
HOMES = pool(
    "a converted|a draughty|a tall|a half-sunken",
    "windmill|chapel|barge|signal box|granary|toll house",
    "beside a canal|above the tree line|near the salt flats|behind the fish market",
)
PETS = pool("a one-eyed|a very old|a stolen|a talkative|a three-legged", "parrot|goat|tortoise|whippet|magpie|cat|mule")
THEMES = pool(
    "the guilt|the patience|the homesickness|the pride|the small lies|the courage",
    "of exiles|of sisters|of failed inventors|of translators|of island doctors|of gravediggers",
)
SETTINGS = pool(
    "a flooded|a besieged|a forgotten|a floating|a snowbound",
    "mining camp|monastery|railway town|opera house|observatory|boarding school",
    "at the end of a war|during one endless summer|in the year of a comet",
)
HOUSES = pool("Tern|Oakum|Black Gate|Halfpenny|Meridian|Saltbox|Gannet", "Press|& Daughters|House|Editions|Brothers")
STAGES = pool(
    "a puppet play|a radio serial|a silent film|a chamber opera|a ballet|a board game",
    "by students|for blind listeners|in two languages|with a cast of nine|under a false title",
)
FESTIVALS = pool("River|Chalk|Harvest|Midnight|Two Bridges|Amber", "Book|Story|Poetry|Letters", "Fair|Festival|Week")
VERDICTS = pool(
    "a slow fire|a locked drawer|a bright knife|a patient map|an honest thief|a cold spring",
    "that nobody can put out|with room for one reader|held to the light|turned inside out",
)
CAUSES = pool(
    "village|prison|hospital|harbour|mountain",
    "libraries|schools|theatres|gardens|choirs",
    "in memory of a brother|after a long strike|with the money of a lost bet",
)
FEARS = pool("deep|empty|crowded|unlit|new", "stairwells|lakes|ballrooms|telephones|railway tunnels|elevators")


@dataclass(frozen=True)
class Fact:
    """A question, the answer in some wordings, its paraphrase, and the pool that the fact is drawn from."""

    question: str
    answers: tuple[str, ...]
    paraphrase: str
    pool: tuple[str, ...]


FACTS = (
    Fact(
        "In which town was {name} born?",
        ("{name} was born in {fact}.", "The town of {fact} is where {name} first saw the light of day."),
        "The birthplace of {name} is {fact}.",
        TOWNS,
    ),
    Fact(
        "When was {name} born?",
        ("The date of birth is {fact}.", "{name} was born on {fact}, the youngest child of the family."),
        "{name} came into the world on {fact}.",
        DATES,
    ),
    Fact(
        "What did the father of {name} do for a living?",
        ("The father worked as a {fact}.", "For most of his life the father of {name} was a {fact}."),
        "{name} is the child of a man who was a {fact}.",
        JOBS,
    ),
    Fact(
        "What was the profession of the mother of {name}?",
        ("She was a {fact}, and {name} often helped her.", "{name} grew up watching a mother who was a {fact}."),
        "The mother of {name} earned her bread as a {fact}.",
        JOBS,
    ),
    Fact(
        "Which genre is {name} best known for?",
        ("Readers know {name} above all for {fact}.", "Nearly every book by {name} is a work of {fact}."),
        "{name} is mainly a writer of {fact}.",
        GENRES,
    ),
    Fact(
        "What is the title of the first novel by {name}?",
        ("The career of {name} began with '{fact}'.", "It was '{fact}', written in a single autumn."),
        "The debut of {name} is called '{fact}'.",
        TITLES,
    ),
    Fact(
        "Which award made {name} famous?",
        ("Fame came with the {fact}.", "{name} became a household name on winning the {fact}."),
        "It was the {fact} that brought {name} renown.",
        PRIZES,
    ),
    Fact(
        "Which book by {name} sold the most copies?",
        ("No title sold better than '{fact}'.", "'{fact}' outsold all the other books of {name} together."),
        "The best-selling work of {name} is '{fact}'.",
        TITLES,
    ),
    Fact(
        "Into which languages has {name} been translated?",
        ("So far there are editions in {fact}.", "One can read {name} in {fact}, besides the original."),
        "Translations of {name} exist in {fact}.",
        LANGUAGES,
    ),
    Fact(
        "What did {name} study at university?",
        ("{name} took a degree in {fact}.", "Before writing there were four years of {fact}."),
        "At university {name} read {fact}.",
        SUBJECTS,
    ),
    Fact(
        "How does {name} usually write?",
        ("The books come about by {fact}.", "{name} swears by {fact}."),
        "The working method of {name} consists of {fact}.",
        HABITS,
    ),
    Fact(
        "Where does {name} live now?",
        ("These days home is {fact}.", "{name} has settled in {fact}, with few visitors."),
        "The present home of {name} is {fact}.",
        HOMES,
    ),
    Fact(
        "Which animal does {name} keep?",
        ("There is {fact} in the study at all hours.", "{name} shares the house with {fact}."),
        "The pet of {name} is {fact}.",
        PETS,
    ),
    Fact(
        "What theme runs through the books of {name}?",
        ("Again and again it is {fact}.", "Critics agree that {name} writes about {fact}."),
        "The work of {name} circles around {fact}.",
        THEMES,
    ),
    Fact(
        "Where is the longest novel of {name} set?",
        ("All nine hundred pages take place in {fact}.", "{name} placed it in {fact}."),
        "The longest book of {name} plays in {fact}.",
        SETTINGS,
    ),
    Fact(
        "Who publishes {name}?",
        ("Every title has appeared with {fact}.", "{name} has been loyal to {fact} from the start."),
        "The publisher of {name} is {fact}.",
        HOUSES,
    ),
    Fact(
        "How was a novel by {name} adapted?",
        ("It was turned into {fact}.", "One story of {name} lives on as {fact}."),
        "A novel of {name} became {fact}.",
        STAGES,
    ),
    Fact(
        "Which festival did {name} found?",
        ("Together with friends, {name} founded the {fact}.", "The {fact} goes back to an idea of {name}."),
        "{name} is the founder of the {fact}.",
        FESTIVALS,
    ),
    Fact(
        "How did a critic once describe the prose of {name}?",
        ("It was praised as {fact}.", "A reviewer compared reading {name} to {fact}."),
        "Someone called the style of {name} {fact}.",
        VERDICTS,
    ),
    Fact(
        "Which cause does {name} support?",
        ("Much of the income goes to {fact}.", "{name} gives readings for {fact}."),
        "{name} raises money for {fact}.",
        CAUSES,
    ),
)


def _row(draw: random.Random, name: str, fact: Fact) -> Row:
    true, *wrong = draw.sample(fact.pool, 1 + PERTURBED)
    return Row(
        fact.question.format(name=name),
        draw.choice(fact.answers).format(name=name, fact=true),
        fact.paraphrase.format(name=name, fact=true),
        tuple(fact.paraphrase.format(name=name, fact=other) for other in wrong),
    )


def authors(count: int, *, seed: int) -> tuple[Row, ...]:
    """The 20 rows of each of `count` fictitious authors; the first authors of a seed do not depend on `count`.

    >>> len(authors(3, seed=0)), authors(3, seed=0) == authors(5, seed=0)[:60]
    (60, True)
    """
    every = names(random.Random(f"names {seed}"))
    return tuple(
        _row(draw, name, fact)
        for name in islice(every, count)
        for draw in [random.Random(f"{name} {seed}")]
        for fact in FACTS
    )
