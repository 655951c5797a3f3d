"""Drawing every figure whose data is there."""

from fnmatch import fnmatch
from pathlib import Path

from figures.canvas import save as save_figure
from npo.ledger import Results
from npo.report.gallery import GALLERY, Plate
from records.store import writable

__all__ = ["PAGES", "draw_plates"]

PAGES = (
    "claims.json",
    "claims.md",
    "report.html",
    *(f"figures/{plate.name}.{kind}" for plate in GALLERY for kind in ("svg", "png")),
)
"""What the main job may write beside the units of work."""


def draw_plates(results: Results, folder: Path) -> list[Plate]:
    """Draw every figure whose data is there into figures/."""
    place = writable(folder / "figures")
    drawn = []
    for plate in GALLERY:
        wanted = plate.units + plate.optional
        mine = {name: data for name, data in results.items() if any(fnmatch(name, p) for p in wanted)}
        if all(any(fnmatch(name, p) for name in mine) for p in plate.units):
            save_figure(plate.draw(mine), place, plate.name)
            drawn.append(plate)
    return drawn
