"""Which runs can stand in one table: of the same rows, model, questions and judge; and how they are told apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from npo.runs.finished import settings_of
from npo.runs.run import UnlearningRun
from records.errors import UserError
from records.store import load

__all__ = ["differing", "in_one_table", "judged_otherwise"]

SHARED = ("data", "model", "precision", "asked")
"""What runs of one table have in common, of their settings; and beside it the two models that they are judged by."""
OWN = ("schedule", "weights", "reduction", "reference", "own_source", "method.beta", "keep", "at")
"""What a method may have for itself."""
IDLE = ("data.source", "schedule.piece", "schedule.recompute")
"""What changes no result; where rows come from says nothing that their hash does not."""
_SHOWN = 4


def _flat(value: Any, at: str = "") -> dict[str, Any]:
    """Every leaf by its dotted key."""
    if not isinstance(value, Mapping):
        return {at: value}
    return {key: leaf for name, x in value.items() for key, leaf in _flat(x, f"{at}.{name}" if at else name).items()}


def _part(settings: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The leaves below these keys, as far as results depend on them."""
    flat = _flat(settings)
    mine = {k: v for k, v in flat.items() if any(k == key or k.startswith(f"{key}.") for key in keys)}
    return {key: value for key, value in mine.items() if key not in IDLE}


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two differ, with both values."""
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    told = [f"{key} is {one.get(key)!r} there and {other.get(key)!r} here" for key in keys[:_SHOWN]]
    return told + ([f"and {len(keys) - _SHOWN} more differ"] if len(keys) > _SHOWN else [])


def judged_otherwise(run: UnlearningRun) -> str:
    """Why a run is not judged by the models that were examined beside it, in words; empty where it is."""
    for name, known in (("finetune", "finetuned"), ("retrain", "retrained")):
        judge = run.beside(f"evaluate/{name}")
        if judge is None:
            continue
        if told := _apart(_part(settings_of(judge), SHARED), _part(run.settings, SHARED)):
            return f"{judge} was made with other settings (there and here): {'; '.join(told)}"
        if load(judge).values["scores"] != run.data.values[known]:
            return f"{judge} is of another model than the one that it started from, or was judged by"
    return ""


def in_one_table(runs: Sequence[UnlearningRun]) -> list[UnlearningRun]:
    """Runs for one table, with labels that tell apart what was run with different settings.

    UserError where they are of different rows, models, questions or judges, or where one is there twice.
    """
    first = runs[0]
    for run in runs[1:]:
        told = _apart(_part(first.settings, SHARED), _part(run.settings, SHARED))
        if not told and any(run.data.values[key] != first.data.values[key] for key in ("finetuned", "retrained")):
            told = ["they start from, or are judged by, different models"]
        if told:
            raise UserError(
                f"{first.folder} and {run.folder} can't stand in one table (there and here): {'; '.join(told)}. Report "
                "each on its own."
            )
    labelled = [_labelled(run, runs) for run in runs]
    twice = Counter((run.label, run.data.values["seed"]) for run in labelled)
    for (label, seed), count in twice.items():
        if count > 1:
            places = [str(run.folder) for run in labelled if (run.label, run.data.values["seed"]) == (label, seed)]
            raise UserError(f"{label} with seed {seed} is there {count} times: {', '.join(places)}. Name one of them.")
    return labelled


def _labelled(run: UnlearningRun, runs: Sequence[UnlearningRun]) -> UnlearningRun:
    """With the settings in which runs of its label differ added to its label."""
    alike = [_part(other.settings, OWN) for other in runs if other.label == run.label]
    mine = _part(run.settings, OWN)
    apart = [key for key in mine if any(other.get(key) != mine[key] for other in alike)]
    if not apart:
        return run
    more = [f"{key.rpartition('.')[2]}={_short(mine[key])}" for key in apart]
    values = {**run.data.values, "label": ",".join([run.label, *more])}
    return replace(run, data=replace(run.data, values=values))


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace(" ", "")


def differing(runs: Sequence[UnlearningRun]) -> list[str]:
    """A sentence for each setting of a schedule that methods of one table have otherwise, without their labels' word.

    >>> differing([])
    []
    """
    told = []
    for key in dict.fromkeys(key for run in runs for key in _part(run.settings, ("schedule", "reduction"))):
        name = key.rpartition(".")[2]
        by_value: dict[str, list[str]] = {}
        for run in runs:
            if f"{name}=" not in run.label:
                by_value.setdefault(str(_part(run.settings, (key,)).get(key)), []).append(run.label)
        if len(by_value) > 1:
            listed = "; ".join(f"{value} for {', '.join(dict.fromkeys(x))}" for value, x in by_value.items())
            told.append(f"Methods were run with different settings: {name} is {listed}.")
    return told
