"""npo beta: how far the forget answers of a recipe should fall, and the β of NPO that lets them fall so far."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from npo.running.recipes import RecipeChoices, read, with_needs
from npo.running.units import run_units
from npo.running.waiting import waiting
from records.errors import together
from records.files import write_json
from records.outputs import check_outputs, publish
from records.paths import may_write
from records.plain import plain
from records.store import Data, load

__all__ = ["PLACE", "beta", "tell_found"]

FILE = "beta.json"
PLACE = "auto-beta/"
WORDS = {
    "retrained": "the retrained model",
    "held-out": "answers that nobody learnt",
    "base": "the model before finetuning",
    "paraphrase": "the answers in other words",
    "wrong answers": "wrong answers",
    "nats": "the number that was given",
}


def beta(choices: RecipeChoices, out: Path | None) -> None:
    """Run what is missing for it; print the estimates, the β, the predicted drop; leave all of it in `beta.json`."""
    with waiting("loading the libraries"):
        recipe = read(choices)
    from scale.recipes.method import asking_for_beta
    from scale.runtime.processes import Processes
    from scale.stages.pipeline import units

    recipe, folder = asking_for_beta(recipe), out or choices.out
    processes = Processes(recipe.device, recipe.precision, recipe.trackers, folder / "logs")
    with waiting("reading rows and model"):
        everything, *_ = together(
            lambda: units(recipe, processes), lambda: processes.accelerator, lambda: may_write(folder)
        )
    chosen = [unit.name for unit in everything if unit.name.startswith(PLACE)]
    check_outputs(folder, (FILE,))
    run_units(with_needs(everything, set(chosen)), folder, choices.name, crew=processes, quiet=not processes.first)
    if processes.first:
        found = tell_found(Console(), folder, chosen)
        publish(folder, lambda place: write_json(place / FILE, {name: dict(one.values) for name, one in found.items()}))
        Console().print(str(folder / FILE), markup=False, highlight=False, soft_wrap=True)


def tell_found(console: Console, folder: Path, names: Sequence[str]) -> dict[str, Data]:
    """Print what the units that look for a β have found, if there are any: by method, and the drop as `wanted`."""
    found = {name.removeprefix(PLACE): load(folder / name) for name in names if name.startswith(PLACE)}
    if found:
        _tell(console, found["wanted"].values, {name: one.values for name, one in found.items() if name != "wanted"})
    return found


def _tell(console: Console, wanted: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> None:
    """The wanted drop by all that tells it, and of each method its β."""
    if wanted["estimates"]:
        console.print(_estimates(wanted, methods))
    by, drop, tokens = wanted["by"], wanted["drop"], wanted["tokens"]
    _say(
        console,
        f"An answer to forget ({tokens:.0f} tokens on average) should become e^{drop:.3g} times less likely: "
        f"{drop:.4g} nats, {drop / tokens:.2g} a token, by {WORDS[by]}.",
    )
    for name, values in methods.items():
        _tell_method(console, name, values)


def _estimates(wanted: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> Table:
    """The estimates, each with its error and the β that it would ask for."""
    table = Table("wanted drop by", "nats an answer", "nats a token")
    for name in methods:
        table.add_column(Text(plain(f"β of {name}")))
    for name, one in wanted["estimates"].items():
        taken, error = " (taken)" if name == wanted["by"] else "", one["error"]
        cells = [f"{one['drop']:.4g}{'' if error is None else f' ± {error:.2g}'}", f"{one['per_token']:.3g}"]
        table.add_row(WORDS[name] + taken, *cells, *(_number(v["of_estimates"][name]) for v in methods.values()))
    return table


def _tell_method(console: Console, name: str, values: Mapping[str, Any]) -> None:
    """The β of a method, where its run is predicted to be after each epoch, and how sure that is."""
    probe, (low, high) = values["probes"][-1], values["range"]
    _say(console, f"{name}: β = {values['beta']:.3g}", style="bold")
    said = [
        f"With it the answers fall, epoch by epoch, by {', '.join(f'{x:.3g}' for x in values['predicted'])} nats: "
        f"predicted by the law from a run at β = {probe['beta']:.3g}, which ended at {probe['drops'][-1]:.4g} nats "
        f"(a budget of {values['budget']:.3g} nats).",
        f"If the wanted drop and the law are off by as much as they were found to be elsewhere, β is between "
        f"{_number(low)} and {_number(high)}.",
        *values["caveats"],
    ]
    for sentence in said:
        _say(console, sentence)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _say(console: Console, sentence: str, style: str | None = None) -> None:
    console.print(plain(sentence), markup=False, highlight=False, soft_wrap=True, style=style)
