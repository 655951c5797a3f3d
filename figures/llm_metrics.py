"""After Figures 12 to 17 of arXiv:2404.05868: probability, ROUGE-L, truth ratio (and further measures) by epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import literal
from figures.llm_runs import legend_above, line, paths, reference_line
from records.examined import further, moments_of
from records.store import Data

__all__ = ["draw"]

SETS = {"forget": "forget", "retain": "retain", "real_authors": "real authors", "world_facts": "world facts"}
MEASURES = {"probability": "probability", "rouge": "ROUGE-L recall", "truth_ratio": "truth ratio"}


def draw(results: Mapping[str, Data]) -> Figure:
    """A row for each set that was asked, a column for each measure: the usual ones, and whatever else was taken."""
    first = next(iter(results.values())).values
    taken = _taken(moments_of(first)[0].scores, (*SETS, *first["data"].get("asked", ())))
    every = dict.fromkeys(measure for measures in taken.values() for measure in measures)
    columns = [*(m for m in MEASURES if m in every), *(m for m in every if m not in MEASURES)] or list(MEASURES)
    sets = list(taken) or ["forget"]
    with styled():
        figure = Figure(figsize=(9.6 * len(columns) / 3, 2.3 * len(sets)))
        grid = figure.subplots(len(sets), len(columns), sharex=True, squeeze=False)
        for row, name in zip(grid, sets, strict=True):
            for axes, measure in zip(row, columns, strict=True):
                _panel(axes, results, name, measure)
                axes.set_visible(measure in taken.get(name, ()))
        for axes in grid[-1]:
            axes.set_xlabel("epoch of unlearning")
        legend_above(figure, next((axes for axes in grid.flat if axes.get_visible()), grid[0][0]))
    return figure


def _panel(axes: Axes, results: Mapping[str, Data], name: str, measure: str) -> None:
    for place, (label, path) in enumerate(paths(results, f"{name}_{measure}").items()):
        line(axes, path, label, place)
    reference_line(axes, results, f"{name}_{measure}")
    axes.set(title=f"{_words(SETS, name)}: {_words(MEASURES, measure)}")
    if measure in MEASURES:
        axes.set_ylim(-0.03, 1.03)


def _words(known: Mapping[str, str], name: str) -> str:
    return known.get(name) or literal(name.replace("_", " "))


def _taken(scores: Mapping[str, float | None], sets: Sequence[str]) -> dict[str, list[str]]:
    """The measures of each set that has any, by their names after the set's."""
    found: dict[str, list[str]] = {name: [] for name in sets}
    for key in further([scores], ()):
        if mine := [name for name in found if key.startswith(f"{name}_")]:
            name = max(mine, key=len)
            found[name].append(key.removeprefix(f"{name}_"))
    return {name: measures for name, measures in found.items() if measures}
