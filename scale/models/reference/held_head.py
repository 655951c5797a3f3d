"""An output head in memory once, whoever uses it, and only for as long as somebody does."""

from collections.abc import Callable
from weakref import ref

from torch import Tensor

from theory.head import Head

__all__ = ["HeldHead"]


class HeldHead:
    """Asked for the head, it has it read, or gives the one that is in use already; it keeps none itself."""

    def __init__(self, read: Callable[[], Head]) -> None:
        self._read = read
        self._weight: Callable[[], Tensor | None] = lambda: None
        self._bias: Tensor | None = None
        self._softcap: float | None = None

    def __call__(self) -> Head:
        """The head, which stays in memory as long as its weight is held."""
        if (weight := self._weight()) is not None:
            return Head(weight, self._bias, self._softcap)
        head = self._read()
        self._weight, self._bias, self._softcap = ref(head.weight), head.bias, head.softcap
        return head
