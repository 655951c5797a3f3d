"""Optimisers by name: torch's and ours, each with its own options.

An optimiser is made by anything that is called with parameters and keyword options; what those are it says by its
parameter names. A new one of ours is a file here and its class in `OURS`.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from theory.optimizers.sam import SAM, LooksNearby
from theory.optimizers.sign_descent import SignDescent
from theory.optimizers.sophia import Sophia

__all__ = ["OURS", "Maker", "built", "made", "maker_of", "misfits", "mistake", "names", "takes_options", "tried"]

Maker = Callable[..., Optimizer]
"""From parameters and keyword options to an optimiser."""

OURS: tuple[type[Optimizer], ...] = (SAM, SignDescent, Sophia)


def _known() -> dict[str, type[Optimizer]]:
    every = {name: kind for name, kind in vars(torch.optim).items() if isinstance(kind, type)}
    torchs = {name: kind for name, kind in every.items() if issubclass(kind, Optimizer) and kind is not Optimizer}
    return torchs | {kind.__name__: kind for kind in OURS}


def names() -> list[str]:
    """Of all that can be made by name, torch's first."""
    return [name for name, kind in _known().items() if not _asks_for_the_loss(kind)]


def maker_of(name: str, also: Mapping[str, Maker] = MappingProxyType({})) -> Maker:
    """What makes the optimiser of that name, whatever its case, `-` and `_`; `also` adds some to torch's and ours.

    ValueError with the nearest names if there is none.

    >>> maker_of("sign-descent").__name__
    'SignDescent'
    >>> maker_of("Adamm")
    Traceback (most recent call last):
    ValueError: there is no optimizer Adamm: did you mean Adam, RAdam, NAdam
    """
    known: dict[str, Maker] = {**_known(), **also}
    plain = {_plain(known_name): known_name for known_name in known}
    if _plain(name) in plain:
        return known[plain[_plain(name)]]
    near = [plain[x] for x in difflib.get_close_matches(_plain(name), plain, n=3)]
    hint = f"did you mean {', '.join(near)}" if near else f"there are {', '.join((*names(), *also))}"
    raise ValueError(f"there is no optimizer {name}: {hint}")


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")


def takes_options(maker: Maker, base: Maker | None = None) -> tuple[str, ...]:
    """The names of its options; those of what it is put on (`base`, else its default) too, where it hands options on.

    >>> takes_options(SAM, torch.optim.Rprop)[:4]
    ('lr', 'rho', 'base', 'etas')
    """
    _, *given = inspect.signature(maker).parameters.values()
    own = {p.name: p.default for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    on = base or own.get("base")
    inner = takes_options(on) if callable(on) and _takes_any(maker) else ()
    return tuple(dict.fromkeys((*own, *inner)))


def _takes_any(maker: Maker) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(maker).parameters.values())


def made(name: str, parameters: Iterable[Any], **options: Any) -> Optimizer:
    """The optimiser of that name on these parameters; `base` of SAM is a name too.

    ValueError with everything that is wrong with name and options.

    >>> made("adamw", [torch.zeros(2)], lr=0.1, betas=[0.9, 0.95]).defaults["betas"]
    (0.9, 0.95)
    >>> made("SGD", [torch.zeros(2)], lr=0.1, momentun=0.9)
    Traceback (most recent call last):
    ValueError: SGD has no option momentun: did you mean momentum
    """
    return built(maker_of(name), parameters, **options)


def built(maker: Maker, parameters: Iterable[Any], **options: Any) -> Optimizer:
    """As `made`, by what makes it."""
    given = _as_its_default(maker, options)
    if isinstance(base := given.get("base"), str) and "base" in takes_options(maker):
        given["base"] = maker_of(base)
    if wrong := misfits(maker, given):
        raise ValueError("; ".join(wrong))
    try:
        found = maker(parameters, **given)
    except Exception as error:
        raise ValueError(f"{_label(maker)} with {_written(options)}: {error}") from error
    if not isinstance(found, Optimizer):
        raise ValueError(f"{_label(maker)} gives {type(found).__name__}, not a torch.optim.Optimizer")
    return found


def mistake(name: str, **options: Any) -> str:
    """What is wrong with an optimiser and its options, which are tried on two small parameters; "" for nothing.

    >>> mistake("LBFGS", lr=0.1)[:45]
    'LBFGS asks for the loss again within a step, '
    """
    try:
        tried(maker_of(name), **options)
    except ValueError as error:
        return str(error)
    return ""


def tried(maker: Maker, parameters: Sequence[Tensor] | None = None, **options: Any) -> Optimizer:
    """An optimiser that has taken one step, along ones, on a matrix and a vector or what is given.

    ValueError where it can't take steps along gradients as they are.
    """
    theta = [torch.zeros(2, 3), torch.zeros(3)] if parameters is None else list(parameters)
    optimizer = built(maker, theta, **options)
    base = getattr(optimizer, "base", None)
    if isinstance(optimizer, LooksNearby) and isinstance(base, LooksNearby):
        raise ValueError(f"{_label(maker)} can't be put on {_label(type(base))}: one forget gradient has one place")
    for one in (optimizer, base):
        if one is not None and _asks_for_the_loss(type(one)):
            raise ValueError(
                f"{_label(type(one))} asks for the loss again within a step, and the loss of a batch is made once, by "
                "pieces: choose one that steps along the gradient, e.g. AdamW"
            )
    try:
        for look in (optimizer.perturb, optimizer.restore) if isinstance(optimizer, LooksNearby) else ():
            _ones(theta)
            look()
        _ones(theta)
        optimizer.step()
    except Exception as error:
        raise ValueError(f"{_label(maker)} takes no step along a gradient: {error}") from error
    return optimizer


def _as_its_default(maker: Maker, options: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as a recipe has them, as tuples, and whole numbers as decimal ones where the default is decimal."""
    usual = _defaults(maker)
    return {
        key: tuple(value)
        if isinstance(value, list)
        else float(value)
        if type(value) is int and isinstance(usual.get(key), float)
        else value
        for key, value in options.items()
    }


def _ones(theta: Sequence[Tensor]) -> None:
    for p in theta:
        p.grad = torch.ones_like(p)


def _asks_for_the_loss(kind: type[Optimizer]) -> bool:
    closure = inspect.signature(kind.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def _label(maker: Any) -> str:
    return getattr(maker, "__name__", str(maker))


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_label(value) if callable(value) else value}" for key, value in options.items())


def misfits(maker: Maker, options: Mapping[str, Any]) -> list[str]:
    """Each option that there is not, and each value of another kind than the default, in a sentence.

    >>> misfits(SignDescent, {"lr": "fast"})
    ["SignDescent: lr must be a number, got 'fast'"]
    """
    base = options.get("base")
    known = takes_options(maker, base if callable(base) else None)
    open_ended = _takes_any(maker) and "base" not in known
    unknown = [key for key in options if key not in known and not open_ended]
    wrong = [_no_option(_label(maker), key, known) for key in unknown]
    usual = {**_defaults(base if callable(base) else _defaults(maker).get("base")), **_defaults(maker)}
    for key, value in options.items():
        kind = _kind(usual.get(key))
        if kind and not kind[1](value):
            wrong.append(f"{_label(maker)}: {key} must be {kind[0]}, got {value!r}")
    return wrong


def _no_option(label: str, key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}" if near else f"it takes {', '.join(known)}"
    return f"{label} has no option {key}: {hint}"


def _defaults(maker: Maker | None) -> dict[str, Any]:
    return {p.name: p.default for p in inspect.signature(maker).parameters.values()} if callable(maker) else {}


def _kind(default: Any) -> tuple[str, Callable[[Any], bool]] | None:
    """What a value must be to stand for this default, in words and as a test; None where the default does not tell."""
    if isinstance(default, bool):
        return "true or false", lambda value: isinstance(value, bool)
    if isinstance(default, int | float):
        return "a number", lambda value: isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    if isinstance(default, tuple):
        return (
            f"a list of {len(default)} numbers",
            lambda value: (
                isinstance(value, tuple)
                and len(value) == len(default)
                and not any(isinstance(x, str | bool) for x in value)
            ),
        )
    return None
