"""A question and its answers, true ones and wrong ones, which stay together from the data to the metric.

What is asked is a text, around which the model's prompt format is written, or has another form: `Verbatim`,
`Conversation` or `Reading`. All of them say how an answer to them is written in token ids, and how to ask for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from records.errors import UserError
from records.shown import shown
from scale.data.prompts import Encoded, Writer
from scale.data.template import Message

__all__ = [
    "EVERY_SET",
    "Asking",
    "Conversation",
    "EncodedQuestion",
    "Question",
    "QuestionSet",
    "Reading",
    "Verbatim",
    "asks",
    "label_of",
]

EVERY_SET = "all"
"""Where metrics are named by set, those of all sets."""
EncodedQuestion: TypeAlias = tuple[tuple[Encoded, ...], ...]
"""The answers of a question in token ids, each in pieces: one, unless a text is longer than what is read at once."""


class Asking(Protocol):
    """What is asked, in a form of its own."""

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """An answer to it, in token ids."""

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The ids after which a model's own answer is generated."""

    @property
    def shown(self) -> str:
        """It, for a person."""


@dataclass(frozen=True)
class InFormat:
    """A question in words; the model's prompt format is written around it."""

    shown: str

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """Question and answer."""
        return (writer.encode(self.shown, answer),)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The prompt."""
        return writer.opening(self.shown)


@dataclass(frozen=True)
class Verbatim:
    """A text that the answer goes on from, with nothing written around them."""

    shown: str

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """The text and how it goes on."""
        return (writer.encode_after(self.shown, answer, special_tokens=True),)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The text."""
        return writer.opening_of(self.shown, special_tokens=True)


@dataclass(frozen=True)
class Conversation:
    """Messages, by role and content, that the assistant answers in the model's chat template."""

    messages: tuple[Message, ...]

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """The messages and the assistant's answer."""
        return (writer.encode_chat(self.messages, answer),)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The messages up to where the assistant speaks."""
        return writer.opening_chat(self.messages)

    @property
    def shown(self) -> str:
        """The last message."""
        return self.messages[-1][1]


@dataclass(frozen=True)
class Reading:
    """A document to read, all of which is predicted: its first words, and as answer its whole text."""

    shown: str

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """The text, cut into pieces that the model reads."""
        return writer.document(answer)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The first words."""
        return writer.beginning(self.shown)


@dataclass(frozen=True)
class Question:
    """What is asked, and its answers: the true one, so many paraphrases of it, and then the wrong ones.

    ValueError where there is no answer, or there are fewer than these.

    >>> asked = Question("Who?", ("Ada.", "It was Ada.", "Bob.", "Eve."), paraphrases=1)
    >>> asked.truth, asked.wrong
    ('Ada.', ('Bob.', 'Eve.'))
    """

    prompt: str | Asking
    answers: tuple[str, ...]
    paraphrases: int = 0

    def __post_init__(self) -> None:
        """Refuse a question without its true answer."""
        if not 0 <= self.paraphrases < len(self.answers):
            raise ValueError(
                f"{self.prompt!r}: {len(self.answers)} answers, of which {self.paraphrases} paraphrase one."
            )

    @property
    def truth(self) -> str:
        """The true answer."""
        return self.answers[0]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The wrong answers."""
        return self.answers[1 + self.paraphrases :]

    @property
    def asked(self) -> Asking:
        """What is asked, in its form."""
        return InFormat(self.prompt) if isinstance(self.prompt, str) else self.prompt

    def encode(self, writer: Writer) -> EncodedQuestion:
        """Every answer in token ids; UserError where one can't be read."""
        found = tuple(self.asked.encode(writer, answer) for answer in self.answers)
        if not all(found):
            raise UserError(f"{shown(self.asked.shown)} is one token, and nothing before it to predict it from.")
        return found


@dataclass(frozen=True)
class QuestionSet:
    """Questions, and what is taken of each: the name of a score (after the set's) and the metric that it is.

    A metric is left out where it can't be had: a truth ratio without wrong answers, ROUGE where nothing is generated.
    `new_tokens` is the length of an answer where it is not the protocol's; `truth_tokens` that texts are compared with
    so many first tokens of the true answer, those included that the tokenizer puts before a text.
    """

    questions: tuple[Question, ...]
    metrics: Mapping[str, str]
    new_tokens: int | None = None
    truth_tokens: int | None = None

    def first(self, count: int) -> "QuestionSet":
        """The first questions alone."""
        return replace(self, questions=self.questions[:count])


def label_of(metric: str) -> str:
    """What a metric's scores are called after the set's name: its own name, of one's own `file.py:name` the latter.

    >>> label_of("rouge"), label_of("my.py:length")
    ('rouge', 'length')
    """
    return metric.rpartition(":")[2]


def asks(*same: str, **named: str) -> dict[str, str]:
    """Metrics (`scale.evaluation.catalogue`) by the name of their scores: their own, or the one that is given.

    >>> asks("rouge", probability="probability_among")
    {'rouge': 'rouge', 'probability': 'probability_among'}
    """
    return {label_of(name): name for name in same} | named
