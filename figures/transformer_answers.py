"""What the answers look like: the analogue of the paper's Figure 7, in the language of fictitious people."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import literal
from figures.transformer_methods import COLOURS, short
from records.store import Data
from synthetic.transformer.language import kind

__all__ = ["draw"]

SHOWN = ("GA", "GA+RT", "NPO", "NPO+RT", "IDK+RT", "DPO+RT")


def draw(results: Mapping[str, Data]) -> Figure:
    """Greedy answers of the first seed by plain descent, method after method: one forget question, one kept.

    The first of those saved that π_ref answers rightly.
    """
    data = next(d for name, d in sorted(results.items()) if name.startswith("transformer/methods-GD-"))
    shown = {name: data.values["shown"][name] for name in SHOWN if name in data.values["shown"]} or data.values["shown"]
    first = next(iter(shown.values()))["0"]
    picked_row = {
        side: next((k for k, row in enumerate(rows) if row["greedy"] == row["right"]), 0)
        for side, rows in first.items()
    }
    steps = sorted({int(step) for by_step in shown.values() for step in by_step})
    picked = [steps[0], *steps[max(1, len(steps) - 4) :]]
    with styled():
        figure = Figure(figsize=(13.2, 0.28 * len(shown) * len(picked) + 1.0))
        ax = figure.subplots()
        ax.axis("off")
        y = 0.0
        for column, side in ((0.16, "forget"), (0.58, "retain")):
            words = "to forget" if side == "forget" else "to keep"
            question = first[side][picked_row[side]]["question"]
            ax.text(column, y, f"{words}: {question}", weight="bold", fontsize=9)
        ax.text(0.08, y, "step", fontsize=8, color="0.4")
        for name, by_step in shown.items():
            y -= 0.4
            for k, step in enumerate(s for s in picked if str(s) in by_step):
                y -= 1
                ax.text(0, y, literal(short(name)) if k == 0 else "", weight="bold", fontsize=9)
                ax.text(0.08, y, f"{step}", fontsize=8, color="0.4")
                for column, side in ((0.16, "forget"), (0.58, "retain")):
                    row = by_step[str(step)][side][picked_row[side]]
                    what = kind(row["greedy"], row["right"])
                    ax.text(column, y, row["greedy"], fontsize=8.5, family="monospace", color=COLOURS[what])
                    ax.text(column + 0.30, y, what, fontsize=7.5, color=COLOURS[what])
        ax.set(xlim=(0, 1), ylim=(y - 1, 1))
    return figure
