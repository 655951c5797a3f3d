"""A unit's key follows the code behind what it runs, and no other."""

import os
import shutil
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import pytest

from npo.verbs.reproduce import STEPS, units_of
from records.sources import ROOMS, ROOT, modules_behind, modules_of, source_hash
from records.work import Unit
from scale.law.flow import law
from scale.recipes.file import read_recipe, shipped
from scale.recipes.method import methods_of, paper_method
from scale.runtime.processes import Processes
from scale.stages.fitting.fit import fit
from scale.stages.pipeline import Stages
from scale.stages.shared.prepared import context_of
from scale.stages.unlearning.unlearn import Unlearning, unlearn
from scale.tasks.rows import ROWS
from synthetic.transformer.law import law_units
from synthetic.transformer.presets import QUICK


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all rooms, to change."""
    place = tmp_path_factory.mktemp("sources")
    for room in ROOMS:
        shutil.copytree(ROOT / room, place / room, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def _changed(copied: Path, tmp_path: Path, name: str, old: str, new: str, run: object = fit) -> bool:
    """Is the hash another, when in this file the old text is the new?"""
    place = tmp_path / "changed"
    shutil.copytree(copied, place, copy_function=os.link)
    path = place / name
    text = path.read_text(encoding="utf8")
    assert old in text
    path.unlink()  # or the text of the copy would change too
    path.write_text(text.replace(old, new), encoding="utf8")
    return source_hash(run, place) != source_hash(run, copied)


_behind = cache(modules_behind)


def _closure(unit: Unit) -> set[str]:
    return _behind(frozenset(modules_of(unit.run)))


def test_the_hash_is_of_the_text_and_not_of_its_place(copied: Path) -> None:
    assert source_hash(fit, copied) == source_hash(fit)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("scale/models/folders/card.md.jinja", "Load it with", "Lood it with"),
        ("scale/stages/fitting/fit.py", "Train on the likelihood", "Tran on the likelihood"),  # a docstring
        ("theory/losses/paper.py", "\nfrom ", "\n# a comment\nfrom "),
        ("scale/law/flow.py", "__all__", "__ALL__"),  # modules that fitting knows nothing of
        ("scale/evaluation/exam.py", "__all__", "__ALL__"),
        ("scale/evaluation/metrics/probability.py", "__all__", "__ALL__"),  # a metric makes no model train anew
        ("scale/evaluation/catalogue.py", "__all__", "__ALL__"),
        ("scale/evaluation/protocols.py", "__all__", "__ALL__"),
        ("npo/report/page.py", "__all__", "__ALL__"),
        ("figures/canvas.py", "__all__", "__ALL__"),
    ],
)
def test_what_decides_no_result_leaves_the_key(copied: Path, tmp_path: Path, name: str, old: str, new: str) -> None:
    assert not _changed(copied, tmp_path, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("scale/stages/fitting/fit.py", "merge=True", "merge=False"),
        ("scale/models/folders/card.py", "indent=1", "indent=2"),
        ("theory/kernel.py", "__all__", "__ALL__"),  # theory.kernel < theory.objective < scale.recipes.method < fit
        ("records/errors.py", "__all__", "__ALL__"),
        ("scale/models/__init__.py", 'reference."""', 'reference."""\nONE = 1'),  # a package on the way
    ],
)
def test_what_may_decide_a_result_changes_the_key(copied: Path, tmp_path: Path, name: str, old: str, new: str) -> None:
    assert _changed(copied, tmp_path, name, old, new)


def test_imports_inside_functions_count_and_those_for_type_checkers_do_not(tmp_path: Path) -> None:
    for name in ("scale", "theory", "npo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import npo.far\nelse:\n    import theory.other\n"
    text += "def f():\n    from scale import late\n    import numpy\n"
    (tmp_path / "scale" / "here.py").write_text(text, encoding="utf8")
    for name in ("scale/late", "theory/other", "theory/beside", "npo/far"):
        (tmp_path / f"{name}.py").write_text("from theory import beside, NAME\n", encoding="utf8")
    found = {"scale", "scale.here", "scale.late", "theory", "theory.other", "theory.beside"}
    assert modules_behind(frozenset({"scale.here"}), tmp_path) == found


def test_what_a_partial_binds_counts_too() -> None:
    assert modules_of(partial(unlearn, 1, rows=(), context=Processes())) == {
        "scale.stages.unlearning.unlearn",
        "scale.runtime.processes",
    }
    assert modules_of(partial(print, paper_method)) == {"scale.recipes.method"}
    assert modules_of(Unlearning) == {"scale.stages.unlearning.unlearn"}
    assert modules_of(partial(print, ROWS)) == {"scale.tasks.rows", "scale.tasks.rows_told", "scale.tasks.task"}


@pytest.mark.parametrize("name", shipped())
def test_every_unit_of_a_recipe_knows_its_theory_and_nothing_that_reports(name: str) -> None:
    nowhere = ["model.base=owner/name"] if "smollm2" in name else []  # else it would have to be on this machine
    few = ["data={source: fictional, authors: 2, forget_authors: 1, retain_authors: 1}"]
    trained = [f"{key}=" for key in ("finetuned", "retrained")]  # where a model is given, nothing is learned
    recipe = read_recipe(name, [*few, *nowhere, *trained, "evaluate.at=[]"])
    stages = Stages(recipe, context_of(recipe, Processes("cpu")), "")
    for unit in stages.all(methods_of(recipe.unlearn, paper_method)):
        found = _closure(unit)
        assert {"theory.losses", "theory.objective", "scale.training.loop"} <= found
        examines = unit.name.startswith(("evaluate/", "unlearn/", "auto-beta/NPO"))  # a probe is readied as a run is
        audits = unit.name.startswith(("audit/", "attack/"))
        assert any(m.startswith("scale.evaluation") for m in found) == (examines or audits), unit.name
        assert ("scale.evaluation.exam" in found) == examines, unit.name
        assert not {m for m in found if m.split(".")[0] in ("npo", "figures", "synthetic")}


def test_every_unit_of_the_main_job_knows_its_room_and_nothing_that_reports() -> None:
    wanted = {
        "theory": {"theory.theorems.demonstrations", "theory.theorems.time.flows", "records.computed"},
        "logistic": {"theory.losses", "synthetic.logistic.problem"},
        "transformer": {"theory.objective", "synthetic.transformer.model"},
        "llm": {"theory.losses", "scale.models.loading.whole"},
    }
    other = {
        "logistic": "synthetic.transformer",
        "transformer": "synthetic.logistic",
        "llm": "synthetic",
        "theory": "scale",
    }
    for unit in units_of(STEPS, quick=True, data=None, settings={}):
        found, step = _closure(unit), unit.name.partition("/")[0]
        assert wanted[step] <= found, unit.name
        assert not {m for m in found if m.startswith(("npo", "figures", other[step]))}, unit.name


def test_parts_of_a_room_know_themselves() -> None:
    """A change of the optimisers' part leaves the law's units as they are."""
    for unit in law_units(QUICK):
        assert "synthetic.transformer.optimisers" not in _closure(unit)


@pytest.mark.integration
def test_all_that_is_imported_is_found(root: Path) -> None:
    """What Python has loaded after importing these modules is in their closure."""
    modules = ("scale.stages.unlearning.unlearn", "scale.law.flow", "synthetic.logistic.units")
    said = f"import sys, {', '.join(modules)}; print(*(m for m in sys.modules if m.split('.')[0] in {ROOMS}))"
    done = subprocess.run([sys.executable, "-c", said], cwd=root, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= modules_behind(frozenset({*modules, law.__module__}))
    assert set(modules) <= set(done.stdout.split())


def test_the_rooms_are_all_there_are(root: Path) -> None:
    assert {path.parent.name for path in root.glob("*/__init__.py")} == set(ROOMS)
