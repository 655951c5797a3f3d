"""npo forget: how it trains is said as npo run has it, and how a question is written by text around it."""

import json

import pytest

from records.store import load
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape

TOWNS = ["Oldham", "Siena", "Bergen"]
ROWS = [{"question": f"Where was no. {i} born?", "answer": f"In {town}, I think."} for i, town in enumerate(TOWNS)]
KEEP = [{"question": "What do bees make?", "answer": "They make honey."}]
TAGS = '{before: "Q: ", after: "\\n", tag: "A: "}'


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return str(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny model, a file of rows to forget, one of rows to retain."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = scratch.train_tokenizer([f"Question: {row['question']}\nAnswer: {row['answer']}" for row in ROWS], 300)
    model = scratch.from_scratch(tokenizer, Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128), seed=0)
    language_model.save(folder / "model", LanguageModel(model, tokenizer))
    return str(folder / "model"), _write(folder / "rows.jsonl", ROWS), _write(folder / "keep.jsonl", KEEP)


@pytest.fixture
def forget(tiny, run_npo, tmp_path):
    """The verb on the tiny model, with more words, into a folder: exit code, what was said on standard error."""
    model, rows, _ = tiny

    def run(*words, out="out"):
        words = ("forget", rows, "--model", model, "--out", str(tmp_path / out), "--lr", "1e-2", *words)
        code, _, err = run_npo(*words)
        assert "Traceback" not in err
        return code, " ".join(err.split())

    return run


def test_how_it_trains_can_be_typed_and_is_recorded(forget, tiny, tmp_path):
    words = ["--method", "GA+RT", "--retain", tiny[2], "--batch", "2", "--steps", "3", "--warmup", "0.5"]
    words += ["--weight-decay", "0.2", "--clip", "0.5", "--reduction", "token_mean", "unlearn.decay=matrices"]
    assert forget(*words)[0] == 0
    values = load(tmp_path / "out/forget").values
    assert values["training"] == {
        "optimizer": "adamw",
        "weight_decay": 0.2,
        "decay": "matrices",
        "clip": 0.5,
        "warmup": {"epochs": 0.5},
        "length": {"steps": 3},
        "forget_mean": "tokens",
        "retain_mean": "tokens",
    }
    assert values["history"]["lr"] == pytest.approx([0, 1e-2, 0.5e-2])
    assert len(values["history"]["norm"]) == 3
    card = (tmp_path / "out/forget/model/README.md").read_text("utf8")
    assert all(word in card for word in ('"clip": 0.5', '"reduction": "token_mean"', "in 4.45 and 4.57"))


def test_options_and_keys_are_two_spellings_of_one_thing(forget, tmp_path):
    words = ["--steps", "2", "--clip", "0.1", "--warmup", "0", "--weight-decay", "0"]
    assert forget(*words, out="options")[0] == 0
    assert (
        forget("unlearn.steps=2", "unlearn.clip=0.1", "unlearn.warmup=0", "unlearn.weight_decay=0", out="keys")[0] == 0
    )
    one, other = (load(tmp_path / out / "forget").values for out in ("options", "keys"))
    assert one["history"] == other["history"]
    assert one["training"] == other["training"]


def test_so_many_steps_do_not_warm_up_unless_told(forget, tmp_path):
    assert forget("--steps", "2", "--batch", "1")[0] == 0
    assert load(tmp_path / "out/forget").values["history"]["lr"] == pytest.approx([1e-2, 0.5e-2])


@pytest.mark.integration
def test_text_around_a_question_can_be_typed(forget, tmp_path):
    assert forget("--steps", "1", "--tags", TAGS, out="tags")[0] == 0
    assert forget("--steps", "1", f"model.prompt={TAGS}", out="key")[0] == 0
    assert forget("--steps", "1", out="plain")[0] == 0
    tags, key, plain = (load(tmp_path / out / "forget").values["before"] for out in ("tags", "key", "plain"))
    assert tags == key
    assert tags != plain


def test_all_that_can_not_be_is_told_at_once(forget, tmp_path):
    words = ["--clip", "0", "--reduction", "mean", "--tags", "{befor: x, after: y}", "--prompt", "chat"]
    code, err = forget(*words, "--method", "NPOO")
    assert code == 2
    for said in ("--clip: ", "--reduction: ", "--tags: before: ", "--tags: befor: ", "--tags and --prompt"):
        assert said in err
    assert not (tmp_path / "out").exists()
    assert "--tags: it is no group of texts" in forget("--tags", "plain")[1]
    code, err = forget("--tags", "[", "--clip", "-1")
    assert code == 2
    assert "--tags can't be read" in err
    assert "--clip: " in err


def test_its_help_is_in_groups(run_npo):
    code, out, _ = run_npo("forget", "--help")
    assert code == 0
    groups = ["Rows and model", "Method", "Training", "Memory and machine", "What is measured"]
    places = [out.index(f" {group} ") for group in groups]
    assert places == sorted(places)
