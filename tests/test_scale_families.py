"""A tiny model of every family: loaded, scored as its own logits say, trained a step, saved and loaded; or refused."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from records.errors import UserError
from scale.data.prompts import Encoded, collate
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.reading.scorable import check_head
from scale.models.reading.scorer import BatchPart, Scorer
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.schedule import Schedule
from theory.logprobs import from_logits
from theory.objective import method

TOKENIZER = scratch.train_tokenizer(["some words here"], 300)
PAD = 1
FORGET = [Encoded((5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0), 4), Encoded((20, 30, 40, 0), 2)]
RETAIN = [Encoded((7, 21, 22, 23, 0), 2), Encoded((50, 51, 52, 53, 54, 55, 0), 3)]
COMMON = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": PAD,
}
WINDOW = {"sliding_window": 8}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 4}
DELTA = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
LATENT = {
    "head_dim": None,
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "n_group": 1,
    "topk_group": 1,
    "num_key_value_heads": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
}
EYES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}
FALCON = {"head_dim": None}

WORKS = {
    "gemma2": WINDOW,  # soft-capped logits
    "cohere": {},  # logits times a scale, tied
    "granite": {"logits_scaling": 8.0},  # logits divided by one
    "gpt2": GPT,
    "falcon+alibi": {**FALCON, "alibi": True},
    "mixtral": EXPERTS,
    "mamba": {"state_size": 4, "time_step_rank": 4},
}
WORKS_TOO = {
    "llama": {},
    "mistral": WINDOW,
    "qwen2": {},
    "qwen3": {},
    "gemma": {},
    "gemma3_text": WINDOW,
    "gemma3": {
        "text_config": {**COMMON, **WINDOW},
        "vision_config": {**EYES, "patch_size": 14},
    },
    "phi": {},
    "phi3": {},
    "gpt_neox": {},
    "gptj": {**GPT, "rotary_dim": 4},
    "gpt_bigcode": GPT,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "bloom": {"n_layer": 2, "n_head": 4},
    "falcon": FALCON,
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 64},
    "stablelm": {},
    "starcoder2": {},
    "olmo2": {},
    "olmo3": WINDOW,
    "cohere2": WINDOW,
    "nemotron": {},
    "glm4": {},
    "exaone4": WINDOW,
    "smollm3": {},
    "qwen2_moe": {**EXPERTS, "shared_expert_intermediate_size": 16},
    "qwen3_moe": EXPERTS,
    "olmoe": EXPERTS,
    "granitemoe": {**EXPERTS, "logits_scaling": 4.0},
    "gpt_oss": {**EXPERTS, **WINDOW},
    "deepseek_v3": LATENT,
    "llama4_text": {**EXPERTS, "intermediate_size_mlp": 48},
    "mamba2": {"state_size": 4, "num_heads": 8, "n_groups": 1, "chunk_size": 8},
    "rwkv": {"attention_hidden_size": 32},
    "jamba": {**EXPERTS, "mamba_d_state": 4, "mamba_dt_rank": 4, "attn_layer_period": 2, "attn_layer_offset": 1},
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64, "lm_head_multiplier": 0.5},
    "lfm2": {"full_attn_idxs": [1], "block_multiple_of": 8},
    "qwen3_next": {**EXPERTS, **DELTA, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": DELTA,
    "granitemoehybrid": {**EXPERTS, **MAMBA, "layer_types": ["mamba", "attention"], "shared_intermediate_size": 16},
}
REFUSED = {
    "bert": ({}, "more than its output head"),
    "electra": ({"embedding_size": 32}, "more than its output head"),
    "xlnet": ({"max_position_embeddings": None, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}, "follows it"),
}


def _tiny(name, changes):
    kind, _, _ = name.partition("+")
    given = {key: value for key, value in {**COMMON, **changes}.items() if value is not None or key == "bos_token_id"}
    with torch.random.fork_rng(), language_model.quiet():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **given))
    with torch.no_grad():
        for weight in model.parameters():  # larger than at the start of a training, so that mistakes are seen
            weight.mul_(4 if weight.ndim > 1 else 1)
    return model


def _checked(folder, name, changes):
    language_model.save(folder, LanguageModel(_tiny(name, changes), TOKENIZER))
    found = loading.load(folder)
    check_head(found.model)
    return found


def _scores(model):
    model.eval()
    with torch.no_grad():
        (found,) = Scorer(model)(collate(FORGET, PAD), [BatchPart(len(FORGET))])
    return found["logp"]


def _by_logits(model):
    """Row by row from all logits, as the library computes them."""
    model.eval()
    found = []
    for row in FORGET:
        ids, labels = torch.tensor([row.ids]), torch.tensor([row.ids])
        labels[:, : row.first] = -100
        found.append(from_logits(model(input_ids=ids, use_cache=False).logits, labels).logp)
    return torch.cat(found).detach()


class _Fixed:
    def __init__(self, logp):
        self.logp = logp

    def quantities(self, asked, indices, rows):
        return {"ref_logp": self.logp[list(indices)]}


def _step(model, reference):
    """One step of NPO+RT."""
    schedule = Schedule(lr=1e-3, epochs=1, batch=2, piece=2, warmup=0)
    rows, objective = TrainingRows(FORGET, RETAIN), method("NPO+RT", beta=0.1)
    training = Training(
        Scorer(model),
        objective,
        rows,
        schedule,
        seed=0,
        pad=PAD,
        processes=Processes("cpu"),
        reference=_Fixed(reference),
    )
    (moment,) = training.run()
    assert moment.stopped is None


def _works(folder, name, changes):
    found = _checked(folder / "before", name, changes)
    before = _scores(found.model)
    torch.testing.assert_close(before, _by_logits(found.model), rtol=1e-5, atol=1e-4)
    _step(found.model, before)
    after = _scores(found.model)
    assert after.sum() < before.sum()
    language_model.save(folder / "after", found)
    torch.testing.assert_close(_scores(loading.load(folder / "after").model), after, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", WORKS)
def test_a_family_is_scored_as_its_own_logits_say_trained_and_saved(tmp_path, name):
    _works(tmp_path, name, WORKS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS_TOO)
def test_the_other_families_too(tmp_path, name):
    _works(tmp_path, name, WORKS_TOO[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_family_that_does_not_write_from_left_to_right_is_refused(tmp_path, name):
    changes, words = REFUSED[name]
    with pytest.raises(UserError, match=words):
        _checked(tmp_path, name, changes)


@pytest.mark.parametrize("family", ["cohere", "granite"])
def test_a_scale_that_is_not_known_is_named(tmp_path, monkeypatch, family):
    monkeypatch.setattr(Scorer, "scale", 1.0)
    with pytest.raises(UserError, match=r"more than its output head .*\(scaled or capped: .*logit"):
        _checked(tmp_path, family, WORKS[family])
