"""Let the site show the examples in docstrings as code: a fence around each run of lines that begins with >>>."""

import re

from griffe import Extension, Object

__all__ = ["Doctests", "fenced"]

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring with its examples in fences."""
    return EXAMPLE.sub(lambda found: f"\n{found[1]}```pycon\n{found[0]}\n{found[1]}```", text)


class Doctests(Extension):
    """What griffe calls for each thing that it has read."""

    def on_instance(self, *, obj: Object, **_: object) -> None:
        """Fence its examples."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
