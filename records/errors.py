"""What went wrong on the user's side of the keyboard."""

from collections.abc import Callable
from typing import Any

__all__ = ["UserError", "together"]


class UserError(Exception):
    """Is raised when the user can mend it: the message says what is wrong, where, and what to do.

    The command line prints the message alone and exits with code 2.
    """


def together(*looks: Callable[[], Any]) -> list[Any]:
    """What each gives, in order; one UserError with what all of them have to say.

    >>> together(lambda: 1, lambda: "a")
    [1, 'a']
    """
    found, wrong = [], []
    for look in looks:
        try:
            found.append(look())
        except UserError as error:
            wrong += str(error).split("\n")
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))
    return found
