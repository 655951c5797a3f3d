"""Which optimizer a schedule names, with its options; what is wrong with it is told when a recipe is read."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from records.errors import UserError
from records.loader import find_function
from records.option_words import name_and_options
from theory.optimizers.named import Maker, maker_of, misfits, takes_options, tried

__all__ = [
    "ADAMW",
    "EIGHT_BIT",
    "OptimizerChoice",
    "OptimizerSettings",
    "chosen",
    "decays",
    "is_own",
    "maker_named",
    "own_of",
]

ADAMW, EIGHT_BIT = "adamw", "adamw8bit"
OF_THE_SCHEDULE = ("lr", "params")
"""What an option can't be: the rate is the schedule's."""


class OptimizerSettings(BaseModel):
    """The name of an optimizer and its own options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Those that are given."""
        return dict(self.model_extra or {})


def adamw8bit(
    params: Any, *, lr: float, betas: Any = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2
) -> Any:
    """The library's AdamW8bit; UserError where the package is not installed or can't be used here."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except (ImportError, OSError, RuntimeError):
        raise UserError(
            "optimizer=adamw8bit needs the package bitsandbytes: pip install bitsandbytes, or choose adamw."
        ) from None
    return AdamW8bit(list(params), lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


def chosen(optimizer: str | OptimizerSettings) -> OptimizerSettings:
    """The long form of a name."""
    return OptimizerSettings(name=optimizer) if isinstance(optimizer, str) else optimizer


def is_own(name: str) -> bool:
    """Is it `file.py:name`, code of the user's?"""
    return ".py:" in name


def own_of(optimizer: str | OptimizerSettings) -> list[str]:
    """What of it is code of the user's: itself, what it is put on.

    >>> own_of(OptimizerSettings(name="SAM", base="mine.py:Mine"))
    ['mine.py:Mine']
    """
    settings = chosen(optimizer)
    return [x for x in (settings.name, settings.options.get("base")) if isinstance(x, str) and is_own(x)]


def decays(optimizer: str | OptimizerSettings) -> bool:
    """Does it take weight decay? Of code of the user's, which is not run to know, it is taken for granted.

    >>> decays("adamw"), decays("Rprop")
    (True, False)
    """
    settings = chosen(optimizer)
    if own_of(optimizer):
        return True
    base = settings.options.get("base")
    return "weight_decay" in takes_options(maker_named(settings.name), maker_named(base) if base else None)


def maker_named(name: str) -> Maker:
    """What makes the optimizer of that name, one's own aside; ValueError with the nearest names."""
    return maker_of(name, {EIGHT_BIT: adamw8bit})


def _checked(given: Any) -> Any:
    """A name, or a name with options as a group or in one word; ValueError with all that is wrong with it.

    It is made and takes a step on two small parameters; code of one's own is looked for, and not run.
    """
    if isinstance(given, OptimizerSettings):
        return given
    if isinstance(given, str):
        try:
            name, options = name_and_options(given)
        except UserError as error:
            raise ValueError(str(error)) from None
    elif isinstance(given, Mapping) and isinstance(given.get("name"), str):
        name, options = given["name"], {key: value for key, value in given.items() if key != "name"}
    else:
        raise ValueError("it should be a name, or a group {name: …, option: value}")
    if wrong := _wrong(name, options):
        raise ValueError("; ".join(wrong))
    return {"name": name, **options} if options or not isinstance(given, str) else name


def _wrong(name: str, options: Mapping[str, Any]) -> list[str]:
    wrong = [f"{key} is none of its options: it is given beside optimizer" for key in OF_THE_SCHEDULE if key in options]
    owns = own_of(OptimizerSettings(**{**options, "name": name}))
    looks: list[Callable[[], object]] = [partial(find_function, own) for own in owns]
    for look in looks or [partial(_try, name, options)]:
        try:
            look()
        except (ValueError, UserError) as error:
            wrong.append(str(error))
    return wrong


def _try(name: str, options: Mapping[str, Any]) -> None:
    """ValueError where it can't be made, or takes no step along a gradient."""
    maker = maker_named(name)
    if maker is adamw8bit:  # its package may be somewhere else
        if wrong := misfits(maker, {**options, "lr": 0.0}):
            raise ValueError("; ".join(wrong))
    elif name.casefold() != ADAMW or options:
        given = {"lr": 1e-3, **{key: value for key, value in options.items() if key not in OF_THE_SCHEDULE}}
        tried(maker, **given)


OptimizerChoice = Annotated[str | OptimizerSettings, BeforeValidator(_checked)]
