"""One's own rows: questions and answers, prompts and completions, chat messages, or plain text to forget.

A file holds one JSON object a line; which keys it has says what it is:

    {"question": …, "answer": …}      the model's prompt format is written around the question
    {"prompt": …, "completion": …}    nothing is written around the prompt
    {"messages": [{"role": …, "content": …}, …]}   the model's chat template; the last message is the assistant's
    {"text": …}                       a document; all of it is predicted

A question may bring `alternates`, a list of other answers of the same domain, for methods that train on them.

Ids and remarks under other keys are left out. Tools, thoughts, contexts and the like are not: a row that has some would
be learned or forgotten as another one than its author wrote, so it is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from records.json_lines import read_json_lines, unusable
from records.shown import named, shown
from scale.data.formats import Format
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Conversation, Question, Reading, Verbatim
from scale.data.row import Learnable, Row

__all__ = ["Document", "UserFile", "read_user_rows"]

_KEYS = "question and answer, prompt and completion, messages, or text"
_UNREAD = (
    *("tools", "tool_calls", "functions", "function_call", "documents", "reasoning_content", "reasoning", "thinking"),
    *("system", "context", "instruction", "input", "chat_template_kwargs"),
)
"""Keys, of a row or of a message, that say what a model is to read or write beside the texts that are taken."""
_LONGEST_WORD = 60  # letters; what is longer is a text without spaces
_ADVICE = f"Write each row as a JSON object on a line of its own, with the keys {_KEYS}."


@dataclass(frozen=True)
class RowWithAlternates(Row):
    """A question that brings other answers of the same domain (`scale.models.alternates`)."""

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


_KINDS: dict[tuple[str, ...], Callable[..., Learnable]] = {
    ("question", "answer"): Row,
    ("prompt", "completion"): Completion,
    ("messages",): Messages,
    ("text",): Document,
}


class UserFile(NamedTuple):
    """The rows of a file, and the line of each."""

    path: Path
    rows: tuple[Learnable, ...]
    lines: tuple[int, ...]


def read_user_rows(path: Path) -> UserFile:
    """Read a file of one's own rows; one UserError for all that is wrong with it, each mistake with its line."""
    found = read_json_lines(path, _row, _ADVICE)
    if wrong := [(number, row) for number, row in found if isinstance(row, str)]:
        raise unusable(path, wrong, "Mend these lines, or take them out.")
    if not found:
        raise UserError(f"{path} has no rows. {_ADVICE}")
    rows = [(row, number) for number, row in found if not isinstance(row, str)]
    return UserFile(path, tuple(row for row, _ in rows), tuple(number for _, number in rows))


def _row(value: dict[str, Any]) -> Learnable | str:
    """The row of a line's object, or what is wrong with it."""
    there = {key for keys in _KINDS for key in keys if key in value}
    kinds = [keys for keys in _KINDS if there & set(keys)]
    if not any(set(keys) <= there for keys in kinds):
        return f"it has the keys {named(value)}; needed are {_KEYS}"
    if len(kinds) > 1:
        return f"it has keys of two kinds of rows, {named(there)}; keep those of one: {_KEYS}"
    (keys,) = kinds
    if unread := _unread(value):
        return unread
    if keys == ("messages",):
        return _messages(value["messages"])
    if "alternates" in value:
        return _with_alternates(value, keys)
    return _texts(value, keys) or _KINDS[keys](*(value[key] for key in keys))


def _with_alternates(value: Mapping[str, Any], keys: tuple[str, ...]) -> Learnable | str:
    others = value["alternates"]
    if keys != ("question", "answer"):
        return f"alternates go with question and answer, and it has {named(keys)}"
    if not isinstance(others, list) or not others or any(_text(text) for text in others):
        return f"alternates is not a list of texts, none empty: {shown(others)}"
    row = RowWithAlternates(value["question"], value["answer"], alternates=tuple(others))
    return _texts(value, keys) or row


def _texts(value: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """What is wrong with the texts under these keys, or nothing."""
    for key in keys:
        if wrong := _text(value[key]):
            return f"{key} is {wrong}"
    return ""


def _unread(value: Mapping[str, Any]) -> str:
    """What a row or a message has that would be left out, or nothing; ids and remarks are nobody's words."""
    left_out = [key for key in _UNREAD if value.get(key)]
    advice = "write all that is read as prompt and completion, or take it out"
    return f"it has {named(left_out)}, which would be left out: {advice}" if left_out else ""


def _text(value: Any) -> str:
    """What is wrong with a value that should be a text, or nothing."""
    if not isinstance(value, str) or not value.strip():
        return f"empty or not text: {shown(value)}"
    return "text with a null character in it" if "\0" in value else ""


def _messages(value: Any) -> Learnable | str:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(m, dict) for m in value):
        return "messages is not a list of at least two objects with role and content"
    for message in value:
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            return f"a message has no role or no content that is text: {shown(message)}"
        if "\0" in message["content"]:
            return "a message has a null character in it"
        if unread := _unread(message):
            return f"of the message of {shown(message['role'])}: {unread}"
    if value[-1]["role"] != "assistant" or not value[-1]["content"].strip():
        return "the last message must be the assistant's, and not empty"
    return Messages(tuple((m["role"], m["content"]) for m in value[:-1]), value[-1]["content"])
