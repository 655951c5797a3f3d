"""Which run a model is of, where `npo audit` is given one: models beside it, its prompt format, what it has kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npo.runs.finished import pieces_in, settings_of, why_unfinished
from records.errors import UserError
from records.examined import kept_of, moments_of
from records.paths import user_path
from records.store import load

__all__ = ["RunOfModel", "model_in", "run_of", "shipped_name"]

_CONFIGS = ("config.json", "adapter_config.json")
_STAGES = {"retrained": "retrain", "finetuned": "finetune"}


@dataclass(frozen=True)
class RunOfModel:
    """A finished unit with a model, and the folder of its run."""

    unit: Path
    folder: Path

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the unit was made with."""
        return settings_of(self.unit)

    @property
    def beside(self) -> dict[str, str]:
        """The retrained and the finetuned model of the run, where they are finished."""
        units = {name: self.folder / stage for name, stage in _STAGES.items()}
        return {name: str(unit / "model") for name, unit in units.items() if not _why_none(unit)}

    @property
    def utility(self) -> dict[str, dict[str, float]]:
        """The model utility of the model and of those beside, where the run has measured it."""
        values = load(self.unit).values
        found = {
            "model": moments_of(values)[kept_of(values)].scores if values.get("moments") else {},
            "finetuned": values.get("finetuned") or {},
            "retrained": values.get("retrained") or {},
        }
        known = {who: one.get("model_utility") for who, one in found.items()}
        return {who: {"model_utility": float(one)} for who, one in known.items() if isinstance(one, float)}


def model_in(place: str) -> str:
    """The model that a folder holds: itself, or that of a finished unit; what is no folder is a name, as it is."""
    folder = user_path(place, "The model")
    if folder.is_dir() and not _holds_model(folder) and _holds_model(folder / "model"):
        return str(folder / "model")
    return place


def run_of(place: str) -> RunOfModel | None:
    """The run whose unit, or the model of whose unit, is named; None for any other model.

    UserError where a run with several models is named.
    """
    folder = user_path(place, "The model")
    if not folder.is_dir():
        return None
    if not _holds_model(folder) and not _holds_model(folder / "model") and (folder / "unlearn").is_dir():
        names = [str(path) for path in pieces_in(folder / "unlearn").finished]
        raise UserError(f"{folder} is a run. Name one of its models: {', '.join(names) or 'none is finished yet'}.")
    unit = folder if _holds_model(folder / "model") else folder.resolve().parent
    if unit.name == "" or _why_none(unit):
        return None
    whole = unit.resolve().parent
    return RunOfModel(unit, unit.parent.parent if whole.name == "unlearn" else unit.parent)


def shipped_name(folder: Path) -> str | None:
    """The shipped recipe whose name a run's folder has, as `npo run` names it; None where there is no such recipe."""
    from scale.recipes.file import shipped

    parts = folder.resolve().parts
    return next((name for name in ("/".join(parts[-2:]), parts[-1]) if name in shipped()), None)


def _why_none(unit: Path) -> str:
    return why_unfinished(unit) or ("" if _holds_model(unit / "model") else "it holds no model")


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _CONFIGS)
