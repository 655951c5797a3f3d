"""What a recipe says of its data: the task that `kind` names, its own settings, and every mistake in them at once."""

import pytest
from test_scale_asked import ALONE, QUESTIONS, TOFU, WRITER, model

from records.errors import UserError
from scale.data.questions import QuestionSet
from scale.evaluation.asked import ANSWERED
from scale.evaluation.exam import Exam, examine
from scale.evaluation.tofu_log import as_log
from scale.models.reading.scorer import Scorer
from scale.recipes.file import read_recipe
from scale.tasks.kinds import TASKS, corpus_of, task_of
from scale.tasks.tofu import TofuSettings

FEW = "authors: 3, forget_authors: 1, retain_authors: 2"


def _recipe(data, *words):
    return read_recipe("quick", [f"data={{{data}}}", *words])


def test_every_task_is_found_whatever_its_case():
    assert len({task.name.casefold() for task in TASKS}) == len(TASKS)
    for task in TASKS:
        assert task_of(task.name.upper()) is task_of(task.name.lower()) is task


def test_today_s_words_and_a_named_kind_say_the_same():
    old, new = _recipe(f"source: fictional, {FEW}").data, _recipe(f"kind: fictional, {FEW}").data
    assert corpus_of(old).describe() == corpus_of(new).describe() == corpus_of(_recipe(FEW).data).describe()
    assert isinstance(old, TofuSettings)
    assert read_recipe("quick", ["data.authors=5"]).data.authors == 5


MISTAKES = {
    "kind: fictionl": "data.kind: there is no kind of data 'fictionl'. Did you mean fictional?",
    "kind: fictional, forget: forget10, author: 3": "data.author: there is no such key. Did you mean authors?",
    "kind: fictional, forget: forget10, source: x": "leave source out, or choose kind=TOFU",
    "forget_authors: 0, retain_authors: x": "The recipe quick has 2 mistake(s)",
}


@pytest.mark.parametrize("data", MISTAKES)
def test_mistakes_are_told_with_the_nearest_name(data):
    with pytest.raises(UserError) as caught:
        _recipe(data)
    assert MISTAKES[data] in str(caught.value)


def test_data_that_is_no_group_is_told_beside_all_else():
    with pytest.raises(UserError, match=r"2 mistake\(s\)[\s\S]*data: Input should be a group of keys"):
        read_recipe("quick", ["data=5", "unlearn.lr=-1"])


def test_data_of_another_kind_takes_the_place_of_what_a_recipe_is_like(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("like: quick\ndata: {kind: fictional, authors: 2, forget: forget50}")
    found = read_recipe(str(file)).data
    assert (found.kind, found.forget_authors, found.forget) == ("fictional", None, "forget50")


def test_tofu_s_log_has_a_set_that_tofu_lacks_under_its_own_name():
    exam = Exam.of({name: QuestionSet(QUESTIONS, ANSWERED) for name in ("forget", "rivers")}, TOFU, WRITER, whole=())
    log = as_log(examine(Scorer(model()), exam, ALONE, generate=False), exam)
    assert list(log) == ["eval_log_forget.json", "rivers"]
    assert log["rivers"]["avg_gt_loss"] == log["eval_log_forget.json"]["avg_gt_loss"]
