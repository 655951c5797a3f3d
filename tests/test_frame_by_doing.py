"""A loss, a metric, an optimiser and a task are one new file and its row: each is added to a copy of the tree and run.

The files are those that CONTRIBUTING shows, in `tests/frame/`; the rows are the ones that it names.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOMS = ("records", "theory", "synthetic", "scale", "figures", "npo")
FILES = {
    "power.py": "theory/losses",
    "beginning.py": "scale/evaluation/metrics",
    "lion.py": "theory/optimizers",
    "capitals.py": "scale/tasks",
}
ROWS = {  # (file, what stands there, what stands there then)
    "power.py": [
        (
            "theory/methods.py",
            "from theory import losses, retain\n",
            "from theory import losses, retain\nfrom theory.losses.power import power\n",
        ),
        (
            "theory/methods.py",
            '    "CE-U": ForgetLoss(',
            '    "Power": ForgetLoss(power, {"kappa": 0.5}, tokens),\n    "CE-U": ForgetLoss(',
        ),
    ],
    "beginning.py": [
        (
            "scale/evaluation/catalogue.py",
            "from scale.evaluation.metrics.continuation",
            "from scale.evaluation.metrics.beginning import beginning\nfrom scale.evaluation.metrics.continuation",
        ),
        (
            "scale/evaluation/catalogue.py",
            "        probability,\n        probability_among,\n",
            "        beginning,\n        probability,\n        probability_among,\n",
        ),
    ],
    "lion.py": [
        (
            "theory/optimizers/named.py",
            "from theory.optimizers.sam",
            "from theory.optimizers.lion import Lion\nfrom theory.optimizers.sam",
        ),
        ("theory/optimizers/named.py", "] = (SAM,", "] = (Lion, SAM,"),
    ],
    "capitals.py": [
        (
            "scale/tasks/kinds.py",
            "from scale.tasks.corpus",
            "from scale.tasks.capitals import CAPITALS\nfrom scale.tasks.corpus",
        ),
        ("scale/tasks/kinds.py", "TASKS = (TOFU,", "TASKS = (TOFU, CAPITALS,"),
    ],
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the four of them in it."""
    root, copy = Path(__file__).parent.parent, tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(root / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copytree(root / "scale" / "data", copy / "scale" / "data", ignore=shutil.ignore_patterns("__pycache__"))
    for name, place in FILES.items():
        assert not (copy / place / name).exists(), f"{place}/{name} is there already: show another one"
        shutil.copy(root / "tests" / "frame" / name, copy / place / name)
    for path, before, after in (row for rows in ROWS.values() for row in rows):
        text = (copy / path).read_text(encoding="utf8")
        assert text.count(before) == 1, f"{path} has {before!r} {text.count(before)} times"
        (copy / path).write_text(text.replace(before, after), encoding="utf8")
    return copy


def _run(tree: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run([sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.integration
def test_the_language_model_has_them_all(tree: Path) -> None:
    words = ["unlearn.methods=[Power+RT, {name: Power, hyperparameters: {kappa: 2}}]", "data={kind: capitals}"]
    words += ["unlearn.optimizer={name: lion, betas: [0.8, 0.9]}", "evaluate.metrics=[beginning]", "unlearn.lr=1e-3"]
    _run(tree, "-m", "npo.cli", "run", "quick", *words, "--out", "out")
    runs = {path.parent.name: json.loads(path.read_text()) for path in (tree / "out" / "unlearn").glob("*/data.json")}
    assert set(runs) == {"POWER+RT-s0", "POWER,kappa=2-s0"}
    for run in runs.values():
        first, last = run["moments"][0], run["moments"][-1]
        assert last["forget_beginning"] <= first["forget_beginning"] == 1.0
        assert last["forget_probability"] < first["forget_probability"]
        assert {"forget_exact_memorization", "retain_beginning"} <= last.keys()
    assert [run["hyperparameters"] for _, run in sorted(runs.items())] == [{"kappa": 0.5}, {"kappa": 2}]


@pytest.mark.integration
def test_the_synthetic_rooms_have_the_loss_and_the_optimiser(tree: Path) -> None:
    said = _run(
        tree,
        *("-m", "npo.cli", "synthetic", "logistic", "--quick", "--methods", "Power+RT,NPO+RT", "--set", "kappa=1"),
        *("--optimiser", "Lion", "--lr", "1e-3", "--beta", "1", "--out", "logistic"),
    )
    assert "Power+RT" in said
    said = _run(
        tree,
        *("-m", "npo.cli", "synthetic", "transformer", "--quick", "--part", "methods", "--methods", "Power+RT"),
        *("--out", "transformer"),
    )
    assert "Power+RT" in said


@pytest.mark.parametrize("name", FILES)
def test_contributing_shows_the_file_and_names_its_rows(root: Path, name: str) -> None:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf8")
    assert f"`tests/frame/{name}`" in text
    for path, _, _ in ROWS[name]:
        assert f"`{path}`" in text, path
