"""Any key of a recipe on the command line: items of lists, names that become groups, every mistake at once, a list."""

import pytest

from records.errors import UserError
from scale.recipes.file import changed, read_recipe, shipped
from scale.recipes.key_words import put_words
from scale.recipes.keys import every_key, taken


def test_an_item_of_a_list_is_reached_by_its_number():
    found = read_recipe("quick", ["unlearn.methods.1.lr=3e-5", "unlearn.methods.0=GA+RT", "unlearn.methods.2.epochs=7"])
    methods = found.unlearn.methods
    assert [m.name for m in methods] == ["GA+RT", "NPO", "NPO+RT"]
    assert [(m.lr, m.epochs) for m in methods] == [(None, None), (3e-5, None), (None, 7)]
    listed = read_recipe("quick", ["unlearn.methods=[NPO,GA+RT]", "unlearn.methods.1.retain_weight=2"])
    assert [m.label for m in listed.unlearn.methods] == ["NPO", "GA+RT,retain_weight=2"]
    by_commas = read_recipe("quick", ["unlearn.methods=GA, NPO", "unlearn.methods.1.beta=0.3"])
    assert [m.label for m in by_commas.unlearn.methods] == ["GA", "NPO,beta=0.3"]


def test_a_name_becomes_a_group_where_a_key_of_it_is_set():
    words = ["unlearn.optimizer.betas=[0.9,0.95]"]
    assert read_recipe("quick", words).unlearn.optimizer.options == {"betas": [0.9, 0.95]}
    words = ["unlearn.optimizer=SGD:momentum=0.5", "unlearn.optimizer.nesterov=true"]
    found = read_recipe("quick", words).unlearn.optimizer
    assert (found.name, found.options) == ("SGD", {"momentum": 0.5, "nesterov": True})


def test_every_mistake_is_told_at_once_with_what_may_have_been_meant():
    words = ["lr=1", "unlearn.methods.3.lr=1", "unlearn.methods.x=1", "finetune.lr.x=3", "unlearn.lrr=2", "seed=-1"]
    with pytest.raises(UserError) as caught:
        read_recipe("quick", words)
    for said in (
        "The recipe quick has 6 mistake(s)",
        "lr: there is no such key. Did you mean pretrain.lr or finetune.lr or retrain.lr or unlearn.lr",
        "unlearn.methods.3: unlearn.methods is a list of 3: its items are unlearn.methods.0 to unlearn.methods.2.",
        "unlearn.methods.x: unlearn.methods is a list of 3",
        "finetune.lr.x: finetune.lr is not a group of keys.",
        "unlearn.lrr: there is no such key. Did you mean lr?",
        "seed: Input should be",
    ):
        assert said in str(caught.value)


def test_words_that_are_none_and_words_that_are_there_twice_are_told_together():
    with pytest.raises(UserError, match=r"key=value; these are not: 'x'\.\nEach setting can be given once.*: seed"):
        put_words({}, ["x", "seed=1", "seed=2"])


@pytest.mark.parametrize("name", list(shipped()))
def test_a_recipe_stays_the_same_when_nothing_is_put_over_it(name):
    recipe = read_recipe(name)
    assert changed(recipe, ["seed=7"], "it") == recipe.model_copy(update={"seed": 7})


def test_every_key_is_listed_and_can_be_set():
    keys = [key.name for key in every_key()]
    assert {"unlearn.lr", "unlearn.methods.0.lr", "evaluate.metrics", "model.lora.rank", "data.forget"} <= set(keys)
    assert all(taken(name.split(".")) for name in keys)
    about = {key.name: key.about for key in every_key()}
    assert about["unlearn.weight_decay"].startswith("a number; default 0.01")
    assert about["unlearn.methods"] == "a list of groups of keys; to be given"


def test_npo_ls_tells_the_keys(run_npo):
    code, out, _ = run_npo("ls", "options")
    assert code == 0
    assert "unlearn.methods.0.retain_weight" in out
    assert "unlearn.lr" not in run_npo("ls")[1]


VERBS = ("run", "pretrain", "finetune", "retrain", "unlearn", "evaluate", "plan", "show-batch", "sweep", "law")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_takes_a_recipe_takes_its_keys(verb, run_npo):
    code, _, err = run_npo(verb, "quick", "unlearn.lrr=1", "unlearn.methods.0.lr=x")
    assert code == 2
    assert "unlearn.lrr: there is no such key. Did you mean lr?" in err
    assert "unlearn.methods.0.lr: Input should be a valid number" in err
