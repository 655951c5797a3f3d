"""Do two rows say the same, whatever their case, their spaces, and how their letters are composed?"""

import unicodedata

__all__ = ["normal_form"]


def normal_form(given: str, answer: str) -> tuple[str, str]:
    """What equal rows have in common.

    >>> normal_form("Who?", " She.") == normal_form("who? ", "SHE.")
    True
    """
    texts = (unicodedata.normalize("NFKC", text).casefold().split() for text in (given, answer))
    one, other = (" ".join(words) for words in texts)
    return one, other
