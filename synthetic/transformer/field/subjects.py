"""What every question starts from: a small transformer that has memorised its rows, one for each seed."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synthetic.transformer.descent import Case, unlearn_all
from synthetic.transformer.memorise import Memorising, memorise
from synthetic.transformer.model import Config, initial
from synthetic.transformer.presets import Setup
from synthetic.transformer.sequences import Sequences, SequenceSplit, draw

__all__ = ["Learnt", "Parameters", "known", "learnt", "looked_at"]

Array = np.ndarray
Parameters = Mapping[str, Tensor]
APART = 2**62  # a model's generator must not repeat the numbers of its data's


class Learnt(NamedTuple):
    """A transformer that knows its rows."""

    config: Config
    split: SequenceSplit
    reference: Parameters


def learnt(
    config: Config, split: SequenceSplit, training: Memorising, seed: int, rows: Sequence[Sequences] = ()
) -> Learnt:
    """A subject; it learns `rows` one set after the other, where there are any, and all of the split otherwise."""
    theta = initial(config, torch.Generator().manual_seed((seed + APART) % 2**63))
    for part in rows or (split.everything,):
        theta = memorise(theta, part, config, training).parameters
    return Learnt(config, split, theta)


@lru_cache(maxsize=8)
def known(shape: Setup, seed: int) -> Learnt:
    """The subject of a seed's random sequences, which several questions start from; nobody may change it."""
    return learnt(shape.config, draw(shape.sizes, seed), shape.training, seed)


def looked_at(
    cases: Mapping[str, Case],
    config: Config,
    at: Sequence[int],
    look: Callable[[str, Parameters], Mapping[str, ArrayLike]],
    *,
    batch: int | None = None,
) -> dict[str, Array]:
    """Run the cases and stack what `look(label, θ)` sees of each at the steps `at`: `<label>.<name>` (looks, …).

    A run ends before the first look at which a number is not finite.
    """
    seen: dict[str, list[Mapping[str, ArrayLike]]] = {label: [] for label in cases}

    def observe(label: str, step: int, theta: Parameters) -> bool:
        with torch.no_grad():
            found = look(label, theta)
        if not all(np.isfinite(x).all() for x in found.values()):
            return False
        seen[label].append(found)
        return True

    unlearn_all(config, cases, at=at, observe=observe, batch=batch)
    return {
        f"{label}.{name}": np.array([one[name] for one in looks]) for label, looks in seen.items() for name in looks[0]
    }
