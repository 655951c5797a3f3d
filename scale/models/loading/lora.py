"""LoRA: a small trained part on a frozen model. Its reference is the model that it is put on: the finetuned one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from records.errors import UserError
from records.paths import user_path
from scale.models.folders.language_model import LanguageModel, quiet
from scale.models.loading.errors import told
from scale.models.loading.names import located

__all__ = ["Lora", "adapted"]

ALL = "all-linear"


class Lora(BaseModel):
    """Rank, scale and place of an adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: PositiveInt = 8
    alpha: PositiveInt = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: str = Field(ALL, description="all-linear, or module names with commas between them")
    merge: bool = Field(False, description="save the model with the adapter merged into it, not the adapter alone")


def adapted(
    language_model: LanguageModel, lora: Lora, *, seed: int, base: str | Path | None = None, revision: str | None = None
) -> LanguageModel:
    """The model with a fresh adapter, which changes nothing yet: its second matrix is 0.

    `base` is where the model below it lies: whoever loads the adapter alone is sent there, and not to what the
    finetuned one was made of. The weights depend on `seed` alone; the global random state is left as it was.
    UserError where the model has no such modules, or none that so high a rank suits.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    chosen = _chosen(language_model.model, lora)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        exclude_modules=_past_adapters(language_model.model) or None,
        target_modules=ALL if lora.targets == ALL else [name.strip() for name in lora.targets.split(",")],
        fan_in_fan_out=all(isinstance(module, Conv1D) for module in chosen),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), quiet(), told("with an adapter"):
        torch.manual_seed(seed)
        model = get_peft_model(language_model.model, config)
    if base is not None:
        folder = user_path(located(str(base)), "The model")
        config.base_model_name_or_path = str(folder.resolve()) if folder.is_dir() else str(base)
        config.revision = revision
    return LanguageModel(cast(PreTrainedModel, model), language_model.tokenizer)


def _chosen(model: PreTrainedModel, lora: Lora) -> list[nn.Module]:
    """The matrices that the adapter is put on; UserError where a target is none of them, or the rank is absurd."""
    past = _past_adapters(model)
    there = {path: module for path, module in _matrices(model) if path not in past}
    targets = [ALL] if lora.targets == ALL else [name.strip() for name in lora.targets.split(",")]
    found = {
        name: [m for path, m in there.items() if name == ALL or f".{path}".endswith(f".{name}")] for name in targets
    }
    absent = [name or "(nothing)" for name, modules in found.items() if not modules]
    names = sorted({path.rpartition(".")[2] for path in there})
    if absent:
        raise UserError(
            f"lora.targets: a {model.config.model_type} has no linear module {', '.join(absent)} for an adapter; "
            f"it has {', '.join(names) or 'none at all: train all weights'}."
        )
    chosen = [module for modules in found.values() for module in modules]
    widest = max(min(_sides(module)) for module in chosen)
    if lora.rank > widest:
        raise UserError(
            f"lora.rank: {lora.rank} is more than the model's own matrices have, which is {widest} at most. "
            "Choose a smaller one, 8 say, or train all weights."
        )
    return chosen


def _matrices(model: PreTrainedModel) -> Iterator[tuple[str, nn.Module]]:
    """The linear modules by their paths, less the output head, which answers are scored with as it is."""
    head = model.get_output_embeddings()
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D) and module is not head:
            yield path, module


def _past_adapters(model: PreTrainedModel) -> list[str]:
    """The matrices of state spaces whose weights are read past any adapter, by kernels or by the model's own code."""
    paths = {path for path, _ in model.named_modules()}
    mixers = [path.removesuffix("conv1d") for path in paths if path.endswith(".conv1d")]
    return sorted({f"{mixer}{name}" for mixer in mixers for name in ("out_proj", "dt_proj")} & paths)


def _sides(module: nn.Module) -> tuple[int, int]:
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return cast(tuple[int, int], tuple(cast(Conv1D, module).weight.shape))
