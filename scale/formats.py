"""How a question is put to a model: the text around it, and what ends an answer.

A format is a value with two kinds. `Tags` writes fixed text around the question; `Chat` asks the tokenizer for its own
chat template. Either gives the text before the answer and the id of the one token that ends an answer.
"""

from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

from records.errors import UserError

__all__ = ["FORMATS", "Chat", "Format", "Tags", "format_of"]

DATE = "10 Apr 2025"
"""What Llama 3's template is told is today; else every day would have other token ids."""


class Format(Protocol):
    """What the rest of the package asks of a prompt format."""

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """The text before the answer."""

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The id of the token that ends an answer."""

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
        """The template's text up to where the assistant starts to speak."""
        return self._rendered(tokenizer, question, None)

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The first token that the template writes after an answer; UserError where it writes none."""
        prompt = self._rendered(tokenizer, "?", None)
        whole = self._rendered(tokenizer, "?", "!")
        closing = whole.removeprefix(prompt).lstrip().removeprefix("!").lstrip()
        ids = tokenizer(closing, add_special_tokens=False)["input_ids"] if closing else []
        if ids:
            return int(ids[0])
        if tokenizer.eos_token_id is None:
            raise UserError("Neither this tokenizer nor its chat template has a token that ends an answer.")
        return int(tokenizer.eos_token_id)

    def _rendered(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        if not tokenizer.chat_template:
            raise UserError(
                "This tokenizer has no chat template, and the prompt format asks for one. "
                "Choose prompt: plain, or write one's own: prompt: {before: …, after: …}."
            )
        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        messages.append({"role": "user", "content": question})
        messages += [{"role": "assistant", "content": answer}] if answer is not None else []
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=answer is None, date_string=DATE
            )
        )


FORMATS: dict[str, Format] = {
    "plain": Tags("Question: ", "\nAnswer: "),
    "llama2-chat": Tags("[INST] ", " [/INST]"),
    "llama3-instruct": Chat(system="You are a helpful assistant."),
    "phi-1.5": Tags("Question: ", "\n", "Answer: "),
    "qwen2.5": Chat(system="You are a helpful assistant."),
    "chat": Chat(),
}
"""By the names that recipes use. `llama2-chat` has no space before the answer, as in TOFU."""


def format_of(prompt: str | Tags) -> Format:
    """A format by name, or one's own tags."""
    return FORMATS[prompt] if isinstance(prompt, str) else prompt
