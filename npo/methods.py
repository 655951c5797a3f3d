"""From what a user types to an `Objective`: a method of the paper, or a function from one's own file."""

from records.errors import UserError
from records.loader import load_function
from theory import losses, retain
from theory.objective import Kernel, Objective, compose, kernels, takes

__all__ = ["objectives_of"]

_RETAIN = {"": None, "rt": losses.nll, "kl": retain.kl}


def _kernels_of(name: str) -> tuple[Kernel, Kernel | None]:
    """Of "NPO+RT", or of "path/to/file.py:name", "…:name+rt", "…:name+kl"."""
    if ":" not in name:
        return kernels(name)
    reference, _, kind = name.partition("+")
    if kind.lower() not in _RETAIN:
        raise UserError(f"{name!r}: +{kind} is no retain term; write +rt, +kl, or nothing.")
    return load_function(reference), _RETAIN[kind.lower()]


def objectives_of(names: list[str], *, beta: float | None) -> dict[str, Objective]:
    """The objective of each name; β goes to those that take it. UserError with everything that is wrong."""
    found, wrong, used = {}, [], beta is None
    for name in names:
        try:
            forget, retain_kernel = _kernels_of(name)
            given = {"beta": beta} if beta is not None and "beta" in takes(forget) else {}
            used |= bool(given)
            found[name] = compose(forget, retain_kernel, **given)
        except (ValueError, UserError) as error:
            wrong.append(f"--method {name}: {error}")
    if not wrong and not used:
        wrong.append(f"--beta {beta}: none of {', '.join(names)} takes β.")
    if wrong:
        raise UserError("\n".join(wrong))
    return found
