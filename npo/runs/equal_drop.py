"""Who resists relearning? The finetuned model of a recipe, unlearned to one mean drop in many ways, then relearned.

    python -m npo.runs.equal_drop figures/data/equal-drop-tofu-mini.json tofu-mini out/tofu-mini/finetune

Every way unlearns at a constant rate by the recipe's batches until the mean forget answer has lost `--nats`
(`scale.law.equal_drop`); from there all forget answers are relearned, once by AdamW and once by plain descent. What the
file has already is not done again; one made with other settings is refused. An entry, to six digits:

    way, seed, there, reached   whether the drop was reached in --most steps, or by some numbers that are not finite
                             the way ended before; the mean drop. No more where it was not
    steps, spread            of unlearning; deviation of the drop over answers, nats
    before                   mean NLL of an answer of the finetuned model, nats, and mean tokens of one
    kept                     mean probability, a token, of answers to retain, before relearning
    adam, gd                 mean NLL of an answer after every step of relearning
    adam_half, adam_most, adam_area   steps until half and nine tenths of the lost nats are back, null where they never
                             are, and the share that is back, mean over the steps; gd_half and so on alike
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from npo.program.ending import asking, ends_in_words
from npo.program.kept_file import begun, called, gone_on
from npo.program.names import check_models, check_names
from npo.program.recipe import recipe_here, told_of
from npo.runs.relearn_part import plain
from records.errors import together
from records.files import write_text
from records.store import environment
from theory.methods import FORGET, RIVALS
from theory.theorems.time.loss_times import looks_at_tokens

__all__ = ["TOKENS", "WAYS", "WayDown", "run"]

MADE = ("command", "machine", "nats", "most", "adam_lr", "adam_steps", "gd_lr", "gd_steps")
"""What a file says of the call, beside recipe and model; of these settings are all its entries."""
SHARES = {"half": 0.5, "most": 0.9}


class WayDown(NamedTuple):
    """A method, its β where it is not its paper's, and what takes the steps."""

    method: str
    beta: float | None = None
    optimizer: str | Mapping[str, Any] = "adamw"
    lr: float = 1e-3


PAPER, SMALL = 0.1, 0.02
"""β of the paper, and about that which the rule finds on tofu-mini."""
SHARP: Mapping[str, Any] = {"name": "SAM", "rho": 0.01, "base": "AdamW"}
TOKENS = tuple(name for name, loss in FORGET.items() if looks_at_tokens(loss.kernel) and name not in RIVALS)[:3]
"""The first losses of the table that look at every token of an answer."""
WAYS: Mapping[str, WayDown] = {
    "GA": WayDown("GA"),
    "NPO, β = 0.1": WayDown("NPO", PAPER),
    "NPO+RT, β = 0.1": WayDown("NPO+RT", PAPER),
    "NPO, SAM": WayDown("NPO", PAPER, SHARP),
    "NPO, sign": WayDown("NPO", PAPER, "SignDescent", 3e-4),
    "GA+RT": WayDown("GA+RT"),
    "NPO, β = 0.02": WayDown("NPO", SMALL),
    "NPO+RT, β = 0.02": WayDown("NPO+RT", SMALL),
    **{name: WayDown(name) for name in (RIVALS[-1], f"{RIVALS[-1]}+RT", *TOKENS)},
}


def _one(told: argparse.Namespace, recipe: Any, context: Any, way: WayDown, seed: int, place: Path) -> dict[str, Any]:
    """An entry but its name and seed."""
    from scale.law.equal_drop import area, crossing, curve_of, to_the_drop
    from scale.models.reading.scoring import score_all
    from scale.recipes.method import method_of
    from scale.recipes.recipe import MethodSettings
    from scale.stages.unlearning.ready import ReadyToUnlearn
    from scale.tasks.kinds import task_of
    from scale.training.schedule import Schedule

    method = method_of(MethodSettings(name=way.method, beta=way.beta), recipe.unlearn)
    constant = {**method.schedule.model_dump(), "warmup": 0.0, "falls": False, "epochs": 1, "weight_decay": 0.0}
    schedule = Schedule(**{**constant, "lr": way.lr, "optimizer": way.optimizer, "steps": told.most})
    ready = ReadyToUnlearn(
        place,
        context=context,
        task=task_of(recipe.data.kind),
        method=method._replace(schedule=schedule),
        seed=seed,
        live=False,
        finetuned=told.finetuned,
        judges=(),
    )
    training, rows = ready.training, ready.training.rows
    pad, processes = training.pad, training.processes

    def nll() -> float:
        return -float(score_all(training.scorer, rows.forget, pad, processes).logp.double().mean())

    before, tokens = nll(), sum(row.targets for row in rows.forget) / len(rows.forget)
    stopped = to_the_drop(training, told.nats)
    if stopped is None:
        return {"reached": nll() - before, "there": False}
    retained = score_all(training.scorer, _kept_rows(ready), pad, processes)
    relearning = {"adam": ("adamw", told.adam_lr, told.adam_steps), "gd": ("SGD", told.gd_lr, told.gd_steps)}
    back = dict[str, Any]()
    for name, (optimizer, lr, steps) in relearning.items():
        whole = Schedule(**{**constant, "optimizer": optimizer, "lr": lr, "steps": steps})
        curve = curve_of(training.scorer, rows.forget, whole, pad=pad, processes=processes)
        back |= {name: curve, f"{name}_area": area(curve, before)}
        back |= {f"{name}_{part}": crossing(curve, before, share) for part, share in SHARES.items()}
    return {
        "there": True,
        "reached": stopped.drop.mean(),
        "spread": stopped.drop.std(),
        "steps": stopped.steps,
        "before": before,
        "tokens": tokens,
        "kept": float((retained.logp / retained.tokens).exp().mean()),
        **back,
    }


def _kept_rows(ready: Any) -> Sequence[Any]:
    """The first rows to retain, as the model reads them."""
    return [row.encode(ready.writer)[0] for row in ready.context.corpus.retain[:40]]


def run(told: argparse.Namespace) -> None:
    """Every way and seed that is not in the file yet; it is written after each."""
    from scale.recipes.evaluate_settings import EvaluateSettings
    from scale.runtime.processes import Processes
    from scale.stages.shared.prepared import context_of

    recipe, content, *_ = together(
        lambda: recipe_here(told.recipe, [*told.settings, "device=cpu"]),
        lambda: begun(told.file, "entries"),
        lambda: check_names("--only", told.only, WAYS),
        lambda: check_models([told.finetuned / "model"], "Name the folder of a run's unit `finetune`, its model kept."),
    )
    context = replace(
        context_of(recipe, Processes(recipe.device, recipe.precision, ())), asked=EvaluateSettings(every="none")
    )
    now = {name: getattr(told, name) for name in MADE}
    now |= told_of(told.recipe, told.settings, context.corpus, told.finetuned / "model")
    made, entries = gone_on(told.file, content["made"], now), content["entries"]
    for seed in told.seeds:
        for name, way in WAYS.items():
            key = f"{name}/{seed}"
            if key in entries or (told.only and name not in told.only):
                continue
            with tempfile.TemporaryDirectory() as place:
                found = _one(told, recipe, context, way, seed, Path(place))
            entries[key] = {"way": name, "seed": seed, **found}
            _write(told.file, made, entries)


def _write(file: Path, made: Mapping[str, Any], entries: Mapping[str, Any]) -> None:
    head = {"made": made, "environment": environment()}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = ",\n".join(
        f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(_known(plain(one)), ensure_ascii=False)}"
        for key, one in entries.items()
    )
    write_text(file, "{" + ",\n".join([*lines, f'"entries": {{\n{rows}\n}}']) + "}\n")


def _known(one: Mapping[str, Any]) -> dict[str, Any]:
    """None in the place of what is not a number."""
    return {name: None if x != x else x for name, x in one.items()}


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.equal_drop", __doc__)
    parser.add_argument("file", type=Path, help="of results; made, or gone on with where its settings are these")
    parser.add_argument("recipe", help="whose rows are taken, by name or file")
    parser.add_argument("finetuned", type=Path, help="the folder of its unit `finetune`, with the model kept")
    parser.add_argument("--settings", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe")
    parser.add_argument(
        "--nats", type=float, default=80.0, help="the mean drop of a forget answer; default: %(default)s"
    )
    parser.add_argument("--most", type=int, default=60, help="steps of unlearning; default: %(default)s")
    parser.add_argument("--adam-lr", type=float, default=3e-4, help="of relearning by AdamW; default: %(default)s")
    parser.add_argument("--adam-steps", type=int, default=10, help="of it; default: %(default)s")
    parser.add_argument("--gd-lr", type=float, default=0.1, help="of relearning by plain descent; default: %(default)s")
    parser.add_argument("--gd-steps", type=int, default=15, help="of it; default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the order of rows; default: 0")
    parser.add_argument("--only", nargs="*", default=[], metavar="WAY", help=f"of {'; '.join(WAYS)}; default: all")
    parser.add_argument(
        "--command", default=called("npo.runs.equal_drop"), help="to be kept in the file; default: this"
    )
    parser.add_argument("--machine", default="", help="where")
    return parser.parse_args(words)


if __name__ == "__main__":
    ends_in_words(lambda: run(_told()))
