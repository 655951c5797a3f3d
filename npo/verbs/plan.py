"""npo plan and npo show-batch: look before running."""

import time
from typing import TYPE_CHECKING

import torch
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.methods import looked_at
from npo.running.recipes import RecipeChoices, read
from records.plain import plain

if TYPE_CHECKING:
    from scale.recipes.recipe import Recipe
    from scale.stages.plan import Estimate

__all__ = ["plan", "planned", "show_batch"]

GIB = 2**30


def plan(choices: RecipeChoices) -> None:
    """Print the resolved recipe, its steps, and an estimate of time and memory; runs nothing but a short matmul.

    A user's own methods are looked for in the text of their files, which are not run.
    """
    recipe = read(choices)
    found = planned(recipe)
    console = Console()
    console.print(
        yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        markup=False,
        soft_wrap=True,
    )
    table = Table("stage", "runs", "steps each", "tokens in all")
    for stage in found.stages:
        table.add_row(stage.name, str(stage.runs), " or ".join(map(str, stage.steps)), f"{stage.tokens:,.0f}")
    console.print(table)
    own = [chosen.name for chosen in recipe.unlearn.methods if ":" in chosen.name]
    speed = _speed()
    methods = ", ".join(chosen.label for chosen in recipe.unlearn.methods)
    console.print(plain(f"methods: {methods}"), highlight=False, markup=False)
    for name in own:
        console.print(
            plain(f"{name}: a file whose code `npo run` runs; it was looked at, not run"), highlight=False, markup=False
        )
    console.print(f"parameters: {found.parameters:,}, of which {found.trained:,} are trained")
    console.print(
        f"memory: about {found.state_bytes / GIB:.2f} GiB of weights, gradients and moments, "
        f"{found.activation_bytes / GIB:.2f} GiB of activations"
    )
    console.print(
        f"time: about {_duration(found.operations / (0.35 * speed))} here, at 35 % of the {speed / 1e9:,.0f} GFLOP/s "
        "of a large product; generated answers come on top, and small models reach less"
    )


def planned(recipe: "Recipe") -> "Estimate":
    """What the units of a recipe would do."""
    from scale.runtime.processes import Processes
    from scale.stages.pipeline import units
    from scale.stages.plan import estimate

    return estimate(units(recipe, Processes("cpu"), resolve=looked_at))


def _speed() -> float:
    """Floating-point operations a second of a matrix product on the device at hand."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a = torch.randn(1024, 1024, device=device)
    for _ in range(2):
        a @ a
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 0.3:
        (a @ a)[0, 0].item()
        count += 1
    return 2 * 1024**3 * count / (time.perf_counter() - started)


def _duration(seconds: float) -> str:
    """In the unit that a person would use."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def show_batch(choices: RecipeChoices, count: int) -> None:
    """Print rows as the model reads them: what is predicted in green, the end token marked, padding dim."""
    recipe = read(choices)
    from scale.stages.show_batch import rows_as_tokens

    console = Console()
    for shown in rows_as_tokens(recipe, count):
        text = Text()
        for token, kind in shown.tokens:
            text.append(plain(token), style={"prompt": "dim", "answer": "bold green", "end": "black on green"}[kind])
        console.print(text, soft_wrap=True)
        merged = "; a token reaches from the prompt into the answer" if shown.merged else ""
        console.print(f"  {shown.targets} of {len(shown.tokens)} tokens are predicted{merged}", style="italic")
    console.print("grey: read, not predicted; green: in the loss, the end token included once", highlight=False)
