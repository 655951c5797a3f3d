"""The atlas in one picture: the margin of one answer against log τ for every loss, class by class, with its law."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import styled
from figures.labels import literal
from records.store import Data
from theory.atlas.demonstration import whole_atlas
from theory.atlas.growth import Growth
from theory.atlas.table import growth_from

__all__ = ["compute", "draw"]

UNIT = "theory/atlas"
MOST = 9  # curves of a panel
TITLES = {
    "powers": "linear, power and square root",
    "steep": r"logarithmic, steep: $m = a\log\tau + b$, $a \geq 3$",
    "flat": r"logarithmic: $m = a\log\tau + b$, $a < 3$",
    "log-log": r"log-log: $m = a\log\log\tau + b$",
    "finite": r"finite: $m \to b$",
}
POWERS, LAST = ("linear", "power", "square root"), 1e4
"""They share panels with a logarithmic axis of margins, to this τ; the others go on to the end."""
STEEP = 3.0
ONSET = 30.0
"""From here on a law is drawn: before it, it says nothing."""
Curves = Sequence[tuple[str, np.ndarray, Growth]]


def compute(quick: bool = False) -> dict[str, Data]:
    """Every member followed and classified; it takes seconds."""
    del quick
    return {UNIT: Data(whole_atlas(None), {})}


def draw(results: Mapping[str, Data]) -> Figure:
    """Lines: the flow, integrated. Dotted: the law that the loss's formula predicts, nothing fitted."""
    arrays = results[UNIT].arrays
    panels = list(_panels(arrays))
    columns = 2 if len(panels) in (2, 4) else 3
    rows = -(-len(panels) // columns)
    with styled():
        figure = Figure(figsize=(4.8 * columns, 4.5 * rows))
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for ax, (title, curves) in zip(axes, panels, strict=False):
            _panel(ax, arrays["tau"], title, curves)
        for ax in axes[len(panels) :]:
            ax.remove()
        figure.suptitle(
            r"How fast one answer runs away: margin $m$ of $\pi=\sigma(c-m)$, $c=2$, under gradient flow "
            "(lines); laws predicted from the formulas (dotted)"
        )
    return figure


def _panels(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Curves]]:
    """Title and curves, fastest first: small classes of powers together, large ones in pieces."""
    by_kind: dict[str, list[tuple[str, np.ndarray, Growth]]] = {}
    for label, margin, law in _curves(arrays):
        by_kind.setdefault(_group(law), []).append((label, margin, law))
    for kind in TITLES:
        found = sorted(by_kind.get(kind, []), key=lambda curve: -float(curve[1][-1]))
        pieces = -(-len(found) // MOST)
        for k in range(pieces):
            size = -(-len(found) // pieces)
            yield TITLES[kind] + (f" ({k + 1} of {pieces})" if pieces > 1 else ""), found[k * size : (k + 1) * size]


def _group(law: Growth) -> str:
    if law.kind == "logarithmic":
        return "steep" if law.coefficient >= STEEP else "flat"
    return "powers" if law.kind in POWERS else law.kind


def _curves(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, Growth]]:
    """Label, margin and law; losses of one and the same curve share a label."""
    shared: dict[bytes, list[str]] = {}
    for key in arrays:
        if key.endswith(".margin"):
            shared.setdefault(np.round(arrays[key], 6).tobytes(), []).append(key.removesuffix(".margin"))
    for names in shared.values():
        law = growth_from(arrays[f"{names[0]}.{'predicted' if f'{names[0]}.predicted' in arrays else 'measured'}"])
        if law is not None:
            yield " = ".join(literal(name) for name in names), arrays[f"{names[0]}.margin"], law


def _panel(ax: Axes, tau: np.ndarray, title: str, curves: Curves) -> None:
    colours = mpl.colormaps["turbo"](np.linspace(0.05, 0.95, max(len(curves), 2)))
    powers = any(law.kind in POWERS for _, _, law in curves)
    seen = tau <= (LAST if powers else np.inf)
    for (label, margin, law), colour in zip(curves, colours, strict=False):
        late = seen & (tau >= ONSET)
        with np.errstate(all="ignore"):
            said = law(tau[late])
        ax.plot(tau[seen], margin[seen], color=colour, label=f"{label}   {_short(law)}")
        ax.plot(tau[late], said, ":", color="black", linewidth=1.3)
    low, high = (float(end) for end in (min(m.min() for _, m, _ in curves), max(m.max() for _, m, _ in curves)))
    ax.set(xscale="log", title=title, xlabel=r"flow time $\tau$", ylabel="margin $m$ (logit units)")
    ax.set(**{"yscale": "log", "ylim": (0.05, None)} if powers else {"ylim": (min(low, 0.0), 1.25 * high)})
    ax.legend(fontsize=7, loc="upper left")


def _short(law: Growth) -> str:
    """Its constants, in a legend's room."""
    a, b = f"{law.coefficient:.3g}", f"{law.constant:+.3g}"
    front = "" if a == "1" else f"{a} "
    said = {
        "linear": f"{front}τ {b}",
        "power": f"({front}τ)^{law.exponent:.3g}",
        "square root": f"√({front}τ)",
        "logarithmic": f"{front}log τ {b}",
        "log-log": f"{front}log log τ {b}",
        "finite": f"→ {law.sign * law.constant:.3g}",
    }
    return said[law.kind].replace("-", "−")
