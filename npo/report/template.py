"""A page from its template: one HTML file with its pictures inside, in which text from data is only text."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from npo.report.panels import Cut, Picture
from records.plain import plain

__all__ = ["fill"]


def fill(name: str, **content: Any) -> str:
    """The page; what it is given is escaped, and nothing may be missing."""
    loader = PackageLoader("npo.report")
    escape = select_autoescape(default=True)
    pages = Environment(loader=loader, autoescape=escape, undefined=StrictUndefined, finalize=_shown)
    pages.filters |= {"number": lambda x: "—" if x is None else f"{x:.4g}", "inline": _inline, "cut": _cut}
    return pages.get_template(name).render(**content)


def _shown(value: Any) -> Any:
    """Text without what steers how it is shown; it is escaped after this."""
    return plain(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _inline(svg: Path) -> str:
    """An SVG as a data URI: one file to send, and no clash between the element ids of several figures."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()


def _cut(cut: Cut, picture: Picture) -> str:
    """The style of a box that shows this part of its picture and no more."""
    width, height = (share * inches for share, inches in zip((cut.width, cut.height), picture.size, strict=True))
    left, top = (_offset(*along) for along in ((cut.left, cut.width), (cut.top, cut.height)))
    return (
        f"--inches: {width:.3f}; --least: {_least(width):.0f}px; aspect-ratio: {width:.3f} / {height:.3f}; "
        f"background-size: {100 / cut.width:.2f}% {100 / cut.height:.2f}%; "
        f"background-position: {left:.2f}% {top:.2f}%"
    )


def _least(inches: float) -> float:
    """The pixels that a panel needs to be read on a phone: one that is too wide for it at any size may be scrolled."""
    return inches * (56 if inches < 6.6 else 84)


def _offset(start: float, share: float) -> float:
    """Where a background lies so that its part from `start` on fills the box, in CSS's percent: of what overhangs."""
    return 100 * start / (1 - share) if share < 1 else 0.0
