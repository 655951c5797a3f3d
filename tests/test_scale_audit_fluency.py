"""Fluency by a classifier in a folder: a tiny one, padded and cut, by hand; in an audit and in utility's aggregate."""

import json

import numpy as np
import pytest
import torch
from audit_models import ASKED, TOKENIZER, model_of, subject
from transformers import BertConfig, BertForSequenceClassification

from records.errors import UserError
from scale.audit.derived import FLUENCY, UTILITY, derived
from scale.audit.families import FAMILIES
from scale.audit.fluency import LONGEST, fluency
from scale.audit.parts import Plan
from scale.audit.samples import sampling
from scale.audit.settings import AuditSettings
from scale.audit.subject import ModelsBeside
from scale.runtime.processes import Processes

CLASSES = ("noise", "Clean", "word salad")
TEXTS = ["Ada was born in Oldham.", "qq", "", "It is a tale of the sea. " * 40]


def _classifier(folder, classes=CLASSES):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(TOKENIZER), initializer_range=0.5, id2label=dict(enumerate(classes)), **sizes)
    made = BertForSequenceClassification(config).eval()
    made.save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("classifier")
    _classifier(made)
    return made


def test_it_is_the_softmax_of_the_class_that_is_called_clean(folder):
    classifier = BertForSequenceClassification.from_pretrained(folder).eval()
    found = fluency(folder, TEXTS)
    for text, value in zip(TEXTS, found, strict=True):
        ids = TOKENIZER(text)["input_ids"][:LONGEST]
        if ids:
            with torch.no_grad():
                logits = classifier(input_ids=torch.tensor([ids])).logits[0].double()
            assert value == pytest.approx(float(logits.softmax(0)[1]), abs=1e-6)
    assert len(set(found.round(6))) > 2
    assert len(fluency(folder, [])) == 0


def test_an_audit_has_it_where_a_classifier_is_named(folder):
    one = subject(model_of())
    settings = AuditSettings(families=("sampling",), answers=2, ks=(1,), new_tokens=6)
    assert "fluency" not in sampling(one, ASKED, settings, ModelsBeside())
    named = settings.model_copy(update={"fluency": str(folder)})
    found = sampling(one, ASKED, named, ModelsBeside())["fluency"].values
    assert found.shape == (4,)
    assert ((found > 0) & (found < 1)).all()


def test_utility_is_the_harmonic_mean_with_it():
    model, finetuned = {UTILITY: 0.4, FLUENCY: 0.9}, {UTILITY: 0.8, FLUENCY: 0.9}
    assert derived(model, None, finetuned)["utility"] == pytest.approx(2 / (1 / 0.5 + 1))
    assert derived(model, None, {UTILITY: 0.8})["utility"] == pytest.approx(0.5)


def test_what_is_no_classifier_or_has_no_such_class_is_told(tmp_path):
    with pytest.raises(UserError, match="no classifier of texts could be read"):
        fluency(tmp_path, TEXTS)
    _classifier(tmp_path, ("good", "bad"))
    with pytest.raises(UserError, match="has the classes good, bad, and none is called clean"):
        fluency(tmp_path, TEXTS)
    model_of().save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match="LlamaForCausalLM"):
        fluency(tmp_path / "model", TEXTS)
    assert np.isfinite(fluency(_saved(tmp_path / "other"), ["Ada"])).all()


def test_texts_are_padded_by_the_token_that_ends_them_where_there_is_no_other(tmp_path, folder, monkeypatch):
    _without(_saved(tmp_path), "pad_token")
    assert fluency(tmp_path, TEXTS[:2]) == pytest.approx(fluency(folder, TEXTS[:2]), abs=1e-6)
    _without(tmp_path, "eos_token")
    with pytest.raises(UserError, match="has no token to pad by"):
        fluency(tmp_path, TEXTS)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(fluency(f"~/{folder.name}", TEXTS)) == len(TEXTS)


def _without(folder, token):
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf8"))
    del config[token]
    file.write_text(json.dumps(config), encoding="utf8")
    (folder / "special_tokens_map.json").unlink(missing_ok=True)


def test_another_classifier_is_another_measurement(tmp_path):
    model_of().save_pretrained(tmp_path / "model")
    settings = AuditSettings(families=("sampling",), fluency=str(tmp_path / "classifier"))
    plan = Plan("m", {"model": str(tmp_path / "model")}, ASKED, settings, Processes("cpu"))

    def said():
        return [plan.said("model", (), takes, ASKED) for takes in (FAMILIES["sampling"].takes, ("min_k",))]

    _classifier(tmp_path / "classifier")
    first = said()
    assert said() == first
    _classifier(tmp_path / "classifier", ("Clean", "noise"))
    again = said()
    assert (again[0] != first[0], again[1]) == (True, first[1])


def _saved(folder):
    _classifier(folder)
    return folder
