"""What a result depends on in our own source: the module whose function makes it, and all that this module imports.

Comments, docstrings and line breaks do not count, nor does a data file: what one decides belongs in a unit's settings.
"""

import ast
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache, partial
from pathlib import Path

from records.store import content_hash

__all__ = ["ROOMS", "modules_behind", "modules_of", "source_hash"]

ROOMS = ("records", "theory", "synthetic", "scale", "figures", "npo")
ROOT = Path(__file__).resolve().parent.parent


def source_hash(run: object, root: Path = ROOT) -> str:
    """A hash of the code behind what a unit runs, the same for any wording of comments and docstrings."""
    return _hash(frozenset(modules_of(run)), root)


def modules_of(run: object) -> set[str]:
    """The modules of a function, or of the type of a value and of the functions that it holds.

    Of a partial, those of what it binds too.
    """
    if isinstance(run, partial):
        return set().union(*(modules_of(part) for part in (run.func, *run.args, *run.keywords.values())))
    if is_dataclass(run) and not isinstance(run, type):
        held = [part for value in vars(run).values() for part in (value if isinstance(value, tuple) else (value,))]
        own = {module for part in held if hasattr(part, "__qualname__") for module in modules_of(part)}
        return own | _known(type(run).__module__)
    module = run.__module__ if hasattr(run, "__qualname__") else type(run).__module__
    return _known(module)


def _known(module: str) -> set[str]:
    return {module} if module.partition(".")[0] in ROOMS else set()


def modules_behind(modules: frozenset[str], root: Path = ROOT) -> set[str]:
    """These modules and all of ours that they import, inside functions too, with the packages on the way."""
    found: set[str] = set()
    todo = [above for module in modules for above in _with_packages(module)]
    while todo:
        module = todo.pop()
        if module not in found and _file(module, root):
            found.add(module)
            todo += _imported(_text(module, root))
    return found


@cache
def _hash(modules: frozenset[str], root: Path) -> str:
    return content_hash([[module, _code_hash(_text(module, root))] for module in sorted(modules_behind(modules, root))])


@cache
def _text(module: str, root: Path) -> bytes:
    path = _file(module, root)
    return path.read_bytes() if path else b""


# What follows from a text is kept by the text, wherever the file lies.


@cache
def _tree(text: bytes) -> ast.Module:
    return ast.parse(text)


@cache
def _code_hash(text: bytes) -> str:
    return content_hash(repr(_shape(_tree(text))))


@cache
def _imported(text: bytes) -> tuple[str, ...]:
    """All of our modules that a text names in its imports; those for type checkers alone are left out."""
    return tuple(found for name in _names(_tree(text)) for found in _with_packages(name))


def _names(tree: ast.AST) -> Iterator[str]:
    """What an import may stand for: `from a import b` is a, and a.b where that is a module."""
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    elif isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        for otherwise in tree.orelse:
            yield from _names(otherwise)
    else:
        for node in ast.iter_child_nodes(tree):
            yield from _names(node)


def _with_packages(name: str) -> list[str]:
    """A dotted name and all above it, where it is one of ours.

    >>> _with_packages("theory.losses.npo"), _with_packages("numpy.linalg")
    (['theory', 'theory.losses', 'theory.losses.npo'], [])
    """
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))] if parts[0] in ROOMS else []


def _file(module: str, root: Path) -> Path | None:
    """The file of a module; None where the name is no module's."""
    place = root.joinpath(*module.split("."))
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def _shape(node: object) -> object:
    """A syntax tree as nested lists that every Python writes alike, without the strings that are no expression's part.

    Fields that are empty are left out: a later Python may have more of them.
    """
    if isinstance(node, ast.AST):
        fields = [[name, _shape(value)] for name, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, *fields]
    if isinstance(node, list):
        return [_shape(part) for part in node if not _is_docstring(part)]
    return repr(node)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
