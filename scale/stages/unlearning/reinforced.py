"""The reference trained further on the rows to forget, of which its logits on their answers are all that is kept."""

from pathlib import Path

from records.doing import doing
from scale.models.loading.whole import load as load_model
from scale.models.reference.cache import ReferenceCache, ReferenceModel, ReferenceStates, held_as, weights_hash
from scale.stages.shared.context import MODEL, Context
from scale.training.unlearning_rows import pieces_of

__all__ = ["states_of_reinforced"]


def states_of_reinforced(folder: Path, cache: ReferenceCache, context: Context) -> ReferenceStates:
    """Its states on the rows to forget, and its head, both on disk, where the stage has left it in this folder.

    The model is in memory for as long as this takes, before that which is unlearned.
    """
    doing("states of the reinforced model")
    language_model = context.ready(load_model(folder / MODEL, weights=context.model.kept))
    writer = context.writer(language_model)
    weights = held_as(weights_hash(folder / MODEL), context.model.kept)
    model = ReferenceModel(context.scorer(language_model.model), weights, writer.pad, context.processes)
    return cache.states(model, pieces_of(context.corpus.forget, writer))
