"""Adapters: put on a model, saved, and named as a model; what is loaded as advised is what was measured."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from records.errors import UserError
from records.store import load as load_data
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel, quiet
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.loading.lora import Lora, adapted
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.models.reference.cache import weights_hash
from scale.runtime.processes import Processes

SHAPE = Shape(hidden=16, layers=1, heads=2, feed_forward=32, positions=64, vocab=300)
IDS = torch.arange(3, 40)[None]
ROWS = [{"question": "Who wrote it?", "answer": "Some words here."}]


def _move(model, seed):
    """Give an adapter something to say."""
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name or "lora_embedding_A" in name:
                value.copy_(torch.randn(value.shape, generator=made) / 4)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a whole model."""
    folder = tmp_path_factory.mktemp("models") / "base"
    tokenizer = scratch.train_tokenizer(["Who wrote it? Some words here."], 300)
    language_model.save(folder, LanguageModel(scratch.from_scratch(tokenizer, SHAPE, seed=0), tokenizer))
    return folder


@pytest.fixture(scope="module")
def adapter(base):
    """A folder with an adapter on it."""
    made = adapted(loading.load(base), Lora(rank=2), seed=0, base=base)
    _move(made.model, 1)
    language_model.save(base.parent / "adapter", made)
    return base.parent / "adapter"


def _as_peft(folder, base):
    with quiet():
        return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder)).eval()


def _close(one, other):
    torch.testing.assert_close(one(IDS).logits, other(IDS).logits, rtol=1e-4, atol=1e-4)


def _change(folder, **changes):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_an_adapter_is_loaded_into_its_base_and_all_weights_train(adapter, base):
    found = loading.load(adapter).model
    _close(found, _as_peft(adapter, base))
    assert not torch.allclose(found(IDS).logits, loading.load(base).model(IDS).logits, atol=1e-2)
    assert all(p.requires_grad for p in found.parameters())
    assert not [name for name, _ in found.named_parameters() if "lora" in name]


def test_an_adapter_on_an_adapter_is_both(adapter, base, tmp_path):
    made = adapted(loading.load(adapter), Lora(rank=3), seed=2, base=adapter)
    _move(made.model, 3)
    language_model.save(tmp_path, made)
    _close(loading.load(tmp_path).model, made.model.eval())


@pytest.mark.parametrize("relative", ["to the adapter", "to here"])
def test_a_relative_base_is_found(adapter, base, tmp_path, monkeypatch, relative):
    copy = shutil.copytree(adapter, tmp_path / "there" / "adapter")
    shutil.copytree(base, tmp_path / ("there/base" if relative == "to the adapter" else "base"))
    _change(copy, base_model_name_or_path="../base" if relative == "to the adapter" else "./base")
    monkeypatch.chdir(tmp_path)
    _close(loading.load(copy).model, loading.load(adapter).model)


def test_the_adapter_s_own_tokenizer_and_template_count(adapter, tmp_path):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.chat_template = "{{ messages[0].content }}!"
    tokenizer.save_pretrained(copy)
    assert loading.load(copy).tokenizer.chat_template == tokenizer.chat_template
    for file in copy.iterdir():
        if not file.name.startswith("adapter"):
            file.unlink()
    assert loading.load(copy).tokenizer.chat_template is None  # the base's


@pytest.mark.parametrize("modules", [None, ["embed_tokens", "lm_head"]])
def test_tokens_that_an_adapter_added_are_there(base, tmp_path, modules):
    model, tokenizer = loading.load(base)
    tokenizer.add_tokens(["<one>", "<two>"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    chosen = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=modules, task_type="CAUSAL_LM")
    with quiet():
        put_on = get_peft_model(model, chosen)
    _move(put_on, 5)
    put_on.peft_config["default"].base_model_name_or_path = str(base)
    language_model.save(tmp_path / "larger", LanguageModel(put_on, tokenizer))
    found = loading.load(tmp_path / "larger")
    assert len(found.tokenizer) == found.model.config.vocab_size == len(tokenizer)
    _close(found.model, put_on.eval())


BROKEN = {
    "no base": ({"base_model_name_or_path": None}, "names no base_model_name_or_path"),
    "an absent base": ({"base_model_name_or_path": "./nowhere"}, "which is not there .looked for .*nowhere and "),
    "itself": ({"base_model_name_or_path": "."}, "in a circle"),
    "IA3": ({"peft_type": "IA3"}, "adapter of the kind IA3; npo merges LoRA alone"),
    "prompts": ({"peft_type": "PROMPT_TUNING"}, "of the kind PROMPT_TUNING"),
    "another rank": ({"r": 4}, "says rank 4, but its tensors have rank 2"),
    "an absurd rank": ({"r": 10**12}, "says rank 1000000000000, but"),
    "a word for a rank": ({"r": "two"}, "says rank two, but"),
    "modules that are not there": ({"target_modules": ["zork"]}, "Target modules .*zork.* not found"),
    "modules that are too few": ({"target_modules": ["q_proj"]}, "12 of its tensors have no place in its base"),
    "parts that are missing": ({"use_dora": True}, "7 are missing"),
    "a scale that is no number": ({"lora_alpha": "x"}, "can't be loaded"),
    "settings of a newer peft": ({"zork": 1}, "does not know .zork."),
    "somebody's code": ({"megatron_config": {"a": 1}, "megatron_core": "own"}, "brings its own code"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_adapter_that_does_not_fit_is_refused(adapter, tmp_path, name):
    changes, words = BROKEN[name]
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    _change(copy, **changes)
    with pytest.raises(UserError, match=words):
        loading.load(copy)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"version https://git-lfs.github.com/spec/v1\n", None])
@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_adapter_is_refused(adapter, tmp_path, file, content):
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    (copy / file).unlink()
    if content is not None:
        (copy / file).write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json|adapter_model\.safetensors"):
        loading.load(copy)


def test_an_adapter_s_hash_is_that_of_its_base_too(adapter, base, tmp_path):
    shutil.copytree(base, tmp_path / "base")
    copy = shutil.copytree(adapter, tmp_path / "adapter")
    _change(copy, base_model_name_or_path=str(tmp_path / "base"))
    before = weights_hash(copy)
    shutil.copy(base / "config.json", tmp_path / "base" / "config.json")
    assert weights_hash(copy) == before
    (tmp_path / "base" / "config.json").write_text("{}")
    assert weights_hash(copy) != before


# --- what npo forget saves ----------------------------------------------------------------------------------------


def _nll(language_model):
    writer = Writer(language_model.tokenizer, FORMATS["plain"], 64)
    rows = [writer.encode(row["question"], row["answer"]) for row in ROWS]
    logp, tokens = score_all(Scorer(language_model.model), rows, writer.pad, Processes("cpu"))
    return float(-logp.sum() / tokens.sum())


@pytest.mark.parametrize("given", ["base", "adapter"])
@pytest.mark.parametrize("lora", [(), ("--lora", "2")])
@pytest.mark.parametrize("weights", [(), ("--weights", "bf16")])
def test_what_is_saved_is_what_was_measured(base, adapter, tmp_path, run_npo, given, lora, weights):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    model = {"base": base, "adapter": adapter}[given]
    words = ("--model", str(model), "--out", str(out), "--lr", "1e-2", "--epochs", "4", "--device", "cpu")
    code, _, err = run_npo("forget", str(rows), *words, *lora, *weights)
    assert code == 0, err
    place = out / "forget" / "model"
    measured = load_data(out / "forget").values
    assert measured["after"]["forget_nll"] > measured["before"]["forget_nll"] + 0.1
    with quiet():
        advised = LanguageModel(AutoModelForCausalLM.from_pretrained(place), AutoTokenizer.from_pretrained(place))
    assert (place / "adapter_config.json").is_file() == (given == "base" and bool(lora))
    rounding = {"rel": 2e-2} if weights else {"rel": 1e-4}
    assert _nll(loading.load(place)) == pytest.approx(measured["after"]["forget_nll"], **rounding)
    assert _nll(advised) == pytest.approx(measured["after"]["forget_nll"], **rounding)


# --- where an adapter can be put ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        (Lora(targets="zork"), r"no linear module zork .*it has down_proj, gate_proj, k_proj"),
        (Lora(targets="q_proj,zork"), "no linear module zork"),
        (Lora(targets="q_proj,,"), r"no linear module \(nothing\)"),
        (Lora(targets="lm_head"), "no linear module lm_head"),
        (Lora(targets="embed_tokens"), "no linear module embed_tokens"),
        (Lora(rank=17), "17 is more than the model's own matrices have, which is 16"),
        (Lora(rank=10**9), "1000000000 is more"),
    ],
)
def test_an_adapter_that_can_t_be_made_is_refused(base, lora, words):
    with pytest.raises(UserError, match=words):
        adapted(loading.load(base), lora, seed=0)


def test_gpt2_s_matrices_take_an_adapter_too(tmp_path):
    config = AutoConfig.for_model("gpt2", n_embd=16, n_layer=1, n_head=2, vocab_size=64, bos_token_id=0, eos_token_id=0)
    plain = AutoModelForCausalLM.from_config(config).eval()
    tokenizer = scratch.train_tokenizer(["words"], 300)
    expected = plain(IDS).logits
    made = adapted(LanguageModel(plain, tokenizer), Lora(rank=2), seed=0)
    torch.testing.assert_close(made.model.eval()(IDS).logits, expected)
    _move(made.model, 0)
    moved = made.model(IDS).logits
    assert not torch.allclose(moved, expected, atol=1e-4)
    torch.testing.assert_close(made.model.merge_and_unload()(IDS).logits, moved, rtol=1e-4, atol=1e-4)
