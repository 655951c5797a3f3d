"""Unlearn single answers of a language model and sets of them, and relearn them: both ways in intrinsic time.

    python -m npo.runs.way_back figures/data/way-back-tofu-mini.json tofu-mini out/tofu-mini/finetune/model
    python -m npo.runs.way_back figures/data/way-back-smollm2.json tofu-smollm2-mini smollm2-135m --rungs head
        --settings model.prompt=plain --set-of world_facts --pick 10 8 --alone 2 --together 0 --nats 10 --betas 0 0.5 1

Entries are `<rung>/<GA or NPO-β>`; what the file has already is not done again. To six digits:

    rung, beta, nats, step   0 for gradient ascent; how far and in which steps (`scale.law.way_back.HowFarBack`)
    singles                  of each answer that went alone its `scale.law.way_back.times`, tokens and log π before
    path                     of the first of them, {there, back}: {time, nats}, thinned
    set                      of all together (head, blocks): answers, and `scale.law.way_back.off_the_laws`
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npo.runs.relearn_part import plain
from records.files import write_text
from records.json_lines import read_json
from records.store import environment

if TYPE_CHECKING:
    from scale.data.prompts import Encoded
    from scale.law.rungs import Rung
    from scale.law.way_back import HowFarBack

__all__ = ["entry", "run"]

SETS = ("head", "blocks")
Make = Callable[[Sequence["Encoded"]], "Rung"]


def entry(make: Make, rows: Sequence["Encoded"], alone: int, together: int, beta: float, how: "HowFarBack") -> Any:
    """What is kept of a rung at one β: the first answers `alone`, then that many `together`, where there are any."""
    from scale.law.way_back import off_the_laws, there_and_back, thinned, times

    singles, path = list[dict[str, Any]](), dict[str, Any]()
    for row in rows[:alone]:
        rung = make([row])
        found = there_and_back(rung, beta, how)
        before = float(rung.log_probs(rung.parameters)[0])
        singles.append({"tokens": row.targets, "logp": before, **times(found, beta)})
        path = path or {"there": thinned(found.there), "back": thinned(found.back)}
    about: dict[str, Any] = {"beta": beta, "nats": how.nats, "step": how.step, "singles": singles, "path": path}
    if together:
        found = there_and_back(make(rows[:together]), beta, how)
        about["set"] = {"answers": together, **off_the_laws(found, beta)}
    return about


def _rung(name: str, model: Any, pad: int, base: str, rows: Sequence["Encoded"]) -> "Rung":
    from scale.law import rungs
    from scale.models.loading.lora import Lora

    made: Mapping[str, Callable[[], Rung]] = {
        "head": lambda: rungs.head(model, rows, pad),
        "blocks": lambda: rungs.blocks(model, rows, pad, 2),
        "adapter": lambda: rungs.adapter(model, rows, pad, Lora(rank=8, alpha=16), base),
        "full": lambda: rungs.full(model, rows, pad),
    }
    return made[name]()


def run(told: argparse.Namespace) -> None:
    """Every rung at every β that is not in the file yet; it is written after each."""
    from scale.law.way_back import HowFarBack
    from scale.models.loading.names import located
    from scale.models.loading.whole import load as load_model
    from scale.recipes.file import read_recipe
    from scale.runtime.processes import Processes
    from scale.stages.shared.prepared import context_of

    recipe = read_recipe(told.recipe, [*told.settings, "device=cpu"])
    context = context_of(recipe, Processes(recipe.device, recipe.precision, ()))
    base = located(told.model)
    how = HowFarBack(told.nats, told.step, told.unit)
    entries = read_json(told.file, "")["entries"] if told.file.is_file() else {}
    for name in told.rungs:
        for beta in told.betas:
            key = f"{name}/{f'NPO-{beta:g}' if beta else 'GA'}"
            if key in entries:
                continue
            model = context.ready(load_model(base))
            model.model.set_attn_implementation("eager")
            writer = context.writer(model)
            rows = [question.encode(writer)[0][0] for question in context.corpus.asked[told.set_of].questions]
            rows = [rows[i] for i in told.pick] if told.pick else sorted(rows, key=lambda row: row.targets)
            alone = told.alone_full if name == "full" else told.alone
            together = told.together if name in SETS else 0
            make = partial(_rung, name, model, writer.pad, base)
            entries[key] = {"rung": name, **entry(make, rows, alone, together, beta, how)}
            _write(told, entries)


def _write(told: argparse.Namespace, entries: Mapping[str, Any]) -> None:
    head = {"made": {"command": told.command, "machine": told.machine}, "environment": environment()}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(plain(one))}" for key, one in entries.items())
    write_text(told.file, "{" + ",\n".join([*lines, f'"entries": {{\n{rows}\n}}']) + "}\n")


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("recipe", help="whose rows are taken")
    parser.add_argument("model", help="a folder, or a model by name")
    parser.add_argument("--settings", nargs="*", default=[], help="KEY=VALUE of the recipe")
    parser.add_argument("--set-of", default="forget", help="questions of which set")
    parser.add_argument("--rungs", nargs="+", default=["head", "blocks", "adapter", "full"])
    parser.add_argument("--betas", type=float, nargs="+", default=[0.0, 0.1, 0.5, 1.0], help="0: gradient ascent")
    parser.add_argument("--nats", type=float, default=20.0)
    parser.add_argument("--step", type=float, default=0.05)
    parser.add_argument("--unit", type=float, default=0.2)
    parser.add_argument("--alone", type=int, default=3, help="answers that go alone")
    parser.add_argument("--alone-full", type=int, default=3, help="where all weights are trained")
    parser.add_argument("--together", type=int, default=8, help="answers of the set")
    parser.add_argument("--pick", type=int, nargs="*", default=[], help="which questions, from 0; else the shortest")
    parser.add_argument("--command", default="", help="what made the model")
    parser.add_argument("--machine", default="", help="where")
    return parser.parse_args(words)


if __name__ == "__main__":
    run(_told())
