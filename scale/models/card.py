"""The model card of a trained model: what it is, from which recipe, with which results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from records.plain import markdown, plain
from records.store import write_text

__all__ = ["write_card"]


def write_card(folder: Path, *, title: str, settings: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Write README.md beside the weights."""
    lines = [
        "---",
        "library_name: transformers",
        "tags: [unlearning, TOFU]",
        "---",
        f"# {markdown(title)}",
        "",
        _how_to_load(folder),
        "",
        "## Results",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {markdown(key)} | {'—' if value is None else value} |" for key, value in results.items()),
        "",
        "## Settings",
        "",
        "```json",
        plain(json.dumps(dict(settings), indent=1, ensure_ascii=False, default=str)),
        "```",
        "",
    ]
    write_text(folder / "README.md", "\n".join(lines))


def _how_to_load(folder: Path) -> str:
    how = "Load it with `AutoModelForCausalLM.from_pretrained`"
    if not (folder / "adapter_config.json").is_file():
        return f"{how}."
    base = json.loads((folder / "adapter_config.json").read_text(encoding="utf8"))["base_model_name_or_path"]
    return (
        f"{how}: it is an adapter, which needs the package peft and its base, {markdown(base)}, where it lies now. "
        "Measured was this adapter on that base in the form that the settings below name."
    )
