"""Every figure is drawn by one signature, and the gallery knows from which results."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import pytest
from matplotlib.figure import Figure

import figures
from figures import atlas, chosen_beta, losses_and_weights, proposition_1, single_examples, steps_to_margin, theorem_2
from npo.report.gallery import GALLERY, RUNS
from records.store import Data

OF_ONE_VERB = {"audit", "audit_probes", "logistic_runs", "logistic_grid", "own_loss"}
OF_NOTEBOOKS = {"losses_and_weights", "single_examples"}


def _drawn() -> Iterator[tuple[str, Callable[[Mapping[str, Data]], Figure]]]:
    for path in sorted(Path(figures.__file__).parent.glob("*.py")):
        module = importlib.import_module(f"figures.{path.stem}") if path.stem != "__init__" else figures
        if hasattr(module, "draw"):
            yield path.stem, module.draw


@pytest.mark.parametrize(("name", "draw"), list(_drawn()))
def test_every_figure_is_drawn_from_results_alone(name: str, draw: Callable[[Mapping[str, Data]], Figure]) -> None:
    assert list(inspect.signature(draw).parameters) == ["results"], name
    assert get_type_hints(draw) == {"results": Mapping[str, Data], "return": Figure}, name


def test_the_gallery_has_every_figure_that_is_not_of_one_verb_or_notebook() -> None:
    shown = {plate.draw for plate in (*GALLERY, *RUNS)}
    alone = {name for name, draw in _drawn() if draw not in shown}
    assert alone == OF_ONE_VERB | OF_NOTEBOOKS, "a figure without a Plate in npo/report/gallery.py"
    for gallery in (GALLERY, RUNS):
        assert len({plate.name for plate in gallery}) == len(gallery)


def test_a_plate_takes_its_units_and_none_where_one_is_missing() -> None:
    plate = next(plate for plate in GALLERY if plate.name == "one_curve")
    nothing = Data({}, {})
    assert plate.its({"logistic/law": nothing, "transformer/set-GA": nothing}) == {}
    there = {"theory/intrinsic-time": nothing, "transformer/set-GA": nothing}
    assert plate.its(there | {"theory/theorem-2": nothing}) == there


@pytest.mark.parametrize(
    "module",
    [
        *(atlas, losses_and_weights, proposition_1, single_examples, theorem_2),
        *(pytest.param(module, marks=pytest.mark.integration) for module in (chosen_beta, steps_to_margin)),
    ],
)
def test_what_a_notebook_computes_is_what_is_drawn(module: ModuleType) -> None:
    figure = module.draw(module.compute(quick=True))
    assert all(ax.has_data() for ax in figure.axes)
