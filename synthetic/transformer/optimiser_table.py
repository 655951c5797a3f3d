"""The optimisers under which the small transformer is unlearned, with their step sizes."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from records.errors import UserError
from records.option_words import name_and_options, written
from theory.optimizers.named import made, maker_of, mistake

__all__ = ["LR", "OPTIMISERS", "OptimiserSetting", "setting_of"]

LR = 1e-3
"""The step size of one by name, if its options give none."""


@dataclass(frozen=True)
class OptimiserSetting:
    """An optimiser with its step size and options."""

    name: str
    kind: Callable[..., torch.optim.Optimizer]
    lr: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beta2(self) -> float | None:
        """How slowly the second moment forgets; none without one."""
        betas = self.kind([torch.zeros(1)], lr=self.lr, **self.options).defaults.get("betas")
        return float(betas[1]) if betas else None


OPTIMISERS = (
    OptimiserSetting("GD", torch.optim.SGD, 3e-3),
    OptimiserSetting("momentum", torch.optim.SGD, 3e-4, {"momentum": 0.9}),
    OptimiserSetting("Adam", torch.optim.Adam, 1e-3),
    OptimiserSetting("Adam-slow", torch.optim.Adam, 1e-6),
    OptimiserSetting("Adam-0.99", torch.optim.Adam, 1e-3, {"betas": (0.9, 0.99)}),
    OptimiserSetting("Adam-0.99-slow", torch.optim.Adam, 1e-6, {"betas": (0.9, 0.99)}),
    OptimiserSetting("Adam-0.99-eps", torch.optim.Adam, 1e-3, {"betas": (0.9, 0.99), "eps": 1e-3}),
    OptimiserSetting("AdamW", torch.optim.AdamW, 1e-3, {"weight_decay": 0.1}),
    OptimiserSetting("AMSGrad", torch.optim.Adam, 1e-3, {"amsgrad": True}),
)
"""`slow` has a ≪ 1, the others a ≫ 1; 0.99 is β₂, where torch's default of 0.999 would need ten times the steps; `eps`
has a large ε in the denominator, which NPO's gradient falls below on the way."""


def setting_of(text: str) -> OptimiserSetting:
    """A row of the table by its name, or `NAME:option=value:…` of torch's and ours; ValueError where it is none.

    >>> setting_of("SAM:base=SGD:lr=0.1").name
    'SAM,base=SGD,lr=0.1'
    """
    rows = {setting.name: setting for setting in OPTIMISERS}
    if text in rows:
        return rows[text]
    try:
        name, options = name_and_options(text)
        canonical = getattr(maker_of(name), "__name__", name)
    except (UserError, ValueError) as error:
        near = difflib.get_close_matches(text, rows, n=1)
        hint = f"did you mean {near[0]}" if near else f"there are {', '.join(rows)}; by name, {error}"
        raise ValueError(f"unknown optimizer {text}; {hint}") from None
    given = {"lr": LR, **options}
    if wrong := mistake(name, **given):
        raise ValueError(f"optimizer {text}: {wrong}")
    label = written(canonical, options).replace("[", "").replace("]", "").replace(",", "-").replace(":", ",")
    return OptimiserSetting(label, partial(made, name), float(given.pop("lr")), given)
