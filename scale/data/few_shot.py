"""Examples before a question: pairs of question and answer, written as the model's prompt format writes them.

A chat template has them as turns that were before; between tags they are text, an empty line between one and the next.
Which rows they are is chosen by a seed, among rows that are not asked themselves.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from scale.data.chat import Turn, conversation, end_of, prompt_of, turn_of
from scale.data.formats import Chat, Format
from scale.data.normal_form import normal_form
from scale.data.questions import Question
from scale.data.row import Learnable
from scale.data.template import Message

__all__ = ["Examples", "after_examples", "chosen_examples"]

Examples = tuple[tuple[str, str], ...]
"""Questions with their answers."""

_BETWEEN = "\n\n"


def chosen_examples(rows: Iterable[Learnable], asked: Iterable[Question], *, count: int, seed: int) -> Examples:
    """So many of `rows` as examples; none whose question or whose answer is among those that are asked.

    UserError where there are fewer.
    """
    taken = {text for question in asked for text in normal_form(question.asked.shown, question.truth)}
    pairs = [row.words for row in rows if isinstance(row.asked.prompt, str)]
    free = [pair for pair in dict.fromkeys(pairs) if not taken & set(normal_form(*pair))]
    if len(free) < count:
        raise UserError(
            f"evaluate.few_shot: {count} examples are asked for, and {len(free)} rows have a question that is not "
            "asked itself. Ask for fewer, lower evaluate.questions, or name a file of rows: "
            f"evaluate.few_shot={{count: {count}, rows: FILE}}."
        )
    return tuple(random.Random(seed).sample(free, count))


def after_examples(form: Format, examples: Examples) -> Format:
    """The format that writes these examples before every question; the same where there are none."""
    if not examples:
        return form
    return _ChatAfter(form, examples) if isinstance(form, Chat) else _TagsAfter(form, examples)


@dataclass(frozen=True)
class _TagsAfter:
    """Text: every example as the format writes it, then the question."""

    form: Format
    examples: Examples

    @property
    def special_tokens(self) -> bool:
        return self.form.special_tokens

    @property
    def tag(self) -> str:
        return self.form.tag

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        return self._before(tokenizer) + self.form.prompt(tokenizer, question)

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        turn = self.form.turn(tokenizer, question, answer)
        return turn._replace(before=self._before(tokenizer) + turn.before)

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        return self._before(tokenizer) + self.form.written(tokenizer, question, answer)

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        return self.form.end(tokenizer)

    def _before(self, tokenizer: PreTrainedTokenizerBase) -> str:
        return "".join(self.form.written(tokenizer, *example) + _BETWEEN for example in self.examples)


@dataclass(frozen=True)
class _ChatAfter:
    """A conversation whose turns before the question are the examples; a system message stays the first."""

    form: Chat
    examples: Examples
    special_tokens: bool = False
    tag: str = ""

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        return prompt_of(tokenizer, self._messages(question))

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        return turn_of(tokenizer, self._messages(question), answer)

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        return conversation(tokenizer, self._messages(question), answer)

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        return end_of(tokenizer, self._messages("?"))

    def _messages(self, question: str) -> Sequence[Message]:
        *before, last = self.form.messages(question)
        shown = [(role, text) for pair in self.examples for role, text in zip(("user", "assistant"), pair, strict=True)]
        return [*before, *shown, last]
