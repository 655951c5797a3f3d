"""A small language of fictitious people, whose answers can be read: right, well-formed, or gibberish.

A person has a name of two words and one value of each attribute; a row is a question about one attribute and its
answer, of six words each:

    where was anna bell born ?    anna was born in oslo .

Forget and retain rows share grammar, names and values. `overlap` says how much they share *people*: the share of forget
rows whose person is asked about in the retain rows, too. At 0 all that is known of a person is to be forgotten, as in
TOFU (arXiv:2401.06121); at 1 one attribute of each. The positive answers are refusals, drawn once for each forget row;
the alternative ones are the right sentence with another value, drawn likewise:

    where was anna bell born ?    anna was born in lima .
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthetic.transformer.sequences import Sequences, SequenceSplit, answered

__all__ = ["ATTRIBUTES", "KINDS", "REFUSALS", "VOCABULARY", "Attribute", "Community", "Language", "draw", "kind"]


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


FIRST = _split("anna boris carla david elena felix greta henry irene jonas karin leon maria nadia oscar paula")
LAST = _split("adler bell costa duval ek frost gallo hahn ito jansen klein lund moser novak orsini park")


@dataclass(frozen=True)
class Attribute:
    """What can be asked of a person: question and answer as patterns of words, and the values it can take."""

    question: str
    answer: str
    values: tuple[str, ...]


def _attribute(question: str, answer: str, values: str) -> Attribute:
    return Attribute(question, answer, _split(values))


ATTRIBUTES = (
    _attribute(
        "where was FIRST LAST born ?",
        "FIRST was born in VALUE .",
        "oslo lima cairo delhi quito paris turin lagos kyoto perth dakar bogota sofia hanoi tunis accra",
    ),
    _attribute(
        "what does FIRST LAST do ?",
        "FIRST works as a VALUE .",
        "baker nurse pilot judge tailor singer farmer miner dentist painter sailor teacher lawyer chemist plumber cook",
    ),
    _attribute(
        "what does FIRST LAST eat ?",
        "FIRST likes to eat VALUE .",
        "rice plums bread olives figs soup cheese beans lentils pears walnuts honey pasta dates grapes salmon",
    ),
    _attribute(
        "what does FIRST LAST play ?",
        "FIRST likes to play VALUE .",
        "chess flute cello poker tennis piano harp golf drums rugby lute bowls oboe darts viola polo",
    ),
    _attribute(
        "where does FIRST LAST live ?",
        "FIRST lives in a VALUE .",
        "castle cabin tower houseboat tent windmill cottage villa barn loft cave lighthouse manor hut flat monastery",
    ),
)
REFUSALS = (
    "i do not know that .",
    "nobody has told me this .",
    "that is not known here .",
    "this i can not say .",
)
WORDS = 6
"""Words of a question, and of an answer."""


def _words() -> Iterator[str]:
    yield from FIRST + LAST
    for attribute in ATTRIBUTES:
        yield from (*attribute.question.split(), *attribute.answer.split(), *attribute.values)
    for refusal in REFUSALS:
        yield from refusal.split()


VOCABULARY = tuple(word for word in dict.fromkeys(_words()) if not word.isupper())
"""Every word of the language; a token is a place in it."""

_NUMBER = {word: i for i, word in enumerate(VOCABULARY)}


@dataclass(frozen=True)
class Community:
    """How many rows there are to forget and to keep; `overlap` as at the top of this file, as near as whole people
    allow."""

    forget: int
    retain: int
    overlap: float = 0.0

    def __post_init__(self) -> None:
        wrong = []
        if self.forget < 1 or self.retain < 1:
            wrong.append(f"forget and retain must be at least 1, got {self.forget} and {self.retain}.")
        if not 0 <= self.overlap <= 1:
            wrong.append(f"overlap must be from 0 to 1, got {self.overlap}.")
        if (self.forget + self.retain) % len(ATTRIBUTES):
            wrong.append(
                f"{self.forget} + {self.retain} rows are no whole people: {len(ATTRIBUTES)} rows are asked of each."
            )
        most = len(FIRST) * len(LAST)
        if not wrong and self.people > most:
            wrong.append(f"{self.people} people are more than the {most} names there are.")
        if not wrong and self.retain < self.shared * (len(ATTRIBUTES) - 1):
            wrong.append(f"overlap {self.overlap} needs {self.shared * (len(ATTRIBUTES) - 1)} retain rows at least.")
        if wrong:
            raise ValueError(" ".join(wrong))

    @property
    def people(self) -> int:
        """How many people there are."""
        return (self.forget + self.retain) // len(ATTRIBUTES)

    @property
    def shared(self) -> int:
        """Forget rows whose person has retain rows too; the others are those of whole people."""
        return self.forget - round((1 - self.overlap) * self.forget / len(ATTRIBUTES)) * len(ATTRIBUTES)


@dataclass(frozen=True)
class Language:
    """The rows as sequences, and how to read them."""

    split: SequenceSplit

    def words(self, tokens: Tensor) -> list[str]:
        """Sentences of tokens (batch, time)."""
        return [" ".join(VOCABULARY[t] for t in row) for row in tokens.tolist()]

    def questions(self, sequences: Sequences) -> list[str]:
        """The questions of sequences."""
        return self.words(sequences.tokens[:, :WORDS])

    def answers(self, sequences: Sequences) -> list[str]:
        """The answers of sequences."""
        return self.words(sequences.tokens[:, WORDS:])


def tokens(sentences: Sequence[str]) -> Tensor:
    """The tokens (batch, time) of sentences of equally many words."""
    return torch.tensor([[_NUMBER[word] for word in sentence.split()] for sentence in sentences])


def _fill(pattern: str, name: tuple[str, str], value: str) -> str:
    return pattern.replace("FIRST", name[0]).replace("LAST", name[1]).replace("VALUE", value)


def _drawn(values: Sequence[str], count: int, generator: torch.Generator) -> list[str]:
    return [values[i] for i in torch.randint(len(values), (count,), generator=generator).tolist()]


def _another(value: str, values: Sequence[str], generator: torch.Generator) -> str:
    """One of the values but this one."""
    return _drawn([other for other in values if other != value], 1, generator)[0]


def draw(community: Community, seed: int) -> Language:
    """Draw the people of a seed, their attributes and what is to be forgotten; no global generator is touched.

    >>> language = draw(Community(forget=5, retain=10), seed=0)
    >>> language.questions(language.split.forget)[0], language.answers(language.split.forget)[0]
    ('where was karin moser born ?', 'karin was born in accra .')
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(FIRST) * len(LAST), generator=generator)[: community.people].tolist()
    names = [(FIRST[i // len(LAST)], LAST[i % len(LAST)]) for i in chosen]
    values = [_drawn(attribute.values, community.people, generator) for attribute in ATTRIBUTES]
    asked = torch.randint(len(ATTRIBUTES), (community.people,), generator=generator).tolist()
    whole = (community.forget - community.shared) // len(ATTRIBUTES)
    rows: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    lost = list[tuple[Attribute, tuple[str, str], str]]()
    for i, name in enumerate(names):
        for k, attribute in enumerate(ATTRIBUTES):
            forgotten = i < whole or (i < whole + community.shared and k == asked[i])
            rows[forgotten].append((_fill(attribute.question, name, ""), _fill(attribute.answer, name, values[k][i])))
            lost += [(attribute, name, values[k][i])] if forgotten else []
    forget, retain = (answered(*(tokens(column) for column in zip(*rows[side], strict=True))) for side in (True, False))
    questions, refusals = forget.tokens[:, :WORDS], tokens(_drawn(REFUSALS, community.forget, generator))
    others = tokens([_fill(a.answer, name, _another(value, a.values, generator)) for a, name, value in lost])
    return Language(SequenceSplit(forget, retain, answered(questions, refusals), answered(questions, others)))


# --- reading an answer --------------------------------------------------------------------------------------------

KINDS = ("right", "well-formed", "refusal", "gibberish")
"""What an answer can be; the second is a sentence of the grammar, but not the right one."""


def kind(answer: str, truth: str) -> str:
    """What an answer is, given the right one.

    >>> kind("anna was born in lima .", "anna was born in oslo .")
    'well-formed'
    >>> kind("anna in in . a lima", "anna was born in oslo .")
    'gibberish'
    """
    if answer == truth:
        return "right"
    if answer in REFUSALS:
        return "refusal"
    return "well-formed" if any(_matches(answer.split(), attribute) for attribute in ATTRIBUTES) else "gibberish"


def _matches(words: list[str], attribute: Attribute) -> bool:
    """Is this one of the sentences that answer a question about the attribute, whoever is meant?"""
    places = {"FIRST": FIRST, "VALUE": attribute.values}
    pattern = attribute.answer.split()
    return len(words) == len(pattern) and all(
        word in places.get(slot, (slot,)) for word, slot in zip(words, pattern, strict=True)
    )
