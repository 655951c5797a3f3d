"""The shape of the project: one-way arrows, no circles, loss arithmetic in one place, one wheel, no machine's name."""

import ast
import functools
import graphlib
import itertools
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
# Which neighbours a room may import; a package's own name stands for the files on its top. Of two files those two rooms
# count that part first on the way down; a room within a package and what is on its own top only may make no circle.
_MODELS = {"scale.data", "scale.runtime", "scale.models"}
_TASKS = _MODELS | {"scale.training", "scale.evaluation", "scale.tasks"}
_AUDIT = _TASKS | {"scale.audit"}
_ATTACKS = _MODELS | {"scale.training", "scale.attacks"}
_RECIPES = _AUDIT | _ATTACKS | {"scale.recipes"}
_BETA = _MODELS | {"scale.beta"}
_CLAIMS = ("theory", "logistic", "transformer", "language_model", "every_loss", "beta", "recovery", "audits")
_RUNNING = {"npo.program", "npo.runs", "npo.ledger", "npo.report", "npo.running"}
SUB_ARROWS = {
    "records": set(),
    "theory": {"theory.losses"},
    "theory.losses": set(),
    "theory.theorems": {"theory", "theory.losses", "theory.optimizers"},
    "theory.theorems.paper": set(),
    "theory.theorems.rounding": set(),
    "theory.theorems.time": {"theory.theorems.paper"},
    "theory.theorems.beta": {"theory.theorems.time"},
    "theory.theorems.recovery": {"theory.theorems.time"},
    "theory.optimizers": {"theory"},
    "theory.atlas": {"theory", "theory.losses", "theory.theorems", "theory.optimizers"},
    "theory.atlas.optimisers": set(),
    "synthetic": set(),
    "synthetic.logistic": {"synthetic"},
    "synthetic.transformer": {"synthetic"},
    "synthetic.transformer.field": set(),
    "scale": set(),
    "scale.data": set(),
    "scale.runtime": set(),
    "scale.runtime.launch": set(),
    "scale.models": _MODELS,
    "scale.models.folders": set(),
    "scale.models.loading": {"scale.models.folders"},
    "scale.models.reading": set(),
    "scale.models.answering": {"scale.models.reading"},
    "scale.models.reference": {f"scale.models.{room}" for room in ("loading", "reading", "answering")},
    "scale.training": _MODELS,
    "scale.evaluation": _MODELS,
    "scale.evaluation.metrics": set(),
    "scale.tasks": _TASKS,
    "scale.audit": _AUDIT,
    "scale.attacks": _ATTACKS,
    "scale.recipes": _RECIPES,
    "scale.beta": _BETA,
    "scale.stages": _RECIPES | _BETA,
    "scale.stages.shared": set(),
    "scale.stages.fitting": {"scale.stages.shared"},
    "scale.stages.examining": {"scale.stages.shared"},
    "scale.stages.audits": {"scale.stages.shared"},
    "scale.stages.unlearning": {f"scale.stages.{room}" for room in ("shared", "fitting", "examining")},
    "scale.stages.beta": {f"scale.stages.{room}" for room in ("shared", "fitting", "unlearning")},
    "scale.law": _RECIPES | _BETA | {"scale.stages"},
    "figures": set(),
    "npo.program": set(),
    "npo.runs": {"npo.program"},
    "npo.ledger": {"npo.runs"},
    **{f"npo.ledger.{room}": {"npo.ledger.judging"} for room in _CLAIMS},
    "npo.ledger.judging": set(),
    "npo.ledger.beta": {"npo.ledger.judging", "npo.ledger.language_model"},
    "npo.report": {"npo.program", "npo.runs", "npo.ledger"},
    "npo.running": {"npo.program", "npo.runs"},
    "npo.pools": {"npo.program", "npo.running"},
    "npo.verbs": _RUNNING,
    "npo.verbs.forget": set(),
    "npo.verbs.synthetic": set(),
    "npo.verbs.losses": {"npo.verbs.synthetic"},
    "npo": _RUNNING | {"npo.verbs"},
}
LOSS_ARITHMETIC = {"logsigmoid", "softplus", "log_softmax", "cross_entropy", "kl_div", "nll_loss", "log_sigmoid"}


@functools.cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


def _sources(root: Path, package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((root / package).rglob("*.py")):
        yield path, _parsed(path.read_text(encoding="utf8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def _import_graph(root: Path) -> dict[str, set[str]]:
    """Which of our files each of our files imports, by dotted name; imports inside functions count too."""
    trees = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): tree
        for package in ARROWS
        for path, tree in _sources(root, package)
    }
    graph: dict[str, set[str]] = {}
    for name, tree in trees.items():
        named = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= {x if x in trees else node.module for x in inside}
        graph[name] = named & trees.keys() - {name}
    return graph


def _rooms(root: Path, name: str) -> list[str]:
    """The rooms that a file lies in, from its package down."""
    parts = name.split(".")
    rooms = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return [room for room in rooms if (root / room.replace(".", "/")).is_dir()]


def _wrong_arrows(root: Path) -> list[str]:
    """Each import between two rooms of a package that `SUB_ARROWS` does not allow."""
    wrong = []
    for importer, imported in _import_graph(root).items():
        own = _rooms(root, importer)
        unknown = [room for room in own if room not in SUB_ARROWS]
        wrong += [f"{room} is not in SUB_ARROWS: say there what it may import" for room in unknown]
        for name in imported:
            other = _rooms(root, name)
            apart = [pair for pair in itertools.zip_longest(own, other) if pair[0] != pair[1]]
            if unknown or own[0] != other[0] or not apart:
                continue
            mine, theirs = apart[0][0] or own[-1], apart[0][1] or other[-1]
            inside_one = None in apart[0] and min(len(own), len(other)) > 1
            if not inside_one and theirs not in SUB_ARROWS[mine]:
                wrong.append(f"{importer} imports {name}")
    return sorted(wrong)


def _circle(root: Path) -> list[str]:
    """The files of one circle of imports, none if there is none."""
    try:
        graphlib.TopologicalSorter(_import_graph(root)).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_sub_rooms_import_each_other_one_way(root: Path) -> None:
    assert _wrong_arrows(root) == []
    graphlib.TopologicalSorter(  # the table itself leads nowhere in a circle
        {room: allowed - {room} for room, allowed in SUB_ARROWS.items()}
    ).prepare()


def test_no_files_import_each_other_in_a_circle(root: Path) -> None:
    assert _circle(root) == []


def test_a_wrong_arrow_and_a_circle_are_seen_in_functions_too(tmp_path: Path) -> None:
    files = {
        "scale/data/tofu.py": "def rows():\n    from scale.data import idk",
        "scale/data/idk.py": "import json",
        "scale/models/loading/names.py": "import scale.data.tofu",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf8")
    assert _wrong_arrows(tmp_path) == []
    assert _circle(tmp_path) == []
    (tmp_path / "scale/data/idk.py").write_text(
        "def f():\n    from scale.models.loading.names import x", encoding="utf8"
    )
    (tmp_path / "scale/new").mkdir()
    (tmp_path / "scale/new/thing.py").touch()
    assert _wrong_arrows(tmp_path) == [
        "scale.data.idk imports scale.models.loading.names",
        "scale.new is not in SUB_ARROWS: say there what it may import",
    ]
    assert set(_circle(tmp_path)) == {"scale.data.tofu", "scale.data.idk", "scale.models.loading.names"}


@pytest.mark.parametrize("package", ARROWS)
def test_imports_go_one_way(root: Path, package: str) -> None:
    allowed = ARROWS[package] | {package}
    for path, tree in _sources(root, package):
        wrong = set(_imported(tree)) & set(ARROWS) - allowed
        assert not wrong, f"{path.relative_to(root)} imports {wrong}"


def test_the_ledger_is_judged_without_figures(root: Path) -> None:
    """A claim reads results; a picture of them changes no verdict."""
    for path, tree in _sources(root, "npo/ledger"):
        assert "figures" not in set(_imported(tree)), path


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
        module, function = re.fullmatch(r"(theory\.[\w.]+)\.x(?:ǁ\w+ǁ|_)(\w+)", name).groups()
        source = ast.parse((root / f"{module.replace('.', '/')}.py").read_text(encoding="utf8"))
        assert function in {n.name for n in ast.walk(source) if isinstance(n, ast.FunctionDef)}, name
        assert int(count) > 0
        assert len(reason) > 20
