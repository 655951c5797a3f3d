"""A prompt format after which an answer has begun already, with words that are put into the model's mouth."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from scale.data.chat import Turn
from scale.data.formats import Format

__all__ = ["Prefixed"]


@dataclass(frozen=True)
class Prefixed:
    """Another format, and the words that every answer begins with; they belong to the prompt, not to the answer.

    >>> from scale.data.formats import FORMATS
    >>> Prefixed(FORMATS["plain"], "Sure:").prompt(None, "Who?")
    'Question: Who?\\nAnswer: Sure: '
    """

    form: Format
    words: str
    tag: str = ""

    @property
    def special_tokens(self) -> bool:
        """As the other format's."""
        return self.form.special_tokens

    def prompt(self, tokenizer: PreTrainedTokenizerBase, question: str) -> str:
        """The other format's, and the words."""
        return self._begun(self.form.prompt(tokenizer, question))

    def turn(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> Turn:
        """The other format's, with the words before the answer."""
        turn = self.form.turn(tokenizer, question, answer)
        return turn._replace(before=self._begun(turn.before))

    def written(self, tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
        """The prompt, and the answer behind the words."""
        if answer is None:
            return self._begun(self.form.written(tokenizer, question, None))
        return self.form.written(tokenizer, question, self._begun("") + answer)

    def end(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """The token that ends an answer."""
        return self.form.end(tokenizer)

    def _begun(self, before: str) -> str:
        return f"{before}{self.words} "
