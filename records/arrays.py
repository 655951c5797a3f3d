"""Arrays from a file of numpy's, whatever the file really is."""

import zipfile
from pathlib import Path

import numpy as np

from records.errors import UserError

__all__ = ["read_arrays"]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; nothing is unpickled. UserError where it is absent or no such file."""
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise UserError(f"{path} is no .npz archive, or only a part of one.")
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
