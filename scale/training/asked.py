"""Which answers an objective reads, and what it asks of each kind: its kernels' parameter names, sorted.

forget      the answers to forget: names without a suffix
win         "I don't know" answers to the same questions: `…_win`
alternate   other answers of the same domain: `…_alternate`
retain      answers to retain, by the parameter names of the retain kernel
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scale.data.prompts import Encoded
from scale.models.blocks import block_after
from theory.kernel import Kernel, moves, plain_name
from theory.objective import Objective
from theory.row_kernels import by_rows

__all__ = ["ANSWERS", "SUFFIXES", "Asked", "asked_of", "index_quantities", "layer_of", "lengths"]

SUFFIXES = {"forget": "", "win": "_win", "alternate": "_alternate", "retain": ""}
ANSWERS = tuple(SUFFIXES)
"""The kinds of answers, in the order in which a forward pass reads them."""

_REFERENCE = {"ref_logp", "ref_token_logp", "ref_hidden"}


@dataclass(frozen=True)
class Asked:
    """What is asked of answers of one kind: quantities by their names without suffix, for a kernel.

    `alone`: the kernel takes nothing of the trained model but of these answers. `block`: after which block the hidden
    states are, 1 the first.
    """

    kind: str
    kernel: Kernel
    needs: frozenset[str]
    alone: bool
    block: int | None = None

    @property
    def term(self) -> str:
        """Of which term of the objective."""
        return "retain" if self.kind == "retain" else "forget"

    @property
    def moving(self) -> tuple[str, ...]:
        """What gradients flow to."""
        return tuple(sorted(name for name in self.needs if moves(name)))

    @property
    def by_rows(self) -> bool:
        """Is its kernel one of logits, run in chunks of rows?"""
        return self.alone and by_rows(self.kernel)

    @property
    def ref_logp(self) -> bool:
        """Is log π_ref wanted? Of forget answers always: the drop is logged, whatever the method."""
        return (self.kind == "forget" and bool(self.moving)) or "ref_logp" in self.needs

    @property
    def reference(self) -> bool:
        """Is anything of the reference wanted, but its logits?"""
        return self.ref_logp or bool(self.needs & _REFERENCE)


def _kind_of(name: str) -> str:
    return next((kind for kind in ("win", "alternate") if name.endswith(f"_{kind}")), "forget")


def layer_of(kernel: Kernel) -> float | None:
    """The hyperparameter `layer` of a kernel, bound or by default; None where it takes none."""
    found = inspect.signature(kernel).parameters.get("layer")
    return None if found is None or found.default is found.empty else float(found.default)


def asked_of(objective: Objective, kind: str, blocks: int) -> Asked | None:
    """What an objective asks of one kind of answers of a model with so many blocks; None where it asks nothing.

    UserError where it names a block that the model does not have.
    """
    kernel, wanted = objective.forget, objective.forget_needs - {"z_ref"}
    if kind == "retain":
        if objective.retain is None:
            return None
        kernel, wanted = objective.retain, objective.retain_needs
    mine = {name for name in wanted if kind in ("retain", _kind_of(name))}
    if not mine:
        return None
    layer = layer_of(kernel) if mine & {"hidden", "ref_hidden"} else None
    own = {plain_name(name).removesuffix(SUFFIXES[kind]) for name in mine}
    alone = not any(moves(name) for name in wanted - mine)
    return Asked(kind, kernel, frozenset(own), alone, None if layer is None else block_after(layer, blocks))


# --- what follows from the rows themselves --------------------------------------------------------------------------


def lengths(rows: Sequence[Encoded]) -> Tensor:
    """Answer tokens of each row, the end token included."""
    return torch.tensor([row.targets for row in rows])


def index_quantities(asked: Asked, rows: Sequence[Encoded]) -> dict[str, Tensor]:
    """`count`, and `example`, `position` and `labels` of each answer token where they are asked for."""
    count = lengths(rows)
    found = {"count": count}
    if "example" in asked.needs:
        found["example"] = torch.repeat_interleave(torch.arange(len(rows)), count)
    if "position" in asked.needs:
        found["position"] = torch.cat([torch.arange(row.targets) for row in rows])
    if "labels" in asked.needs:
        found["labels"] = torch.tensor([token for row in rows for token in row.ids[row.first :]])
    return found
