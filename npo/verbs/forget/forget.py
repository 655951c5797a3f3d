"""npo forget: one's own rows out of any model, as a recipe of the kind `rows`."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.recipes import scale_or_error
from npo.running.units import run_units
from npo.running.waiting import waiting
from npo.verbs.beta import PLACE, tell_found
from npo.verbs.forget.beta import need_to_know
from npo.verbs.forget.choices import ForgetChoices, changed_by_keys, check_choices, methods_asked, recipe_asked
from records.errors import UserError, together
from records.plain import plain
from records.store import load

if TYPE_CHECKING:
    from scale.recipes.method import Method

__all__ = ["forget", "show"]


def forget(rows: Path, retain: Path | None, model: str, out: Path, asked: ForgetChoices) -> None:
    """Unlearn `rows`; print what was measured before and after, answers, and what can't be known.

    One method and seed leave `forget/`, several leave what a recipe's do: `unlearn/<label>-s<seed>`.
    """
    with waiting("loading the libraries"):
        scale_or_error()
    from scale.data.formats import FORMATS
    from scale.data.row_shapes import SHAPES
    from scale.data.user_rows import read_user_rows
    from scale.runtime.processes import Processes
    from scale.stages.pipeline import Stages
    from scale.stages.shared.prepared import context_of
    from scale.tasks.rows import of_files

    given = [file for file in (rows, retain) if file is not None and asked.format in (None, *SHAPES)]
    _, (chosen, methods), *files = together(
        lambda: check_choices(asked, FORMATS, SHAPES),
        lambda: methods_asked(asked, has_retain=retain is not None),
        *(partial(read_user_rows, file, asked.format) for file in given),
    )
    recipe, methods = changed_by_keys(recipe_asked(rows, retain, model, asked, chosen), methods, asked)
    _need_retain(methods, has_retain=retain is not None)
    corpus = of_files(dict(zip(("forget", "retain"), files, strict=False)))
    processes = Processes(recipe.device, recipe.precision, recipe.trackers, out / "logs")
    stages = Stages(recipe, context_of(recipe, processes, corpus), "")
    need_to_know(stages.betas, asked, methods)
    several = len(methods) > 1 or len(recipe.unlearn.seeds) > 1 or recipe.retain_log is not None
    before = [] if several else [*stages.betas.all(methods), *stages.reinforced(methods)]
    units = stages.all(methods) if several else [*before, stages.single(methods[0], "forget")]
    units = [unit for unit in units if unit.name.startswith(PLACE)] if asked.only_beta else units
    run_units(units, out, "forget", crew=processes, quiet=not processes.first)
    if processes.first:
        tell_found(Console(), out, [unit.name for unit in units])
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


def show(values: Mapping[str, Any], folder: Path) -> None:
    """Before and after, answers, what is not known, where the model is; of a run with `evaluate: none` the last."""
    console = Console()
    if "after" in values:
        _show_measures(console, values, folder)
    else:
        console.print(f"{folder.name}: nothing was examined (evaluate: none).", markup=False, highlight=False)
    place = f"{folder / 'model'}: load it with AutoModelForCausalLM.from_pretrained"
    console.print(place, markup=False, highlight=False, soft_wrap=True)


def _show_measures(console: Console, values: Mapping[str, Any], folder: Path) -> None:
    table = Table(
        "measure", "before", "after", title=Text(plain(values["label"] if folder.name == "forget" else folder.name))
    )
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


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"
