"""Which row comes when, and what goes with it: pure functions of seed, epoch and index.

Nothing here knows how many processes or workers there are, so their number can't change what is trained on. The rows
of all epochs, laid end to end, walk through one permutation of the partners after another: at any time two partners
have been used equally often, or once more.
"""

from functools import lru_cache

import numpy as np

__all__ = ["alternate_answer", "idk_answer", "order", "partner", "retain_idk_answer"]

_ORDER, _RETAIN, _IDK, _ALTERNATE, _RETAIN_IDK = range(5)


@lru_cache(maxsize=64)
def _permutation(seed: int, stream: int, number: int, n: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng((seed, stream, number)).permutation(n).tolist())


def _drawn(stream: int, seed: int, epoch: int, index: int, *, rows: int, partners: int) -> int:
    lap, place = divmod(epoch * rows + index, partners)
    return _permutation(seed, stream, lap, partners)[place]


def order(seed: int, epoch: int, n: int) -> tuple[int, ...]:
    """The order of `n` rows in an epoch.

    >>> sorted(order(0, 3, 5))
    [0, 1, 2, 3, 4]
    """
    return _permutation(seed, _ORDER, epoch, n)


def partner(seed: int, epoch: int, index: int, *, forget: int, retain: int) -> int:
    """The retain row that goes with forget row `index` in `epoch`.

    >>> sorted(partner(0, 0, i, forget=4, retain=4) for i in range(4))
    [0, 1, 2, 3]
    """
    return _drawn(_RETAIN, seed, epoch, index, rows=forget, partners=retain)


def idk_answer(seed: int, epoch: int, index: int, *, forget: int, answers: int) -> int:
    """Which "I don't know" answer stands in for the answer to forget row `index` in `epoch`.

    >>> sorted(idk_answer(0, 1, i, forget=3, answers=3) for i in range(3))
    [0, 1, 2]
    """
    return _drawn(_IDK, seed, epoch, index, rows=forget, partners=answers)


def retain_idk_answer(seed: int, epoch: int, index: int, *, forget: int, answers: int) -> int:
    """Which "I don't know" answer stands beside that of the retain row that goes with forget row `index` in `epoch`.

    >>> sorted(retain_idk_answer(0, 1, i, forget=3, answers=3) for i in range(3))
    [0, 1, 2]
    """
    return _drawn(_RETAIN_IDK, seed, epoch, index, rows=forget, partners=answers)


def alternate_answer(seed: int, epoch: int, index: int, *, answers: int) -> int:
    """Which of its own alternative answers stands in for the answer to forget row `index` in `epoch`.

    Each row goes through its own, in an order of its own, before one comes again.

    >>> sorted(alternate_answer(0, epoch, 2, answers=3) for epoch in (3, 4, 5))
    [0, 1, 2]
    """
    lap, place = divmod(epoch, answers)
    return int(np.random.default_rng((seed, _ALTERNATE, index, lap)).permutation(answers)[place])
