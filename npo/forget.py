"""npo forget: one's own rows out of any model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from npo.llm import resolve, scale_or_error
from npo.running import run_units
from records.errors import UserError
from records.store import load

__all__ = ["Asked", "forget", "method_of"]


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    method: str | None
    beta: float
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


def forget(rows: Path, retain: Path | None, model: str, out: Path, asked: Asked) -> None:
    """Unlearn `rows`; print what was measured before and after, answers, and what can't be known."""
    scale_or_error()
    from scale.adapters import Lora
    from scale.forgetting import ForgetSettings, unit_of
    from scale.formats import FORMATS
    from scale.own import read_own
    from scale.processes import Processes

    if asked.prompt is not None and asked.prompt not in FORMATS:
        raise UserError(f"--prompt {asked.prompt}: there is no such format; there are {', '.join(FORMATS)}.")
    lora = Lora(rank=asked.lora, alpha=2 * asked.lora) if asked.lora else None
    settings = ForgetSettings(model=model, prompt=asked.prompt, lora=lora, seed=asked.seed)
    processes = Processes(_one_of("device", asked.device), _one_of("dtype", asked.dtype))
    kept = read_own(retain) if retain else ()
    unit = unit_of(settings, method_of(asked, bool(kept)), read_own(rows), kept, processes)
    reads = (rows, Path(model).expanduser(), *([retain] if retain else []))
    unit = replace(unit, reads=tuple(path for path in reads if path.exists()))
    run_units([unit], out, "forget", None, crew=processes, quiet=not processes.first)
    if processes.first:
        show(load(out / "forget").values, out / "forget")


def _one_of(name: str, value: str) -> Any:
    choices = {"device": ("auto", "cpu", "cuda"), "dtype": ("float32", "bf16")}[name]
    if value not in choices:
        raise UserError(f"--{name} {value}: choose one of {', '.join(choices)}.")
    return value


def method_of(asked: Asked, has_retain: bool) -> Any:
    """The method that was asked for; UserError with every value of it that can't be."""
    from pydantic import ValidationError

    from scale.method import methods_of
    from scale.recipe import MethodSettings, UnlearnSettings

    name = asked.method or ("NPO+RT" if has_retain else "NPO")
    fields = {key: getattr(asked, key) for key in ("lr", "epochs", "batch", "piece", "beta")}
    try:
        chosen = MethodSettings(name=name, retain_weight=asked.retain_weight)
        (method,) = methods_of(UnlearnSettings(methods=(chosen,), **fields), resolve)
    except ValidationError as error:
        told = [f"--{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}." for e in error.errors()]
        raise UserError("\n".join(told)) from None
    return method


def show(values: Mapping[str, Any], folder: Path) -> None:
    """Before and after, answers, what is not known, where the model is."""
    console = Console()
    table = Table("measure", "before", "after", title=values["method"])
    for key in values["after"]:
        table.add_row(key.replace("_", " "), _number(values["before"].get(key)), _number(values["after"][key]))
    console.print(table)
    for answer in values["answers"]:
        console.print(f"[{answer['set']}] {answer['question']}", style="bold", markup=False)
        for name in ("answer", "before", "after"):
            text = answer[name] or "(nothing)"
            console.print(f"  {'true' if name == 'answer' else name}: {text}", markup=False, highlight=False)
    for name, needs in values["unknown"].items():
        console.print(f"not known: {name.replace('_', ' ')}, which {needs}", markup=False, highlight=False)
    if values["stopped"]:
        console.print(f"It stopped early. {values['stopped']}", style="bold", markup=False)
    place = f"{folder / 'model'}: load it with AutoModelForCausalLM.from_pretrained"
    console.print(place, markup=False, highlight=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"
