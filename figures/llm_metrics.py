"""After Figures 12 to 17 of arXiv:2404.05868: probability, ROUGE-L and truth ratio on all four sets, by epoch."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import styled
from figures.llm_runs import legend_above, line, paths, reference_line
from records.examined import moments_of
from records.store import Data

__all__ = ["draw"]

SETS = {"forget": "forget", "retain": "retain", "real_authors": "real authors", "world_facts": "world facts"}
MEASURES = {"probability": "probability", "rouge": "ROUGE-L recall", "truth_ratio": "truth ratio"}


def draw(results: Mapping[str, Data]) -> Figure:
    """A row for each set that was asked, a column for each measure."""
    known = moments_of(next(iter(results.values())).values)[0].scores
    sets = [name for name in SETS if f"{name}_probability" in known]
    with styled():
        figure = Figure(figsize=(9.6, 2.3 * len(sets)))
        grid = figure.subplots(len(sets), 3, sharex=True, squeeze=False)
        for row, name in zip(grid, sets, strict=True):
            for axes, (measure, words) in zip(row, MEASURES.items(), strict=True):
                for place, (label, path) in enumerate(paths(results, f"{name}_{measure}").items()):
                    line(axes, path, label, place)
                reference_line(axes, results, f"{name}_{measure}")
                axes.set(title=f"{SETS[name]}: {words}", ylim=(-0.03, 1.03))
        for axes in grid[-1]:
            axes.set_xlabel("epoch of unlearning")
        legend_above(figure, grid[0][0])
    return figure
