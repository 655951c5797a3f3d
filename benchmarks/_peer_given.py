"""What both sides of `benchmarks/peer.py` are given: the same rows, the same weights, each in the form that it reads.

The peer's transformers 4 reads neither the configuration nor the tokenizer that transformers 5 writes (of
rope_parameters it would silently take no notice), so it has a folder with both written anew beside the same weights.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from records.errors import UserError

__all__ = ["FILES", "hub_folder", "in_training_order", "older", "sets_of", "write_rows"]

FILES = {
    "forget": "forget10_perturbed.json",
    "retain": "retain_perturbed.json",
    "real_authors": "real_authors_perturbed.json",
    "world_facts": "world_facts_perturbed.json",
}
"""The sets of an examination, by the names that TOFU's files have."""

Lines = list[dict[str, Any]]


def sets_of(data: Path | None) -> dict[str, Lines]:
    """The rows of the four sets: TOFU's from a folder, without one those of fictitious authors."""
    if data is None:
        return _invented()
    missing = [name for name in FILES.values() if not (data / name).is_file()]
    if missing:
        raise UserError(
            f"{data} has no {', '.join(missing)} of TOFU (huggingface.co/datasets/locuslab/TOFU). Set NPO_DATA to the "
            "folder that holds them, or unset it: then rows are invented."
        )
    return {name: _read(data / file) for name, file in FILES.items()}


def _read(file: Path) -> Lines:
    return [json.loads(line) for line in file.read_text(encoding="utf8").splitlines() if line.strip()]


def _invented() -> dict[str, Lines]:
    from scale.data.fictional import authors

    return {name: [asdict(row) for row in authors(20, seed=seed)] for seed, name in enumerate(FILES)}


def in_training_order(forget: Sequence[Any], retain: Sequence[Any], seed: int) -> tuple[list[Any], list[Any]]:
    """Forget rows as the training loop of `scale` takes them in its first epoch, and the retain row beside each."""
    from scale.training.pairing import order, partner

    indices = order(seed, 0, len(forget))
    partners = [partner(seed, 0, i, forget=len(forget), retain=len(retain)) for i in indices]
    return [forget[i] for i in indices], [retain[i] for i in partners]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    """One object a line; the file's name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return str(file)


def hub_folder(below: Path, splits: Mapping[str, Iterable[Mapping[str, Any]]]) -> Path:
    """locuslab/TOFU below a folder, with these splits by name: from there the peer reads it in place of the hub's."""
    folder = below / "locuslab" / "TOFU"
    for name, rows in splits.items():
        write_rows(folder / f"{name}.json", rows)
    told = "".join(f"- config_name: {name}\n  data_files: {name}.json\n" for name in splits)
    (folder / "README.md").write_text(f"---\nconfigs:\n{told}---\n", encoding="utf8")
    return folder


def older(model: Path, folder: Path) -> str:
    """A folder with the weights of a saved model that transformers 4 reads too; its name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in (*model.glob("*.safetensors*"), model / "tokenizer.json"):
        os.symlink(file.resolve(), folder / file.name)
    _write(folder / "config.json", older_config(_json(model / "config.json")))
    template = model / "chat_template.jinja"
    given = _json(model / "tokenizer_config.json")
    if template.is_file():
        given["chat_template"] = template.read_text(encoding="utf8")
    _write(folder / "tokenizer_config.json", older_tokenizer(given))
    return str(folder)


def older_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the keys of transformers 4: rope_theta by itself, torch_dtype."""
    rope = dict(config.get("rope_parameters") or {})
    found = {key: value for key, value in config.items() if key not in ("rope_parameters", "dtype")}
    if rope:
        found["rope_theta"] = rope.pop("rope_theta", 10000.0)
        found["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    return {**found, "torch_dtype": "float32"}


def older_tokenizer(config: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer's configuration, of the class that transformers 4 has for any tokenizer.json."""
    kept = ("bos_token", "eos_token", "pad_token", "unk_token", "chat_template")
    found = {key: config[key] for key in kept if config.get(key) is not None}
    return {**found, "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}


def _json(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf8"))
    return found


def _write(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2), encoding="utf8")
