"""Instead of `finetune` or `retrain`: a model that someone has trained already, by its name or folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from records.doing import doing
from records.store import Data, save
from records.work import Progress
from scale.models.folders.card import write_card
from scale.models.folders.language_model import save as save_model
from scale.models.loading.whole import load as load_model
from scale.stages.shared.context import MODEL, Context, about_model

__all__ = ["take"]


def take(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    stage: str,
    model: str,
    settings: Mapping[str, Any],
) -> None:
    """Leave what the stage would have left, but that nothing was trained: `model/` is a copy of the model named."""
    del inputs, progress
    doing("loading the model")
    language_model = load_model(model, weights=context.model.weights)
    if not context.processes.first:
        return
    values = {
        "stage": stage,
        "given": model,
        "data": context.corpus.describe(),
        "model": about_model(language_model),
        "merged_boundaries": 0,
        "history": {},
    }
    save(folder, Data({}, values))
    save_model(folder / MODEL, language_model)
    write_card(folder / MODEL, about={"stage": stage, "given": model}, settings=settings, results={})
