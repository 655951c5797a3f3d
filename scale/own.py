"""One's own rows: questions and answers, prompts and completions, chat messages, or plain text to forget.

A file holds one JSON object a line; which keys it has says what it is:

    {"question": …, "answer": …}      the model's prompt format is written around the question
    {"prompt": …, "completion": …}    nothing is written around the prompt
    {"messages": [{"role": …, "content": …}, …]}   the model's chat template; the last message is the assistant's
    {"text": …}                       a document; all of it is predicted
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from records.errors import UserError
from scale.formats import DATE
from scale.prompts import Encoded, Writer

__all__ = ["OwnRow", "read_own"]

_SHOWN = 5
_KEYS = "question and answer, prompt and completion, messages, or text"


class OwnRow(Protocol):
    """A row of any of the four kinds."""

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids; a long document is several."""

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """The same with an "I don't know" answer instead of its own; None where nothing is asked."""

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The ids after which the model is to go on."""

    @property
    def shown(self) -> tuple[str, str]:
        """What is asked and what is answered, for a person."""


@dataclass(frozen=True)
class Question:
    """A question and its answer."""

    question: str
    answer: str

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
    def shown(self) -> tuple[str, str]:
        """Question and answer."""
        return self.question, self.answer


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

    @property
    def shown(self) -> tuple[str, str]:
        """Prompt and completion."""
        return self.prompt, self.completion


@dataclass(frozen=True)
class Messages:
    """A conversation up to the assistant's last message, and that message."""

    before: tuple[tuple[str, str], ...]
    answer: str

    def _prompt(self, writer: Writer) -> str:
        if not writer.tokenizer.chat_template:
            raise UserError("Rows with messages need a tokenizer with a chat template; this one has none.")
        messages = [{"role": role, "content": content} for role, content in self.before]
        return str(
            writer.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, date_string=DATE)
        )

    def encode(self, writer: Writer) -> tuple[Encoded, ...]:
        """In token ids, by the model's chat template."""
        return (writer.encode_after(self._prompt(writer), self.answer, special_tokens=False),)

    def declined(self, writer: Writer, answer: str) -> Encoded | None:
        """With another last message."""
        return writer.encode_after(self._prompt(writer), answer, special_tokens=False)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """The conversation up to where the assistant speaks."""
        return writer.opening_of(self._prompt(writer), special_tokens=False)

    @property
    def shown(self) -> tuple[str, str]:
        """The last message before, and the answer."""
        return self.before[-1][1], self.answer


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
        return writer.opening_of(self.shown[0], special_tokens=writer.format.special_tokens)

    @property
    def shown(self) -> tuple[str, str]:
        """Its first words, and the next."""
        words = self.text.split()
        cut = max(1, min(12, len(words) // 2))
        return " ".join(words[:cut]), " ".join(words[cut : cut + 40])


def read_own(path: Path) -> tuple[OwnRow, ...]:
    """Read a file of one's own rows; one UserError for all that is wrong with it, each mistake with its line."""
    try:
        lines = path.read_text(encoding="utf8").split("\n")
    except FileNotFoundError:
        raise UserError(f"There is no file {path}. Name a file with one JSON object a line: {_KEYS}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as UTF-8 text ({error}). Save it as UTF-8.") from None
    rows: list[OwnRow] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _parse(line)
        if isinstance(found, str):
            wrong.append(f"  line {number}: {found}")
        else:
            rows.append(found)
    if wrong:
        more = [f"  … and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        listed = "\n".join([*wrong[:_SHOWN], *more])
        raise UserError(f"{path} has {len(wrong)} unusable line(s):\n{listed}\nMend these lines, or take them out.")
    if not rows:
        raise UserError(f"{path} has no rows. Write one JSON object a line: {_KEYS}.")
    return tuple(rows)


def _parse(line: str) -> OwnRow | str:
    """The row of a line, or what is wrong with it."""
    try:
        value = json.loads(line)
    except ValueError as error:
        return f"not JSON ({error})"
    if not isinstance(value, dict):
        return f"not a JSON object but {type(value).__name__}"
    if "messages" in value:
        return _messages(value["messages"])
    for keys, kind in (
        (("question", "answer"), Question),
        (("prompt", "completion"), Completion),
        (("text",), Document),
    ):
        if all(key in value for key in keys):
            return _texts(value, keys) or kind(*(value[key] for key in keys))
    return f"it has the keys {', '.join(sorted(map(str, value))) or '(none)'}; needed are {_KEYS}"


def _texts(value: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """What is wrong with the texts under these keys, or nothing."""
    for key in keys:
        if not isinstance(value[key], str) or not value[key].strip():
            return f"{key} is empty or not text: {value[key]!r}"
    return ""


def _messages(value: Any) -> OwnRow | str:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(m, dict) for m in value):
        return "messages is not a list of at least two objects with role and content"
    for message in value:
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            return f"a message has no role or content: {message!r}"
    if value[-1]["role"] != "assistant" or not value[-1]["content"].strip():
        return "the last message must be the assistant's, and not empty"
    return Messages(tuple((m["role"], m["content"]) for m in value[:-1]), value[-1]["content"])
