"""Adapters as models: one that is named where a model can be is merged into its base, and is then like any other.

Its own tokenizer, chat template and added tokens count, not those of the base; the base may itself be an adapter.
"""

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedModel

from records.errors import UserError
from records.paths import user_path
from scale.models.folders.known import json_object, shapes_in
from scale.models.folders.language_model import LanguageModel, quiet
from scale.models.loading.errors import told
from scale.models.loading.names import KNOWN
from scale.models.loading.tokenizer import check_vocabulary, embedded, has_tokenizer, load_tokenizer

__all__ = ["Adapter", "base_of", "is_adapter", "merged_into", "read_adapter"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MOST = 8
"""Adapters on adapters: more is a circle."""


def is_adapter(base: str | Path) -> bool:
    """Is this a folder that holds an adapter alone?"""
    return (user_path(base, "The model") / CONFIG).is_file()


class Adapter(NamedTuple):
    """An adapter's folder, the base that it names, the shapes of its tensors; its weights are not read yet."""

    folder: Path
    base: str
    revision: str | None
    shapes: dict[str, tuple[int, ...]]


def read_adapter(folder: Path) -> Adapter:
    """What is in the folder of an adapter; UserError where it is absent, damaged, or no LoRA."""
    config = json_object(folder / CONFIG)
    base = base_of(folder)
    return Adapter(folder, base, _text(config, "revision"), _checked(folder, config))


def merged_into(below: LanguageModel, adapter: Adapter) -> LanguageModel:
    """The base with the adapter merged into it; all weights can be trained. UserError where they don't fit together."""
    folder, model = adapter.folder, below.model
    tokenizer = load_tokenizer(str(folder)) if has_tokenizer(folder) else below.tokenizer
    _resize(model, adapter.shapes)
    check_vocabulary(str(folder), model, tokenizer)
    merged = _merged(folder, model, adapter.shapes)
    return LanguageModel(merged.requires_grad_(True), tokenizer)


def _text(config: dict[str, Any], key: str) -> str | None:
    found = config.get(key)
    return found if isinstance(found, str) and found else None


def base_of(folder: Path) -> str:
    """Where an adapter's base lies; UserError where there is none, or where its bases go round in a circle."""
    base = below = _named_base(folder)
    for _ in range(MOST):
        if not is_adapter(below):
            return base
        below = _named_base(Path(below))
    raise UserError(f"{folder} is an adapter on an adapter on an adapter …: its bases go round in a circle.")


def _named_base(folder: Path) -> str:
    """What it names: a path is taken from the adapter's folder, else from the working directory."""
    named = _text(json_object(folder / CONFIG), "base_model_name_or_path")
    if named is None:
        raise UserError(f"{folder / CONFIG} names no base_model_name_or_path: write there which model it is put on.")
    tried = [(folder / user_path(named, "The model")).resolve(), user_path(named, "The model").resolve()]
    for place in tried:
        if place.is_dir():
            return str(place)
    if named in KNOWN or (named.count("/") == 1 and not named.startswith((".", "/", "~"))):
        return named
    raise UserError(
        f"The adapter {folder} is put on the model {named}, which is not there (looked for "
        f"{' and '.join(dict.fromkeys(map(str, tried)))}). Put it there, or correct base_model_name_or_path in "
        f"{CONFIG}."
    )


def _checked(folder: Path, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes of the adapter's tensors; UserError where it is not a LoRA in safetensors, or asks for foreign code."""
    from peft import LoraConfig

    kind = config.get("peft_type")
    if kind != "LORA":
        raise UserError(
            f"{folder} is an adapter of the kind {kind}; npo merges LoRA alone. Merge it into its base with peft "
            "(merge_and_unload), save that, and name the result."
        )
    if config.get("megatron_config"):
        raise UserError(f"The adapter {folder} brings its own code (megatron_core), and npo never runs it.")
    strange = sorted({key for key, value in config.items() if value} - {field.name for field in fields(LoraConfig)})
    if strange:
        raise UserError(
            f"{folder / CONFIG} has settings that this version of peft does not know ({', '.join(strange)}), so the "
            "adapter would be another one here. Use a newer peft."
        )
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"The adapter {folder} holds no {WEIGHTS}: only safetensors are read. Get it, or convert it.")
    shapes = shapes_in([folder / WEIGHTS])
    ranks = {shape[0] for name, shape in shapes.items() if ".lora_A" in name or ".lora_embedding_A" in name}
    pattern = config.get("rank_pattern")
    asked = [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else ())]
    if any(not isinstance(rank, int) or rank not in ranks for rank in asked[1:] or asked):
        raise UserError(
            f"{folder / CONFIG} says rank {', '.join(map(str, asked))}, but its tensors have rank "
            f"{', '.join(map(str, sorted(ranks))) or 'of no LoRA'}: they are of different adapters. Get both again."
        )
    return shapes


def _resize(model: PreTrainedModel, shapes: dict[str, tuple[int, ...]]) -> None:
    """As many rows of the embedding as the adapter has saved, where it was trained with added tokens."""
    ends = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "lm_head.weight")
    rows = max((shape[0] for name, shape in shapes.items() if name.endswith(ends)), default=0)
    if rows > embedded(model):
        model.resize_token_embeddings(rows, mean_resizing=False)  # the adapter's own rows replace the new ones


def _merged(folder: Path, model: PreTrainedModel, shapes: dict[str, tuple[int, ...]]) -> PreTrainedModel:
    """The base with every tensor of the adapter in it; UserError where some have no place in it, or are missing."""
    from peft import PeftModel, get_peft_model_state_dict

    with quiet(), told(str(folder)), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is checked here, or harmless
        put_on = PeftModel.from_pretrained(model, str(folder), torch_device="cpu", low_cpu_mem_usage=False)
        asked = set(get_peft_model_state_dict(put_on, save_embedding_layers=False))
    whole = {f"base_model.model.{name}" for name in model.state_dict()}  # an embedding may be saved beside the adapter
    strange = sorted({name.replace(".modules_to_save.", ".") for name in shapes} - asked - whole)
    absent = sorted(name for name in asked - set(shapes) if ".lora_" in name)
    if strange or absent:
        said = f"{len(strange)} of its tensors have no place in its base" if strange else f"{len(absent)} are missing"
        raise UserError(
            f"The adapter {folder} was not made for the base that it names: {said} "
            f"({', '.join((strange or absent)[:3])}). Correct base_model_name_or_path in {CONFIG}, or get it again."
        )
    with quiet(), told(str(folder)):
        return put_on.merge_and_unload(safe_merge=True)
