"""LoRA: a small trained part on a frozen model. Its reference is the model that it is put on: the finetuned one."""

import warnings
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from transformers import PreTrainedModel

from scale.models import LanguageModel

__all__ = ["Lora", "adapted", "merged"]


class Lora(BaseModel):
    """Rank, scale and place of an adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: PositiveInt = 8
    alpha: PositiveInt = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: str = Field("all-linear", description="all-linear, or module names with commas between them")
    merge: bool = Field(False, description="save the model with the adapter merged into it, not the adapter alone")


def adapted(language_model: LanguageModel, lora: Lora, *, seed: int) -> LanguageModel:
    """The model with a fresh adapter, which changes nothing yet: its second matrix is 0.

    The weights depend on `seed` alone; the global random state is left as it was.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    where: str | list[str] = lora.targets if lora.targets == "all-linear" else lora.targets.split(",")
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=where, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)  # peft's use
        torch.manual_seed(seed)
        model = get_peft_model(language_model.model, config)
    return LanguageModel(cast(PreTrainedModel, model), language_model.tokenizer)


def merged(language_model: LanguageModel) -> LanguageModel:
    """The model with its adapter, if it has one, merged into its weights."""
    from peft import PeftModel

    model = language_model.model
    if not isinstance(model, PeftModel):
        return language_model
    return LanguageModel(model.merge_and_unload(), language_model.tokenizer)
