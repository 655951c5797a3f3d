"""What a tokenizer's chat template writes of a conversation: the same every day, and what it refuses in words."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from transformers import PreTrainedTokenizerBase

from records.errors import UserError
from records.shown import shown

__all__ = ["OTHERWISE", "PLAINLY", "Message", "name_of", "rendered"]

Message = tuple[str, str]
"""Who speaks, and what is said."""

OTHERWISE = "choose another format (prompt: plain, or prompt: {before: …, after: …}), or write prompt and completion"
"""What to do where a template is of no use."""

PLAINLY: Mapping[str, bool] = {"enable_thinking": False, "thinking": False}
"""The names by which templates are told that an answer comes at once: one's rows hold no thoughts."""

DAY = date(2025, 4, 10)
"""What a template is told is today; else every day would have other token ids."""

_DIRECTIVES = "aAbBcdDeFgGHIjmMnpSTuUVwWxXyY"
_PINNED = (
    "{% macro strftime_now(format) %}{{ format"
    + "".join(f"|replace('%-{x}', '{DAY.strftime('%' + x).lstrip('0') or 0}')" for x in "dmHIMSjy")
    + "".join(f"|replace('%{x}', '{DAY.strftime('%' + x)}')" for x in _DIRECTIVES)
    + " }}{% endmacro %}\n"
)
"""Put before a template, this stands in for the clock that the library offers to templates by the same name."""


def rendered(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    told: Mapping[str, bool] = PLAINLY,
    *,
    asking: bool = False,
) -> str:
    """The whole conversation, `asking` for an answer at its end or not; `told` are facts that a template may ask for.

    UserError where there is no template, or it refuses these messages.
    """
    template = _text(tokenizer)
    try:
        return _write(tokenizer, template, messages, {**told, "add_generation_prompt": asking})
    except Exception as error:  # a template is a program of someone else's: whatever it raises is its refusal
        raise UserError(_refusal(tokenizer, template, messages, error)) from None


def name_of(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the template is called in a message."""
    named = f" of {tokenizer.name_or_path}" if tokenizer.name_or_path else ""
    return f"The chat template{named}"


def _text(tokenizer: PreTrainedTokenizerBase) -> str:
    if not tokenizer.chat_template:
        raise UserError(
            f"This tokenizer has no chat template, and the prompt format, or a row with messages, asks for one: "
            f"{OTHERWISE}."
        )
    try:
        return str(tokenizer.get_chat_template())
    except ValueError:
        raise UserError(
            f"This tokenizer has several chat templates ({', '.join(sorted(tokenizer.chat_template))}) and none is the "
            f"default. Name one default in its files, or {OTHERWISE}."
        ) from None


def _write(
    tokenizer: PreTrainedTokenizerBase, template: str, messages: Sequence[Message], told: Mapping[str, bool]
) -> str:
    said = [{"role": role, "content": content} for role, content in messages]
    facts: dict[str, Any] = {"date_string": DAY.strftime("%d %b %Y"), **told}
    return str(tokenizer.apply_chat_template(said, chat_template=_PINNED + template, tokenize=False, **facts))


def _refusal(tokenizer: PreTrainedTokenizerBase, template: str, messages: Sequence[Message], error: Exception) -> str:
    """Which template refuses which messages, in its own words, and what to do."""
    words = str(error).strip().split("\n")[0] or type(error).__name__
    roles = ", ".join(role for role, _ in messages)
    told = f"{name_of(tokenizer)} refuses a conversation of {roles} ({shown(messages[-2:][0][1])}): {words}"
    without = [message for message in messages if message[0] != "system"]
    if len(without) < len(messages) and _takes(tokenizer, template, without):
        system = next(content for role, content in messages if role == "system")
        out = f"It takes no system message ({shown(system)}): leave that out (prompt: chat has none)"
        return f"{told}. {out}, or {OTHERWISE}."
    return f"{told}. Mend the messages, or {OTHERWISE}."


def _takes(tokenizer: PreTrainedTokenizerBase, template: str, messages: Sequence[Message]) -> bool:
    try:
        return bool(_write(tokenizer, template, messages, PLAINLY))
    except Exception:  # as above
        return False
