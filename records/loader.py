"""A user's own function, by `path/to/file.py:name`."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from records.errors import UserError

__all__ = ["load_function"]


def load_function(reference: str) -> Callable[..., Any]:
    """Load the function `name` from the Python file in `path/to/file.py:name`.

    Raises UserError where the form, the file or the name is wrong, or the file itself fails to run.
    """
    path_text, separator, name = reference.rpartition(":")
    path = Path(path_text).expanduser()
    if not separator or path.suffix != ".py" or not name.isidentifier():
        raise UserError(f"{reference!r} does not name a function: write path/to/file.py:function_name.")
    if not path.is_file():
        raise UserError(f"{reference!r}: there is no file {path}.")
    module_name = f"user_{path.stem}_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} can't be read as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # so that a closed gradient weight beside the function is found
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} failed to load: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        own = sorted(k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module_name)
        raise UserError(f"{path} has no function {name}; it defines {', '.join(own) or 'none'}.")
    return function
