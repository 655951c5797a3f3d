"""Which kind of row an object is, by its keys, and what is wrong with it.

    {"question": …, "answer": …}      optionally alternates, paraphrased_answer, perturbed_answer
    {"prompt": …, "completion": …}
    {"messages": [{"role": …, "content": …}, …]}         the last message is the assistant's
    {"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}     ShareGPT; the same
    {"text": …}

Ids and remarks under other keys are left out. Tools, thoughts, contexts and the like are not: a row that has some would
be learned or forgotten as another one than its author wrote, so it is refused.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from records.errors import UserError
from records.shown import named, shown

__all__ = ["KEYS", "SHAPES", "Shaped", "check_shape", "is_header", "shaped", "with_as_many_others"]

SHAPES: Mapping[str, tuple[str, ...]] = {
    "question-answer": ("question", "answer"),
    "prompt-completion": ("prompt", "completion"),
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "text": ("text",),
}
"""The keys of each kind of row, by the names that `--format` takes."""

KEYS = "question and answer, prompt and completion, messages, conversations, or text"
_OTHER_ANSWERS = {"alternates": True, "paraphrased_answer": False, "perturbed_answer": True}
"""What a question may have beside its answer, and whether those are several."""
_UNREAD = (
    *("tools", "tool_calls", "functions", "function_call", "documents", "reasoning_content", "reasoning", "thinking"),
    *("system", "context", "instruction", "input", "chat_template_kwargs"),
)
"""Keys, of a row or of a message, that say what a model is to read or write beside the texts that are taken."""
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
"""Who speaks in ShareGPT's conversations, as chat templates call them."""
_OF_TOOLS = ("tool", "function", "function_call", "function_response", "observation")


class Shaped(NamedTuple):
    """A row: its kind, and its texts; of conversations, the messages as (role, content)."""

    shape: str
    texts: dict[str, Any]


def check_shape(name: str | None) -> None:
    """UserError where there is no kind of that name."""
    if name is not None and name not in SHAPES:
        near = difflib.get_close_matches(name, SHAPES, n=1)
        hint = f"did you mean {near[0]}" if near else f"choose one of {', '.join(SHAPES)}"
        raise UserError(f"there is no format of rows {name}: {hint}.")


def is_header(columns: Collection[str]) -> bool:
    """Do these columns of a table make a row?

    >>> is_header(["id", "question", "answer"]), is_header(["Where was she born, and when?"])
    (True, False)
    """
    return any(set(keys) <= set(columns) for keys in SHAPES.values())


def shaped(value: Mapping[str, Any], shape: str | None = None) -> Shaped | str:
    """The row of an object, of the kind `shape` where one is named; or what is wrong with it."""
    there = {key for keys in SHAPES.values() for key in keys if key in value}
    kinds = [name for name, keys in SHAPES.items() if there & set(keys)]
    if shape is not None and not set(SHAPES[shape]) <= there:
        return f"it has the keys {named(value)}; needed are those of {shape}: {' and '.join(SHAPES[shape])}"
    if not any(set(SHAPES[name]) <= there for name in kinds):
        return f"it has the keys {named(value)}; needed are {KEYS}"
    if len(kinds) > 1 and shape is None:
        return f"it has keys of two kinds of rows, {named(there)}; keep those of one, or name it by `format`: {KEYS}"
    kind = shape or kinds[0]
    if unread := _unread(value):
        return unread
    if kind == "messages":
        return _messages(value["messages"])
    if kind == "sharegpt":
        return _conversation(value["conversations"])
    if wrong := next((f"{key} is {said}" for key in SHAPES[kind] if (said := _no_text(value[key]))), ""):
        return wrong
    texts = {key: value[key] for key in SHAPES[kind]}
    if kind == "question-answer":
        return _with_others(texts, value)
    if others := [key for key in _OTHER_ANSWERS if value.get(key)]:
        return f"{named(others)} go with question and answer, and it has {named(texts)}"
    return Shaped(kind, texts)


def _with_others(texts: dict[str, Any], value: Mapping[str, Any]) -> Shaped | str:
    """A question with its other answers, where there are any."""
    for key, several in _OTHER_ANSWERS.items():
        given = value.get(key)
        if given is None or given == "":
            continue
        listed = given if isinstance(given, list) else [given]
        if several and (not listed or any(_no_text(text) for text in listed)):
            return f"{key} is not a list of texts, none empty: {shown(given)}"
        if not several and _no_text(given):
            return f"{key} is {_no_text(given)}"
        texts[key] = tuple(listed) if several else given
    if "perturbed_answer" in texts and "paraphrased_answer" not in texts:
        return "it has perturbed_answer and no paraphrased_answer, which the wrong answers are held against"
    return Shaped("question-answer", texts)


def with_as_many_others(read: Sequence[tuple[int, Shaped | str]]) -> list[tuple[int, Shaped | str]]:
    """The rows, those refused that have more or fewer wrong answers than the first: metrics average over them."""
    counts = [_wrong_answers(row) for _, row in read]
    first = next((count for count in counts if count is not None), None)
    said = "it has {} perturbed answers, and the first row {}: give each row as many"
    return [
        (number, row if count in (None, first) else said.format(count, first))
        for (number, row), count in zip(read, counts, strict=True)
    ]


def _wrong_answers(row: Shaped | str) -> int | None:
    if isinstance(row, str) or row.shape != "question-answer":
        return None
    return len(row.texts.get("perturbed_answer", ()))


def _unread(value: Mapping[str, Any]) -> str:
    """What a row or a message has that would be left out, or nothing; ids and remarks are nobody's words."""
    left_out = [key for key in _UNREAD if value.get(key)]
    advice = "write all that is read as prompt and completion, or take it out"
    return f"it has {named(left_out)}, which would be left out: {advice}" if left_out else ""


def _no_text(value: Any) -> str:
    """What is wrong with a value that should be a text, or nothing."""
    if not isinstance(value, str) or not value.strip():
        return f"empty or not text: {shown(value)}"
    return "text with a null character in it" if "\0" in value else ""


def _messages(value: Any) -> Shaped | str:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(m, dict) for m in value):
        return "messages is not a list of at least two objects with role and content"
    for message in value:
        if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
            return f"a message has no role or no content that is text: {shown(message)}"
    return _spoken(value, [(m["role"], m["content"]) for m in value])


def _conversation(value: Any) -> Shaped | str:
    """ShareGPT's; some write messages under its key."""
    if isinstance(value, list) and value and all(isinstance(m, dict) and "role" in m for m in value):
        return _messages(value)
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(m, dict) for m in value):
        return "conversations is not a list of at least two objects with from and value"
    for message in value:
        if not isinstance(message.get("from"), str) or not isinstance(message.get("value"), str):
            return f"a message has no from or no value that is text: {shown(message)}"
        if message["from"] in _OF_TOOLS:
            return f"it has tool calls, which would be left out: a message is from {shown(message['from'])}"
        if message["from"] not in _ROLES:
            return f"a message is from {shown(message['from'])}; known are {', '.join(_ROLES)}"
    return _spoken(value, [(_ROLES[m["from"]], m["value"]) for m in value])


def _spoken(value: Sequence[Mapping[str, Any]], said: Sequence[tuple[str, str]]) -> Shaped | str:
    """Messages by role and content, where all of each is said with these and the last is an answer."""
    for message, (role, content) in zip(value, said, strict=True):
        if "\0" in content:
            return "a message has a null character in it"
        if unread := _unread(message):
            return f"of the message of {shown(role)}: {unread}"
    if said[-1][0] != "assistant" or not said[-1][1].strip():
        return "the last message must be the assistant's, and not empty"
    return Shaped("messages", {"before": tuple(said[:-1]), "answer": said[-1][1]})
