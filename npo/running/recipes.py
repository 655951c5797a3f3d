"""npo run, and the verbs of single stages: a recipe's units under one display, by one process or many."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from npo.program.recipe import recipe_here
from npo.running.methods import looked_at, objective_of
from npo.running.units import run_units
from npo.running.waiting import waiting
from records.errors import UserError, together
from records.paths import may_write, user_path
from records.plain import plain
from records.store import content_hash, load
from records.work import Unit

if TYPE_CHECKING:
    from scale.recipes.recipe import Recipe

__all__ = ["RecipeChoices", "evaluate_one", "read", "run", "with_needs"]


def scale_or_error() -> None:
    """UserError where the extra `scale` is not installed."""
    try:
        import scale.stages.pipeline  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Language models need the extra `scale` ({error.name} is missing): pip install -e '.[scale]'."
        ) from error


class RecipeChoices:
    """What the command line says beside the recipe's own keys; each becomes one of them."""

    def __init__(
        self,
        recipe: str,
        settings: Sequence[str],
        *,
        data: Path | None,
        device: str | None,
        dtype: str | None,
        seed: int | None,
        retain_log: Path | None = None,
    ) -> None:
        self.name = recipe
        self.words = list(settings)
        self.words += [f"data.source={data}"] if data else []
        self.words += [f"device={device}"] if device else []
        self.words += [f"precision={dtype}"] if dtype else []
        self.words += [f"seed={seed}"] if seed is not None else []
        self.words += [f"retain_log={retain_log}"] if retain_log else []

    @property
    def out(self) -> Path:
        """Where results go if nothing else is said: another folder for every shipped recipe and every file.

        A file's is named by its path below the working directory; that of one that lies elsewhere, is no .yaml, or is
        called like a shipped recipe has a hash of the whole path in it.
        """
        from scale.recipes.file import shipped

        if self.name in shipped():
            return Path("out") / self.name
        path = user_path(self.name, "The recipe").resolve()
        below, inside = path.with_suffix(""), path.is_relative_to(Path.cwd())
        below = below.relative_to(Path.cwd()) if inside else Path(below.name)
        if not inside or path.suffix != ".yaml" or below.as_posix() in shipped():
            below = below.with_name(f"{below.name}-{content_hash(str(path))[:6]}")
        return Path("out") / below


def read(choices: RecipeChoices) -> "Recipe":
    """The recipe with all that was said; TOFU comes from the folder that NPO_DATA names rather than from the hub."""
    scale_or_error()
    return recipe_here(choices.name, choices.words)


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


def run(choices: RecipeChoices, *, stage: str | None, unit: str | None, out: Path | None) -> None:
    """Run a recipe's units that are missing: all, or those of one stage with what they need, or one by its name.

    What can be known before is told before: methods, data, model, device, trackers, folder. A user's own methods are
    run where something is unlearned.
    """
    resolve = objective_of if stage in (None, "unlearn") else looked_at
    with waiting("loading the libraries"):
        recipe = read(choices)
    from scale.recipes.base_model import ask_hub
    from scale.runtime.processes import Processes, first_process
    from scale.stages.pipeline import stage_of, units
    from scale.training.optimizers import try_own

    folder = out or choices.out
    processes = Processes(recipe.device, recipe.precision, recipe.trackers, folder / "logs")
    kept = (folder / "finetune").is_dir()
    with waiting("reading rows and model"):
        everything, *_ = together(
            lambda: units(recipe, processes, resolve=resolve),
            lambda: None if resolve is looked_at else try_own(recipe.schedules),
            lambda: processes.accelerator,
            lambda: may_write(folder),
            lambda: None if kept else ask_hub(recipe.model),
        )
    chosen = {u.name for u in everything if stage in (None, stage_of(u)) and unit in (None, u.name)}
    if stage == "evaluate" and not recipe.evaluate.examines:
        raise UserError("evaluate: none says that no model is examined. Say evaluate=end, or name one with --model.")
    if not chosen:
        there = ", ".join(u.name for u in everything)
        raise UserError(f"This recipe has no {f'stage {stage}' if unit is None else f'unit {unit!r}'}; it has {there}.")
    if not processes.first:
        run_units(with_needs(everything, chosen), folder, "", crew=processes, quiet=True)
        return
    run_units(with_needs(everything, chosen), folder, choices.name, crew=processes)
    if first_process():
        summarise(folder, [u for u in everything if u.name in chosen])


def summarise(folder: Path, units: Sequence[Unit]) -> None:
    """Print what came out: the ends of the unlearning runs, and where to look further."""
    from npo.runs.run import UnlearningRun, unexamined, warnings_of
    from npo.runs.run import table as table_of

    console = Console()
    unlearned = [folder / unit.name for unit in units if unit.name.startswith("unlearn/")]
    blind = [path for path in unlearned if unexamined(load(path).values)]
    runs = [UnlearningRun.read(path) for path in unlearned if path not in blind]
    for warning in warnings_of(runs):
        console.print(plain(warning), markup=False, highlight=False, soft_wrap=True)
    if runs:
        console.print(table_of(runs))
        console.print(
            f"npo report {plain(str(folder))}: tables, figures, one page", highlight=False, markup=False, soft_wrap=True
        )
    if blind:
        said = f"Nothing was examined (evaluate: none). The models: {', '.join(str(path / 'model') for path in blind)}"
        console.print(plain(said), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{plain(str(folder))}: finished", highlight=False, markup=False, soft_wrap=True)


def evaluate_one(choices: RecipeChoices, model: str, out: Path | None) -> None:
    """Examine any model with a recipe's data, format and protocol."""
    with waiting("loading the libraries"):
        recipe = read(choices)
    from scale.runtime.processes import Processes
    from scale.stages.pipeline import evaluation_of

    processes = Processes(recipe.device, recipe.precision)
    folder = out or choices.out / "evaluate" / evaluated_as(model)
    unit = evaluation_of(recipe, processes, model, folder.name)
    run_units([unit], folder.parent, "evaluate", crew=processes, quiet=not processes.first)
    if not processes.first:
        return
    values = load(folder).values
    for told in values.get("judged_by", {}).get("told", ()):
        Console(stderr=True).print(plain(told), markup=False, highlight=False, soft_wrap=True)
    for key, value in values["scores"].items():
        Console().print(f"{key}: {'—' if value is None else f'{value:.4g}'}", highlight=False, markup=False)
    Console().print(f"{folder / 'log.json'}: for npo score", markup=False, highlight=False, soft_wrap=True)


def evaluated_as(model: str) -> str:
    """The name of a model's examination: a folder's last two names, and six letters of a hash of its whole path.

    >>> evaluated_as("owner/name")
    'owner-name'
    """
    path = user_path(model, "The model")
    if not path.exists():
        return model.replace("/", "-")
    whole = path.resolve()
    return "-".join([*whole.parts[-2:], content_hash(str(whole))[:6]]).lstrip("/")
