"""An adapter on a state space: not on the matrices that its kernels read past it, and saved as it was measured."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.lora import Lora, adapted
from scale.models.loading.scratch import train_tokenizer
from scale.models.loading.whole import load

TOKENIZER = train_tokenizer(["Where was Ada born? In Oldham."], 300)
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "vocab_size": len(TOKENIZER)}
KINDS = {"mamba": {}, "falcon_mamba": {}, "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 16}}


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_on_a_state_space_is_saved_as_it_was(kind, tmp_path):
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SMALL, **KINDS[kind]))
    save(tmp_path / "base", LanguageModel(base, TOKENIZER))
    put = adapted(load(tmp_path / "base"), Lora(rank=2), seed=0, base=tmp_path / "base")
    names = [name for name, value in put.model.named_parameters() if value.requires_grad]
    assert any("in_proj" in name for name in names)
    assert not any("out_proj" in name or "dt_proj" in name for name in names)
    with torch.no_grad():
        for name, value in put.model.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    save(tmp_path / "adapter", put)
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        one, other = (model.eval()(ids).logits for model in (put.model, load(tmp_path / "adapter").model))
        plain = load(tmp_path / "base").model.eval()(ids).logits
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(one, plain, atol=1e-3)
