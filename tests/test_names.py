"""One name, one thing: classes, calls with many values, tuples with many members, docstrings that say what they are."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = ("records", "theory", "synthetic", "scale", "figures", "npo")
MOST_BY_POSITION, MOST_UNNAMED = 7, 4


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


def _trees(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            yield str(path.relative_to(root)), _tree(path)


def _called(tree: ast.AST) -> set[str]:
    """Classes, and functions of a fixed number of arguments."""
    nodes = list(ast.walk(tree))
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    return classes | {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.args.vararg is None}


def test_no_public_class_name_is_there_twice(root: Path) -> None:
    """Nor is the name of a class that of a type somewhere else."""
    classes, types = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for place, tree in _trees(root, *PACKAGES):
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                classes[node.name].append(place)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                types[node.targets[0].id].append(place)
    assert "Objective" in classes
    twice = {
        name: places + types[name]
        for name, places in classes.items()
        if not name.startswith("_") and len(places + types[name]) > 1
    }
    assert not twice


def test_what_takes_many_values_takes_them_by_name(root: Path) -> None:
    """No call of a function or class of ours has eight or more values by position; `*words` of any number may."""
    ours = set().union(*(_called(tree) for _, tree in _trees(root, *PACKAGES)))
    public = {name for name in ours if not name.startswith("_")}
    for place, tree in _trees(root, *PACKAGES, "benchmarks", "tests"):
        known = public | _called(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) > MOST_BY_POSITION:
                called = ast.unparse(node.func).rpartition(".")[2]
                assert called not in known, f"{place}:{node.lineno} {called} has {len(node.args)} values by position"


def test_tuples_of_many_members_have_names(root: Path) -> None:
    for place, tree in _trees(root, *PACKAGES, "benchmarks"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "tuple":
                members = len(node.slice.elts) if isinstance(node.slice, ast.Tuple) else 1
                assert members <= MOST_UNNAMED, f"{place}:{node.lineno} {ast.unparse(node)}: write a NamedTuple"


def test_docstrings_say_what_it_is(root: Path) -> None:
    """They are read by themselves, in an editor and on a page: what "the same" is, nobody sees there."""
    for place, tree in _trees(root, *PACKAGES, "benchmarks", "tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                said = ast.get_docstring(node) or ""
                name = getattr(node, "name", "")
                assert not said.startswith(("The same ", "Those of ")), f"{place} {name}: {said}"
