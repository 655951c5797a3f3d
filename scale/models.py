"""Language models and their tokenizers: from a configuration, from a folder or the hub, with an adapter; and saving.

What is here is made in `scale.scratch`, `scale.loading` and `scale.language_model`; others import it from here.
"""

from scale.language_model import LanguageModel, longest, quiet, recompute_activations, save
from scale.loading import Weights, load, load_gguf
from scale.scratch import END, LEAST_VOCAB, PAD, SHAPES, Shape, from_scratch, train_tokenizer

__all__ = [
    "END",
    "LEAST_VOCAB",
    "PAD",
    "SHAPES",
    "LanguageModel",
    "Shape",
    "Weights",
    "from_scratch",
    "load",
    "load_gguf",
    "longest",
    "quiet",
    "recompute_activations",
    "save",
    "train_tokenizer",
]
