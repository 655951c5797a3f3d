"""Unlearn single answers of a language model and sets of them, and relearn them: both ways in intrinsic time.

    python -m npo.runs.way_back figures/data/way-back-tofu-mini.json tofu-mini out/tofu-mini/finetune/model
    python -m npo.runs.way_back figures/data/way-back-smollm2.json tofu-smollm2-mini smollm2-135m --rungs head
        --settings model.prompt=plain --set-of world_facts --pick 10 8 --alone 2 --together 0 --nats 10 --betas 0 0.5 1

Entries are `<rung>/<GA or NPO-β>`; what the file has already is not done again; one made with other settings
is refused. To six digits:

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

from npo.program.ending import asking, ends_in_words
from npo.program.kept_file import begun, called, gone_on
from npo.program.names import check_names
from npo.program.recipe import recipe_here, told_of
from npo.runs.relearn_part import plain
from records.errors import UserError, together
from records.files import write_text
from records.store import environment

if TYPE_CHECKING:
    from scale.data.prompts import Encoded
    from scale.law.rungs import Rung
    from scale.law.way_back import HowFarBack
    from scale.tasks.corpus import Corpus

__all__ = ["entry", "run"]

RUNGS = ("head", "blocks", "adapter", "full")
"""What of a model is trained, from the least on."""
MADE = ("command", "machine", "set_of", "nats", "step", "unit", "alone", "alone_full", "together", "pick")
"""What a file says of the call, beside recipe and model; of these settings are all its entries."""
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
    from scale.models.loading.whole import load as load_model
    from scale.models.loading.whole import place_of
    from scale.runtime.processes import Processes
    from scale.stages.shared.prepared import context_of

    recipe, content, base, *_ = together(
        lambda: recipe_here(told.recipe, [*told.settings, "device=cpu"]),
        lambda: begun(told.file, "entries"),
        lambda: place_of(told.model),
        lambda: check_names("--rungs", told.rungs, RUNGS),
    )
    context = context_of(recipe, Processes(recipe.device, recipe.precision, ()))
    _check_questions(told, context.corpus)
    how = HowFarBack(told.nats, told.step, told.unit)
    now = {name: getattr(told, name) for name in MADE} | told_of(told.recipe, told.settings, context.corpus, base)
    entries = content["entries"]
    made = gone_on(told.file, _made_before(content), now)
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
            grouped = told.together if name in SETS else 0
            make = partial(_rung, name, model, writer.pad, base)
            entries[key] = {"rung": name, **entry(make, rows, alone, grouped, beta, how)}
            _write(told.file, made, entries)


def _check_questions(told: argparse.Namespace, corpus: "Corpus") -> None:
    """UserError where a recipe has no such set, or the set no such questions."""
    check_names("--set-of", [told.set_of], corpus.asked)
    there = len(corpus.asked[told.set_of].questions)
    if wrong := [str(i) for i in told.pick if not 0 <= i < there]:
        raise UserError(f"--pick {' '.join(wrong)}: {told.set_of} has {there} questions, from 0 to {there - 1}.")


def _made_before(content: Mapping[str, Any]) -> dict[str, Any]:
    """`made` of a file, with what older ones say in their entries alone."""
    said = {name: {entry[name] for entry in content["entries"].values()} for name in ("nats", "step")}
    return {name: values.pop() for name, values in said.items() if len(values) == 1} | content["made"]


def _write(file: Path, made: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    head = {"made": made, "environment": environment()}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(plain(one))}" for key, one in entries.items())
    write_text(file, "{" + ",\n".join([*lines, f'"entries": {{\n{rows}\n}}']) + "}\n")


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.way_back", __doc__)
    parser.add_argument("file", type=Path, help="of results; made, or gone on with where its settings are these")
    parser.add_argument("recipe", help="whose rows are taken, by name or file")
    parser.add_argument("model", help="a folder, or a model by name")
    parser.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe")
    parser.add_argument("--set-of", default="forget", help="questions of which set; default: %(default)s")
    parser.add_argument("--rungs", nargs="+", default=RUNGS, help=f"of {', '.join(RUNGS)}; default: all")
    parser.add_argument(
        "--betas", type=float, nargs="+", default=[0.0, 0.1, 0.5, 1.0], help="0: gradient ascent; default: 0 0.1 0.5 1"
    )
    parser.add_argument(
        "--nats", type=float, default=20.0, help="that an answer loses on the way there; default: %(default)s"
    )
    parser.add_argument(
        "--step",
        type=float,
        default=0.05,
        help="nats of a step, of the answer that moves fastest; default: %(default)s",
    )
    parser.add_argument(
        "--unit", type=float, default=0.2, help="a step is this divided by β where that is larger; default: %(default)s"
    )
    parser.add_argument("--alone", type=int, default=3, help="answers that go alone; default: %(default)s")
    parser.add_argument(
        "--alone-full", type=int, default=3, help="likewise where all weights are trained; default: %(default)s"
    )
    parser.add_argument(
        "--together", type=int, default=8, help="answers of a set that goes together; default: %(default)s"
    )
    parser.add_argument("--pick", type=int, nargs="*", default=[], help="which questions, from 0; else the shortest")
    parser.add_argument("--command", default=called("npo.runs.way_back"), help="to be kept in the file; default: this")
    parser.add_argument("--machine", default="", help="where")
    return parser.parse_args(words)


if __name__ == "__main__":
    ends_in_words(lambda: run(_told()))
