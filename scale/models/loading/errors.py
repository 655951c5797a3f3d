"""What the libraries raise on the way to a model, in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from records.errors import UserError

__all__ = ["TOKENIZER", "own_code", "told"]

TOKENIZER = " (its tokenizer)"


@contextmanager
def told(source: str) -> Iterator[None]:
    """What can go wrong on the way to a model, in words."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of the hub, of tokenizers (a bare Exception), of every architecture's own checks
        chain = [error, error.__cause__, error.__context__]
        if any(isinstance(x, GatedRepoError) for x in chain):
            raise UserError(
                f"{source} is gated. Ask for access on its page of the hub, then log in: hf auth login."
            ) from None
        if any(isinstance(x, RepositoryNotFoundError) for x in chain):
            raise UserError(f"The hub has no model {source}, or it is private: check the name, or log in.") from None
        if _asks_for_code(source):
            raise UserError(own_code(source)) from None
        if Path(source.removesuffix(TOKENIZER)).is_dir():
            mend = "Its config.json or another of its files is damaged, or transformers is too old for it."
        else:
            mend = "Without a network name a folder that holds it (config.json, *.safetensors, tokenizer.json)."
        raise UserError(f"The model {source} can't be loaded: {_first(error)} {mend}") from None


def _asks_for_code(source: str) -> bool:
    """Does a model's configuration name code for a kind of model, or of tokenizer, that transformers may lack?

    Asked only where the model has not been loaded.
    """
    from transformers import CONFIG_MAPPING, PreTrainedConfig
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    named = source.removesuffix(TOKENIZER)
    try:
        if named != source:
            return "auto_map" in get_tokenizer_config(named)
        config, _ = PreTrainedConfig.get_config_dict(named)
    except (OSError, ValueError):
        return False
    return "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING


def _first(error: Exception) -> str:
    """The first sentence of an error, with its kind where that says more than a bare name."""
    lines = [line.strip() for line in str(error).strip().split("\n")]
    said = " ".join(lines[: 2 if lines[0].endswith(":") else 1])[:300]
    plain = isinstance(error, OSError | ValueError) and said
    return (said if plain else f"{type(error).__name__} {said}".strip()).rstrip(".") + "."


def own_code(source: str) -> str:
    """What is said of a model that would have to run code of its own."""
    return (
        f"The model {source} brings its own code, and npo never runs it: this version of transformers does not know "
        "the model without. Choose a model that transformers knows, or a newer transformers that knows this one."
    )
