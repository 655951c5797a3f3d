"""The shape of the project: one-way arrows, loss arithmetic in one place, one wheel, no machine's name."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ARROWS = {
    "records": set(),
    "theory": set(),
    "synthetic": {"theory", "records"},
    "scale": {"theory", "records"},
    "figures": {"theory", "synthetic", "records"},
    "npo": {"theory", "synthetic", "scale", "figures", "records"},
}
LOSS_ARITHMETIC = {"logsigmoid", "softplus", "log_softmax", "cross_entropy", "kl_div", "nll_loss", "log_sigmoid"}


def _sources(root: Path, package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((root / package).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("package", ARROWS)
def test_imports_go_one_way(root: Path, package: str) -> None:
    allowed = ARROWS[package] | {package}
    for path, tree in _sources(root, package):
        wrong = set(_imported(tree)) & set(ARROWS) - allowed
        assert not wrong, f"{path.relative_to(root)} imports {wrong}"


def test_only_the_front_door_of_scale_needs_its_libraries(root: Path) -> None:
    """transformers, tokenizers and accelerate are an extra: nothing outside scale may import them."""
    for package in set(ARROWS) - {"scale"}:
        for path, tree in _sources(root, package):
            assert not set(_imported(tree)) & {"transformers", "tokenizers", "accelerate"}, path


@pytest.mark.parametrize("package", sorted(set(ARROWS) - {"theory"}))
def test_loss_arithmetic_lives_in_theory(root: Path, package: str) -> None:
    for path, tree in _sources(root, package):
        for node in ast.walk(tree):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name not in LOSS_ARITHMETIC:
                continue
            from_theory = any(
                isinstance(n, ast.ImportFrom)
                and (n.module or "").startswith("theory")
                and name in {a.name for a in n.names}
                for n in ast.walk(tree)
            )
            assert from_theory, f"{path.relative_to(root)}:{node.lineno} uses {name}"


def test_the_ignored_label_is_known_in_one_place(root: Path) -> None:
    for package in set(ARROWS):
        for path, tree in _sources(root, package):
            if path.name == "logprobs.py":
                continue
            hits = [
                n
                for n in ast.walk(tree)
                if isinstance(n, ast.UnaryOp) and isinstance(n.operand, ast.Constant) and n.operand.value == 100
            ]
            assert not hits, f"{path.relative_to(root)} writes -100: import theory.logprobs.IGNORE"


def test_nothing_is_unpickled(root: Path) -> None:
    for package in ARROWS:
        for path, tree in _sources(root, package):
            assert not set(_imported(tree)) & {"pickle", "dill", "joblib"}, path
            assert "torch.load(" not in path.read_text(encoding="utf8"), path


def test_the_wheel_holds_our_packages_and_their_files(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (n for n in names if n.endswith("entry_points.txt"))
        assert "npo = npo.cli:main" in archive.read(entry_points).decode()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == set(ARROWS)
    for package in ARROWS:
        for path in (root / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(root).as_posix() in names


def test_a_shadowing_distribution_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from npo.verbs.doctor import shadowed

    assert shadowed() == []
    told = shadowed(tmp_path)
    assert len(told) == len(ARROWS)
    assert "uninstall the distribution that brings it" in told[0]


def test_the_project_names_no_machine(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:home|root|work|Users)/[a-z]", re.IGNORECASE)
    for name in listed.stdout.split():
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".ipynb", ".html"} and path.is_file():
            found = pattern.search(path.read_text(encoding="utf8"))
            assert found is None or name == "tests/test_architecture.py", f"{name} names {found and found.group()}"


def test_explained_mutants_are_of_functions_that_exist_and_give_a_reason(root: Path) -> None:
    lines = [
        x for x in (root / "tests" / "mutants.txt").read_text(encoding="utf8").splitlines() if x[:1] not in ("#", "")
    ]
    for line in lines:
        name, count, reason = line.split(":", 2)
        module, function = re.fullmatch(r"theory\.(\w+)\.x(?:ǁ\w+ǁ|_)(\w+)", name).groups()
        source = ast.parse((root / "theory" / f"{module}.py").read_text(encoding="utf8"))
        assert function in {n.name for n in ast.walk(source) if isinstance(n, ast.FunctionDef)}, name
        assert int(count) > 0
        assert len(reason) > 20
