"""Which answers an objective reads, and what it asks of each kind: its kernels' parameter names, sorted.

forget      the answers to forget: names without a suffix
win         "I don't know" answers to the same questions: `…_win`
after       these answers after the beginning of the answer to forget: `…_win_after`
alternate   other answers of the same domain: `…_alternate`
retain      answers to retain, by the parameter names of the retain kernel
retain_win  "I don't know" answers to the questions of the rows to retain: `…_win` of the retain kernel
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scale.data.prompts import Encoded
from scale.models.reading.blocks import block_after
from theory.kernel import Kernel, moves, plain_name
from theory.objective import Objective
from theory.row_kernels import by_rows

__all__ = ["ANSWERS", "SUFFIXES", "Asked", "asked_of", "asks_reinforced", "index_quantities", "layer_of", "lengths"]

SUFFIXES = {
    "forget": "",
    "win": "_win",
    "after": "_win_after",
    "alternate": "_alternate",
    "retain": "",
    "retain_win": "_win",
}
ANSWERS = tuple(SUFFIXES)
"""The kinds of answers, in the order in which a forward pass reads them."""

_REFERENCE = {"ref_logp", "ref_token_logp", "ref_hidden"}
_RETAINED = ("retain", "retain_win")
_LOGITS = ("ref_logits", "reinforced_logits")


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
        return "retain" if self.kind in _RETAINED else "forget"

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

    @property
    def other_logits(self) -> tuple[str, ...]:
        """The logits of other models that are wanted: of the reference, of the one that is trained on what is lost."""
        return tuple(name for name in _LOGITS if name in self.needs)

    def suffixed(self, quantities: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Quantities of these answers by the names under which kernels know them."""
        return {name + SUFFIXES[self.kind]: x for name, x in quantities.items()}


def _kind_of(name: str, term: str) -> str:
    """Of which answers a quantity of a term's kernel is."""
    kinds = _RETAINED if term == "retain" else tuple(kind for kind in ANSWERS if kind not in _RETAINED)
    return next((kind for kind in kinds if SUFFIXES[kind] and name.endswith(SUFFIXES[kind])), kinds[0])


def layer_of(kernel: Kernel) -> float | None:
    """The hyperparameter `layer` of a kernel, bound or by default; None where it takes none."""
    found = inspect.signature(kernel).parameters.get("layer")
    return None if found is None or found.default is found.empty else float(found.default)


def asked_of(objective: Objective, kind: str, blocks: int) -> Asked | None:
    """What an objective asks of one kind of answers of a model with so many blocks; None where it asks nothing.

    UserError where it names a block that the model does not have.
    """
    kernel, wanted, term = objective.forget, objective.forget_needs - {"z_ref"}, "forget"
    if kind in _RETAINED:
        if objective.retain is None:
            return None
        kernel, wanted, term = objective.retain, objective.retain_needs, "retain"
    mine = {name for name in wanted if _kind_of(name, term) == kind}
    if not mine:
        return None
    layer = layer_of(kernel) if mine & {"hidden", "ref_hidden"} else None
    own = {plain_name(name).removesuffix(SUFFIXES[kind]) for name in mine}
    alone = not any(moves(name) for name in wanted - mine)
    return Asked(kind, kernel, frozenset(own), alone, None if layer is None else block_after(layer, blocks))


def asks_reinforced(objective: Objective) -> bool:
    """Does an objective take logits of the reference trained further on the rows to forget?"""
    return "reinforced_logits" in objective.forget_needs


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
