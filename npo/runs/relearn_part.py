"""Relearn a part of the forget rows in the models of a finished recipe, and keep what came back of the rest.

    python -m npo.runs.relearn_part figures/data/relearn-part-tofu-mini.json tofu-mini out/tofu-mini [out/other …]
        --command "npo run tofu-mini …" --optimizer adamw --lr 1e-3

The part is the first third of the rows: of tofu-mini one author of three. Of every folder the retrained model and those
that unlearned, one after the other; what the file has already is not done again, and one made with other settings is
refused. A model's entry, to six digits:

    label, seed         `retrained`, or of the unlearning run; `control` (--control 30) is the retrained model after
                        GA+RT to −30 nats a token: it was pushed as unlearned ones are, and never knew the rows
    optimizer, lr, at   how it was relearnt, and after which steps it was looked at (the columns below)
    part, rest          mean probability of T and of V, by token
    part_right, rest_right   share of their tokens that the model says itself
    part_rise, rest_rise     nats an answer that came back
    law                 what P r_T says of V, P the regression of V's gradients on T's before the first step
    rows                of each answer of V at the end: tokens, rise, law
    coupling            Σ K_VT/|V| over Σ K_TT/|T|: nats of V that one of T brings at the first step
    cosine              of the gradients of T and V, the mean over pairs
    lost                {part, rest}: nats an answer below the finetuned model before the first step
    finetuned_right     what `rest_right` is of the finetuned model
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npo.program.ending import asking, ends_in_words
from npo.program.kept_file import begun, called, gone_on
from npo.program.names import check_names
from npo.program.recipe import recipe_here, told_of
from records.errors import UserError, together
from records.files import write_text
from records.store import environment, load

__all__ = ["entry", "models_of", "plain", "relearn_all"]

Array = np.ndarray
CONTROL = "control"
MADE = ("command", "machine", "optimizer", "lr")
"""What a file says of the call, beside the recipe; of these settings are all its entries."""


def models_of(folder: Path) -> dict[str, Path]:
    """The retrained model of a finished recipe and those that unlearned, by label and seed; UserError without any."""
    found = {"retrained-s0": folder / "retrain" / "model"}
    for run in sorted((folder / "unlearn").glob("*")):
        if (run / "model").is_dir():
            values = load(run).values
            found[f"{values['label']}-s{values['seed']}"] = run / "model"
    missing = [str(path) for path in (found["retrained-s0"], folder / "finetune" / "model") if not path.is_dir()]
    if missing:
        raise UserError(f"There is no {missing[0]}: name a folder that npo run has written to, with its models kept.")
    return found


def entry(arrays: Mapping[str, Array], tokens: Array, finetuned: Mapping[str, Array], part: int) -> dict[str, Any]:
    """What is kept of `scale.law.relearnt_part.relearnt_part`; the numbers at the top of this file."""
    logp, right, kernel, law = (arrays[name] for name in ("logp", "right", "kernel", "law"))
    T, V = slice(0, part), slice(part, None)
    rise, probability = logp - logp[0], np.exp(logp / tokens)
    size = np.sqrt(np.diag(kernel))
    lost = finetuned["logp"] - logp[0]
    return {
        "part": probability[:, T].mean(axis=1),
        "rest": probability[:, V].mean(axis=1),
        "part_right": right[:, T].mean(axis=1),
        "rest_right": right[:, V].mean(axis=1),
        "part_rise": rise[:, T].mean(axis=1),
        "rest_rise": rise[:, V].mean(axis=1),
        "law": law.mean(axis=1),
        "rows": {"tokens": tokens[V], "rise": rise[-1, V], "law": law[-1]},
        "coupling": kernel[V, T].mean() / kernel[T, T].mean(),
        "cosine": (kernel / np.outer(size, size))[V, T].mean(),
        "lost": {"part": lost[T].mean(), "rest": lost[V].mean()},
        "finetuned_right": finetuned["right"][V].mean(),
    }


def relearn_all(file: Path, told: argparse.Namespace) -> None:
    """Every model of the folders that is not in the file yet; it is written after each."""
    from scale.data.prompts import collate
    from scale.law.flow import rows_of
    from scale.law.relearnt_part import RelearningPart, answers_at, ascend, relearnt_part
    from scale.models.reading.scorer import Scorer
    from scale.runtime.processes import Processes
    from scale.stages.shared.prepared import context_of

    recipe, content, models, *_ = together(
        lambda: recipe_here(told.recipe, told.settings),
        lambda: begun(file, "runs"),
        lambda: {folder: _asked_of(folder, told) for folder in told.folders},
    )
    context = context_of(recipe, Processes(recipe.device, recipe.precision, ()))
    how, runs, wanted = RelearningPart(told.optimizer, told.lr), content["runs"], told.only.split("|")
    check_names("--only", filter(None, wanted), [name for names in models.values() for name in names])
    now = {name: getattr(told, name) for name in MADE}
    now |= told_of(told.recipe, told.settings, context.corpus)
    now |= {"control": told.control} if told.control else {}
    made = gone_on(file, _made_before(content), now)
    for folder in told.folders:
        base, rows, pad = rows_of(folder / "finetune" / "model", context)
        part, tokens = len(rows) // 3, np.array([row.targets for row in rows], dtype=np.float64)
        batch = collate(rows, pad).to(base.model.device)
        finetuned = answers_at(Scorer(base.model.eval()), batch)._asdict()
        for name, model in models[folder].items():
            key = f"{file.stem}/{name}"
            if key in runs or (told.only and name not in wanted):
                continue
            subject = rows_of(model, context)[0]
            if name == f"{CONTROL}-s0":
                writer = context.writer(subject)
                retain = [row.encode(writer)[0] for row in context.corpus.retain]
                ascend(subject, rows, retain, pad, nats=told.control)
            found = relearnt_part(subject, rows, pad, part, how)
            label, _, seed = name.rpartition("-s")
            about = {"label": label, "seed": int(seed), "optimizer": how.optimizer, "lr": how.lr, "at": how.looks}
            runs[key] = about | entry(found, tokens, finetuned, part)
            _write(file, made, runs)


def _asked_of(folder: Path, told: argparse.Namespace) -> dict[str, Path]:
    """The models of a folder, and the one that is pushed for a control where that is asked for."""
    found = models_of(folder)
    return found | ({f"{CONTROL}-s0": found["retrained-s0"]} if told.control else {})


def _made_before(content: Mapping[str, Any]) -> dict[str, Any]:
    """`made` of a file, with what older ones say in their entries alone."""
    said = {name: {run[name] for run in content["runs"].values()} for name in ("optimizer", "lr")}
    return {name: values.pop() for name, values in said.items() if len(values) == 1} | content["made"]


def _write(file: Path, made: Mapping[str, Any], runs: Mapping[str, Any]) -> None:
    head = {"made": made, "environment": environment()}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    rows = ",\n".join(f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(plain(one))}" for key, one in runs.items())
    write_text(file, "{" + ",\n".join([*lines, f'"runs": {{\n{rows}\n}}']) + "}\n")


def plain(value: Any) -> Any:
    """Numbers to six digits."""
    if isinstance(value, Mapping):
        return {key: plain(x) for key, x in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(x) for x in value]
    return float(f"{value:.6g}") if isinstance(value, float | np.floating) else value


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.relearn_part", __doc__)
    parser.add_argument("file", type=Path, help="of results; made, or gone on with where its settings are these")
    parser.add_argument("recipe", help="whose rows are taken, by name or file")
    parser.add_argument("folders", type=Path, nargs="+", help="finished runs of it, with their models kept")
    parser.add_argument(
        "--settings", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe, as the run had them"
    )
    parser.add_argument("--optimizer", choices=("adamw", "sgd"), default="adamw", help="default: %(default)s")
    parser.add_argument("--lr", type=float, default=1e-3, help="of sgd the largest; default: %(default)s")
    parser.add_argument(
        "--control", type=float, default=0.0, help="also the retrained model after GA+RT to −so many nats"
    )
    parser.add_argument("--only", default="", help="labels with seeds, with | between (NPO-s0|GA-s0)")
    parser.add_argument(
        "--command", default=called("npo.runs.relearn_part"), help="to be kept in the file; default: this"
    )
    parser.add_argument("--machine", default="", help="where")
    return parser.parse_args(words)


if __name__ == "__main__":
    asked = _told()
    ends_in_words(lambda: relearn_all(asked.file, asked))
