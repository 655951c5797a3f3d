"""A model with its tokenizer, how long a text it reads, and writing both into a folder.

Only safetensors are written and read, and no code comes with a model.
"""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from records.tensor_writes import tensors_written
from scale.models.folders.older_readers import files_read_by_both

__all__ = ["LanguageModel", "max_length", "quiet", "recompute_activations", "save"]


class LanguageModel(NamedTuple):
    """A model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def max_length(model: PreTrainedModel) -> int:
    """Tokens of the longest text that a model reads."""
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 1 << 20)


def recompute_activations(model: PreTrainedModel) -> None:
    """Keep fewer activations and compute them again in the backward pass: less memory, a third more time."""
    newer = getattr(model, "activation_checkpointing_enable", None)
    (newer or model.gradient_checkpointing_enable)()


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and reports of the libraries inside, nor what peft remarks on the way; afterwards as before."""
    shown, loud = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            warnings.filterwarnings("ignore", message="Could not find a config file", category=UserWarning)
            warnings.filterwarnings("ignore", message="Initializing zero-element", category=UserWarning)
            warnings.filterwarnings("ignore", message="Setting `save_embedding_layers`", category=UserWarning)
            yield
    finally:
        logging.set_verbosity(loud)
        if shown:
            logging.enable_progress_bar()


def save(folder: Path, language_model: LanguageModel, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write model (safetensors), generation settings and tokenizer into `folder`; `weights` replace the model's own.

    Their configurations are such that transformers 4 reads them too (`scale.models.folders.older_readers`). The weights
    get the rights that the user's umask gives to the files beside them; the library gives them to the owner alone.
    """
    with quiet(), tensors_written(folder):
        language_model.model.save_pretrained(folder, state_dict=None if weights is None else dict(weights))
        language_model.tokenizer.save_pretrained(folder, save_jinja_files=False)  # where transformers 4 looks
        files_read_by_both(folder, language_model.tokenizer)
    for file in folder.glob("*.safetensors"):
        shutil.copymode(folder / "tokenizer_config.json", file)
