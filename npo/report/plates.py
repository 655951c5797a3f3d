"""Drawing every figure whose data is there."""

from collections.abc import Sequence
from pathlib import Path

from npo.ledger import Results
from npo.report.gallery import GALLERY, Plate
from npo.report.panels import Picture, picture
from records.store import writable

__all__ = ["PAGES", "draw_plates"]

PAGES = (
    "claims.json",
    "claims.md",
    "report.html",
    *(f"figures/{plate.name}.{kind}" for plate in GALLERY for kind in ("svg", "png")),
)
"""What the main job may write beside the units of work."""


def draw_plates(gallery: Sequence[Plate], results: Results, folder: Path) -> list[Picture]:
    """Draw every figure whose data is there into figures/."""
    place, drawn = writable(folder / "figures"), []
    for plate in gallery:
        if mine := plate.its(results):
            drawn.append(picture(plate, plate.draw(mine), place))
    return drawn
