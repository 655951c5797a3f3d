"""npo law: the intrinsic-time law on the finetuned model of a recipe, rung by rung."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from figures import llm_ladder
from figures.canvas import save as save_figure
from npo.running.recipes import RecipeChoices, read, with_needs
from npo.running.units import run_units
from npo.runs.losses import write_losses
from npo.runs.run import write_law
from records.errors import together
from records.outputs import check_outputs, publish
from records.ownership import manifest
from records.paths import may_write
from records.store import Data, load, writable
from theory.theorems.time.forgetting import off_the_law
from theory.theorems.time.intrinsic_time import curve, time_on_curve
from theory.theorems.time.paths import from_arrays, labels_of

__all__ = ["distances", "law"]

PICTURE = "figures/llm_ladder"
LOSSES = "loss-times/head"


def law(choices: RecipeChoices, out: Path | None) -> None:
    """Run what is missing of the ladder; print how far each rung is from the law; draw it.

    On the CPU, unless the recipe or the user names a device: the law is read to many digits.
    """
    recipe = read(choices)
    if recipe.device == "auto" and not any(word.startswith("device=") for word in choices.words):
        recipe = recipe.model_copy(update={"device": "cpu"})
    from scale.law.units import law_units
    from scale.runtime.processes import Processes

    folder = out or choices.out
    processes = Processes(recipe.device, recipe.precision)
    everything, *_ = together(
        lambda: law_units(recipe, processes), lambda: processes.accelerator, lambda: may_write(folder)
    )
    chosen = [unit.name for unit in everything if unit.name.startswith(("law/", LOSSES))]
    losses = LOSSES in chosen
    check_outputs(folder, ("law.json", f"{PICTURE}.png", f"{PICTURE}.svg", *(["losses.json"] if losses else [])))
    run_units(with_needs(everything, set(chosen)), folder, choices.name)
    results = {name: load(folder / name) for name in chosen}
    every = results.pop(LOSSES, None)
    console = Console()
    console.print(_table({folder / name: data for name, data in results.items()}))
    if every:
        console.print(_losses_table(every))
    publish(folder, partial(_write, results=results, losses=every))
    console.print(str(folder / f"{PICTURE}.png"), markup=False, highlight=False, soft_wrap=True)


def _write(place: Path, results: Mapping[str, Data], losses: Data | None) -> None:
    """law.json, losses.json and the picture."""
    write_law(place / "law.json", results)
    if losses:
        write_losses(place / "losses.json", losses)
    picture = place / PICTURE
    save_figure(llm_ladder.draw(results), writable(picture.parent), picture.name)


def distances(data: Data) -> dict[str, float]:
    """The largest distance from the law: of one answer in βu; of a set, without and with the exact remainder.

    A set's is in units of βF(u) over 1 + βF, as in the claims on sets.
    """
    unit = data.values["beta"] or data.values["scale"]
    single = from_arrays(data.arrays, "single").times(unit)
    predicted = curve(single.clock) if data.values["beta"] else single.clock
    found = {"single": float(np.abs(single.drop - predicted).max())}
    if "set" in labels_of(data.arrays) and data.values["beta"]:
        together = from_arrays(data.arrays, "set").times(unit)
        reached = time_on_curve(together.drop)
        for name, time in (("set", together.clock), ("remainder", together.clock + together.remainder)):
            found[name] = float((np.abs(reached - time) / (1 + np.abs(reached))).max())
    return found


def _losses_table(data: Data) -> Table:
    """Of every loss how far one answer is from its law, and the tokens of one, as `off_the_law` has it."""
    table = Table(
        *("loss", "of", "drop, nats", "one: off its law", "tokens: off", "with remainder"),
        title="every loss at the head, by its own law",
        title_justify="left",
    )
    for name in data.values["losses"]:
        token = name in data.values["tokens"]
        several = off_the_law(data.arrays, f"tokens-{name}") if token else None
        cells = [f"{several.plain:.3g}", f"{several.exact:.3g}"] if several else ["", ""]
        drop = float(data.arrays[f"single-{name}.drop"][-1, 0])
        one = off_the_law(data.arrays, f"single-{name}").plain
        table.add_row(name, "one token" if token else "answer", f"{drop:.3g}", f"{one:.3g}", *cells)
    return table


def _table(units: Mapping[Path, Data]) -> Table:
    table = Table("rung", "kernel", "one answer: off the law, in βu", "set: off", "with remainder", "seconds")
    for folder, data in units.items():
        far, beta = distances(data), data.values["beta"]
        cells = [f"{far[name]:.3g}" if name in far else "" for name in ("single", "set", "remainder")]
        kernel = f"NPO β = {beta:g}" if beta else "GA"
        table.add_row(Text(data.values["rung"]), kernel, *cells, f"{manifest(folder)['seconds']:.0f}")
    return table
