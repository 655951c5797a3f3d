"""What a model learns and forgets: rows of any kind, and the commonest of them, a question with its answers."""

from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from scale.data.formats import Format
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Question

__all__ = ["Learnable", "Row"]


class Learnable(Protocol):
    """A row that can be trained on, whatever it is: a question, a completion, a conversation, a document."""

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids; a long document is several."""

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """In token ids, with an "I don't know" answer instead of its own; None where nothing is asked."""

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The ids after which the model is to go on."""

    @property
    def asked(self) -> Question:
        """As a question of an examination."""

    def written(self, tokenizer: PreTrainedTokenizerBase, form: Format) -> str:
        """All of it as one text, as it is put to a model: what a tokenizer is trained on."""

    @property
    def shown(self) -> tuple[str, str]:
        """What is asked and what is answered, for a person."""

    @property
    def words(self) -> tuple[str, str]:
        """All that is given, and all that is learned or forgotten after it."""


@dataclass(frozen=True)
class Row:
    """One question with its answer; a paraphrase of that and wrong answers, where there are any."""

    question: str
    answer: str
    paraphrased_answer: str = ""
    perturbed_answer: tuple[str, ...] = ()

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids."""
        return (writer.encode(self.question, self.answer),)

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """With another answer."""
        return writer.encode(self.question, answer)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The prompt."""
        return writer.opening(self.question)

    @property
    def asked(self) -> Question:
        """Its answer, the paraphrase, the perturbed answers; without these, the answer alone."""
        if not self.perturbed_answer:
            return Question(self.question, (self.answer,))
        return Question(self.question, (self.answer, self.paraphrased_answer, *self.perturbed_answer), paraphrases=1)

    def written(self, tokenizer: PreTrainedTokenizerBase, form: Format) -> str:
        """The prompt and the answer."""
        return form.prompt(tokenizer, self.question) + self.answer

    @property
    def shown(self) -> tuple[str, str]:
        """Question and answer."""
        return self.question, self.answer

    words = shown
