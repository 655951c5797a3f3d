"""The optimizer of a schedule, on the parameters that are trained, and how much memory it keeps."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from records.errors import UserError
from records.loader import load_function
from scale.training.optimizer_settings import EIGHT_BIT, chosen, is_own, maker_named, own_of
from scale.training.schedule import Schedule
from theory.optimizers.named import Maker, built, maker_of, takes_options, tried
from theory.optimizers.sam import LooksNearby

__all__ = ["MakeOptimizer", "kept_bytes", "optimizer_of", "try_own"]

MakeOptimizer = Callable[[Iterable[torch.nn.Parameter], Schedule], torch.optim.Optimizer]
FUSED = (torch.optim.Adam, torch.optim.AdamW)
"""Whose step is one pass over all parameters here, where nothing else is asked for."""
OTHER_WAYS = {"fused", "foreach", "differentiable"}


def optimizer_of(parameters: Iterable[torch.nn.Parameter], schedule: Schedule) -> torch.optim.Optimizer:
    """The optimizer that the schedule names, on every parameter that is trained.

    Its step size and, where it takes one and its options give none, weight decay are the schedule's; with
    `decay: matrices` vectors and numbers, which norms and biases are, have none. UserError with what is wrong with it.
    """
    trained = [p for p in parameters if p.requires_grad]
    maker, options = _of(schedule)
    groups = trained if schedule.decay == "all" else _apart(trained)
    try:
        return built(maker, groups, **options)
    except ValueError as error:
        raise UserError(f"optimizer: {error}") from error


def _apart(trained: Iterable[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Matrices, which decay, and the rest, which does not, as an optimizer's groups."""
    every = list(trained)
    matrices, rest = [p for p in every if p.ndim > 1], [p for p in every if p.ndim <= 1]
    return [{"params": matrices}, *([{"params": rest, "weight_decay": 0.0}] if rest else [])]


def try_own(schedules: Mapping[str, Schedule]) -> None:
    """UserError naming each stage whose optimizer is code of one's own that takes no step; this runs its file."""
    wrong = []
    for stage, schedule in schedules.items():
        try:
            if own_of(schedule.optimizer):
                maker, options = _of(schedule)
                tried(maker, **options)
        except (ValueError, UserError) as error:
            wrong.append(f"{stage}.optimizer: {error}.")
    if wrong:
        raise UserError("\n".join(wrong))


def _of(schedule: Schedule) -> tuple[Maker, dict[str, Any]]:
    """What makes it, and all its options; this runs the file of one's own."""
    settings = chosen(schedule.optimizer)
    maker = _maker(settings.name)
    options = dict(settings.options)
    base = options.get("base")
    if isinstance(base, str):
        options["base"] = base = _maker(base)
    known = takes_options(maker, base)
    usual = {"lr": schedule.lr, "weight_decay": schedule.weight_decay}
    usual |= {"fused": True} if _runs_fused(maker, base, options) else {}
    return maker, {name: value for name, value in usual.items() if name in known} | options


def _runs_fused(maker: Maker, base: Maker | None, options: Mapping[str, Any]) -> bool:
    stepping = base or (torch.optim.AdamW if maker is maker_of("SAM") else maker)
    return stepping in FUSED and not OTHER_WAYS & options.keys()


def _maker(name: str) -> Maker:
    return load_function(name) if is_own(name) else maker_named(name)


def kept_bytes(schedule: Schedule, dtype: torch.dtype) -> float:
    """Bytes that it keeps of a number that is trained, counted on a small matrix after a step.

    One that looks nearby has a second copy of the weights in the middle of a step. Of code of one's own, which a plan
    does not run, two moments are assumed; moments in 8 bits are two bytes.

    >>> [kept_bytes(Schedule(lr=1.0, epochs=1, optimizer=name), torch.float32) for name in ("adamw", "SGD", "SAM")]
    [8.0, 0.0, 12.0]
    """
    if own_of(schedule.optimizer):
        return 2.0 * dtype.itemsize
    maker, options = _of(schedule)
    if maker is maker_named(EIGHT_BIT):
        return 2.0
    matrix = torch.nn.Parameter(torch.zeros(256, 256, dtype=dtype))
    optimizer = tried(maker, [matrix], **options)
    kept = sum(x.nbytes for x in optimizer.state[matrix].values() if isinstance(x, torch.Tensor) and x.ndim)
    return kept / matrix.numel() + (dtype.itemsize if isinstance(optimizer, LooksNearby) else 0)
