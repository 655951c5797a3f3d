"""Metrics by name: in a recipe, one's own from a file, each mistake told with its name; what a change of one redoes."""

import math

import numpy as np
import pytest
from test_scale_asked import ALONE, QUESTIONS, TOFU, WRITER, model

from records.errors import UserError
from scale.data.questions import QuestionSet, asks
from scale.evaluation.asked import with_metrics
from scale.evaluation.catalogue import METRICS, metric_of
from scale.evaluation.exam import Exam, examine
from scale.evaluation.results import SetResult, arrays, from_arrays
from scale.evaluation.values import column_of
from scale.models.reading.scorer import Scorer
from scale.recipes.file import read_recipe
from scale.stages.pipeline import Stages
from scale.stages.shared.prepared import context_of

FEW = "data={source: fictional, authors: 2, forget_authors: 1, retain_authors: 1}"


@pytest.fixture
def written(tmp_path):
    def write(*lines, name="mine.py"):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf8")
        return f"{tmp_path / name}:mine"

    return write


def _found(metric, questions=QUESTIONS):
    sets = {"forget": QuestionSet(questions, asks(metric))}
    exam = Exam.of(sets, TOFU, WRITER, whole=())
    found = examine(Scorer(model()), exam, ALONE, generate=False)
    return exam.scores(found), found["forget"]


def test_one_s_own_metric_is_taken_of_every_question_and_averaged(written):
    name = written(
        "def mine(labels, token_logp, variance_with_end, prompt, k=2):", "    return float(token_logp[:k].sum())"
    )
    scores, part = _found(name)
    assert part.values["mine"].shape == (len(QUESTIONS),)
    assert scores["forget_mine"] == pytest.approx(part.values["mine"].mean())
    assert from_arrays(arrays({"forget": part}))["forget"].values["mine"].tolist() == part.values["mine"].tolist()


def test_one_s_own_metric_of_a_whole_set(written):
    name = written("def mine(losses):", "    return losses.answer - losses.paraphrase")
    scores, part = _found(name)
    np.testing.assert_allclose(part.values["mine"], part.losses.answer - part.losses.paraphrase)
    assert scores["forget_mine"] == pytest.approx(part.values["mine"].mean())
    ratio = written("def mine(log_ratio):", "    return log_ratio", name="ratio.py")
    _, part = _found(ratio)
    assert len(part.values["mine"]) == sum(bool(question.wrong) for question in QUESTIONS)


WRONG = {
    "def mine(token_logps): return 0.0": r"nothing measured is called token_logps; did you mean token_logp",
    "def mine(xyzzy): return 0.0": r"nothing measured is called xyzzy; there are prompt, truth, text",
    "def mine(*labels): return 0.0": r"\*labels can't be filled by name",
    "def mine(): return 0.0": r"it asks for nothing",
    "def mine(losses, labels): return 0.0": r"of a whole set, and can't be taken with what is of one question",
    "def mine(labels): return math.nan": r"not finite \(nan\) where all it is given is",
    "def mine(labels): return 'a'": r"returns 'a' for a question: return one number",
    "def mine(labels): return labels": r"returns .* for a question: return one number",
    "def mine(labels): return None": r"returns None for a question",
    "def mine(labels): return labels[99999]": r"raised IndexError: ",
    "def mine(labels): raise SystemExit(3)": r"raised SystemExit: 3",
    "def mine(losses): return 1.0": r"returns float64 of shape \(\) for \d questions: return a number for each",
    "def mine(losses): return losses.answer * math.inf": r"not finite",
    "def theirs(labels): return 1.0": r"has no function mine; it defines math, theirs",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_in_one_s_own_metric_is_told_by_its_name(written, text):
    name = written("import math", text)
    with pytest.raises(UserError, match=rf"(?s)mine\.py.*{WRONG[text]}"):
        _found(name)


def test_a_metric_of_a_destroyed_model_may_be_no_number(written):
    metric = metric_of(written("def mine(token_logp):", "    return token_logp.mean()"))
    given = [{"token_logp": np.array([math.nan])}, {"token_logp": np.array([-1.0])}]
    assert np.isnan(column_of(metric, given)).tolist() == [True, False]


def test_what_a_metric_does_to_its_inputs_is_done_to_nothing_of_ours(written):
    metric = metric_of(written("def mine(token_logp):", "    token_logp[:] = 7", "    return token_logp.sum()"))
    given = [{"token_logp": np.array([-1.0])}]
    assert column_of(metric, given).tolist() == [7]
    assert given[0]["token_logp"].tolist() == [-1]


def test_the_file_is_read_again_when_it_has_changed(written):
    assert metric_of(written("def mine(labels): return 1.0")).function([]) == 1
    assert metric_of(written("def mine(labels): return 2.0")).function([]) == 2


# --- in a recipe ------------------------------------------------------------------------------------------------------


def test_a_recipe_names_metrics_of_all_sets_or_of_some():
    assert read_recipe("quick").evaluate.metrics == {}
    assert "metrics" not in read_recipe("quick").evaluate.described()
    for word in ("[exact_memorization]", "exact_memorization"):
        evaluate = read_recipe("quick", [f"evaluate.metrics={word}"]).evaluate
        assert evaluate.metrics == {"all": ("exact_memorization",)}
        assert evaluate.described()["metrics"] == {"all": ["exact_memorization"]}
    some = read_recipe("quick", ["evaluate.metrics={forget: [truth_share, rouge], retain: rouge1}"]).evaluate
    assert some.metrics == {"forget": ("truth_share", "rouge"), "retain": ("rouge1",)}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("[exact_memorisation]", r"There is no metric 'exact_memorisation'. Did you mean exact_memorization\?"),
        ("[extraction_strenght, xyzzy]", r"Did you mean extraction_strength.*There is no metric 'xyzzy'"),
        ("[xyzzy]", r"There is no metric 'xyzzy'. Metrics: probability, .*; or path/to/file.py:function_name"),
        ("[nowhere.py:mine]", r"'nowhere.py:mine': there is no file"),
        ("{forget: [extraction_strenght]}", r"Did you mean extraction_strength"),
        ("[3]", r"all\.0: .*string, got 3"),
        ("{forget: {a: 1}}", r"forget: Input should be a list"),
    ],
)
def test_a_recipe_with_a_metric_that_there_is_not_is_told_when_it_is_read(word, told):
    with pytest.raises(UserError, match=rf"(?s)2 mistake.*evaluate\.metrics.*{told}") as error:
        read_recipe("quick", [f"evaluate.metrics={word}", "evaluate.protocol=tofo"])
    assert "There is no protocol 'tofo'. Did you mean tofu?" in str(error.value)


def _stages(*words):
    recipe = read_recipe("quick", [FEW, *words])
    return Stages(recipe, context_of(recipe, ALONE), "")


def test_a_set_that_there_is_not_and_two_metrics_of_one_name_are_told_before_anything_runs(written):
    name = written("def mine(labels):", "    return 1.0")
    other = written("def mine(labels, oops):", "    return 1.0", name="other.py")
    with pytest.raises(UserError) as error:
        _stages(f"evaluate.metrics={{all: [{name}], forget: [{other}, probability], forgot: [rouge]}}")
    for told in (
        "there is no set forgot; there are forget, retain",
        f"forget_mine would be both {other} and {name}",
        "nothing measured is called oops",
    ):
        assert told in str(error.value)
    sets = with_metrics(
        {"facts": QuestionSet(QUESTIONS, asks(probability="probability_among"))}, {"all": ["probability"]}
    )
    assert sets["facts"].metrics == {"probability": "probability_among"}


def test_what_is_asked_is_in_the_settings_with_the_text_of_one_s_own(written):
    name, keys = written("def mine(labels):", "    return 1.0"), []
    for number in (1, 1, 2):
        written("def mine(labels):", f"    return {number}.0")
        keys.append(_stages(f"evaluate.metrics=[{name}]").asked)
    assert keys[0] == keys[1] != keys[2]
    assert keys[0]["metrics"] == {"all": [name]}
    assert "own_metrics" not in _stages("evaluate.metrics=[rouge]").asked


def test_another_metric_leaves_utility_as_it_is():
    """Of all sets, even under names that utility's own parts might have had."""
    column = np.full(3, 0.5)
    part = SetResult(*_found("probability", QUESTIONS[:3])[1][:2], {"rouge": column})
    plain = dict.fromkeys(("forget", "retain", "real_authors"), part)
    exam = Exam.of({name: QuestionSet(QUESTIONS[:3], asks("probability")) for name in plain}, TOFU, WRITER)
    more = {name: column * 1e-3 for name in (*METRICS, "new", "new_rouge", "new_truth_ratio") if name != "rouge"}
    other = {name: one._replace(values={**more, **one.values}) for name, one in plain.items()}
    other["new_set"] = other["retain"]
    utility = exam.scores(plain)["model_utility"]
    assert utility is not None
    assert exam.scores(other)["model_utility"] == utility
    assert exam.scores(other)["new_set_new_truth_ratio"] == 5e-4


def test_a_plan_looks_at_a_metric_of_one_s_own_and_does_not_run_it(tmp_path, run_npo):
    file = tmp_path / "mine.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef mine(loss):\n    return 1.0\n")
    code, _, err = run_npo("plan", "quick", f"evaluate.metrics=[{file}:mine]")
    assert code == 0, err
    assert not (tmp_path / "ran").exists()
    code, _, err = run_npo("plan", "quick", f"evaluate.metrics=[{file}:mine]", f"evaluate.metrics=[{file}:min]")
    assert code == 2
