"""Language models and their tokenizers: from a configuration, from a folder or the hub, with an adapter; and saving.

Weights are float32 while they are trained; only safetensors are read and written, and no code comes with a model.
"""

import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import transformers
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)
from transformers.utils import logging

from records.errors import UserError
from scale.pretrained import KNOWN, located

__all__ = [
    "END",
    "LEAST_VOCAB",
    "PAD",
    "SHAPES",
    "LanguageModel",
    "Shape",
    "from_scratch",
    "load",
    "load_gguf",
    "longest",
    "quiet",
    "recompute_activations",
    "save",
    "train_tokenizer",
]

END, PAD = "<|end|>", "<|pad|>"
LEAST_VOCAB = 258  # all bytes, end and padding


class LanguageModel(NamedTuple):
    """A model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Shape(BaseModel):
    """The size of a model from scratch, and of which family it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["llama", "phi", "qwen2"] = "llama"
    hidden: PositiveInt = 128
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feed_forward: PositiveInt = 352
    positions: int = Field(512, ge=16, description="tokens of the longest text")
    vocab: int = Field(2048, ge=LEAST_VOCAB, description="of the tokenizer that is trained on the data")

    @model_validator(mode="after")
    def _even(self) -> "Shape":
        if self.hidden % (2 * self.heads):
            near = max(1, round(self.hidden / (2 * self.heads))) * 2 * self.heads
            raise ValueError(f"hidden={self.hidden} is no multiple of 2 · {self.heads} heads; {near} is")
        return self


SHAPES = {
    "tiny": Shape(),
    "small": Shape(hidden=256, layers=6, heads=8, feed_forward=704, vocab=8192),
    "medium": Shape(hidden=512, layers=8, heads=8, feed_forward=1408, vocab=16384),
}
"""Models that are trained from scratch, by the names that recipes use for them."""


def train_tokenizer(texts: Iterable[str], vocab: int, *, family: str = "llama") -> PreTrainedTokenizerBase:
    """A byte-level BPE of at most `vocab` tokens from these texts; every text can be written with it.

    The same texts in the same order give the same tokenizer. For Qwen2 it is of the class that the library reads beside
    such a model whatever was saved, since that class splits words in a way of its own.
    """
    if family == "qwen2":
        bare = Qwen2Tokenizer(eos_token=END, pad_token=PAD, unk_token=END)
        return bare.train_new_from_iterator(texts, vocab, show_progress=False)
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, unk_token=END, clean_up_tokenization_spaces=False
    )


def from_scratch(tokenizer: PreTrainedTokenizerBase, shape: Shape, *, seed: int) -> PreTrainedModel:
    """A model with random weights, in float32.

    Every matrix has entries N(0, 1/hidden): so narrow a model learns far slower from the usual standard deviation of
    0.02. The weights depend on `seed` alone; the global random state is left as it was.
    """
    config = AutoConfig.for_model(
        shape.family,
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.positions,
        initializer_range=shape.hidden**-0.5,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # inside the fork: the library's initialisation takes no generator
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def longest(model: PreTrainedModel) -> int:
    """Tokens of the longest text that a model reads."""
    return int(getattr(model.config, "max_position_embeddings", 1 << 20))


def recompute_activations(model: PreTrainedModel) -> None:
    """Keep fewer activations and compute them again in the backward pass: less memory, a third more time."""
    newer = getattr(model, "activation_checkpointing_enable", None)
    (newer or model.gradient_checkpointing_enable)()


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of the libraries inside, nor peft's use of an old name; afterwards as before."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def save(folder: Path, language_model: LanguageModel, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write model (safetensors), generation settings and tokenizer into `folder`; `weights` replace the model's own."""
    with quiet():
        language_model.model.save_pretrained(folder, state_dict=None if weights is None else dict(weights))
        language_model.tokenizer.save_pretrained(folder)


def load(base: str | Path, *, revision: str | None = None, four_bit: bool = False) -> LanguageModel:
    """A causal language model with its tokenizer: a folder, a model of the hub, or a known one (`scale.pretrained`).

    An adapter is merged into its base. UserError where there is none, where it is gated, or has no safetensors.
    """
    base = located(str(base))
    folder = Path(base).expanduser()
    if not folder.is_dir() and (str(base).startswith((".", "/", "~")) or str(base).count("/") != 1):
        raise UserError(
            f"There is no model {base}. Name a folder that holds config.json and safetensors, a model of the hub "
            f"(owner/name), a small one to get ({', '.join(KNOWN)}), or one to train from scratch: {', '.join(SHAPES)}."
        )
    if folder.is_dir() and (folder / "adapter_config.json").is_file():
        return _with_adapter(folder)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no model: config.json is missing. Finetune first, or name another folder.")
    options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True, "revision": revision or "main"}
    if four_bit:
        options |= _four_bit()
    with quiet(), _told(str(base)):
        source = str(folder if folder.is_dir() else base)
        model = AutoModelForCausalLM.from_pretrained(source, trust_remote_code=False, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision or "main", trust_remote_code=False)
    if not tokenizer.is_fast:
        raise UserError(f"{base} has no fast tokenizer, which is needed to find where an answer starts in its tokens.")
    return LanguageModel(model, tokenizer)


def load_gguf(file: Path) -> LanguageModel:
    """A model from a GGUF file, its weights unpacked to float32; UserError where the file or the package gguf is bad.

    What was quantised stays as coarse as it was; only then can it be trained and saved like any other.
    """
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise UserError("Unpacking a GGUF file needs the package gguf: pip install gguf") from None
    options: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):  # newer versions keep the blocks unless told otherwise
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    with quiet():
        try:
            model = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, trust_remote_code=False, **options
            )
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        except (OSError, ValueError, LookupError, RuntimeError, struct.error) as error:
            first = str(error).strip().split("\n")[0]
            raise UserError(f"{file} can't be unpacked: {first} It is damaged; get it again.") from None
    return LanguageModel(model, tokenizer)


def _with_adapter(folder: Path) -> LanguageModel:
    """The base model that an adapter names, with the adapter merged into it."""
    from peft import PeftConfig, PeftModel

    base = load(str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path))
    with quiet():
        put_on = PeftModel.from_pretrained(base.model, str(folder))
    return LanguageModel(put_on.merge_and_unload(), base.tokenizer)


def _four_bit() -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available():
        raise UserError("model.four_bit needs a GPU and the package bitsandbytes. Leave it out here.")
    kind = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": kind}


@contextmanager
def _told(base: str) -> Iterator[None]:
    """What can go wrong on the way to a model, in words."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        chain = [error, error.__cause__, error.__context__]
        if any(isinstance(x, GatedRepoError) for x in chain):
            raise UserError(
                f"{base} is gated. Ask for access on its page of the hub, then log in: hf auth login."
            ) from None
        if any(isinstance(x, RepositoryNotFoundError) for x in chain):
            raise UserError(f"The hub has no model {base}, or it is private: check the name, or log in.") from None
        first = str(error).strip().split("\n")[0]
        raise UserError(
            f"The model {base} can't be loaded: {first} Without a network name a folder that holds it "
            "(config.json, *.safetensors, tokenizer.json)."
        ) from None
