"""The model card of a trained model: what it is, from which recipe, with which results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from records.store import write_text

__all__ = ["write_card"]


def write_card(folder: Path, *, title: str, settings: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Write README.md beside the weights."""
    lines = [
        "---",
        "library_name: transformers",
        "tags: [unlearning, TOFU]",
        "---",
        f"# {title}",
        "",
        _how_to_load(folder),
        "",
        "## Results",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {key} | {'—' if value is None else value} |" for key, value in results.items()),
        "",
        "## Settings",
        "",
        "```json",
        json.dumps(dict(settings), indent=1, ensure_ascii=False, default=str),
        "```",
        "",
    ]
    write_text(folder / "README.md", "\n".join(lines))


def _how_to_load(folder: Path) -> str:
    plain = "Load it with `AutoModelForCausalLM.from_pretrained`"
    if not (folder / "adapter_config.json").is_file():
        return f"{plain}."
    base = json.loads((folder / "adapter_config.json").read_text(encoding="utf8"))["base_model_name_or_path"]
    return (
        f"{plain}: it is an adapter, which needs the package peft and its base, `{base}`, where it lies now. "
        "Measured was this adapter on that base in the form that the settings below name."
    )
