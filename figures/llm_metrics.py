"""After Figures 12 to 17 of arXiv:2404.05868: probability, ROUGE-L and truth ratio on all four sets, by epoch."""

from collections.abc import Mapping, Sequence

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
    """A row for each set that was asked, a column for each measure; further ones that a set has stand after these."""
    known = moments_of(next(iter(results.values())).values)[0].scores
    sets = [name for name in SETS if f"{name}_probability" in known]
    measures = MEASURES | _more(known, sets)
    with styled():
        figure = Figure(figsize=(9.6 * len(measures) / 3, 2.3 * len(sets)))
        grid = figure.subplots(len(sets), len(measures), sharex=True, squeeze=False)
        for row, name in zip(grid, sets, strict=True):
            for axes, (measure, words) in zip(row, measures.items(), strict=True):
                for place, (label, path) in enumerate(paths(results, f"{name}_{measure}").items()):
                    line(axes, path, label, place)
                reference_line(axes, results, f"{name}_{measure}")
                axes.set(title=f"{SETS[name]}: {words}")
                if measure in MEASURES:
                    axes.set_ylim(-0.03, 1.03)
        for axes in grid[-1]:
            axes.set_xlabel("epoch of unlearning")
        legend_above(figure, grid[0][0])
    return figure


def _more(known: Mapping[str, float | None], sets: Sequence[str]) -> dict[str, str]:
    """Measures of these sets beside the usual ones."""
    new = further([known], [f"{name}_{measure}" for name in sets for measure in MEASURES])
    ends = dict.fromkeys(key.removeprefix(f"{name}_") for key in new for name in sets if key.startswith(f"{name}_"))
    return {measure: literal(measure.replace("_", " ")) for measure in ends}
