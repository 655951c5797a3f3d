"""npo ls: what there is to name."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.recipes import scale_or_error
from records.errors import UserError
from theory.kernel import takes
from theory.objective import EVERY, defaults, kernels

__all__ = ["show"]

Kinds = dict[str, list[tuple[str, str]]]
"""By kind: names, and a word about each."""


def show(kind: str | None) -> None:
    """Methods, recipes, tasks, models, formats, protocols, metrics, options, …; or one of these kinds.

    The options, of which there are many, are listed where they are asked for alone.
    """
    scale_or_error()
    kinds = _unlearning() | _models() | _examinations() | _options()
    if kind is not None and kind not in kinds:
        raise UserError(f"There is nothing called {kind} to list. List one of {', '.join(kinds)}.")
    console = Console()
    for name, entries in kinds.items():
        if kind == name or (kind is None and name != "options"):
            table = Table(title=name, show_header=False, title_justify="left")
            for entry in entries:
                table.add_row(*(Text(cell) for cell in entry))
            console.print(table)


def _unlearning() -> Kinds:
    """What is run, by what, on what."""
    from scale.data.tofu import SPLITS
    from scale.recipes.file import read_recipe, shipped
    from scale.tasks.kinds import TASKS
    from theory.optimizers.named import maker_of, mistake, names, takes_options

    own = ("path.py:name", "a forget loss of one's own, whose file is run; +rt or +kl after it adds a retain term")
    options = [(name, ", ".join(takes_options(maker_of(name)))) for name in names() if not mistake(name, lr=1e-3)]
    return {
        "methods": [*((name, _hyperparameters(name)) for name in EVERY), own],
        "optimizers": [*options, ("path.py:name", "one of one's own; options as {name: SGD, momentum: 0.9}")],
        "recipes": [(name, read_recipe(name).about) for name in shipped()],
        "tasks": [(task.name, f"{task.about}: data={{kind: {task.name}}}") for task in TASKS],
        "splits": [(name, "") for name in SPLITS],
    }


def _models() -> Kinds:
    """What models there are, how they are asked, and where they run."""
    from scale.data.formats import FORMATS
    from scale.models.loading.scratch import SHAPES
    from scale.runtime.processes import LAUNCH

    shapes = [(name, f"{s.family}, {s.layers} layers of {s.hidden}, from scratch") for name, s in SHAPES.items()]
    others = [("owner/name", "a causal language model of the hub"), ("DIR", "or a folder that holds one")]
    return {
        "models": [*shapes, *others],
        "formats": [(name, repr(form)) for name, form in FORMATS.items()],
        "launch": [(path.stem, str(path)) for path in sorted(LAUNCH.glob("*.yaml"))],
    }


def _examinations() -> Kinds:
    """How models are examined, and what is measured of them."""
    from scale.evaluation.catalogue import METRICS
    from scale.evaluation.protocols import PROTOCOLS

    own = ("path.py:name", "a metric of one's own, whose parameters name what it needs")
    return {
        "protocols": [(p.name, f"{p.questions or 'all'} questions a set") for p in PROTOCOLS.values()],
        "metrics": [*((name, f"needs {', '.join(metric.needs)}") for name, metric in METRICS.items()), own],
    }


def _options() -> Kinds:
    """Every key of a recipe."""
    from scale.recipes.keys import every_key

    return {"options": [(key.name, key.about) for key in every_key()]}


def _hyperparameters(method: str) -> str:
    """What can be set of a method: by name what has no value of its own, and with its value what has one."""
    own, needed = defaults(method), takes(kernels(method)[0])
    found = [f"{name}={own[name]:g}" if name in own else name for name in needed if name in own or needed[name]]
    return ", ".join(found).replace("beta", "β") or "no β"
