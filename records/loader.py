"""A user's own function, by `path/to/file.py:name`: loading it runs the file, finding it does not."""

import ast
import difflib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from records.errors import UserError
from records.paths import user_path

__all__ = ["find_function", "find_parameters", "is_users", "load_function", "source_of"]

_PREFIX = "user_"


def find_function(reference: str) -> Path:
    """The Python file of `path/to/file.py:name`, whose text is looked at and not run.

    Raises UserError where the form or the file is wrong, or nothing in it has that name.
    """
    path, name = _named(reference)
    tree = _tree(path)
    known = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    known |= {node.asname or node.name for node in ast.walk(tree) if isinstance(node, ast.alias)}
    if not known & {name, "*"}:
        raise UserError(_absent(path, name, known))
    return path


def find_parameters(reference: str) -> inspect.Signature | None:
    """The parameters of `path/to/file.py:name` as its text has them, a default for each that has one.

    None where the text alone does not tell: for a class, a decorated function, one of two of that name, a default that
    is computed. UserError as of `find_function`.
    """
    tree, name = _tree(find_function(reference)), reference.rpartition(":")[2]
    known = [x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == name and not x.decorator_list]
    stored = [x for x in ast.walk(tree) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store) and x.id == name]
    if len(known) != 1 or stored:
        return None
    given, kind = known[0].args, inspect.Parameter
    if given.posonlyargs or given.vararg or given.kwarg:
        return None
    usual = [None] * (len(given.args) - len(given.defaults)) + list(given.defaults)
    by_place = zip(given.args, usual, [kind.POSITIONAL_OR_KEYWORD] * len(usual), strict=True)
    by_name = zip(given.kwonlyargs, given.kw_defaults, [kind.KEYWORD_ONLY] * len(given.kwonlyargs), strict=True)
    try:
        every = [kind(x.arg, how, default=_literal(default)) for x, default, how in (*by_place, *by_name)]
        return inspect.Signature(every)
    except ValueError:
        return None


def _literal(default: ast.expr | None) -> Any:
    return inspect.Parameter.empty if default is None else ast.literal_eval(default)


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path} is no Python file: {type(error).__name__}: {error}") from None


def load_function(reference: str) -> Callable[..., Any]:
    """Load the function `name` from the Python file in `path/to/file.py:name`: this runs the file.

    Raises UserError where the form, the file or the name is wrong, or the file itself fails to run.
    """
    path, name = _named(reference)
    module = _run(path)
    function = vars(module).get(name)
    if not callable(function):
        own = (k for k, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module.__name__)
        raise UserError(_absent(path, name, set(own)))
    found: Callable[..., Any] = function
    return found


def source_of(name: str) -> str:
    """The text of a method's file, so that a result is redone when it changes; "" for one that is no file's."""
    path = name.rpartition(":")[0]
    return user_path(path, name).read_text(encoding="utf8", errors="surrogateescape") if path else ""


def _absent(path: Path, name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{path} has no function {name}; it defines {', '.join(sorted(known)) or 'none'}.{hint}"


def is_users(module: ModuleType) -> bool:
    """Is this a file that `load_function` ran?"""
    return module.__name__.startswith(_PREFIX)


def _named(reference: str) -> tuple[Path, str]:
    """File and name; UserError where the one is no Python file or the other no name."""
    path_text, separator, name = reference.rpartition(":")
    if not separator or not path_text.endswith(".py") or not name.isidentifier():
        raise UserError(f"{reference!r} does not name a function: write path/to/file.py:function_name.")
    path = user_path(path_text, f"{reference!r}:")
    if not path.is_file():
        what = f"{path} is no file" if path.exists() else f"there is no file {path}"
        raise UserError(f"{reference!r}: {what}.")
    return path, name


def _run(path: Path) -> ModuleType:
    """The module that the file is; whatever it raises but Ctrl-C is told, an end of the program too."""
    module_name = f"{_PREFIX}{path.stem}_{abs(hash(path.resolve())):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} can't be read as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # so that a closed gradient weight beside the function is found
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing is left in a user's folder
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"{path} failed to load: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writes
    return module
