"""What a result owes to a model: the folders that it is read from, and a hash of all in them that counts."""

from pathlib import Path

from records.paths import user_path
from records.store import content_hash
from scale.models.loading.merged import base_of, is_adapter
from scale.models.loading.names import located
from scale.models.loading.tokenizer import tokenizer_hash
from scale.models.reference.cache import weights_hash

__all__ = ["folders_of", "model_hash", "weights_of"]


def folders_of(model: str) -> tuple[Path, ...]:
    """Its folder and those of the models that an adapter is put on; none of a model that is fetched by its name."""
    folder = user_path(located(model), "The model")
    if not folder.is_dir():
        return ()
    return (folder, *folders_of(base_of(folder))) if is_adapter(folder) else (folder,)


def model_hash(model: str) -> str:
    """A hash of weights, configuration and tokenizer, chat template included; of an adapter and of all below it."""
    folders = folders_of(model)
    if not folders:
        return model
    return content_hash([weights_hash(folders[0]), *map(tokenizer_hash, folders)])


def weights_of(model: str) -> str:
    """A hash of weights and configuration alone, the same of a copy; of a model that is fetched its name."""
    folders = folders_of(model)
    return weights_hash(folders[0]) if folders else model
