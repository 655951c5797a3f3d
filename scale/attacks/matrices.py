"""The weights that an attack on weights is for: every matrix of a model but embeddings and output head."""

from collections.abc import Collection
from typing import NamedTuple

from torch import nn
from transformers import PreTrainedModel

__all__ = ["Matrices", "matrices_of"]


class Matrices(NamedTuple):
    """Those that are changed, and those that are left as they are, by name, norms and biases among them."""

    changed: dict[str, nn.Parameter]
    left: dict[str, nn.Parameter]

    def told(self) -> dict[str, int]:
        """How many numbers are in each."""
        return {
            "changed": sum(p.numel() for p in self.changed.values()),
            "left": sum(p.numel() for p in self.left.values()),
        }


def matrices_of(model: PreTrainedModel, also: Collection[str] = ()) -> Matrices:
    """The weights of linear layers, those of experts too; `also` may name embeddings and head.

    A head that is the embeddings' own matrix is of both: it is changed where either is named.
    """
    head = model.get_output_embeddings()
    kept = {"embeddings": _weights(model, nn.Embedding), "head": {head.weight} if head is not None else set()}
    named = {p for name in also for p in kept[name]}
    left = {p for weights in kept.values() for p in weights} - named | _weights(model, nn.Conv1d)
    changed = {name: p for name, p in model.named_parameters() if p.ndim > 1 and p not in left}
    return Matrices(changed, {name: p for name, p in model.named_parameters() if name not in changed})


def _weights(model: nn.Module, kind: type[nn.Module]) -> set[nn.Parameter]:
    """All parameters of modules of a kind."""
    return {p for module in model.modules() if isinstance(module, kind) for p in module.parameters(recurse=False)}
