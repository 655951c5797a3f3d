"""Malformed models and adapters, wherever a verb takes one."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from malformed import Case, Content, changed, check, copied, params

OWN = {"rows.jsonl": copied("rows.jsonl"), "kept.jsonl": copied("kept.jsonl")}
FORGET = "forget rows.jsonl --model m --out o --device cpu --epochs 1"
EVALUATE = "evaluate quick --model m --out o --device cpu evaluate.questions=1"
FINETUNE = "finetune quick model.base=m model.shape=null pretrain=null --out o --device cpu"
PLAN = "plan quick model.base=m model.shape=null"
SHOW = "show-batch quick model.base=m model.shape=null"
VERBS = (FORGET, EVALUATE, FINETUNE, PLAN, SHOW)
REMOTE = "open('ran', 'w').write('x')\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 120\n"

# --- folders of models ----------------------------------------------------------------------------------------------


def _config(**changes: Any) -> Callable[[Path, Path], None]:
    """The model's folder with other values in its config.json."""
    return _json("model", "config.json", changes)


def _json(name: str, file: str, changes: dict[str, Any]) -> Callable[[Path, Path], None]:
    def make(place: Path, prepared: Path) -> None:
        copied(name)(place, prepared)
        content = json.loads((place / file).read_text())
        content |= changes
        (place / file).write_text(json.dumps({k: v for k, v in content.items() if v != "absent"}))

    return make


def _weights(change: Callable[[dict[str, Any]], None], name: str = "model") -> Callable[[Path, Path], None]:
    """The model's folder with other weights."""
    file = {"model": "model.safetensors", "adapter": "adapter_model.safetensors"}[name]

    def make(place: Path, prepared: Path) -> None:
        from safetensors.numpy import load_file, save_file

        copied(name)(place, prepared)
        weights = dict(load_file(place / file))
        change(weights)
        save_file(weights, place / file, metadata={"format": "pt"})

    return make


def _cut(file: str, to: float, name: str = "model") -> Callable[[Path, Path], None]:
    """The folder with a file cut off at this share of it."""

    def make(place: Path, prepared: Path) -> None:
        copied(name)(place, prepared)
        content = (place / file).read_bytes()
        (place / file).write_bytes(content[: int(len(content) * to)])

    return make


def _without(part: str) -> Callable[[dict[str, Any]], None]:
    def change(weights: dict[str, Any]) -> None:
        for key in [key for key in weights if part in key]:
            del weights[key]

    return change


def _filled(part: str, value: float) -> Callable[[dict[str, Any]], None]:
    def change(weights: dict[str, Any]) -> None:
        for key in [key for key in weights if part in key]:
            weights[key] = np.full_like(weights[key], value)

    return change


def _halved(weights: dict[str, Any]) -> None:
    weights.update({key: value[: len(value) // 2].copy() for key, value in weights.items()})


def _more(weights: dict[str, Any]) -> None:
    weights["model.layers.9.mlp.up_proj.weight"] = np.zeros((2, 2), np.float32)


HUGE = struct.pack("<Q", 2**62) + b"{}"
CODE = {"AutoConfig": "remote.Config", "AutoModelForCausalLM": "remote.Model", "AutoTokenizer": ["remote.Tok", None]}

FOLDERS: dict[str, Content] = {
    "an empty folder": None,
    "a file": "x",
    "no config": copied("model", config__json=None),
    "an empty config": copied("model", config__json=""),
    "a config that is no JSON": copied("model", config__json="{'a': 1}"),
    "a config that is a list": copied("model", config__json="[]"),
    "a config that is null": copied("model", config__json="null"),
    "a deep config": copied("model", config__json="[" * 100_000),
    "a binary config": copied("model", config__json=bytes(range(256))),
    "a config that is a pointer": copied("model", config__json=LFS),
    "a config that is a folder": changed("model", {"config.json": None, "config.json/x": ""}),
    "no kind": _config(model_type="absent", architectures="absent"),
    "an unknown kind": _config(model_type="nonesuch"),
    "a kind that is a number": _config(model_type=3),
    "no language model": _config(model_type="vit"),
    "an encoder": _config(model_type="t5"),
    "another number of layers": _config(num_hidden_layers=3),
    "fewer layers": _config(num_hidden_layers=1),
    "no layers": _config(num_hidden_layers=0),
    "layers in words": _config(num_hidden_layers="two"),
    "negative layers": _config(num_hidden_layers=-1),
    "another width": _config(hidden_size=32),
    "a width of 0": _config(hidden_size=0),
    "a width that no machine has": _config(hidden_size=10**9, num_attention_heads=2),
    "another vocabulary": _config(vocab_size=17),
    "a vocabulary of null": _config(vocab_size=None),
    "other heads": _config(num_attention_heads=3),
    "no heads": _config(num_attention_heads=0),
    "an unknown activation": _config(hidden_act="nonesuch"),
    "an unknown type": _config(dtype="float17", torch_dtype="float17"),
    "a type that is a number": _config(dtype=3, torch_dtype=3),
    "a quantised checkpoint": _config(quantization_config={"quant_method": "gptq", "bits": 4}),
    "an unknown quantisation": _config(quantization_config={"quant_method": "nonesuch"}),
    "positions of 4": _config(max_position_embeddings=4),
    "no weights": copied("model", model__safetensors=None),
    "empty weights": copied("model", model__safetensors=b""),
    "weights that are a pointer": copied("model", model__safetensors=LFS),
    "weights of zeros": copied("model", model__safetensors=b"\0" * 1000),
    "weights of no end": copied("model", model__safetensors=HUGE),
    "half the weights": _cut("model.safetensors", 0.5),
    "weights without their last byte": _cut("model.safetensors", 0.99999),
    "pickled weights alone": changed("model", {"model.safetensors": None, "pytorch_model.bin": b"\x80\x04."}),
    "an index without its parts": changed(
        "model",
        {
            "model.safetensors": None,
            "model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": {"x": "model-1.safetensors"}}),
        },
    ),
    "an index that is no JSON": changed("model", {"model.safetensors": None, "model.safetensors.index.json": "{"}),
    "NaN weights": _weights(_filled("layers.0", np.nan)),
    "infinite weights": _weights(_filled("layers.1.mlp", np.inf)),
    "a missing layer": _weights(_without("layers.1.")),
    "a missing matrix": _weights(_without("layers.0.mlp.up_proj")),
    "a missing head": _weights(_without("lm_head")),
    "a missing embedding": _weights(_without("embed_tokens")),
    "an extra matrix": _weights(_more),
    "halved matrices": _weights(_halved),
    "no tensors": _weights(lambda weights: weights.clear()),
    "no tokenizer": copied("model", tokenizer__json=None, tokenizer_config__json=None),
    "no tokenizer.json": copied("model", tokenizer__json=None),
    "an empty tokenizer": copied("model", tokenizer__json=""),
    "a tokenizer that is no JSON": copied("model", tokenizer__json="{"),
    "a tokenizer that is a pointer": copied("model", tokenizer__json=LFS),
    "a tokenizer of nothing": copied("model", tokenizer__json="{}"),
    "a deep tokenizer": copied("model", tokenizer__json="[" * 100_000),
    "tokenizer settings that are no JSON": copied("model", tokenizer_config__json="{"),
    "tokenizer settings that are a list": copied("model", tokenizer_config__json="[]"),
    "no end token": _json("model", "tokenizer_config.json", {"eos_token": None}),
    "generation settings that are no JSON": copied("model", generation_config__json="{"),
    "code for the config": changed(
        "model",
        {
            "remote.py": REMOTE,
            "config.json": json.dumps({"model_type": "mine", "architectures": ["M"], "auto_map": CODE}),
        },
    ),
}

TOLD = {
    "pickled weights alone": "safetensors",
    "NaN weights": "NaN",
    "infinite weights": "finite",
    "a missing layer": "layers.1",
    "a missing matrix": "up_proj",
    "another number of layers": "layers.2",
    "fewer layers": "layers.1",
    "no language model": "vit",
    "code for the config": "code",
    "no end token": "end-of-sequence",
    "an empty folder": "config.json",
    "no config": "config.json",
    "an extra matrix": "layers.9",
    "a width that no machine has": "",
    "weights that are a pointer": "LFS",
    "a config that is a pointer": "config.json",
}
SHOWN = ("config", "tokenizer", "end token", "an empty folder", "a file", "kind", "language", "code")
"""What `plan` and `show-batch` see of a folder: neither loads weights."""


def _folders() -> Iterator[Case]:
    for i, (name, content) in enumerate(FOLDERS.items()):
        seen = any(part in name for part in SHOWN)
        words_read = any(part in name for part in ("tokenizer", "end token"))  # `plan` asks no tokenizer
        for j, words in enumerate(VERBS):
            if j < 3 or (seen and not (words_read and words is PLAN)):
                usual = j == i % 3
                says = TOLD.get(name) or "m"
                verb = words.partition(" ")[0]
                yield Case(f"{verb}: {name}", words, says, {**OWN, "m": content}, slow=not usual)


# --- adapters -------------------------------------------------------------------------------------------------------


def _adapter(changes: dict[str, Any]) -> Callable[[Path, Path], None]:
    """The adapter's folder with other settings."""
    return _json("adapter", "adapter_config.json", changes)


PICKLED: Content = changed("adapter", {"adapter_model.safetensors": None, "adapter_model.bin": b"\x80\x04."})
ADAPTERS: dict[str, tuple[Content, str]] = {
    "a base that is nowhere": (_adapter({"base_model_name_or_path": "/no/where"}), "/no/where"),
    "no base": (_adapter({"base_model_name_or_path": None}), "base"),
    "a base of a number": (_adapter({"base_model_name_or_path": 3}), "base"),
    "itself as its base": (_adapter({"base_model_name_or_path": "m"}), "base"),
    "settings that are no JSON": (copied("adapter", adapter_config__json="{"), "adapter_config.json"),
    "settings that are a list": (copied("adapter", adapter_config__json="[]"), "adapter_config.json"),
    "empty settings": (copied("adapter", adapter_config__json="{}"), "adapter_config.json"),
    "an unknown kind": (_adapter({"peft_type": "NONESUCH"}), "NONESUCH"),
    "another rank": (_adapter({"r": 3}), "m"),
    "a rank of 0": (_adapter({"r": 0}), "m"),
    "unknown modules": (_adapter({"target_modules": ["nonesuch"]}), "nonesuch"),
    "no weights": (copied("adapter", adapter_model__safetensors=None), "m"),
    "pickled weights": (PICKLED, "safetensors"),
    "empty weights": (copied("adapter", adapter_model__safetensors=b""), "m"),
    "weights that are a pointer": (copied("adapter", adapter_model__safetensors=LFS), "m"),
    "half the weights": (_cut("adapter_model.safetensors", 0.5, "adapter"), "m"),
    "a missing matrix": (_weights(_without("layers.0"), "adapter"), "layers.0"),
    "NaN weights": (_weights(_filled("layers.0", np.nan), "adapter"), "NaN"),
    "no tensors": (_weights(lambda weights: weights.clear(), "adapter"), "m"),
}  # fmt: skip


def _adapters() -> Iterator[Case]:
    for i, (name, (content, says)) in enumerate(ADAPTERS.items()):
        for j, words in enumerate((FORGET, EVALUATE)):
            verb = words.partition(" ")[0]
            yield Case(f"{verb}: adapter: {name}", words, ("m", says), {**OWN, "m": content}, slow=j != i % 2)


CASES = [*_folders(), *_adapters()]


@pytest.mark.parametrize("case", params(CASES))
def test_a_model(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
