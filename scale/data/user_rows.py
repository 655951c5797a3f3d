"""One's own rows: questions and answers, prompts and completions, conversations, or plain text to forget.

Around a question the model's prompt format is written, around a prompt nothing, messages go through the model's chat
template, and of a document all is predicted. How a file may be written is in `scale.data.row_files`, what a row may say
in `scale.data.row_shapes`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from scale.data.formats import Format
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Conversation, Question, Reading, Verbatim
from scale.data.row import Learnable, Row
from scale.data.row_faults import refusal
from scale.data.row_files import read_records
from scale.data.row_shapes import KEYS, check_shape, is_header, shaped, with_as_many_others

__all__ = ["Document", "UserFile", "read_user_rows"]

_LONGEST_WORD = 60  # letters; what is longer is a text without spaces
_ADVICE = f"Write rows as JSON objects, one a line or in one array, as CSV or as Parquet, with the keys {KEYS}."


@dataclass(frozen=True)
class RowWithAlternates(Row):
    """A question that brings other answers of the same domain (`scale.models.reference.alternates`)."""

    alternates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A text and how it goes on, with nothing around them."""

    prompt: str
    completion: str

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids."""
        return (writer.encode_after(self.prompt, self.completion, special_tokens=True),)

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """With another completion."""
        return writer.encode_after(self.prompt, answer, special_tokens=True)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The prompt."""
        return writer.opening_of(self.prompt, special_tokens=True)

    def written(self, tokenizer: PreTrainedTokenizerBase, form: Format) -> str:
        """Its words."""
        del tokenizer, form
        return self.prompt + self.completion

    @property
    def asked(self) -> Question:
        """How the prompt goes on."""
        return Question(Verbatim(self.prompt), (self.completion,))

    @property
    def shown(self) -> tuple[str, str]:
        """Prompt and completion."""
        return self.prompt, self.completion

    words = shown


@dataclass(frozen=True)
class Messages:
    """A conversation up to the assistant's last message, and that message."""

    before: tuple[tuple[str, str], ...]
    answer: str

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids, by the model's chat template."""
        return (writer.encode_chat(self.before, self.answer),)

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """With another last message."""
        return writer.encode_chat(self.before, answer)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The conversation up to where the assistant speaks."""
        return writer.opening_chat(self.before)

    def written(self, tokenizer: PreTrainedTokenizerBase, form: Format) -> str:
        """Its words."""
        del tokenizer, form
        return "\n".join((*(content for _, content in self.before), self.answer))

    @property
    def asked(self) -> Question:
        """The assistant's answer."""
        return Question(Conversation(self.before), (self.answer,))

    @property
    def shown(self) -> tuple[str, str]:
        """The last message before, and the answer."""
        return self.before[-1][1], self.answer

    @property
    def words(self) -> tuple[str, str]:
        """All messages before, whoever says them, and the answer."""
        return "\n".join(content for _, content in self.before), self.answer


@dataclass(frozen=True)
class Document:
    """A plain text."""

    text: str

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids, cut to what the model reads."""
        return writer.document(self.text)

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """Nothing is asked in a document."""
        del writer, answer
        return None

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """Its first words."""
        return writer.beginning(self.shown[0])

    def written(self, tokenizer: PreTrainedTokenizerBase, form: Format) -> str:
        """Its words."""
        del tokenizer, form
        return self.text

    @property
    def asked(self) -> Question:
        """All of it, to be read."""
        return Question(Reading(self.shown[0]), (self.text,))

    @property
    def shown(self) -> tuple[str, str]:
        """Its first words, and the next; characters where it has no spaces, as in Chinese."""
        words, between = self.text.split(), " "
        if max(map(len, words)) > _LONGEST_WORD:
            words, between = list(self.text.strip()), ""
        cut = max(1, min(12, len(words) // 2))
        return between.join(words[:cut]), between.join(words[cut : cut + 40])

    @property
    def words(self) -> tuple[str, str]:
        """Nothing is given."""
        return "", self.text


def _question(
    question: str,
    answer: str,
    paraphrased_answer: str = "",
    perturbed_answer: tuple[str, ...] = (),
    alternates: tuple[str, ...] = (),
) -> Learnable:
    if not alternates:
        return Row(question, answer, paraphrased_answer, perturbed_answer)
    return RowWithAlternates(question, answer, paraphrased_answer, perturbed_answer, alternates)


_KINDS: Mapping[str, Callable[..., Learnable]] = {
    "question-answer": _question,
    "prompt-completion": Completion,
    "messages": Messages,
    "text": Document,
}


class UserFile(NamedTuple):
    """The rows of a file, and the number of each; what that counts: the "line" or the "row"."""

    path: Path
    rows: tuple[Learnable, ...]
    lines: tuple[int, ...]
    place: str = "line"


def read_user_rows(path: Path, shape: str | None = None) -> UserFile:
    """Read a file of one's own rows, of the kind `shape` (`scale.data.row_shapes.SHAPES`) where one is named.

    One UserError for all that is wrong with it: the file where all of it is, else each row with its place.
    """
    check_shape(shape)
    found, place = read_records(path, is_header, _ADVICE)
    read = [(number, value if isinstance(value, str) else shaped(value, shape)) for number, value in found]
    read = with_as_many_others(read)
    if wrong := [(number, row) for number, row in read if isinstance(row, str)]:
        raise refusal(path, [value for _, value in found], wrong, place=place, advice=_ADVICE)
    if not found:
        raise UserError(f"{path} has no rows. {_ADVICE}")
    rows = [(_KINDS[row.shape](**row.texts), number) for number, row in read if not isinstance(row, str)]
    return UserFile(path, tuple(row for row, _ in rows), tuple(number for _, number in rows), place)
