"""Every notebook runs from top to bottom in a fresh kernel, and is as thin as notebooks here should be."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.integration
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel machinery, not of ours
def test_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.parent.parent}}
    ).execute()
    errors = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
    assert not errors


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_prose_and_calls(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell.source.replace("%matplotlib inline\n", "") for cell in notebook.cells if cell.cell_type == "code"]
    for source in code:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 5
    assert "assert" in code[-1]
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) >= len(code) - 1
    assert path.stat().st_size < 1_000_000


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
