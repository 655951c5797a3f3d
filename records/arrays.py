"""Arrays from a file of numpy's, whatever the file really is."""

import math
import zipfile
from pathlib import Path

import numpy as np

from records.errors import UserError
from records.memory import check_memory

__all__ = ["read_arrays"]

ENCRYPTED = 1  # of a zip member's flags


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; nothing is unpickled. UserError where it is absent or no such file."""
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise UserError(f"{path} is no .npz archive, or only a part of one.")
            _check_claims(path)
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}.") from None
    except UserError:
        raise
    except Exception as error:  # numpy, zipfile and zlib have a dozen kinds for it
        raise UserError(f"{path} is damaged: {type(error).__name__}: {str(error) or 'it ends too early'}.") from None
    if foreign := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise UserError(f"{path} is damaged: {', '.join(foreign)} is no array.")
    return arrays


def _check_claims(path: Path) -> None:
    """UserError where an array claims another size than its file has, or all together are more than there is memory."""
    whole = 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members):
            raise UserError(f"{path} holds an array twice. Write it again.")
        for member in members:
            if member.flag_bits & ENCRYPTED:
                raise UserError(f"{path} is encrypted. Write it without a password.")
            with archive.open(member) as inner:
                version = np.lib.format.read_magic(inner)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(inner)
                claimed = math.prod(shape) * dtype.itemsize
                if not dtype.hasobject and claimed != member.file_size - inner.tell():
                    raise UserError(
                        f"{path} is damaged: {member.filename} claims {claimed:,} bytes and has "
                        f"{member.file_size - inner.tell():,}."
                    )
            whole += claimed
    check_memory(whole, str(path))
