"""A figure as a page shows it: whole where there is room, and on a phone each panel alone, cut out of the same SVG."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox

from figures.canvas import save
from npo.report.gallery import Plate

__all__ = ["Cut", "Picture", "cuts", "picture"]

PAD = 0.04  # inches around a cut


class Cut(NamedTuple):
    """A part of a picture: its left and upper edge and its size, as shares of the whole, and what is seen in it.

    `column` is what stands above its column, where a panel has no heading itself: alone, it must be told.
    """

    left: float
    top: float
    width: float
    height: float
    label: str
    column: str = ""


class Picture(NamedTuple):
    """A drawn plate: its SVG, its size in inches, its panels in order, and the entries of the legends beside them."""

    plate: Plate
    svg: Path
    size: tuple[float, float]
    panels: tuple[Cut, ...]
    keys: tuple[Cut, ...]


def picture(plate: Plate, figure: Figure, place: Path) -> Picture:
    """Save a figure as SVG and PNG into `place`, and find where its panels lie."""
    for axes in figure.axes:
        _label_alone(axes)
    svg, _ = save(figure, place, plate.name)
    figure.set_dpi(72)  # that of an SVG, in whose pixels the legends lie now
    width, height = figure.get_size_inches()
    return Picture(plate, svg, (float(width), float(height)), *cuts(figure))


def cuts(figure: Figure) -> tuple[tuple[Cut, ...], tuple[Cut, ...]]:
    """The panels of a figure that has been drawn, and the entries of its own legends."""
    seen = [(axes, box) for axes in figure.axes if (box := _extent(axes)) is not None]
    keys = [entry for legend in figure.legends for entry in _entries(legend)]
    panels = (_cut(figure, _apart(axes, box, seen), _title(axes), _column(figure, axes)) for axes, box in seen)
    return tuple(panels), tuple(_cut(figure, box, label) for box, label in keys)


def _label_alone(axes: Axes) -> None:
    """Panels that share an axis have its numbers at the first alone; cut out, each needs them."""
    if len(axes.get_shared_x_axes().get_siblings(axes)) > 1:
        axes.tick_params(labelbottom=True)
    if len(axes.get_shared_y_axes().get_siblings(axes)) > 1:
        axes.tick_params(labelleft=True)


def _extent(axes: Axes) -> Bbox | None:
    """All that belongs to a panel, in pixels; None where nothing is drawn."""
    box = axes.get_tightbbox() if axes.get_visible() else None
    return box.padded(PAD * 72) if box is not None and box.width > 0 and box.height > 0 else None


def _apart(axes: Axes, box: Bbox, seen: Sequence[tuple[Axes, Bbox]]) -> Bbox:
    """A panel without the labels of the next ones, into which a text of its own may reach; its frame stays whole."""
    frame = axes.get_window_extent()
    others = [(other.get_window_extent(), reach) for other, reach in seen if reach.overlaps(box)]
    right = [max(reach.x0, frame.x1) for other, reach in others if other.x0 >= frame.x1]
    above = [max(reach.y0, frame.y1) for other, reach in others if other.y0 >= frame.y1]
    return Bbox.from_extents(box.x0, box.y0, min([box.x1, *right]), min([box.y1, *above]))


def _title(axes: Axes) -> str:
    """What stands above a panel, else beside it, in words: formulas are left out."""
    words = (_heading(axes), axes.get_ylabel(), axes.get_xlabel())
    return next((re.sub(r"\s+", " ", text) for text in words if text and "$" not in text), "")


def _heading(axes: Axes) -> str:
    return next(filter(None, (axes.get_title(loc) for loc in ("left", "center", "right"))), "")


def _column(figure: Figure, axes: Axes) -> str:
    """The heading of a panel's column, where it has none of its own."""
    place = axes.get_subplotspec()
    if place is None or _heading(axes):
        return ""
    above = [a for a in figure.axes if (spec := a.get_subplotspec()) is not None and spec.colspan == place.colspan]
    return next((text for a in above if (text := _heading(a)) and "$" not in text), "")


def _entries(legend: Legend) -> Iterator[tuple[Bbox, str]]:
    """The entries of a legend, each with its handle."""
    for text in legend.get_texts():
        box = text.get_window_extent()
        handle = (legend.handlelength + legend.handletextpad) * float(text.get_fontsize())
        yield Bbox.from_extents(box.x0 - handle, box.y0, box.x1, box.y1).padded(PAD * 72), text.get_text()


def _cut(figure: Figure, box: Bbox, label: str, column: str = "") -> Cut:
    """A box in pixels as a part of the whole; the vertical axis of a page points down."""
    inside = Bbox.intersection(box, figure.bbox) or figure.bbox
    x0, y0, x1, y1 = inside.transformed(figure.transFigure.inverted()).extents
    return Cut(float(x0), float(1 - y1), float(x1 - x0), float(y1 - y0), label, column)
