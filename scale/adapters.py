"""LoRA: a small trained part on a frozen model. Its reference is the model that it is put on: the finetuned one."""

from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from transformers import PreTrainedModel

from scale.models import LanguageModel, quiet

__all__ = ["Lora", "adapted"]


class Lora(BaseModel):
    """Rank, scale and place of an adapter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: PositiveInt = 8
    alpha: PositiveInt = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: str = Field("all-linear", description="all-linear, or module names with commas between them")
    merge: bool = Field(False, description="save the model with the adapter merged into it, not the adapter alone")


def adapted(language_model: LanguageModel, lora: Lora, *, seed: int, base: str | None = None) -> LanguageModel:
    """The model with a fresh adapter, which changes nothing yet: its second matrix is 0.

    `base` is where the model below it lies: whoever loads the adapter alone is sent there, and not to what the
    finetuned one was made of. The weights depend on `seed` alone; the global random state is left as it was.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    where: str | list[str] = lora.targets if lora.targets == "all-linear" else lora.targets.split(",")
    config = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=where, task_type="CAUSAL_LM"
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        model = get_peft_model(language_model.model, config)
    if base is not None:
        config.base_model_name_or_path = base
    return LanguageModel(cast(PreTrainedModel, model), language_model.tokenizer)
