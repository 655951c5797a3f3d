"""npo forget: one's own rows out of any model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.methods import objective_of
from npo.running.recipes import scale_or_error
from npo.running.units import run_units
from records.errors import UserError, together
from records.plain import plain
from records.settings import said
from records.shown import shown
from records.store import load
from theory.objective import Objective, takes

__all__ = ["BETA", "ForgetChoices", "forget", "method_asked"]

BETA = 0.1
"""Where a method takes a β and none is given."""


@dataclass(frozen=True, kw_only=True)
class ForgetChoices:
    """What the command line asks for."""

    method: str | None
    beta: float | None
    lr: float
    epochs: int
    batch: int
    piece: int
    retain_weight: float
    lora: int | None
    prompt: str | None
    device: str
    dtype: str
    seed: int
    max_length: int | None = None
    recompute: bool = False
    weights: str = "float32"
    optimizer: str = "adamw"


def forget(rows: Path, retain: Path | None, model: str, out: Path, asked: ForgetChoices) -> None:
    """Unlearn `rows`; print what was measured before and after, answers, and what can't be known."""
    scale_or_error()
    from scale.data.formats import FORMATS
    from scale.data.user_rows import read_user_rows
    from scale.models.adapters import Lora
    from scale.runtime.processes import Processes
    from scale.stages.forget_settings import ForgetSettings
    from scale.stages.forgetting import unit_of

    _, method, forgotten, retained = together(
        lambda: _known(asked, FORMATS),
        lambda: method_asked(asked, retain is not None),
        lambda: read_user_rows(rows),
        lambda: read_user_rows(retain) if retain else None,
    )
    lora = Lora(rank=asked.lora, alpha=2 * asked.lora) if asked.lora else None
    settings = ForgetSettings(
        model=model,
        prompt=asked.prompt,
        lora=lora,
        seed=asked.seed,
        max_length=asked.max_length,
        weights=cast(Any, asked.weights),  # checked above, like device and dtype
    )
    processes = Processes(cast(Any, asked.device), cast(Any, asked.dtype))
    unit = unit_of(settings, method, forgotten, retained, processes)
    run_units([unit], out, "forget", crew=processes, quiet=not processes.first)
    if processes.first:
        show(values := load(out / "forget").values, out / "forget")
        if values["stopped"]:
            raise UserError(f"It stopped early. {values['stopped']}")


def _known(asked: ForgetChoices, formats: Collection[str]) -> None:
    """UserError naming every choice that there is not."""
    choices = {
        "prompt": formats,
        "device": ("auto", "cpu", "cuda"),
        "dtype": ("float32", "bf16"),
        "weights": ("float32", "bf16", "4bit"),
    }
    given = {name: getattr(asked, name) for name in choices}
    wrong = [
        f"--{name} {value}: there is no such {name}; choose one of {', '.join(choices[name])}."
        for name, value in given.items()
        if value is not None and value not in choices[name]
    ]
    if asked.weights == "4bit" and not asked.lora:
        wrong.append("--weights 4bit: weights in four bits are not trained. Give --lora RANK too, or choose bf16.")
    if wrong:
        raise UserError("\n".join(wrong))


def method_asked(asked: ForgetChoices, has_retain: bool) -> Any:
    """The method that was asked for; UserError with every value of it that can't be."""
    from pydantic import ValidationError

    from scale.recipes.method import method_of
    from scale.recipes.recipe import UnlearnSettings

    name = asked.method or ("NPO+RT" if has_retain else "NPO")
    fields = {key: getattr(asked, key) for key in ("lr", "epochs", "batch", "piece", "recompute", "optimizer")}
    fields |= {"beta": BETA if asked.beta is None else asked.beta}
    fields |= {"warmup": 0.0 if asked.epochs == 1 else 1.0}  # one epoch of warming up would train little or nothing
    try:
        chosen = UnlearnSettings.model_validate({"methods": [{"name": name, **_weight(asked)}], **fields})
    except ValidationError as error:
        told = [f"--{str(e['loc'][-1]).replace('_', '-')}: {said(e)}, got {shown(e['input'])}." for e in error.errors()]
        raise UserError("\n".join(told)) from None
    try:
        method = method_of(chosen.methods[0], chosen, partial(_with_beta, asked.beta))
    except UserError as error:
        raise UserError(f"--method {name}: {error}") from None
    if asked.beta is not None and method.beta is None:
        raise UserError(f"--beta: {name} takes no β. Leave it out, or choose another --method.")
    return method


def _with_beta(typed: float | None, name: str, hyperparameters: Mapping[str, float], beta: float) -> Objective:
    """The objective of a method with the β that was typed, which goes before that of its paper."""
    found = objective_of(name, hyperparameters, beta)
    if typed is None or "beta" not in takes(found.forget):
        return found
    return objective_of(name, {**hyperparameters, "beta": typed}, beta)


def _weight(asked: ForgetChoices) -> dict[str, float]:
    return {} if asked.retain_weight == 1 else {"retain_weight": asked.retain_weight}


def show(values: Mapping[str, Any], folder: Path) -> None:
    """Before and after, answers, what is not known, where the model is."""
    console = Console()
    table = Table("measure", "before", "after", title=Text(plain(values["method"])))
    for key in values["after"]:
        table.add_row(key.replace("_", " "), _number(values["before"].get(key)), _number(values["after"][key]))
    console.print(table)
    for answer in values["answers"]:
        console.print(plain(f"[{answer['set']}] {answer['question']}"), style="bold", markup=False)
        for name in ("answer", "before", "after"):
            text = answer[name] or "(nothing)"
            console.print(plain(f"  {'true' if name == 'answer' else name}: {text}"), markup=False, highlight=False)
    for sentence in values["said"]:
        console.print(plain(sentence), markup=False, highlight=False, soft_wrap=True)
    for name, needs in values["unknown"].items():
        console.print(f"not known: {name.replace('_', ' ')}, which {needs}", markup=False, highlight=False)
    place = f"{folder / 'model'}: load it with AutoModelForCausalLM.from_pretrained"
    console.print(place, markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"
