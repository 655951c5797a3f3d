"""Tiny random models of many architectures, for tests of what must hold for all of them."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

WINDOW = 16
"""Tokens that a sliding window sees, where a family has one."""

_COMMON = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": None,
    "initializer_range": 0.3,  # attention far from uniform, and logits far from equal
}
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "rotary_dim": 4}
_EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_MAMBA = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_chunk_size": 16,
    "state_size": 8,
    "n_groups": 1,
    "chunk_size": 16,
}
_LINEAR = {
    "head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "shared_expert_intermediate_size": 16,
}
_WINDOW = {"sliding_window": WINDOW, "head_dim": 8}
_MIXED = {**_WINDOW, "layer_types": ["sliding_attention", "full_attention"]}

FAMILIES: dict[str, dict] = {  # name: arguments of the configuration; the name up to a colon is the library's
    "llama": {},
    "phi": {},
    "phi3": {},
    "phi3:window": {"sliding_window": WINDOW},
    "qwen2": {},
    "qwen2:window": {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    "qwen3": {"head_dim": 8},
    "qwen3_moe": {"head_dim": 8, **_EXPERTS},
    "mistral": {"sliding_window": None},
    "mistral:window": {"sliding_window": WINDOW},
    "mistral:wide window": {"sliding_window": 400},
    "mixtral": _EXPERTS,
    "gemma": {"head_dim": 8},
    "gemma2": {**_WINDOW, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_MIXED, "query_pre_attn_scalar": 8},
    "lfm2": {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8},
    "qwen3_next": {**_LINEAR, **_EXPERTS},
    "qwen3_5_text": _LINEAR,
    "bamba": {"attn_layer_indices": [1], **_MAMBA},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 16, **_EXPERTS, **_MAMBA},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
        **_EXPERTS,
    },
    "zamba2": {
        "layers_block_type": ["mamba", "hybrid"],
        "n_mamba_heads": 4,
        "mamba_ngroups": 1,
        "mamba_d_state": 8,
        "chunk_size": 16,
        "attention_head_dim": 16,
        "num_mem_blocks": 1,
    },
    "mamba": {"state_size": 8, "time_step_rank": 4},
    "mamba2": {"num_heads": 4, "head_dim": 16, **_MAMBA},
    "rwkv": {"attention_hidden_size": 32, "context_length": 512},
    "recurrent_gemma": {
        "attention_window_size": WINDOW,
        "lru_width": 32,
        "block_types": ["recurrent", "attention"],
        "head_dim": 8,
    },
    "minimax": {**_LINEAR, **_EXPERTS, "block_size": 16},
    "falcon": {"alibi": False},
    "falcon:alibi": {"alibi": True, "new_decoder_architecture": False, "multi_query": True, "parallel_attn": False},
    "bloom": {"n_layer": 2, "n_head": 4},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 512},
    "gpt2": _GPT,
    "gpt_neo": {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": WINDOW},
    "gpt_neox": {},
    "gptj": _GPT,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "stablelm": {},
    "olmo2": {},
    "olmo3": _MIXED,
    "starcoder2": {"sliding_window": None},
    "starcoder2:window": {"sliding_window": WINDOW},
    "gpt_oss": {**_WINDOW, "num_local_experts": 4},
    "exaone4": {**_MIXED, "sliding_window_pattern": 2},
    "phi3:longrope": {
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "short_factor": [1.0] * 4,
            "long_factor": [4.0] * 4,
            "original_max_position_embeddings": WINDOW,
        },
        "original_max_position_embeddings": WINDOW,
    },
    "doge": {"keep_window_size": WINDOW},
}


def family(name: str, *, vocab: int, end: int, pad: int) -> PreTrainedModel:
    """A model of this family in evaluation mode; the same weights each time."""
    settings = {**_COMMON, "vocab_size": vocab, "eos_token_id": end, "pad_token_id": pad, **FAMILIES[name]}
    config = AutoConfig.for_model(name.split(":")[0], **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
