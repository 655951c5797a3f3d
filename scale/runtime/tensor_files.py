"""Tensors on disk with a hash of every byte: what was written is what is read, mapped rather than copied."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor

from records.files import draft_of

__all__ = ["hash_of", "read", "write"]


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors so that the file is whole or absent."""
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with draft_of(path) as draft:  # jobs side by side may write the same
        draft.write_bytes(serialised(whole, metadata={"sha256": hash_of(whole)}))  # as the umask says; `save_file` not


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and every byte of some tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read(path: Path) -> dict[str, Tensor]:
    """What was written; ValueError where a byte of it has changed."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    found = load_file(path)
    if metadata.get("sha256") != hash_of(found):
        raise ValueError("it is not what was written")
    return found
