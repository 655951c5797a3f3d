"""What notebooks and pages import is there, by the names that a reader would type."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("records", "theory", "synthetic", "scale", "figures", "npo")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / room / "README.md" for room in (*OURS, "tests", "notebooks") if (ROOT / room / "README.md").is_file()]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FACES = {  # the short imports that stay
    "synthetic.logistic": ("problem_from_arrays", "unlearn"),
    "theory.losses": ("npo",),
    "theory.objective": ("method",),
    "theory.logprobs": ("summed", "from_logits", "Head"),
    "scale.evaluation": ("forget_quality", "probability"),
}


def _code(path: Path) -> Iterator[str]:
    """The Python of a notebook's cells, or of a page's blocks; prompts and what they print are taken away."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        whole = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield from (re.sub(r"(?m)^[%!].*$", "", text) for text in whole)
        return
    for block in re.findall(r"```(?:python|py)\n(.*?)```", path.read_text(encoding="utf8"), re.DOTALL):
        typed = re.findall(r"(?m)^(?:>>>|\.\.\.) ?(.*)$", block)
        yield "\n".join(typed) if typed else block


def _missing(code: str) -> list[str]:
    """The names of ours that code imports and that are not there."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in OURS:
            module = importlib.import_module(str(node.module))
            found += [f"{node.module}.{x.name}" for x in node.names if not _there(module, x.name)]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in OURS:
                    importlib.import_module(alias.name)
    return found


def _there(module: object, name: str) -> bool:
    if hasattr(module, name):
        return True
    try:
        importlib.import_module(f"{getattr(module, '__name__', '')}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_imported_is_there(path: Path) -> None:
    assert not [name for code in _code(path) for name in _missing(code)]


def test_the_short_faces_stay() -> None:
    for module, names in FACES.items():
        found = importlib.import_module(module)
        assert not [name for name in names if not hasattr(found, name)], module


def test_there_is_code_to_look_at_and_a_name_that_is_gone_is_found() -> None:
    assert all(any(_code(path)) for path in NOTEBOOKS)
    assert sum(len(list(_code(path))) for path in PAGES) > 1
    assert _missing("from theory.losses import npo, npq\nimport theory.kernel") == ["theory.losses.npq"]
