"""What can be known of a folder with a model before a single weight is read: every way in which it can't be loaded.

Reading costs nothing here: of a file of weights its header alone, which says names, shapes and where each tensor lies.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from records.errors import UserError
from records.text_file import POINTER

__all__ = ["check_count", "check_files", "check_sizes", "json_object", "refuse_code", "refuse_quantised", "shapes_in"]

GENERATION = "generation_config.json"
INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
LOOPED = ("layer", "expert", "block")
"""Parts of the names of those sizes of a configuration that count modules, each of which is built in a loop."""


def json_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file that belongs to a model; UserError where it is none, or an LFS pointer."""
    try:
        text = file.read_bytes()
        _refuse_pointer(file, text)
        found = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} can't be read as JSON ({_first(error)}). It is damaged: get it again.") from None
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no JSON object. It is damaged: get it again.")
    return found


def check_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of the model in `folder`; UserError where its files are absent, damaged or not usable.

    The configuration must be there and say of which kind the model is; the weights must be safetensors.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no model: config.json is missing. Finetune first, or name another folder.")
    config = json_object(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise UserError(f"{folder / 'config.json'} names no model_type, so what kind of model it is can't be known.")
    refuse_code(folder, config)
    refuse_quantised(folder, config)
    if (folder / GENERATION).is_file():
        json_object(folder / GENERATION)
    return shapes_in(_weight_files(folder))


def refuse_code(model: str | Path, config: Mapping[str, Any]) -> None:
    """UserError where a configuration asks for a kernel of the hub, which is code that transformers would fetch."""
    wanted = [config.get(key) for key in ("attn_implementation", "_attn_implementation", "experts_implementation")]
    for name in wanted:
        if isinstance(name, str) and "/" in name:
            raise UserError(
                f"The model {model} brings its own code (its config.json asks for the kernel {name}), and npo never "
                "runs it. Take that line out of config.json, or choose another model."
            )


def refuse_quantised(model: str | Path, config: Mapping[str, Any]) -> None:
    """UserError where the weights were saved in few bits: they can't be trained, nor scored as they were made."""
    text = config.get("text_config")
    inside = [config.get("quantization_config"), text.get("quantization_config") if isinstance(text, dict) else None]
    for found in inside:
        if found is not None:
            kind = found.get("quant_method", "of an unnamed kind") if isinstance(found, dict) else found
            raise UserError(
                f"The weights of {model} are quantised ({kind}), and such weights can't be trained. Name the model "
                "that it was made from; --four-bit with --lora quantises that one on a GPU."
            )


def shapes_in(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in files of weights, from their headers; UserError where one is damaged."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            with open(file, "rb") as opened:
                _refuse_pointer(file, opened.read(len(POINTER)))
            with safe_open(file, "pt") as opened:
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in sorted(opened.keys())}
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file} is damaged or cut short ({_first(error)}). Get it again.") from None
    return shapes


def check_sizes(model: str | Path, config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """UserError where a configuration asks for far more than its weights hold, before anything is built for it.

    No part of a model can be larger than all of its numbers, and each layer has a tensor of its own.
    """
    numbers, tensors = count(shapes), len(shapes)
    for key, value in config.items():
        if isinstance(value, Mapping) and key.endswith("_config"):
            check_sizes(model, value, shapes)
        looped = key.startswith(("n_", "num_")) and any(part in key for part in LOOPED)
        sized = key.endswith(("_size", "_dim", "_heads", "_rank")) or key in ("n_embd", "n_inner", "d_model")
        if not isinstance(value, int) or not (looped or sized):
            continue
        most = max(tensors, 256) if looped and "expert" not in key else max(numbers, 2**20)
        if value > most:
            raise UserError(
                f"config.json of {model} says {key}={value}, but its files hold {numbers:,} numbers in {tensors:,} "
                "tensors: configuration and weights are of different models. Get both again."
            )


def check_count(model: str | Path, asked: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """UserError where the model that a configuration describes is far larger than its files, before it is filled."""
    if asked > 2 * count(shapes) + 2**22:
        raise UserError(
            f"config.json of {model} describes a model of {asked:,} numbers, but its files hold {count(shapes):,}: "
            "configuration and weights are of different models. Get both again."
        )


def count(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers there are in tensors of these shapes."""
    return sum(map(math.prod, shapes.values()))


def _weight_files(folder: Path) -> list[Path]:
    """The files of weights, as an index lists them or the only one; UserError where there are none."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        listed = json_object(folder / INDEX).get("weight_map")
        names = sorted(set(map(str, listed.values()))) if isinstance(listed, dict) else []
        absent = [name for name in names if "/" in name or not (folder / name).is_file()]
        if not names or absent:
            raise UserError(
                f"{folder / INDEX} names {', '.join(absent[:3]) or 'no file of weights'}"
                f"{', which is not there' if absent else ''}. Get the missing files of the model."
            )
        return [folder / name for name in names]
    others = sorted(path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".gguf", ".h5"})
    said = f" {others[0]} is no safetensors: convert it first (save_pretrained writes safetensors)." if others else ""
    raise UserError(f"{folder} holds no weights: there is no {SINGLE}.{said or ' Get the whole model.'}")


def _refuse_pointer(file: Path, start: bytes) -> None:
    if start.startswith(POINTER):
        raise UserError(f"{file} is a pointer of Git LFS, not the file itself. Get it: git lfs pull")


def _first(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]
