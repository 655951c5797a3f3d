"""What a long verb says of being stopped: once, in its help and as its last line after Ctrl-C."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["GOES_ON", "SAID", "STARTS_ANEW", "goes_on", "starts_anew"]

GOES_ON = "Finished pieces are kept: stopped and started again, it goes on with what is missing."
STARTS_ANEW = "Results are written at the end: stopped and started again, it starts anew."

SAID: dict[str, str] = {}
"""The sentence of each long verb, by its name."""
Verb = TypeVar("Verb", bound=Callable[..., Any])


def goes_on(verb: Verb) -> Verb:
    """A verb whose work is units (`records.work`): each that is finished is kept, whatever ends the verb."""
    return _says(verb, GOES_ON)


def starts_anew(verb: Verb) -> Verb:
    """A verb that takes seconds or minutes and writes nothing before its end."""
    return _says(verb, STARTS_ANEW)


def _says(verb: Verb, sentence: str) -> Verb:
    SAID[verb.__name__.rstrip("_")] = sentence  # `try_` is called try
    first, _, rest = inspect.cleandoc(verb.__doc__ or "").partition("\n\n")
    verb.__doc__ = "\n\n".join(filter(None, [first, sentence, rest]))
    return verb
