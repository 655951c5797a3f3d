"""Loading a model with its tokenizer: all of it as it was saved, or an error that says what is wrong.

transformers fills what is missing at random and leaves out what it does not know; here both are errors. Weights are
float32 unless asked otherwise; only safetensors are read, and a model's own code is never run.
"""

import math
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)

from records.errors import UserError
from records.ownership import verify
from records.paths import user_path
from scale.models.folders.known import check_count, check_files, check_sizes, refuse_code, refuse_quantised
from scale.models.folders.language_model import LanguageModel, quiet
from scale.models.loading.errors import own_code, told
from scale.models.loading.merged import is_adapter, merged_into, read_adapter
from scale.models.loading.names import KNOWN, located
from scale.models.loading.scratch import SHAPES
from scale.models.loading.tokenizer import check_vocabulary, load_tokenizer

__all__ = ["Weights", "described", "load", "load_gguf", "place_of"]

Weights = Literal["float32", "bf16", "4bit"]
"""In what form a model's weights are kept while it is trained: 4bit frozen below an adapter, the others trained too.

A bf16 weight has 8 bits of precision: a step of less than about 1/256 of it is rounded away. At AdamW's learning rate
of 1e-5 only 7 to 16 % of weights move at all in a step; below an adapter, whose own part is float32, nothing is lost.
"""
NOT_TEXT = ("vision", "visual", "audio", "multi_modal", "mm_projector", "image", "mtp.")
"""Parts of a model that reads more than text, or predicts several tokens ahead: nothing of a text passes them."""


def load(base: str | Path, *, revision: str | None = None, weights: Weights = "float32") -> LanguageModel:
    """A causal language model with its tokenizer: a folder, a model of the hub, or one of `scale.models.loading.names`.

    An adapter is merged into its base. UserError where there is none, where it is gated or damaged, where anything of
    it is missing, quantised, or not a number, or where it would have to run code of its own.
    """
    source = place_of(base)
    if Path(source).is_dir():
        verify(Path(source))  # what npo wrote there, if it was npo
    if is_adapter(source):
        return _with_adapter(Path(source), weights)
    config, _ = described(source, revision)
    model = _filled(source, config, revision, weights)
    tokenizer = load_tokenizer(source, revision)
    check_vocabulary(source, model, tokenizer)
    return LanguageModel(model, tokenizer)


def _with_adapter(folder: Path, weights: Weights) -> LanguageModel:
    """The model that an adapter is put on, which may be one with an adapter itself, and the adapter merged into it."""
    adapter = read_adapter(folder)
    if weights == "4bit":
        raise UserError(
            f"{folder} is an adapter, and weights in four bits can't take it in exactly. Merge it first and name the "
            "merged model, or leave four bits out."
        )
    return merged_into(load(adapter.base, revision=adapter.revision, weights=weights), adapter)


def place_of(base: str | Path) -> str:
    """The folder that a name stands for, or a name on the hub; UserError where there can be no such model."""
    named = located(str(base))
    folder = user_path(named, "The model")
    if folder.is_dir():
        return str(folder)
    if named.startswith((".", "/", "~")) or named.count("/") != 1:
        raise UserError(
            f"There is no model {named}. Name a folder that holds config.json and safetensors, a model of the hub "
            f"(owner/name), a small one to get ({', '.join(KNOWN)}), or one to train from scratch: {', '.join(SHAPES)}."
        )
    return named


def described(source: str, revision: str | None = None) -> tuple[PreTrainedConfig, PreTrainedModel]:
    """A model's configuration, and the model without weights, which takes no memory.

    UserError where configuration or files can't be used, or where they are of models of different sizes.
    """
    shapes = check_files(Path(source)) if Path(source).is_dir() else None
    config = _config_of(source, revision)
    if shapes is not None:  # of the hub, where configuration and weights come from one place, they are not here yet
        check_sizes(source, config.to_dict(), shapes)
    with quiet(), told(source), torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    if shapes is not None:
        check_count(source, empty.num_parameters(), shapes)
    return config, empty


def _config_of(source: str, revision: str | None = None) -> PreTrainedConfig:
    """A model's configuration; UserError where it can't be read, is not of a causal model, or needs code of its own."""
    with quiet(), told(source):
        config = AutoConfig.from_pretrained(source, revision=revision or "main", trust_remote_code=False)
    refuse_code(source, config.to_dict())
    refuse_quantised(source, config.to_dict())
    known = type(config) in AutoModelForCausalLM._model_mapping
    if not known and "AutoModelForCausalLM" in getattr(config, "auto_map", {}):
        raise UserError(own_code(source))
    if not known or config.is_encoder_decoder:
        kind = "an encoder-decoder" if config.is_encoder_decoder else "no causal language model of transformers"
        if "text_config" in config.sub_configs:
            kind = "made for more than text, and transformers has no way to load its text part alone"
        raise UserError(f"{source} is a {config.model_type}: {kind}. Choose a model for text generation.")
    pad, rows = config.get_text_config().pad_token_id, config.get_text_config().vocab_size
    if isinstance(pad, int) and pad >= rows:
        raise UserError(
            f"config.json of {source} says pad_token_id={pad}, and its vocabulary has {rows} tokens (0 … {rows - 1}). "
            "Any of these pads as well: correct config.json."
        )
    return config


def _filled(source: str, config: PreTrainedConfig, revision: str | None, weights: Weights) -> PreTrainedModel:
    """The model with every weight from its files; UserError naming those that are missing, left over or no numbers."""
    dtype = torch.float32 if weights == "float32" else torch.bfloat16
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "revision": revision or "main"}
    if weights == "4bit":
        options |= _four_bit()
    with quiet(), told(source):
        found: Any = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are told with the rest
            output_loading_info=True,
            **options,
        )
    model, info = cast(tuple[PreTrainedModel, dict[str, Any]], found)
    _refuse_gaps(source, info)
    _refuse_not_numbers(source, model)
    return model


def _refuse_gaps(source: str, info: Mapping[str, Collection[Any]]) -> None:
    """UserError where files and configuration do not fit: transformers would have filled or dropped in silence."""
    wrong = [
        f"{name} {_shape(there)} in the files, {_shape(asked)} asked for"
        for name, there, asked in sorted(info["mismatched_keys"])
    ]
    unexpected = [name for name in info["unexpected_keys"] if not any(part in name for part in NOT_TEXT)]
    said = [
        f"{len(names)} tensors {what} ({', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''})"
        for names, what in (
            (info["missing_keys"], "are missing"),
            (unexpected, "belong to nothing in it"),
            (wrong, "have another shape"),
        )
        if names
    ]
    if said:
        raise UserError(
            f"The files of {source} are not those of the model that its config.json describes: {'; '.join(said)}. "
            "Parts would be filled at random or left out. Get the whole model again."
        )


def _shape(size: Collection[int]) -> str:
    return "×".join(map(str, size))


def _refuse_not_numbers(source: str, model: PreTrainedModel) -> None:
    """UserError naming the weights that hold NaN or an infinity."""
    bad = [name for name, value in model.named_parameters() if value.is_floating_point() and not _finite(value)]
    if bad:
        raise UserError(
            f"{len(bad)} tensors of {source} hold NaN or infinite weights ({', '.join(bad[:3])}"
            f"{', …' if len(bad) > 3 else ''}): the model is broken, from a training that diverged perhaps. "
            "Get it again, or choose another."
        )


def _finite(value: torch.Tensor) -> bool:
    # a sum is finite only if all its terms are, and takes no memory; one that overflows is looked at in full
    return math.isfinite(float(value.detach().float().sum())) or bool(torch.isfinite(value).all())


def load_gguf(file: Path) -> LanguageModel:
    """A model from a GGUF file, its weights unpacked to float32; UserError where the file or the package gguf is bad.

    What was quantised stays as coarse as it was; only then can it be trained and saved like any other.
    """
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise UserError("Unpacking a GGUF file needs the package gguf: pip install gguf") from None
    options: dict[str, Any] = {"gguf_file": file.name, "trust_remote_code": False}
    dequantise: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):  # newer versions keep the blocks unless told otherwise
        dequantise["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with quiet():
        try:
            model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options, **dequantise)
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
        except (OSError, ValueError, LookupError, RuntimeError, struct.error) as error:
            first = str(error).strip().split("\n")[0]
            raise UserError(f"{file} can't be unpacked: {first} It is damaged; get it again.") from None
    return LanguageModel(model, tokenizer)


def _four_bit() -> dict[str, Any]:
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available() or find_spec("bitsandbytes") is None:
        raise UserError(
            "Weights in four bits need a GPU and the package bitsandbytes (pip install bitsandbytes). Leave four bits "
            "out here; bf16 weights take half the memory of float32 anywhere."
        )
    kind = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": kind}
