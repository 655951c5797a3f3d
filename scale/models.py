"""A tokenizer and a small Llama from scratch, and both from and to a local folder."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import PositiveInt
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from records.errors import UserError

__all__ = ["END", "LEAST_VOCAB", "PAD", "LanguageModel", "Shape", "load", "save", "small_llama", "train_tokenizer"]

END, PAD = "<|end|>", "<|pad|>"
POSITIONS = 512  # tokens of the longest text
LEAST_VOCAB = 258  # all bytes, end and padding


class LanguageModel(NamedTuple):
    """A model and its tokenizer."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast


@dataclass(frozen=True)
class Shape:
    """The size of a Llama: width, depth, attention heads, width of the feed-forward part."""

    hidden: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    feed_forward: PositiveInt

    def check(self) -> None:
        """UserError where the heads do not share the width evenly, in the pairs that rotary positions turn."""
        if self.hidden % (2 * self.heads):
            raise UserError(
                f"shape.hidden={self.hidden} is no multiple of 2 · {self.heads} heads. Choose one that is, "
                f"e.g. {max(1, round(self.hidden / (2 * self.heads))) * 2 * self.heads}."
            )


def train_tokenizer(texts: Iterable[str], vocab: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `vocab` tokens from these texts; every text can be written with it.

    The same texts in the same order give the same tokenizer.
    """
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
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def small_llama(tokenizer: PreTrainedTokenizerFast, shape: Shape, *, seed: int) -> LlamaForCausalLM:
    """A Llama with random weights, in float32.

    Every matrix has entries N(0, 1/hidden): so narrow a model learns far slower from the usual standard deviation of
    0.02. The weights depend on `seed` alone; the global random state is left as it was.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=POSITIONS,
        initializer_range=shape.hidden**-0.5,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # inside the fork: the library's initialisation takes no generator
        return LlamaForCausalLM(config).float()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of the library inside; afterwards as before."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def save(folder: Path, language_model: LanguageModel) -> None:
    """Write model (safetensors) and tokenizer into `folder`."""
    with _quiet():
        language_model.model.save_pretrained(folder)
        language_model.tokenizer.save_pretrained(folder)


def load(folder: Path) -> LanguageModel:
    """Read what `save` wrote, in float32; UserError where the folder holds no model."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no model: config.json is missing. Finetune first, or name another folder.")
    with _quiet():
        model = LlamaForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        return LanguageModel(model, PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True))
