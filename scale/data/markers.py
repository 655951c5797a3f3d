"""The tokens of a tokenizer that are no text: those that were added to its vocabulary, such as <|im_end|>.

Written out in a question or an answer they would be read as what they are: a question could end its own turn and begin
another. So a text that has one is refused.
"""

from collections.abc import Mapping
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from records.shown import shown

__all__ = ["markers", "refuse_markers"]

_OUT = "Take it out of the data, or write such rows as prompt and completion: those are read as they stand."


def markers(tokenizer: PreTrainedTokenizerBase) -> Mapping[int, str]:
    """Added tokens by their ids, runs of spaces left out."""
    return _markers(tokenizer, len(tokenizer))


@lru_cache(maxsize=8)
def _markers(tokenizer: PreTrainedTokenizerBase, size: int) -> Mapping[int, str]:
    del size  # it is here to forget what was found when tokens are added
    return {int(i): token.content for i, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}


def refuse_markers(tokenizer: PreTrainedTokenizerBase, text: str, what: str) -> None:
    """UserError where a text has a special token in it, or an added one that the chat template uses.

    A token of one character (some tokenizers pad with "!") is text as well. Markers that are no tokens, such as
    Llama 2's [/INST], are text to the model: they are left as they are.
    """
    for token in _refused(tokenizer, len(tokenizer), str(tokenizer.chat_template)):
        if token in text:
            raise UserError(
                f"The {what} {shown(text)} contains {token!r}, which this tokenizer reads as a token of its own. {_OUT}"
            )


@lru_cache(maxsize=8)
def _refused(tokenizer: PreTrainedTokenizerBase, size: int, template: str) -> tuple[str, ...]:
    added = _markers(tokenizer, size)
    special = {added[i] for i, token in tokenizer.added_tokens_decoder.items() if token.special and i in added}
    return tuple(token for token in added.values() if len(token) > 1 and (token in special or token in template))
