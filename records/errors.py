"""What went wrong on the user's side of the keyboard."""

__all__ = ["UserError"]


class UserError(Exception):
    """Is raised when the user can mend it: the message says what is wrong, where, and what to do.

    The command line prints the message alone and exits with code 2.
    """
