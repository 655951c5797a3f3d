"""The model that unlearning starts from: what the stage `finetune` left, or one that is finetuned already."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scale.models.folders.language_model import LanguageModel
from scale.models.loading.lora import adapted
from scale.models.loading.merged import is_adapter
from scale.models.loading.whole import load as load_model
from scale.models.reference.cache import weights_hash
from scale.models.reference.identity import model_hash
from scale.stages.shared.context import MODEL, Context

__all__ = ["Start", "cache_of", "start_of"]


@dataclass(frozen=True)
class Start:
    """Where it is, what of it a reference depends on, and whether what is saved must be a whole model."""

    model: str | Path
    revision: str | None
    weights: str
    merge: bool

    def load(self, context: Context) -> LanguageModel:
        """The model as it is, on its device."""
        return context.ready(load_model(self.model, revision=self.revision, weights=context.model.kept))

    def to_train(self, context: Context, seed: int) -> LanguageModel:
        """The model; where an adapter is trained, with a fresh one that changes nothing yet."""
        loaded, lora = self.load(context), context.model.lora
        put_on = partial(adapted, loaded, seed=seed, base=self.model, revision=self.revision)
        return loaded if lora is None else put_on(lora)


def start_of(context: Context, finetuned: Path | None) -> Start:
    """The finetuned model in the folder of its stage; without one that which the recipe names."""
    lora, base = context.model.lora, context.model.base
    merge = lora is not None and lora.merge
    if finetuned is not None:
        return Start(finetuned / MODEL, None, weights_hash(finetuned / MODEL), merge)
    whole = lora is not None and is_adapter(base)  # an adapter on an adapter is no folder that a library loads
    return Start(base, context.model.revision, model_hash(base), merge or whole)


def cache_of(folder: Path, finetuned: Path | None, judged: Sequence[Path]) -> Path:
    """Where what is known of a reference is kept: in the folder of the run, beside its stages."""
    if finetuned is not None:
        return finetuned.parent / "reference"
    if judged:
        return judged[0].parent.parent / "reference"
    return (folder.parent.parent if folder.parent.name in ("unlearn", "auto-beta") else folder.parent) / "reference"
