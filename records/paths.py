"""A path that a user named: `~` opened, and what no file can be called told in words."""

import os
from pathlib import Path

from records.errors import UserError

__all__ = ["may_write", "user_path"]


def user_path(text: str | Path, what: str) -> Path:
    """The path of this name, whether or not anything is there; UserError where the system can't look.

    `what` begins the message: "The recipe", "--problem".
    """
    if not str(text):
        raise UserError(f"{what} is empty: name a file or folder.")
    try:
        path = Path(text).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except RuntimeError:
        raise UserError(f"{what} {text}: there is no such user, so no home folder. Write the path out.") from None
    except OSError as error:
        raise UserError(f"{what} {str(text)[:200]}: {error.strerror}.") from None
    except ValueError:  # a NUL, or bytes that are no text
        raise UserError(f"{what} {str(text)!r} holds what no path can hold.") from None
    return path


def may_write(folder: Path) -> None:
    """UserError where a folder is none or can't be made or written to, as far as can be told without making it."""
    user_path(folder, "The folder")
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "Permission denied" if there.is_dir() else "Not a directory"
        raise UserError(f"Can't write to the folder {folder}: {there}: {reason}. Choose another with --out.")
