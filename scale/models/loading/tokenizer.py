"""Loading a model's tokenizer, and whether it is that of the model: each of its tokens needs an embedding."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from records.errors import UserError
from records.ownership import file_hash
from records.store import content_hash
from scale.models.folders.known import json_object
from scale.models.folders.language_model import quiet
from scale.models.loading.errors import TOKENIZER, told

__all__ = ["check_ids", "check_vocabulary", "embedded", "has_tokenizer", "load_tokenizer", "tokenizer_hash"]

NAMES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "vocab.txt", "spiece.model")
PARTS = (*NAMES, "tokenizer*", "chat_template*", "additional_chat_templates/*", "merges.txt", "*tokens*.json")
"""Files that may change what a text is in token ids."""


def has_tokenizer(folder: Path) -> bool:
    """Does a folder hold the words of a tokenizer?"""
    return any((folder / name).is_file() for name in NAMES)


def tokenizer_hash(folder: Path) -> str:
    """A hash of every byte of a folder's tokenizer, its chat templates included."""
    found = {path for part in PARTS for path in folder.glob(part) if path.is_file()}
    return content_hash([(path.relative_to(folder).as_posix(), file_hash(path)) for path in sorted(found)])


def load_tokenizer(source: str, revision: str | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or of a model of the hub; UserError where it is absent, damaged, slow or has code."""
    folder = Path(source)
    if folder.is_dir():
        if not has_tokenizer(folder):
            raise UserError(
                f"{folder} holds no tokenizer: there is no tokenizer.json. Put the tokenizer's files beside the model."
            )
        for file in (folder / "tokenizer.json", folder / "tokenizer_config.json"):
            if file.is_file():
                json_object(file)
    with quiet(), told(source + TOKENIZER):
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision or "main", trust_remote_code=False)
    if not tokenizer.is_fast:
        raise UserError(
            f"{source} has no fast tokenizer, which is needed to find where an answer starts in its tokens. "
            "Add its tokenizer.json."
        )
    return tokenizer


def embedded(model: PreTrainedModel) -> int:
    """How many tokens the model has an embedding for."""
    return int(cast(nn.Embedding, model.get_input_embeddings()).weight.shape[0])


def check_vocabulary(source: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """UserError where the tokenizer is of another model, or has an end token that the model can't read.

    A few extra tokens without an embedding are usual (an image's place, padding) and do no harm while no text holds
    them; where the one for padding is among them, the end token pads: masks tell padding, not its id.
    """
    rows = embedded(model)
    ordinary = len(tokenizer) - len(tokenizer.get_added_vocab())
    added = sorted(name for name, place in tokenizer.get_added_vocab().items() if place >= rows)
    end = tokenizer.eos_token_id
    if ordinary > rows or len(added) > 16 or (end is not None and end >= rows):
        raise UserError(
            f"The tokenizer of {source} has {len(tokenizer)} tokens, the model an embedding for {rows}: they do not "
            "belong together, or tokens were added without resize_token_embeddings. Get both from one place."
        )
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token


def check_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> None:
    """UserError naming the tokens of texts that the model has no embedding for."""
    known = embedded(model)
    beyond = sorted({token for row in rows for token in row if token >= known})
    if beyond:
        names = ", ".join(map(repr, tokenizer.convert_ids_to_tokens(beyond[:3])))
        raise UserError(f"The rows contain {names}, for which the model has no embedding. Take it out of the data.")
