"""Models from scratch: their shapes, a tokenizer that is trained on the data, random weights."""

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

__all__ = ["END", "LEAST_VOCAB", "PAD", "SHAPES", "Shape", "from_scratch", "train_tokenizer"]

END, PAD = "<|end|>", "<|pad|>"
LEAST_VOCAB = 258  # all bytes, end and padding


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

    @property
    def parameters(self) -> int:
        """How many there are, near enough for an estimate."""
        block = 4 * self.hidden**2 + 3 * self.hidden * self.feed_forward
        return 2 * self.vocab * self.hidden + self.layers * block


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
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
