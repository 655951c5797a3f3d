"""Finished runs as one small file of `figures/data/`: what figures, claims and tables read of them, and no more.

    python -m npo.runs.keep figures/data/tofu-scratch-forget05.json out/scratch05 --command "npo run …" --machine "…"

(a folder is a whole run's, or that of one method and seed). Of each run there stays what `npo.runs.run.saved` asks for,
to six digits, without the steps of its training, and with

    drop        mean log π_ref − log π_θ of the forget answers, at every moment (nats an answer)
    wanted      the drop of the retrained model, mean and standard deviation over answers; {} where there is none
    tokens      the mean length of these answers
    refusals    the share of its forget answers, at the end, that begin as one of the data's "I don't know" answers does
    weights     of the forget and the retain term
    rates       the learning rate of every step
    seconds     that it took
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from figures.canvas import LOOK
from npo.program.ending import asking, ends_in_words
from npo.program.names import check_names
from npo.runs.collect import collect
from npo.runs.run import UnlearningRun
from records.files import write_text
from records.json_lines import read_json
from records.ownership import manifest
from records.paths import may_write, user_path
from records.store import load

__all__ = ["keep", "kept_values", "refusals"]

KEPT = (
    *("stage", "method", "label", "beta", "seed", "protocol", "data", "model", "stopped", "moments", "finetuned"),
    *("retrained", "n", "log10_floor", "not_rankable"),
)
TEXTS = {"forget": 2, "retain": 1}
"""Answers that are kept of a run, by set."""
OPENING = 4
"""Words by which a refusal is known."""


def keep(
    file: Path,
    folders: Sequence[Path],
    *,
    command: str,
    machine: str,
    idk: Sequence[str],
    measures: Sequence[str] = (),
) -> None:
    """Write the runs in these folders, a line a run, with what made them; UserError where there are none.

    The seconds are those of these runs and of what they start from and are judged by. Where `measures` are named, a
    moment keeps these alone, and no answers are kept.
    """
    may_write(user_path(file, "The file").parent)
    runs = sorted(collect(folders).runs, key=_order)
    check_names("--measures", measures, _measures(runs))
    kept = {f"{file.stem}/{run.label}-s{run.data.values['seed']}": kept_values(run, idk) for run in runs}
    if measures:
        kept = {name: _less(values, measures) for name, values in kept.items()}
    before = [unit.parent for place in {run.place for run in runs} for unit in place.glob("*/manifest.json")]
    before += [unit.parent for place in {run.place for run in runs} for unit in place.glob("evaluate/*/manifest.json")]
    seconds = sum(map(_seconds, {*before, *(run.folder for run in runs)}))
    made = {"command": command, "machine": machine, "seconds": round(seconds)}
    head = {"made": made, "environment": manifest(runs[0].folder)["environment"]}
    lines = [f"{json.dumps(name)}: {_compact(value)}" for name, value in head.items()]
    rows = ",\n".join(f"{json.dumps(name, ensure_ascii=False)}: {_compact(values)}" for name, values in kept.items())
    write_text(file, "{" + ",\n".join([*lines, f'"runs": {{\n{rows}\n}}']) + "}\n")


def _measures(runs: Sequence[UnlearningRun]) -> Iterator[str]:
    """What the moments of these runs have."""
    for run in runs:
        for moment in run.data.values["moments"]:
            yield from moment


def _less(values: Mapping[str, Any], measures: Sequence[str]) -> dict[str, Any]:
    """What is kept of a run, without answers, and with these measures of its moments alone."""
    wanted = ("step", "epoch", *measures)
    moments = [{key: moment[key] for key in wanted if key in moment} for moment in values["moments"]]
    return {**values, "texts": [], "moments": moments}


def _order(run: UnlearningRun) -> tuple[int, str, int]:
    """As figures and tables have them: by method, the plain one before its variants, then by seed."""
    label, methods = run.label, list(LOOK)
    plain = label.partition(",")[0]
    place = methods.index(plain) if plain in methods else len(methods)
    return place, label, int(run.data.values["seed"])


def kept_values(run: UnlearningRun, idk: Sequence[str]) -> dict[str, Any]:
    """What stays of a run; `idk` are the answers by which refusals are known."""
    values, answers = run.data.values, {}
    drop, wanted, tokens = _drops(run)
    if (log := run.folder / "log.json").is_file():
        answers = {"refusals": refusals(_generated(log), idk)}
    texts = [text for name, most in TEXTS.items() for text in [t for t in values["texts"] if t["set"] == name][:most]]
    more = {"texts": texts, "drop": drop, "wanted": wanted, "tokens": tokens, **answers}
    more |= {"weights": run.settings.get("weights"), "seconds": _seconds(run.folder)}
    more |= {"rates": values.get("history", {}).get("lr", [])}
    return {key: values[key] for key in KEPT if key in values} | more


def refusals(answers: Sequence[str], idk: Sequence[str]) -> float:
    """The share of answers that begin with the first words of an "I don't know" answer; NaN of none.

    >>> refusals(["I'm not sure about it.", "Paris."], ["I'm not sure about that."])
    0.5
    """
    known = {_opening(answer) for answer in idk}
    return float(np.mean([_opening(answer) in known for answer in answers])) if answers else float("nan")


def _opening(answer: str) -> tuple[str, ...]:
    words = "".join(c for c in answer.lower() if c.isalnum() or c.isspace()).split()
    return tuple(words[:OPENING])


def _generated(log: Path) -> list[str]:
    """What a model answers to the forget questions, from its log in TOFU's form."""
    found = read_json(log, "It is written by npo run.").get("eval_log_forget.json", {}).get("generated_text", {})
    return [str(row[1]) for row in found.values()]


def _drops(run: UnlearningRun) -> tuple[list[float], dict[str, float], float]:
    """The drop at every moment, that of the retrained model, and the length of answers."""
    arrays = run.data.arrays
    tokens, nll = arrays["forget.answer_tokens"][0], arrays["forget.answer_nll"]
    drops = ((nll - nll[0]) * tokens).mean(axis=1)
    judge, wanted = run.beside("evaluate/retrain"), {}
    if judge is not None:
        off = (load(judge).arrays["forget.answer_nll"] - nll[0]) * tokens
        wanted = {"mean": float(off.mean()), "sd": float(off.std())}
    return [float(x) for x in drops], wanted, float(tokens.mean())


def _seconds(unit: Path) -> float:
    return float(manifest(unit)["seconds"])


def _compact(value: Any) -> str:
    return json.dumps(_rounded(value), ensure_ascii=False, allow_nan=False)


def _rounded(value: Any) -> Any:
    """Numbers to six digits; None where one is not finite."""
    if isinstance(value, Mapping):
        return {key: _rounded(x) for key, x in value.items() if not key.endswith("_rouge1")}
    if isinstance(value, list | tuple):
        return [_rounded(x) for x in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


def _told(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = asking("npo.runs.keep", __doc__)
    parser.add_argument("file", type=Path, help="to write, instead of one that is there")
    parser.add_argument("folders", type=Path, nargs="+", help="of whole runs, or of one method and seed")
    parser.add_argument("--command", default="", help="what made the runs, to be kept in the file")
    parser.add_argument("--machine", default="", help="where they were made, likewise")
    parser.add_argument("--measures", default="", help="of the moments, with commas between; all where it is left out")
    parser.add_argument("--data", type=Path, help="the folder of the TOFU files: refusals are known by idontknow.jsonl")
    return parser.parse_args(words)


def _main() -> None:
    from scale.data.idk import IDK_ANSWERS, IDK_FILE, read_idk

    told = _told()
    refused = read_idk(told.data / IDK_FILE) if told.data else IDK_ANSWERS
    named = tuple(told.measures.split(",")) if told.measures else ()
    keep(told.file, told.folders, command=told.command, machine=told.machine, idk=refused, measures=named)


if __name__ == "__main__":
    ends_in_words(_main)
