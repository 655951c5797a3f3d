"""Hyperparameters as they are typed: `--set gamma=0` for every method that takes it, `--set NPO.beta=0.5` for one."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from npo.program.names import nearest
from records.errors import UserError

__all__ = ["Typed", "typed"]

WRITE = "write --set NAME=NUMBER, or --set METHOD.NAME=NUMBER for one method of several"


@dataclass(frozen=True)
class Typed:
    """What was typed for all methods that take it (`shared`, by name) and for single ones (`alone`, by method)."""

    shared: Mapping[str, float] = field(default_factory=dict)
    alone: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def own(self, method: str) -> dict[str, float]:
        """What was typed for this method by its name, whatever the case."""
        return {key: x for name, of in self.alone.items() if _same(name, method) for key, x in of.items()}

    def given(self, method: str, takes: Collection[str]) -> dict[str, float]:
        """What a method gets that takes these hyperparameters; what was typed for it alone goes first.

        >>> typed(["beta=1", "gamma=0", "NPO.beta=2"]).given("npo", {"beta"})
        {'beta': 2.0}
        """
        return {name: x for name, x in self.shared.items() if name in takes} | self.own(method)

    def label(self, method: str, takes: Collection[str]) -> str:
        """The name of a method's results: its own, with all that was typed for it.

        >>> typed(["gamma=0"]).label("NPO", {"beta"}), typed(["beta=0.5"]).label("NPO", {"beta"})
        ('NPO', 'NPO,beta=0.5')
        """
        return ",".join([method, *(f"{name}={x:g}" for name, x in self.given(method, takes).items())])

    def astray(self, methods: Mapping[str, Collection[str]]) -> list[str]:
        """What is wrong with it for these methods (name: the hyperparameters that it takes), in words."""
        everything = {name for takes in methods.values() for name in takes}
        lists = "; ".join(f"{name} takes {', '.join(takes) or 'none'}" for name, takes in methods.items())
        wrong = [
            f"--set {name}={x:g}: none of these takes {name}: {lists}.{nearest(name, everything)}"
            for name, x in self.shared.items()
            if name not in everything
        ]
        for method, of in self.alone.items():
            found = [name for name in methods if _same(method, name)]
            if not found:
                wrong.append(
                    f"--set {method}.{next(iter(of))}: {method} is none of the methods that are run "
                    f"({', '.join(methods)}).{nearest(method, methods)}"
                )
            for known in (methods[name] for name in found):
                wrong += [
                    f"--set {method}.{name}={x:g}: {method} takes {', '.join(known) or 'none'}.{nearest(name, known)}"
                    for name, x in of.items()
                    if name not in known
                ]
        return wrong


def typed(words: Sequence[str], *, beta: float | None = None) -> Typed:
    """The options `--set` of a command, and its `--beta`; UserError with everything that can't be read."""
    shared: dict[str, float] = {}
    alone: dict[str, dict[str, float]] = {}
    wrong = []
    for word in words:
        key, separator, text = word.rpartition("=")
        method, dot, name = key.strip().rpartition(".")
        of = alone.setdefault(method, {}) if dot else shared
        if not separator or not name.isidentifier() or (dot and not method):
            wrong.append(f"--set {word}: {WRITE}.")
        elif (value := _number(text)) is None:
            wrong.append(f"--set {word}: {text.strip() or 'nothing'} is not a finite number; {WRITE}.")
        elif name in of:
            wrong.append(f"--set {key} is there twice.")
        else:
            of[name] = value
    if beta is not None and "beta" in shared:
        wrong.append("--beta and --set beta say the same: give one of them.")
    if wrong:
        raise UserError("\n".join(wrong))
    return Typed(shared, {name: of for name, of in alone.items() if of})


def _same(typed_name: str, method: str) -> bool:
    """Is it this method that was typed, one's own by its function's name alone too?"""
    if ":" not in method:
        return typed_name.upper() == method.upper()
    function = method.rpartition(":")[2].partition("+")[0]
    return typed_name in (method, function)  # a path and a function have their capitals


def _number(text: str) -> float | None:
    """The finite number that a text is, of plain digits."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text and text.isascii() else None
