"""Everything of a model that a result depends on makes it anew, and nothing that it is read from is replaced."""

import json

import pytest

from records.store import load
from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.lora import Lora, adapted
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.models.loading.whole import load as load_model
from scale.models.reference.identity import folders_of, model_hash

ROWS = [{"question": f"Where was no. {i} born?", "answer": f"In {town}."} for i, town in enumerate(["Oldham", "Siena"])]
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|> {{ m['content'] }}{{ eos_token }}{% endfor %}"


@pytest.fixture
def model(tmp_path):
    """A tiny model with a chat template."""
    tokenizer = train_tokenizer([json.dumps(row) for row in ROWS], 300)
    tokenizer.chat_template = TEMPLATE
    shape = Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128)
    save(tmp_path / "model", LanguageModel(from_scratch(tokenizer, shape, seed=0), tokenizer))
    return tmp_path / "model"


@pytest.fixture
def forget(tmp_path, run_npo):
    """One epoch of the verb into out/: exit code, what was said, forget NLL before."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf8")

    def run(model, *words):
        out = tmp_path / "out"
        code, _, err = run_npo("forget", str(rows), "--model", str(model), "--epochs", "1", "--out", str(out), *words)
        return code, " ".join(err.split()), load(out / "forget").values["before"]["forget_nll"]

    return run


def _other_template(model):
    (model / "chat_template.jinja").write_text(TEMPLATE.replace("<|", "<| the "), encoding="utf8")


def _other_words(model):
    file = model / "tokenizer.json"
    found = json.loads(file.read_text(encoding="utf8"))
    found["model"]["merges"] = found["model"]["merges"][:-20]
    file.write_text(json.dumps(found), encoding="utf8")


@pytest.mark.parametrize("change", [_other_template, _other_words, None], ids=["template", "tokenizer", "weights"])
def test_another_template_tokenizer_or_form_of_weights_is_another_result(model, forget, change):
    first = forget(model)
    if change:
        change(model)
    again = forget(model, *([] if change else ["--weights", "bf16"]))
    assert first[0] == again[0] == 0
    assert "forget: running" in again[1]
    assert again[2] != first[2]


def test_what_does_not_count_changes_nothing(model, forget):
    first = forget(model)
    (model / "README.md").write_text("A model of mine.", encoding="utf8")
    code, said, nll = forget(model)
    assert (code, nll) == (0, first[2])
    assert "forget: kept" in said


def test_the_base_of_an_adapter_is_an_input_too(model, forget, tmp_path):
    assert forget(model)[0] == 0
    base = tmp_path / "out/forget/model"
    put = adapted(load_model(base), Lora(rank=2), seed=0, base=base)
    save(tmp_path / "adapter", put)
    assert folders_of(str(tmp_path / "adapter")) == (tmp_path / "adapter", base.resolve())
    before = model_hash(str(base))
    code, said, _ = forget(tmp_path / "adapter")
    assert code == 2
    assert f"{base} in it is read" in said
    assert model_hash(str(base)) == before
