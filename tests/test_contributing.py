"""CONTRIBUTING names for each task the files to touch and a test that complains; what nothing else would notice."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

TASKS = (
    "A loss",
    "A theorem",
    "A metric",
    "A task",
    "An optimiser",
    "A figure",
    "A claim",
    "A verb",
    "A recipe or model",
    "An attack",
)


def _section(root: Path, task: str) -> str:
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf8")
    (section,) = re.findall(rf"^### {task}\n(.*?)(?=^##)", text, re.DOTALL | re.MULTILINE)
    return str(section)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_its_files_and_a_test_that_complains(task: str, root: Path) -> None:
    section = _section(root, task)
    paths = [path for path in re.findall(r"`([\w./<>-]+)`", section) if "/" in path and "<" not in path]
    assert paths
    for path in paths:
        assert (root / path).exists(), path
    tests = re.findall(r"`(tests/test_\w+\.py)::(test_\w+)`", section)
    assert tests
    for file, name in tests:
        assert f"def {name}(" in (root / file).read_text(encoding="utf8"), f"{file}::{name}"


def test_every_kernel_has_a_row_a_slow_twin_and_a_gradient_weight() -> None:
    from test_theory_losses import ROWS

    from theory import losses, slow_twins

    kernels = {name for name in losses.__all__ if not name.endswith(("_weight", "_gradient"))}
    assert kernels == set(ROWS), "ROWS of tests/test_theory_losses.py has other kernels than theory/losses"
    closed = {name.rpartition("_")[0] for name in set(losses.__all__) - kernels}
    assert kernels == closed, "a kernel lacks its gradient weight"
    assert kernels <= set(slow_twins.__all__), "a kernel lacks its slow twin"


def test_the_help_names_every_optimiser_of_the_small_transformer() -> None:
    from npo.cli import app
    from synthetic.transformer.optimiser_table import OPTIMISERS

    verb = get_command(app).get_command(None, "synthetic").get_command(None, "transformer")
    (option,) = (o for o in verb.params if "--optimizers" in o.opts)
    for setting in OPTIMISERS:
        assert re.search(rf"\b{re.escape(setting.name)}\b", option.help), f"--optimizers lacks {setting.name}"


def test_another_measure_leaves_model_utility_as_it_is() -> None:
    """Utility is the mean of TOFU's nine parts, whatever else is measured."""
    import numpy as np

    from scale.evaluation import exam
    from scale.evaluation.metrics import Losses
    from scale.evaluation.protocols import protocol_of

    def part(nll: float) -> exam.SetResult:
        column = np.full(3, nll)
        losses = Losses(column, column, np.full((3, 2), nll + 1))
        return exam.SetResult(losses, losses, {"rouge1": column / 9, "rouge": column / 9, "degenerate": np.zeros(3)})

    found = {name: part(nll) for name, nll in (("forget", 1.0), ("retain", 0.5), ("real_authors", 0.7))}
    before = exam.scores(found, protocol_of("tofu"))["model_utility"]
    more = {f"new{measure}": np.full(3, 1e-3) for measure in ("", "_probability", "_rouge", "_truth_ratio")}
    found = {name: part._replace(values={**part.values, **more}) for name, part in found.items()}
    after = exam.scores(found, protocol_of("tofu"))
    assert after["retain_new_probability"] == 1e-3
    assert after["model_utility"] == before
    assert before is not None


def test_every_metric_has_its_row_and_is_tested(root: Path) -> None:
    """What a file of metrics offers is in the catalogue, or is a part of what is; and a test names each."""
    from scale.evaluation.catalogue import METRICS
    from scale.evaluation.measurable import MEASURABLE

    tests = "".join(path.read_text(encoding="utf8") for path in (root / "tests").glob("test_scale_*.py"))
    for name, metric in METRICS.items():
        assert set(metric.needs) <= MEASURABLE.keys(), name
        assert metric.function.__name__ == name
        assert re.search(rf"\b{name}\b", tests), f"no test names {name}"
