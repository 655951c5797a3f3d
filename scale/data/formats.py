"""How a question is put to a model: the text around it, and what ends an answer.

A format is a value with two kinds. `Tags` writes fixed text around the question; `Chat` asks the tokenizer for its own
chat template (`scale.data.chat`). Either gives the text before the answer and the one token that ends an answer.
"""

from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from scale.data.chat import Turn, conversation, end_of, prompt_of, turn_of
from scale.data.template import Message

__all__ = ["AUTO", "FORMATS", "Chat", "Format", "Tags", "format_of"]


class Format(Protocol):
    """What the rest of the package asks of a prompt format."""

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """The text before the answer."""

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        """The answer, what is written around it, and what ends it."""

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The id of the token that ends an answer."""

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        """All that is written of both, past the end token too; without an answer, up to where one is asked for."""

    @property
    def special_tokens(self) -> bool:
        """Does the tokenizer still have to add its start token, or has the text it already?"""

    @property
    def tag(self) -> str:
        """The last part of the prompt that TOFU counts as answer, where it has one."""


@dataclass(frozen=True)
class Tags:
    """Fixed text before and after the question; `tag` stands before the answer.

    >>> Tags("Question: ", "\\\\n", "Answer: ").tag
    'Answer: '
    """

    before: str
    after: str
    tag: str = ""
    special_tokens: bool = True

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """before + question + after + tag."""
        del tokenizer
        return f"{self.before}{question}{self.after}{self.tag}"

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        """The prompt and the answer as it is; nothing is written after it."""
        return Turn(self.prompt(tokenizer, question), answer, "", self.end(tokenizer))

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        """The prompt, and the answer as it is."""
        return self.prompt(tokenizer, question) + (answer or "")

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The tokenizer's end-of-sequence token; UserError where it has none."""
        if tokenizer.eos_token_id is None:
            raise UserError("This tokenizer has no end-of-sequence token. Set eos_token in its tokenizer_config.json.")
        return int(tokenizer.eos_token_id)


@dataclass(frozen=True)
class Chat:
    """The tokenizer's own chat template, with a system message where one is given."""

    system: str | None = None
    tag: str = ""
    special_tokens: bool = False  # the template writes them

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """The template's text up to where the assistant's answer stands."""
        return prompt_of(tokenizer, self.messages(question))

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        """The conversation as the template writes it, up to the end of the answer."""
        return turn_of(tokenizer, self.messages(question), answer)

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The first token that the template writes after an answer; UserError where it writes none."""
        return end_of(tokenizer, self.messages("?"))

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        """The template's own text of the whole conversation, or its own generation prompt."""
        return conversation(tokenizer, self.messages(question), answer)

    def messages(self, question: str) -> list[Message]:
        """The conversation that the question is."""
        return [*([("system", self.system)] if self.system is not None else []), ("user", question)]


FORMATS: dict[str, Format] = {
    "plain": Tags("Question: ", "\nAnswer: "),
    "llama2-chat": Tags("[INST] ", " [/INST]"),
    "llama3-instruct": Chat(system="You are a helpful assistant."),
    "phi-1.5": Tags("Question: ", "\n", "Answer: "),
    "qwen2.5": Chat(system="You are a helpful assistant."),
    "chat": Chat(),
}
"""By the names that recipes use. `llama2-chat` has no space before the answer, as in TOFU."""


AUTO = "auto"
"""Instead of a format's name: the tokenizer's chat template where it has one, else `plain`."""


def format_of(prompt: str | Tags, tokenizer: PreTrainedTokenizerBase | None = None) -> Format:
    """A format by name, or one's own tags; `auto` is what the tokenizer has."""
    if prompt == AUTO:
        return FORMATS["chat" if tokenizer is not None and tokenizer.chat_template else "plain"]
    return FORMATS[prompt] if isinstance(prompt, str) else prompt
