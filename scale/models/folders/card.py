"""The model card of a trained model: what it is, from which recipe, with which results.

Its words are in `card.md.jinja`, which no result depends on: a typo mended there trains nothing anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from records.files import write_text
from records.plain import markdown, plain
from scale.models.folders.older_readers import read_with

__all__ = ["write_card"]


def write_card(
    folder: Path, *, about: Mapping[str, Any], settings: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    """Write README.md beside the weights; `about` is what the template makes the title of."""
    loader = PackageLoader("scale.models.folders", package_path="")
    templates = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    templates.filters |= {"markdown": markdown, "json": _json}
    template = templates.get_template("card.md.jinja")
    text = template.render(
        about=about, settings=settings, results=results, base=_base(folder), versions=read_with(folder)
    )
    write_text(folder / "README.md", text)


def _json(value: Mapping[str, Any]) -> str:
    return plain(json.dumps(dict(value), indent=1, ensure_ascii=False, default=str))


def _base(folder: Path) -> str | None:
    """The base of an adapter; None for a whole model."""
    adapter = folder / "adapter_config.json"
    return str(json.loads(adapter.read_text(encoding="utf8"))["base_model_name_or_path"]) if adapter.is_file() else None
