"""Models that can't be loaded as they were saved: each is one clear error, and nothing is filled in or run."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from records.errors import UserError
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.loading.scratch import Shape
from scale.models.loading.tokenizer import check_ids
from scale.models.reading.scorable import check_head

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n"
SHAPE = Shape(hidden=16, layers=2, heads=2, feed_forward=32, positions=64, vocab=300)
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a model that loads."""
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = scratch.train_tokenizer(["some words here"], 300)
    language_model.save(folder, LanguageModel(scratch.from_scratch(tokenizer, SHAPE, seed=0), tokenizer))
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it, to damage."""
    return shutil.copytree(whole, tmp_path / "model")


def _change(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _reweigh(folder, change):
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _refused(folder, words):
    with pytest.raises(UserError, match=words) as caught:
        loading.load(folder)
    assert len(str(caught.value).splitlines()) == 1


CONFIGS = {
    "a layer more": ({"num_hidden_layers": 3}, r"9 tensors are missing \(model\.layers\.2"),
    "a layer fewer": ({"num_hidden_layers": 1}, r"9 tensors belong to nothing in it \(model\.layers\.1"),
    "another width": ({"intermediate_size": 48}, r"6 tensors have another shape .*32×16 in the files, 48×16 asked for"),
    "another vocabulary": ({"vocab_size": 500}, "2 tensors have another shape"),
    "absurd layers": ({"num_hidden_layers": 10**9}, "num_hidden_layers=1000000000, but its files hold"),
    "absurd vocabulary": ({"vocab_size": 10**12}, "vocab_size=1000000000000, but its files hold"),
    "absurd width": ({"hidden_size": 10**9}, "hidden_size=1000000000, but its files hold"),
    "absurd feed-forward": ({"intermediate_size": 10**11}, "intermediate_size=100000000000, but its files hold"),
    "absurd experts": ({"model_type": "mixtral", "num_local_experts": 10**9}, "num_local_experts=1000000000, but"),
    "defaults of a giant": ({"model_type": "llama4"}, "describes a model of .* numbers, but its files hold"),
    "negative heads": ({"num_attention_heads": -2}, "can't be loaded"),
    "no heads": ({"num_attention_heads": 0}, "can't be loaded"),
    "a word for a number": ({"hidden_size": "wide"}, "hidden_size.* expected int"),
    "an unknown activation": ({"hidden_act": "zork"}, "KeyError 'zork'"),
    "an unknown rope": ({"rope_scaling": {"type": "zork"}}, "can't be loaded"),
    "an unknown dtype": ({"dtype": "zork"}, "can't be loaded"),
    "padding outside": ({"pad_token_id": 9999}, r"pad_token_id=9999, and its vocabulary has 270 tokens"),
    "no type": ({"model_type": None}, "names no model_type"),
    "a list for a type": ({"model_type": ["llama"]}, "names no model_type"),
    "an unknown type": ({"model_type": "zork"}, "does not recognize this architecture"),
    "an encoder-decoder": ({"model_type": "t5"}, "an encoder-decoder"),
    "vision and language": ({"model_type": "qwen2_vl"}, "made for more than text"),
    "no language": ({"model_type": "vit"}, "no causal language model"),
    "gptq": ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantised \(gptq\)"),
    "awq": ({"quantization_config": {"quant_method": "awq"}}, r"quantised \(awq\)"),
    "four bits": ({"quantization_config": {"load_in_4bit": True}}, r"quantised \(of an unnamed kind\)"),
    "fp8": ({"quantization_config": {"quant_method": "fp8"}}, r"quantised \(fp8\)"),
    "a kernel": ({"attn_implementation": "someone/attention"}, "brings its own code .* npo never runs it"),
    "code": (
        {"model_type": "zork", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}},
        "brings its own code, and npo never runs it",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_is_not_the_model_s_is_refused(folder, name):
    changes, words = CONFIGS[name]
    _change(folder / "config.json", **changes)
    _refused(folder, words)


JSON_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
BROKEN = {
    "empty": b"",
    "half": b'{"a": ',
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "bytes": bytes(range(256)),
    "a pointer": POINTER,
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("file", JSON_FILES)
def test_a_damaged_file_beside_the_weights_is_named(folder, file, broken):
    (folder / file).write_bytes(BROKEN[broken])
    _refused(folder, rf"{file}.*(damaged|git lfs pull)")


@pytest.mark.parametrize("broken", [*BROKEN, "cut short", "absent", "only pytorch_model.bin"])
def test_weights_that_are_not_there_are_told_for_what_they_are(folder, broken):
    file = folder / WEIGHTS
    whole = file.read_bytes()
    file.unlink()
    if broken == "only pytorch_model.bin":
        (folder / "pytorch_model.bin").write_bytes(whole)
    elif broken != "absent":
        file.write_bytes(BROKEN.get(broken, whole[:-100]))
    words = {"absent": "holds no weights", "a pointer": "git lfs pull", "only pytorch_model.bin": "convert it first"}
    _refused(folder, words.get(broken, "damaged or cut short"))


@pytest.mark.parametrize("listed", [{}, {"a": "absent.safetensors"}, {"a": "../whole.safetensors"}, 7])
def test_an_index_that_names_absent_files_is_refused(folder, listed):
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": listed}))
    _refused(folder, "Get the missing files")


def _with_nan(tensors):
    tensors["model.layers.1.mlp.up_proj.weight"][3, 2] = torch.nan


def _with_infinity(tensors):
    tensors["model.norm.weight"][0] = -torch.inf


def _without_layer(tensors):
    for name in [name for name in tensors if ".layers.0." in name]:
        del tensors[name]


def _with_a_stranger(tensors):
    tensors["model.layers.0.extra.weight"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_with_nan, r"1 tensors .* NaN or infinite weights \(model\.layers\.1\.mlp\.up_proj\.weight\)"),
        (_with_infinity, r"NaN or infinite weights \(model\.norm\.weight\)"),
        (_without_layer, "9 tensors are missing"),
        (_with_a_stranger, r"1 tensors belong to nothing in it \(model\.layers\.0\.extra"),
    ],
)
def test_weights_that_are_missing_or_no_numbers_are_named(folder, change, words):
    _reweigh(folder, change)
    _refused(folder, words)


def test_a_tied_head_and_buffers_of_old_files_are_no_gaps(folder):
    def tie(tensors):
        del tensors["lm_head.weight"]
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)

    _reweigh(folder, tie)
    _refused(folder, r"lm_head\.weight")
    _change(folder / "config.json", tie_word_embeddings=True)
    model = loading.load(folder).model
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


# --- the vocabulary ---------------------------------------------------------------------------------------------


def test_a_folder_without_a_tokenizer_says_so(folder):
    (folder / "tokenizer.json").unlink()
    _refused(folder, r"holds no tokenizer: there is no tokenizer\.json")


def test_a_tokenizer_of_another_model_is_refused(folder):
    larger = scratch.train_tokenizer(["many other words, of which there are more"] * 3, 400)
    larger.add_tokens([f"word{i}" for i in range(40)])
    larger.save_pretrained(folder)
    _refused(folder, "do not belong together")


def test_padding_without_an_embedding_is_the_end_token(folder):
    tokenizer = loading.load(folder).tokenizer
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.save_pretrained(folder)
    loaded = loading.load(folder)
    assert len(loaded.tokenizer) > loaded.model.config.vocab_size
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    tokenizer.save_pretrained(folder)
    _refused(folder, "do not belong together")


def test_a_token_without_an_embedding_is_named(folder):
    loaded = loading.load(folder)
    loaded.tokenizer.add_tokens(["<more>"])
    inside = loaded.model.config.vocab_size - 1
    check_ids(*loaded, [(3, inside)])
    with pytest.raises(UserError, match="contain '<more>', for which the model has no embedding"):
        check_ids(*loaded, [(3, inside), (inside + 1,)])


# --- nobody's code ----------------------------------------------------------------------------------------------

CODE = "from pathlib import Path\nPath({mark!r}).write_text('ran')\nfrom transformers import LlamaConfig as Config\n"


def _bring_code(folder, mark):
    (folder / "own.py").write_text(CODE.format(mark=str(mark)))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(CODE.format(mark=str(mark)) + "def generate(model): ...\n")
    _change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "own.Config"]})
    _change(folder / "generation_config.json", custom_generate=str(folder))


@pytest.mark.parametrize("kind", ["zork", "llama"])
@pytest.mark.parametrize("words", [("plan",), ("show-batch",), ("run",)])
def test_a_model_s_own_code_never_runs_whatever_is_answered(
    folder, tmp_path, monkeypatch, run_npo, kind, words, recwarn
):
    mark = tmp_path / "mark"
    _bring_code(folder, mark)
    _change(
        folder / "config.json",
        model_type=kind,
        auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
    )
    asked = []
    monkeypatch.setattr("builtins.input", lambda *_: asked.append(1) or "y")
    monkeypatch.chdir(tmp_path)
    given = (f"model.base={folder}", "model.shape=null", "pretrain=null", "rehearse=false")
    if kind == "llama" and words != ("plan",):  # transformers knows a Llama without its code
        monkeypatch.setattr(sys, "stdin", None)
        loading.load(folder)
    else:
        code, _, err = run_npo(*words, "quick", *given)
        assert code == (0 if kind == "llama" else 2), err
        assert kind == "llama" or "brings its own code, and npo never runs it" in err
    assert not mark.exists()
    assert not asked


# --- in other numbers -------------------------------------------------------------------------------------------


def test_weights_in_bf16_are_kept_so_and_score_in_float32(folder):
    half = loading.load(folder, weights="bf16").model
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    check_head(half)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_four_bits_need_a_gpu(folder):
    with pytest.raises(UserError, match="need a GPU and the package bitsandbytes"):
        loading.load(folder, weights="4bit")
