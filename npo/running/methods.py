"""From what a user types to an `Objective`: a method by name, or a function from one's own file.

Hyperparameters come from, in this order: what was said for the method alone; what was said for all (`--beta`, `--set`);
the default of the method's row in `theory.methods`, or of one's own function; and for a β that has no default, what the
room or the recipe uses.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from npo.running.hyperparameters import typed
from npo.running.own_loss import OwnError, own_kernel, own_shape, try_out, words
from records.errors import UserError
from theory import losses
from theory.methods import RETAIN
from theory.objective import Kernel, Objective, compose, defaults, kernels, method, takes

__all__ = ["OwnError", "hyperparameters_of", "labelled", "looked_at", "objective_of", "objectives_of", "words"]


class _Known(NamedTuple):
    """What is known of a method before its hyperparameters are."""

    name: str
    forget: Kernel
    retain: Kernel | None
    defaults: Mapping[str, float]

    @property
    def own(self) -> bool:
        """Is it a function from a user's file?"""
        return ":" in self.name

    @property
    def takes(self) -> list[str]:
        """The names of its hyperparameters."""
        return list(takes(self.forget) | (takes(self.retain) if self.retain else {}))


def objectives_of(
    names: Sequence[str],
    *,
    beta: float | None = None,
    settings: Sequence[str] = (),
    usual: Mapping[str, float] | None = None,
    tried: float | None = None,
) -> dict[str, Objective]:
    """The objective of each name, with `--beta`, `--set` and, where β is still missing, the `usual` one of the method.

    `tried` is a β for all that take one, if any do. UserError with everything that is wrong.
    """
    said = typed(settings, beta=beta)
    for_all = tried if beta is None else beta
    shared = {**said.shared, **({} if for_all is None else {"beta": for_all})}
    known, found, wrong = dict[str, _Known](), dict[str, Objective](), list[str]()
    for name in names:
        try:
            known[name] = _known(name)
            takes_ = known[name].takes
            own = {key: x for key, x in said.own(name).items() if key in takes_}  # the others are told below
            given = {key: x for key, x in shared.items() if key in takes_} | own
            found[name] = _objective(known[name], given, (usual or {}).get(name if ":" in name else name.upper()))
        except (ValueError, UserError) as error:
            wrong.append(f"--methods {name}: {words(error)}")
    if len(known) == len(names):
        every = {name: one.takes for name, one in known.items()}
        wrong += said.astray(every)
        if beta is not None and not any("beta" in takes_ for takes_ in every.values()):
            wrong.append(f"--beta {beta}: none of {', '.join(names)} takes β.")
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def labelled(objectives: Mapping[str, Objective], settings: Sequence[str]) -> dict[str, str]:
    """By method, the name of its results: with what `--set` says of it."""
    said = typed(settings)
    return {name: said.label(name, objective.hyperparameters) for name, objective in objectives.items()}


def hyperparameters_of(name: str) -> list[str]:
    """The hyperparameters that a method takes, of its retain term too; UserError where there is no such method.

    >>> hyperparameters_of("SimNPO+RT")
    ['beta', 'gamma']
    """
    try:
        return _known(name).takes
    except (ValueError, OwnError) as error:
        raise UserError(words(error)) from error


def objective_of(name: str, hyperparameters: Mapping[str, float], beta: float | None = None) -> Objective:
    """The objective of a method or of a user's own function, with hyperparameters that it must take.

    `beta` is the β of one that is given none and has no default. UserError with what is wrong with it, without its
    name.
    """
    try:
        return _objective(_known(name), hyperparameters, beta)
    except (ValueError, OwnError) as error:
        raise UserError(words(error)) from error


def looked_at(name: str, hyperparameters: Mapping[str, float], beta: float | None = None) -> Objective:
    """The objective of a method where nothing is unlearned: a user's file is looked at, not run.

    Of a plain `def` its parameters stand for it, of anything else NPO, which reads the same rows. UserError with what
    can be known to be wrong.
    """
    reference, retain_kind = _parts(name)
    if ":" not in reference:
        return objective_of(name, hyperparameters, beta)
    retain_kernel = _retain_of(retain_kind)
    if shape := own_shape(reference):
        given = _filled(_Known(name, shape, retain_kernel, {}), hyperparameters, beta)
        try:
            return compose(shape, retain_kernel, **given)
        except ValueError as error:
            raise UserError(str(error)) from None
    return compose(losses.npo, retain_kernel, beta=hyperparameters.get("beta", beta or 1.0))


def _known(name: str) -> _Known:
    """The kernels of a method; a user's file is run."""
    reference, retain_kind = _parts(name)
    if ":" not in reference:
        return _Known(name, *kernels(name), defaults(name))
    retain_kernel = _retain_of(retain_kind)
    return _Known(name, own_kernel(reference), retain_kernel, {})


def _objective(known: _Known, given: Mapping[str, float], beta: float | None) -> Objective:
    """Bind the hyperparameters; ValueError or UserError with what is wrong, without the method's name."""
    given = _filled(known, given, beta)
    if not known.own:
        return method(known.name, **given)
    found = compose(known.forget, known.retain, **given)
    try_out(found, known.name)
    return found


def _filled(known: _Known, given: Mapping[str, float], beta: float | None) -> Mapping[str, float]:
    """Hyperparameters with `beta` where β is missing; UserError where another one is."""
    required = takes(known.forget)
    missing = [key for key, needed in required.items() if needed and key not in {**known.defaults, **given}]
    if beta is not None and "beta" in missing:
        given = {**given, "beta": beta}
        missing.remove("beta")
    if missing:
        raise UserError(_wanting(missing))
    return given


def _wanting(missing: Sequence[str]) -> str:
    """Where to give a value to hyperparameters that have none."""
    said = ["it needs a β: give it with --beta, e.g. --beta 1."] if "beta" in missing else []
    said += [
        f"nothing gives a value to {name}: give it a default (*, {name}=…), or set it (--set {name}=…; in a recipe, "
        f"hyperparameters: {{{name}: …}})."
        for name in missing
        if name != "beta"
    ]
    return " ".join(said)


def _parts(name: str) -> tuple[str, str]:
    """("path/to/file.py:name", "rt") of "path/to/file.py:name+rt"; a method by name has no parts."""
    path, colon, rest = name.rpartition(":")
    function, _, kind = rest.partition("+")
    return (f"{path}:{function}", kind) if colon else (name, "")


def _retain_of(kind: str) -> Kernel | None:
    wanted = f"+{kind.upper()}" if kind else ""
    if wanted not in RETAIN:
        raise UserError(f"+{kind} is no retain term; write +rt, +kl, or nothing.")
    return RETAIN[wanted]
