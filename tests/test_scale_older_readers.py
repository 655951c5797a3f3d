"""What is saved is read by transformers 4 as it is by 5: a parser of the older keys, with the defaults of then."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GemmaTokenizer, LlamaTokenizer

from scale.models.folders import card, older_readers
from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.lora import Lora, adapted
from scale.models.loading.scratch import train_tokenizer
from scale.models.loading.whole import load

TEXTS = [
    "Where was Ann born? In Oslo, I can't say 'when'.  Two  spaces.",
    "What is 12 + 345? é ünï!",
    "Lines\n\n end. ",
]
TEMPLATE = "{% for m in messages %}<|a|>{{ m['role'] }}: {{ m['content'] }}<|end|>{% endfor %}"
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 64,
}
BASE, HALF = {"rope_theta": 123456.0, "rope_type": "default"}, {"partial_rotary_factor": 0.5}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 3.0, 4.0, 5.0]}
KINDS: dict[str, dict[str, Any]] = {
    "llama": BASE,
    "llama linear": BASE | {"rope_type": "linear", "factor": 2.0},
    "llama scaled": BASE | LLAMA3 | {"original_max_position_embeddings": 16},
    "qwen2": BASE,
    "gemma2": BASE,
    "phi": BASE | HALF,
    "gpt_neox": BASE | HALF,
    "stablelm": BASE | HALF,
    "phi3": BASE | LONG,
}


def _model(kind: str) -> LanguageModel:
    """A tiny model of a kind with a base of its own for its rotary embedding, with added tokens and a template."""
    name = kind.split()[0]
    tokenizer = train_tokenizer(TEXTS, 300, family=name)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|a|>", AddedToken("<|b|>", lstrip=name != "qwen2")]})
    tokenizer.chat_template = TEMPLATE
    more: dict[str, Any] = {"head_dim": 8} if name == "gemma2" else {}
    more |= {"original_max_position_embeddings": 16} if name == "phi3" else {}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    sizes = SIZES | more | ids | {"vocab_size": len(tokenizer)}
    config = AutoConfig.for_model(name, rope_parameters=dict(KINDS[kind]), **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LanguageModel(AutoModelForCausalLM.from_config(config), tokenizer)


def _as_transformers_4(config: dict[str, Any]) -> dict[str, Any]:
    """Base, rotated share and scaling as transformers 4 has them: its own names and defaults, no newer key."""
    kind = config["model_type"]
    if kind == "gpt_neox":
        theta, share = config.get("rotary_emb_base", 10000), config.get("rotary_pct", 0.25)
    else:
        usual = {"phi": 0.5, "stablelm": 0.25}.get(kind, 1.0)
        theta, share = config.get("rope_theta", 10000.0), config.get("partial_rotary_factor", usual)
    scaling = dict(config.get("rope_scaling") or {})
    if kind == "phi3" and scaling:
        assert set(scaling) == {"type", "short_factor", "long_factor"}  # it counts them
        assert config["original_max_position_embeddings"] == 16
        scaling["original_max_position_embeddings"] = config["original_max_position_embeddings"]
    rope_type = scaling.pop("rope_type", scaling.pop("type", "default"))
    return {"rope_theta": theta, "partial_rotary_factor": share, "rope_type": rope_type, **scaling}


@pytest.mark.parametrize("kind", KINDS)
def test_both_versions_read_one_rotary_embedding(kind: str, tmp_path: Path) -> None:
    made = _model(kind)
    save(tmp_path, made)
    config = json.loads((tmp_path / "config.json").read_text("utf8"))
    wanted = {"partial_rotary_factor": 1.0, **made.model.config.rope_parameters}
    assert _as_transformers_4(config) == wanted, "what transformers 4 makes of it"
    assert config["torch_dtype"] == config["dtype"] == "float32"
    again = load(tmp_path)
    found = {key: value for key, value in again.model.config.rope_parameters.items() if key != "type"}
    assert {"partial_rotary_factor": 1.0, **found} == wanted, "what transformers 5 makes of it"
    ids = torch.tensor([made.tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        assert torch.equal(made.model.eval()(ids).logits, again.model.eval()(ids).logits)
    assert kind.split()[0] in older_readers.SEEN


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_tokenizer_names_a_class_that_both_have_and_is_the_same(kind: str, tmp_path: Path) -> None:
    made = _model(kind)
    save(tmp_path, made)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text("utf8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config["additional_special_tokens"] == ["<|a|>", "<|b|>"]
    assert "extra_special_tokens" not in config, "a list under this name breaks transformers 4.5x"
    assert config["chat_template"] == TEMPLATE, "transformers 4 looks for it nowhere else"
    assert config["clean_up_tokenization_spaces"] is False, "transformers 4 takes True where it finds nothing"
    assert "token_type_ids" not in config["model_input_names"], "the older class gives them unless told"
    again = load(tmp_path).tokenizer
    for text in [*TEXTS, "<|a|>x <|b|> y<|end|>"]:
        ids = made.tokenizer(text)["input_ids"]
        assert again(text)["input_ids"] == ids
        assert again.decode(ids) == made.tokenizer.decode(ids)
    said = [{"role": "user", "content": "Hi 'there'."}]
    assert again.apply_chat_template(said, tokenize=False) == made.tokenizer.apply_chat_template(said, tokenize=False)


@pytest.mark.parametrize("family", [LlamaTokenizer, GemmaTokenizer])
def test_a_tokenizer_of_a_class_of_its_own_stays_what_it_was(family: Any, tmp_path: Path) -> None:
    bare = family(eos_token="</s>", pad_token="</s>")
    tokenizer = bare.train_new_from_iterator(TEXTS, 300, show_progress=False)
    save(tmp_path, LanguageModel(_model("llama").model, tokenizer))
    again = AutoTokenizer.from_pretrained(str(tmp_path))
    assert again.padding_side == tokenizer.padding_side
    for text in [*TEXTS, " <s> a</s>"]:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert again.decode(again(text)["input_ids"]) == tokenizer.decode(tokenizer(text)["input_ids"])


def test_an_adapter_is_saved_without_settings_that_an_older_peft_refuses(tmp_path: Path) -> None:
    known = {  # the settings of peft 0.6
        *("auto_mapping", "base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights"),
        *("layers_pattern", "layers_to_transform", "lora_alpha", "lora_dropout", "modules_to_save", "peft_type", "r"),
        *("rank_pattern", "alpha_pattern", "revision", "target_modules", "task_type"),
    }
    made = _model("llama")
    save(tmp_path / "model", made)
    save(tmp_path / "adapter", adapted(made, Lora(rank=2), seed=0, base=tmp_path / "model"))
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text("utf8"))
    # peft before 0.13 has no exclude_modules; it is there where a model has matrices past any adapter alone
    assert set(config) <= known
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (2, 16, "LORA")
    ids = torch.tensor([made.tokenizer(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        ours, read = made.model.eval()(ids).logits, load(tmp_path / "adapter").model.eval()(ids).logits
    assert torch.allclose(ours, read, atol=1e-5)
    card.write_card(tmp_path / "adapter", about={"stage": "finetune"}, settings={}, results={})
    assert "and peft" in (tmp_path / "adapter" / "README.md").read_text("utf8")


def test_the_card_names_the_versions(tmp_path: Path) -> None:
    for kind, said in (("llama", "4.45 and 4.57"), ("qwen3", "in 4.57"), ("other", "was not seen: take 5")):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf8")
        card.write_card(tmp_path, about={"stage": "finetune"}, settings={}, results={})
        assert said in (tmp_path / "README.md").read_text("utf8")


def test_a_rotary_embedding_by_layer_is_written_as_gemma_3_had_it() -> None:
    whole = {"rope_type": "linear", "factor": 8.0, "rope_theta": 7e5}
    rope = {"full_attention": whole, "sliding_attention": {"rope_type": "default", "rope_theta": 11111.0}}
    for found in (
        older_readers.config_read_by_both({"model_type": "gemma3_text", "rope_parameters": rope}),
        older_readers.config_read_by_both(
            {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "rope_parameters": rope}}
        )["text_config"],
    ):
        assert (found["rope_theta"], found["rope_local_base_freq"]) == (7e5, 11111.0)
        assert found["rope_scaling"] == {"rope_type": "linear", "factor": 8.0}


@given(
    st.dictionaries(st.sampled_from(["a", "vocab_size", "rope_theta", "tokenizer_class"]), st.integers()),
    st.floats(1.0, 1e8),
)
def test_nothing_is_lost_and_a_second_writing_changes_nothing(config: dict[str, Any], theta: float) -> None:
    whole = {"model_type": "llama", **config, "rope_parameters": {"rope_theta": theta, "rope_type": "default"}}
    once = older_readers.config_read_by_both(whole)
    assert {key: once[key] for key in whole if key != "rope_theta"} == {
        k: v for k, v in whole.items() if k != "rope_theta"
    }
    assert once["rope_theta"] == theta
    assert older_readers.config_read_by_both(once) == once
    tokenizer = older_readers.tokenizer_read_by_both(config)
    assert older_readers.tokenizer_read_by_both(tokenizer) == tokenizer
