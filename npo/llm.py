"""npo run, and the verbs of single stages: a recipe's units under one display, by one process or many."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from npo.methods import objectives_of
from npo.running import run_units
from records.errors import UserError
from records.work import Unit
from theory.objective import Objective

if TYPE_CHECKING:
    from scale.recipe import Recipe

__all__ = ["Choices", "read", "resolve", "run", "with_needs"]


def scale_or_error() -> None:
    """UserError where the extra `scale` is not installed."""
    try:
        import scale.pipeline  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Language models need the extra `scale` ({error.name} is missing): pip install -e '.[scale]'."
        ) from error


def resolve(name: str, beta: float) -> Objective:
    """The objective of a method of the paper, or of a function in the user's own file."""
    from scale.method import paper_method

    if ":" not in name:
        return paper_method(name, beta)
    try:
        return objectives_of([name], beta=beta)[name]
    except UserError as error:
        if "takes β" not in str(error):
            raise
        return objectives_of([name], beta=None)[name]


class Choices:
    """What the command line says beside the recipe's own keys; each becomes one of them."""

    def __init__(
        self, recipe: str, settings: Sequence[str], *, data: Path | None, device: str | None, seed: int | None
    ) -> None:
        self.name = recipe
        self.words = list(settings)
        self.words += [f"data.source={data}"] if data else []
        self.words += [f"device={device}"] if device else []
        self.words += [f"seed={seed}"] if seed is not None else []

    @property
    def out(self) -> Path:
        """Where results go if nothing else is said."""
        return Path("out") / Path(self.name).with_suffix("").name if "." in self.name else Path("out") / self.name


def read(choices: Choices) -> "Recipe":
    """The recipe with all that was said."""
    scale_or_error()
    from scale.recipe import read_recipe

    return read_recipe(choices.name, choices.words)


def with_needs(units: Sequence[Unit], chosen: set[str]) -> list[Unit]:
    """The chosen units and all that they need, in their order."""
    by_name = {unit.name: unit for unit in units}
    wanted: set[str] = set()
    todo = list(chosen)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += by_name[name].needs
    return [unit for unit in units if unit.name in wanted]


def run(choices: Choices, *, stage: str | None, unit: str | None, out: Path | None) -> None:
    """Run a recipe's units that are missing: all, or those of one stage with what they need, or one by its name."""
    recipe = read(choices)
    from scale.pipeline import stage_of, units
    from scale.processes import Processes, first_process

    folder = out or choices.out
    processes = Processes(recipe.device, recipe.precision, recipe.trackers, folder / "logs")
    everything = units(recipe, processes, resolve=resolve)
    chosen = {u.name for u in everything if stage in (None, stage_of(u)) and unit in (None, u.name)}
    if not chosen:
        there = ", ".join(u.name for u in everything)
        raise UserError(f"This recipe has no {f'unit {unit}' if unit else f'stage {stage}'}; it has {there}.")
    if not processes.first:
        run_units(with_needs(everything, chosen), folder, "", None, crew=processes, quiet=True)
        return
    run_units(with_needs(everything, chosen), folder, choices.name, None, crew=processes)
    if first_process():
        summarise(folder, [u for u in everything if u.name in chosen])


def summarise(folder: Path, units: Sequence[Unit]) -> None:
    """Print what came out: the ends of the unlearning runs, and where to look further."""
    from npo.runs import Run, warnings_of
    from npo.runs import table as table_of

    console = Console()
    runs = [Run.read(folder / unit.name) for unit in units if unit.name.startswith("unlearn/")]
    for warning in warnings_of(runs):
        console.print(f"[bold]Methods can't be ranked by this run.[/bold] {warning}")
    if runs:
        console.print(table_of(runs))
        console.print(f"npo report {folder}: tables, figures, one page", highlight=False, markup=False, soft_wrap=True)
    console.print(f"{folder}: finished", highlight=False, markup=False, soft_wrap=True)

