"""The files beside a model's weights, written so that transformers 4 and older versions of peft read them as well.

transformers 5 keeps all of a rotary embedding in `rope_parameters` and names classes that transformers 4 does not have.
The older version refuses such a tokenizer, and takes its default base of 10000 for the model's own without a word. Each
key that it looks for is written beside the newer one; transformers 5 reads either, and finds the same in both.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedTokenizerBase

from records.files import write_text
from scale.models.folders.known import json_object

__all__ = [
    "SEEN",
    "adapter_read_by_all",
    "config_read_by_both",
    "files_read_by_both",
    "read_with",
    "tokenizer_read_by_both",
]

SINCE_4_45 = (
    *("bloom", "cohere", "falcon", "gemma", "gemma2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "granite", "llama"),
    *("mistral", "mixtral", "olmo", "opt", "persimmon", "phi", "phi3", "qwen2", "qwen2_moe", "stablelm", "starcoder2"),
)
SEEN = dict.fromkeys(SINCE_4_45, "4.45") | dict.fromkeys(("gemma3_text", "glm4", "olmo2", "qwen3", "smollm3"), "4.57")
"""From which transformers 4 on a kind of model was seen to load as it is saved here: equal logits and token ids."""

NAMES = {"gpt_neox": ("rotary_emb_base", "rotary_pct")}
"""What transformers 4 calls the base and the rotated share of a head, where not `ROPE`."""
ROPE = ("rope_theta", "partial_rotary_factor")
BY_TYPE = ("olmo", "phi3")
"""Kinds whose older configuration counts the keys of `rope_scaling`, and calls the kind of scaling `type`."""
WHOLE, SLIDING = "full_attention", "sliding_attention"
WAYS = ("clean_up_tokenization_spaces", "model_input_names", "padding_side", "truncation_side")
"""What a class of tokenizer takes for granted, and a version or another class takes otherwise: it is written out."""
ALWAYS = ("base_model_name_or_path", "lora_alpha", "lora_dropout", "peft_type", "r", "target_modules", "task_type")
"""Settings of an adapter that are written whatever they are."""


def files_read_by_both(folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """Rewrite the configurations of model, tokenizer and adapter in `folder`, those that there are."""
    ways = {name: getattr(tokenizer, name) for name in WAYS}
    for name, written in (
        ("config.json", config_read_by_both),
        ("tokenizer_config.json", lambda config: tokenizer_read_by_both({**ways, **config})),
        ("adapter_config.json", adapter_read_by_all),
    ):
        file = folder / name
        if file.is_file():
            text = json.dumps(written(json_object(file)), indent=2, ensure_ascii=False, sort_keys=True)
            write_text(file, text + "\n")


def read_with(folder: Path) -> str:
    """Which versions of transformers read the model in `folder`, as its card says it.

    A folder with an adapter alone is read by the version that its base needs.
    """
    now = f"It was written with transformers {transformers.__version__} and torch {torch.__version__.split('+')[0]}"
    if not (folder / "config.json").is_file():
        return f"{now}, and peft {version('peft')}. Its settings have nothing that an older peft does not know."
    kind = str(json_object(folder / "config.json").get("model_type"))
    if kind in SEEN:
        older = " and ".join(sorted({SEEN[kind], "4.57"}))
        return (
            f"{now}. Its configuration has the keys of transformers 4 beside those of 5: models of this kind ({kind}), "
            f"saved so, were seen to load with equal logits and token ids in {older}."
        )
    return f"{now}. Whether transformers 4 loads this kind of model ({kind}) as it is saved here was not seen: take 5."


def config_read_by_both(config: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration with the older keys beside the newer ones, those of a text part inside it too.

    >>> found = config_read_by_both(
    ...     {"model_type": "llama", "rope_parameters": {"rope_theta": 1e5, "rope_type": "linear", "factor": 2.0}}
    ... )
    >>> found["rope_theta"], found["rope_scaling"]
    (100000.0, {'rope_type': 'linear', 'factor': 2.0})
    """
    written = {
        key: config_read_by_both(value) if key.endswith("_config") and isinstance(value, Mapping) else value
        for key, value in config.items()
    }
    if isinstance(config.get("dtype"), str):
        written["torch_dtype"] = config["dtype"]
    rope = config.get("rope_parameters")
    return written | _older_rope(str(config.get("model_type")), rope if isinstance(rope, Mapping) else {})


def _older_rope(kind: str, rope: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_parameters` in the older keys; one that differs by layer as Gemma 3 had it."""
    inner = rope.get(WHOLE, rope)
    if not isinstance(inner, Mapping) or "rope_theta" not in inner:
        return {}
    theta, share = NAMES.get(kind, ROPE)
    found = {theta: inner["rope_theta"]}
    if "partial_rotary_factor" in inner:
        found[share] = inner["partial_rotary_factor"]
    sliding = rope.get(SLIDING)
    if isinstance(sliding, Mapping) and "rope_theta" in sliding:
        found["rope_local_base_freq"] = sliding["rope_theta"]
    if inner.get("rope_type", "default") != "default":
        found["rope_scaling"] = _older_scaling(kind, inner)
    return found


def _older_scaling(kind: str, rope: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in rope.items() if key not in (*ROPE, "rope_type", "type")}
    if kind in BY_TYPE:
        rest.pop("original_max_position_embeddings", None)  # beside it, not inside it
        return {"type": rope["rope_type"], **rest}
    return {"rope_type": rope["rope_type"], **rest}


def tokenizer_read_by_both(config: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer's configuration for a class that both versions have, which reads tokenizer.json as it stands.

    >>> found = tokenizer_read_by_both({"tokenizer_class": "TokenizersBackend", "extra_special_tokens": ["<x>"]})
    >>> found["tokenizer_class"], found["additional_special_tokens"]
    ('PreTrainedTokenizerFast', ['<x>'])
    """
    written = {key: value for key, value in config.items() if key not in ("backend", "is_local", "local_files_only")}
    written["tokenizer_class"] = "PreTrainedTokenizerFast"
    extra = written.get("extra_special_tokens")
    if isinstance(extra, list):  # a list under this name breaks the last versions of transformers 4
        written["additional_special_tokens"] = written.pop("extra_special_tokens")
    return written


def adapter_read_by_all(config: Mapping[str, Any]) -> dict[str, Any]:
    """An adapter's configuration without what is at peft's default: an older peft refuses settings that it can't know.

    >>> adapter_read_by_all({"peft_type": "LORA", "r": 8, "lora_bias": False, "peft_version": "0.21.2"})
    {'peft_type': 'LORA', 'r': 8}
    """
    from peft import LoraConfig

    usual = {field.name: _default(field) for field in fields(LoraConfig)}
    return {
        key: value
        for key, value in config.items()
        if key in ALWAYS or (key != "peft_version" and value != usual.get(key, MISSING))
    }


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
