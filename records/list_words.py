"""Lists as they are typed: with commas between their parts."""

import re

__all__ = ["split_list"]


def split_list(text: str) -> list[str]:
    """The parts between commas, those in brackets aside.

    >>> split_list("GD, AdamW:betas=[0.9,0.95]")
    ['GD', 'AdamW:betas=[0.9,0.95]']
    """
    return [part.strip() for part in re.split(r",(?![^\[\]]*\])", text)]
