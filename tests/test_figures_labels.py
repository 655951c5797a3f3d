"""Labels from outside: whatever a method is called, the figure is drawn and shows its name as it is written."""

import io
import warnings
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from runs_made_up import moment, values_of

from figures import llm_evolution, llm_quality_utility, llm_retain_weight
from figures.canvas import LOOK, styled
from figures.labels import LONGEST, legend_columns, literal
from records.store import Data

NOTHING = {key: None for key in moment(1) if key not in ("step", "epoch")}
NAMES = (
    "my$loss$",
    "$x",
    "_hidden",
    "损失",
    "y" * 200,
    "a,b",
    "x=,=",
    "%s",
    "\\frac{a}",
    "{",
    "^_",
    "\x1b[2J",
    "مرحبا",
    "👩",
)


@pytest.mark.parametrize("name", LOOK)
def test_a_usual_name_stays(name: str) -> None:
    assert literal(name) == name


def drawn(figure: Figure) -> None:
    with styled():
        figure.savefig(io.BytesIO(), format="png", dpi=30)


@settings(max_examples=30)
@given(name=st.text(max_size=60))
def test_any_name_is_short_visible_and_no_formula(name: str) -> None:
    shown = literal(name)
    assert len(shown.replace("\\$", "$")) <= LONGEST + 1
    assert "$" not in shown.replace("\\$", "")
    assert not shown.startswith("_")
    assert shown.isprintable()


def test_all_names_together_are_drawn_without_a_warning() -> None:
    figure = Figure()
    axes = figure.subplots()
    for name in NAMES:
        axes.plot([0, 1], [0, 1], label=literal(name))
    axes.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(figure)
    assert len(axes.get_legend_handles_labels()[1]) == len(NAMES)


def test_a_legend_is_no_wider_than_its_figure() -> None:
    assert legend_columns(["NPO+RT"] * 14, 10.5) == 7
    assert legend_columns(["x" * 32] * 5, 8.4) == 2
    assert legend_columns(["x" * 32] * 5, 1.0) == 1
    assert legend_columns([], 8.4) == 1


def data(*several: dict[str, object]) -> dict[str, Data]:
    return {str(i): Data({}, values) for i, values in enumerate(several)}


def test_runs_without_a_finite_number_are_drawn() -> None:
    nothing = values_of("GA", moments=[{**moment(i), **NOTHING} for i in range(3)])
    drawn(llm_evolution.draw(data(nothing)))
    drawn(llm_quality_utility.draw(data(nothing)))


def test_many_methods_have_their_legend_beside_the_paths() -> None:
    figure = llm_quality_utility.draw(data(*(values_of(f"f{i}") for i in range(30))))
    assert not figure.axes[0].get_legend()
    assert len(figure.legends[0].get_texts()) == 32
    drawn(figure)


Weights = dict[str, dict[float, list[dict[str, float]]]]


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("NPO+RT", "NPO+RT,retain_weight=3"), {1.0, 3.0}),
        (("NPO+RT,retain_weight=0", "NPO+RT,retain_weight=3"), {0.0, 3.0}),
        (("NPO+RT,retain_weight=x", "NPO+RT,retain_weight=3"), set()),
        (("NPO+RT,retain_weight=2,lr=1", "NPO+RT,retain_weight=3"), set()),
        (("NPO+RT,=", "NPO+RT,,"), set()),
    ],
)
def test_weights_are_read_from_labels(labels: tuple[str, ...], found: set[float]) -> None:
    weights: Callable[[dict[str, Data]], Weights] = llm_retain_weight.weights
    runs = data(*(values_of(label) for label in labels))
    assert set(weights(runs).get("NPO+RT", {})) == found
    if found:
        drawn(llm_retain_weight.draw(runs))
