"""npo forget: one's own rows out of any model, as a recipe of the kind `rows`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

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

if TYPE_CHECKING:
    from scale.recipes.method import Method
    from scale.recipes.recipe import Recipe, UnlearnSettings

__all__ = ["BETA", "ForgetChoices", "forget", "methods_asked", "recipe_asked"]

BETA = 0.1
"""Where a method takes a β and none is given."""
NEW_TOKENS = 60
"""Of an answer that is shown."""


@dataclass(frozen=True, kw_only=True)
class ForgetChoices:
    """What the command line asks for."""

    methods: tuple[str, ...]
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
    format: str | None = None


def forget(rows: Path, retain: Path | None, model: str, out: Path, asked: ForgetChoices) -> None:
    """Unlearn `rows`; print what was measured before and after, answers, and what can't be known.

    One method leaves `forget/`, several leave what a recipe's do: `unlearn/<label>-s<seed>`.
    """
    scale_or_error()
    from scale.data.formats import FORMATS
    from scale.data.row_shapes import SHAPES
    from scale.data.user_rows import read_user_rows
    from scale.runtime.processes import Processes
    from scale.stages.pipeline import Stages
    from scale.stages.prepared import context_of
    from scale.tasks.rows import of_files

    given = [file for file in (rows, retain) if file is not None and asked.format in (None, *SHAPES)]
    _, (chosen, methods), *files = together(
        lambda: _known(asked, FORMATS, SHAPES),
        lambda: methods_asked(asked, has_retain=retain is not None),
        *(partial(read_user_rows, file, asked.format) for file in given),
    )
    _need_retain(methods, has_retain=retain is not None)
    corpus = of_files(dict(zip(("forget", "retain"), files, strict=False)))
    processes = Processes(cast(Any, asked.device), cast(Any, asked.dtype))
    recipe = recipe_asked(rows, retain, model, asked, chosen)
    stages = Stages(recipe, context_of(recipe, processes, corpus), "")
    units = stages.all(methods) if len(methods) > 1 else [stages.single(methods[0], "forget")]
    run_units(units, out, "forget", crew=processes, quiet=not processes.first)
    if processes.first:
        _tell(out, [unit.name for unit in units if unit.name.startswith(("forget", "unlearn/"))])


def _tell(out: Path, names: Sequence[str]) -> None:
    """What came out of each; UserError where one stopped early."""
    stopped = []
    for name in names:
        show(values := load(out / name).values, out / name)
        stopped += [values["stopped"]] if values["stopped"] else []
    if stopped:
        raise UserError("\n".join(f"It stopped early. {why}" for why in stopped))


def _need_retain(methods: "Sequence[Method]", *, has_retain: bool) -> None:
    """UserError naming the methods that need rows to retain, where there are none."""
    if wanting := [method.name for method in methods if method.objective.retain_needs and not has_retain]:
        raise UserError(f"{', '.join(wanting)} needs rows to retain: give --retain FILE, or choose NPO or GA.")


def recipe_asked(
    rows: Path, retain: Path | None, model: str, asked: ForgetChoices, chosen: "UnlearnSettings"
) -> "Recipe":
    """The recipe that the command line stands for; UserError where the model is none that is trained already."""
    from pydantic import ValidationError

    from scale.recipes.recipe import Recipe

    lora = {"rank": asked.lora, "alpha": 2 * asked.lora} if asked.lora else None
    held = {"four_bit": True} if asked.weights == "4bit" else {"weights": asked.weights}
    try:
        return Recipe.model_validate(
            {
                "data": {
                    "kind": "rows",
                    "forget": str(rows),
                    "retain": str(retain) if retain else None,
                    "format": asked.format,
                },
                "model": {
                    "base": model,
                    "prompt": asked.prompt or "auto",
                    "longest": asked.max_length,
                    "lora": lora,
                    **held,
                },
                "finetune": None,
                "unlearn": chosen,
                "evaluate": {"every": "end", "generate": "end", "new_tokens": NEW_TOKENS},
                "seed": asked.seed,
                "device": asked.device,
                "precision": asked.dtype,
            }
        )
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))}: {said(e)}." for e in error.errors()]
        raise UserError(f"--model {model}: " + "\n".join(told)) from None


def _known(asked: ForgetChoices, prompts: Collection[str], shapes: Collection[str]) -> None:
    """UserError naming every choice that there is not."""
    choices = {
        "prompt": prompts,
        "format": shapes,
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


def methods_asked(asked: ForgetChoices, *, has_retain: bool) -> "tuple[UnlearnSettings, list[Method]]":
    """The schedule and the methods that were asked for; UserError with every value of them that can't be."""
    from pydantic import ValidationError

    from scale.recipes.recipe import UnlearnSettings

    names = asked.methods or ("NPO+RT" if has_retain else "NPO",)
    fields = {key: getattr(asked, key) for key in ("lr", "epochs", "batch", "piece", "recompute", "optimizer")}
    fields |= {"beta": BETA if asked.beta is None else asked.beta, "seeds": [asked.seed]}
    fields |= {"warmup": 0.0 if asked.epochs == 1 else 1.0}  # one epoch of warming up would train little or nothing
    try:
        chosen = UnlearnSettings.model_validate({"methods": [{"name": x, **_weight(asked)} for x in names], **fields})
    except ValidationError as error:
        told = [f"--{str(e['loc'][-1]).replace('_', '-')}: {said(e)}, got {shown(e['input'])}." for e in error.errors()]
        raise UserError("\n".join(told)) from None
    return chosen, together(*(partial(_method, one, chosen, asked.beta) for one in chosen.methods))


def _method(chosen: Any, unlearn: "UnlearnSettings", beta: float | None) -> "Method":
    from scale.recipes.method import method_of

    try:
        method = method_of(chosen, unlearn, partial(_with_beta, beta))
    except UserError as error:
        raise UserError(f"--method {chosen.name}: {error}") from None
    if beta is not None and method.beta is None:
        raise UserError(f"--beta: {chosen.name} takes no β. Leave it out, or choose another --method.")
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
    table = Table("measure", "before", "after", title=Text(plain(values["label"])))
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
