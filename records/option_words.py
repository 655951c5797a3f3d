"""A name with options in one word, for the command line: `AdamW:betas=[0.9,0.95]:eps=1e-6`."""

from typing import Any

from records.errors import UserError
from records.settings import scalar

__all__ = ["name_and_options", "written"]


def name_and_options(text: str) -> tuple[str, dict[str, Any]]:
    """The name before the first `:option=value`, and the options; a value in brackets is a list.

    A name may have colons itself (`file.py:name`). UserError where an option has no name or is there twice.

    >>> name_and_options("AdamW:betas=[0.9,0.95]:eps=1e-6")
    ('AdamW', {'betas': [0.9, 0.95], 'eps': 1e-06})
    >>> name_and_options("mine.py:Mine")
    ('mine.py:Mine', {})
    """
    name, *words = text.split(":")
    while words and "=" not in words[0]:
        name = f"{name}:{words.pop(0)}"
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not key:
            raise UserError(f"{text}: options are written NAME:option=value:option=value, and {word!r} is none.")
        if key in options:
            raise UserError(f"{text}: the option {key} is there twice.")
        options[key] = _value(value)
    return name.strip(), options


def written(name: str, options: dict[str, Any]) -> str:
    """As `name_and_options` reads it.

    >>> written("AdamW", {"betas": [0.9, 0.95], "eps": 1e-06})
    'AdamW:betas=[0.9,0.95]:eps=1e-06'
    """
    return ":".join([name, *(f"{key}={_text(value)}" for key, value in options.items())])


def _value(text: str) -> Any:
    if text[:1] in ("[", "(") and text[-1:] in ("]", ")"):
        return [scalar(part.strip()) for part in text[1:-1].split(",")]
    return scalar(text)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(x) for x in value)}]"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
