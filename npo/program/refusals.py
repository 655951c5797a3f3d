"""What a user, or this machine, made impossible: the words for it. Nothing heavy is imported here."""

import errno
import re

from records.errors import UserError

__all__ = ["said"]

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
NO_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory")  # as torch says it

LESS = (
    "Ask for smaller sizes; of a language model for fewer rows a piece (--piece, unlearn.piece), shorter texts "
    "(--max-length, model.longest), activations that are computed again (--recompute, unlearn.recompute=true), or an "
    "adapter (--lora, model.lora). Units that are finished are kept."
)


def said(error: Exception) -> str | None:
    """What a user can do about an error, None where it is none of theirs."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f" {error.filename}" if error.filename else ""
        if error.errno in DISK:
            return f"Can't use the disk{where}: {error.strerror}. Make room or choose another --out."
        return f"Can't use{where or ' a file'}: {error.strerror}. Name another file or folder."
    if isinstance(error, RecursionError):
        return "Something that was given is nested too deeply to be read."
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))):
        first = str(error).strip().split("\n")[0][:200]
        return f"Memory ran out{f' ({first})' if first else ''}. {LESS}"
    return None
