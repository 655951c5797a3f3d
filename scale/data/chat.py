"""A conversation as a tokenizer's chat template writes it, taken apart into prompt, answer and end token.

What a template does is seen, not guessed: it writes the conversation with two different last answers. What both begin
with is the prompt, what both end with comes after an answer, and the first token of that ends it. So the prompt is that
of a finished turn, with all that the template writes there: an empty <think> block, the name of a channel, a space.

A model is asked after the very text that it is trained on. One's rows hold no thoughts, and the template is told so
(enable_thinking=False); then that text is the template's own generation prompt, save where this lets a model think all
the same (DeepSeek-R1 opens a <think> block that its finished turns don't have) or choose a channel (gpt-oss).
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from records.shown import shown
from scale.data.markers import markers
from scale.data.template import OTHERWISE, Message, name_of, rendered

__all__ = ["Turn", "conversation", "end_of", "prompt_of", "said", "turn_of"]

_PROBES = ("Yes.", "No!")  # they differ in their first and in their last letter

_SWITCHES = ("/no_think", "/think")  # some templates heed these in a message, and leave them out


class Turn(NamedTuple):
    """An answer and what is written around it.

    `after` reaches to the end token, whose id is `end`; it is empty where that is not written as text.
    """

    before: str
    answer: str
    after: str
    end: int


def turn_of(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], answer: str) -> Turn:
    """The assistant's answer after these messages, as the template writes it: some strip the spaces around it.

    UserError where the template refuses the conversation, or makes something else of the answer.
    """
    before, rest = _around(tokenizer, messages)
    whole = rendered(tokenizer, [*messages, ("assistant", answer)])
    written = whole[len(before) : len(whole) - len(rest)]
    if before + written + rest != whole or written.strip() != answer.strip():
        raise UserError(
            f"{name_of(tokenizer)} makes something else of the answer {shown(answer)}. "
            f"Leave thoughts and markers out of it, or {OTHERWISE}."
        )
    return Turn(before, written, *_closing(tokenizer, messages, rest))


def prompt_of(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """The text before the assistant's answer."""
    return _around(tokenizer, messages)[0]


def conversation(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], answer: str | None) -> str:
    """All that the template writes of messages and an answer; without one, up to where it asks for one.

    Unlike `prompt_of` that may be another text than a finished turn begins with: a model is asked as the template does,
    which is told the date and nothing else.
    """
    said = [] if answer is None else [("assistant", answer)]
    return rendered(tokenizer, [*messages, *said], {}, asking=answer is None)


def end_of(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> int:
    """The id of the token that ends the assistant's answer."""
    return _closing(tokenizer, messages, _around(tokenizer, messages)[1])[1]


def _around(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> tuple[str, str]:
    """What stands before the assistant's answer, and what comes after it."""
    one, other = (rendered(tokenizer, [*messages, ("assistant", probe)]) for probe in _PROBES)
    before, after = _common(one, other), _common(one[::-1], other[::-1])[::-1]
    if before + _PROBES[0] + after != one:
        raise UserError(f"{name_of(tokenizer)} doesn't write the assistant's answer once, as it is: {OTHERWISE}.")
    if before.rstrip().endswith("<think>"):
        raise UserError(
            f"{name_of(tokenizer)} writes an answer into an open <think> block, as if it were a thought. "
            f"Tell it not to think, in a system message where it heeds one, or {OTHERWISE}."
        )
    for role, content in messages:
        text = said(role, content)
        if not any(form.strip() in before for form in (text, *(text.replace(x, "") for x in _SWITCHES))):
            raise UserError(
                f"{name_of(tokenizer)} leaves out or rewrites what {role!r} says: {shown(content)}. "
                f"Take that out, or {OTHERWISE}."
            )
    return before, after


def said(role: str, content: str) -> str:
    """A message less the thoughts of an assistant, which templates leave out of earlier turns.

    >>> said("assistant", "<think>Hm.</think>Yes.")
    'Yes.'
    """
    return content.rsplit("</think>", 1)[-1] if role == "assistant" else content


def _common(one: str, other: str) -> str:
    """What both texts begin with."""
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _closing(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], rest: str) -> tuple[str, int]:
    """`rest` up to the end token, and that token's id."""
    if found := _marker(tokenizer, rest):
        return found
    if rest.strip():
        raise UserError(
            f"{name_of(tokenizer)} writes {rest!r} after an answer, which does not begin with a token of its own: "
            f"nothing would mark an answer's end. Instead {OTHERWISE}."
        )
    if found := _marker(tokenizer, _next_turn(tokenizer, messages)):
        return found
    if tokenizer.eos_token_id is None:
        raise UserError(f"Neither this tokenizer nor its chat template has a token that ends an answer: {OTHERWISE}.")
    return "", int(tokenizer.eos_token_id)


def _next_turn(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """What is written after an answer that a question follows; where nothing else ends a turn, the next one does."""
    try:
        one, other = (rendered(tokenizer, [*messages, ("assistant", probe), ("user", "?")]) for probe in _PROBES)
    except UserError:
        return ""
    return _common(one[::-1], other[::-1])[::-1]


def _marker(tokenizer: PreTrainedTokenizerBase, after: str) -> tuple[str, int] | None:
    """This text up to its first token, and that token's id, if it is an added one: spaces may stand before it."""
    text = _PROBES[0]
    coded = tokenizer(text + after, add_special_tokens=False, return_offsets_mapping=True)
    begins = len(text) + len(after) - len(after.lstrip())
    for i, (_, end) in zip(coded["input_ids"], coded["offset_mapping"], strict=True):
        if end > begins:
            own = i == tokenizer.eos_token_id or (i in markers(tokenizer) and i != tokenizer.bos_token_id)
            return (after[: end - len(text)], int(i)) if own else None
    return None
