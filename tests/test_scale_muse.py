"""MUSE as a task: what is asked, what its scores are made of, and a run from end to end on a very small model."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from npo.report.gallery import RUNS
from npo.runs.run import UnlearningRun, table
from records.errors import UserError
from records.store import load
from records.work import run_missing
from scale.evaluation.exam import Exam, examine
from scale.evaluation.metrics.membership import auc, priv_leak
from scale.evaluation.protocols import protocol_of
from scale.evaluation.results import NOTHING, SetResult
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.scratch import from_scratch, train_tokenizer
from scale.models.loading.whole import load as load_model
from scale.models.reading.scorer import Scorer
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.stages.plan import estimate
from scale.stages.shared.prepared import context_of
from scale.tasks.kinds import task_of
from scale.tasks.muse import MUSE, MuseSettings, corpus, muse_scores

ALONE = Processes("cpu")
LIGHT = (
    "data.stories=4",
    "data.questions=4",
    "model.shape.hidden=32",
    "model.shape.layers=1",
    "model.shape.heads=2",
    "model.shape.feed_forward=64",
    "model.shape.vocab=400",
    "finetune.epochs=2",
    "unlearn.epochs=2",
    "unlearn.methods=[NPO+RT]",
)
FOUR = ("verbmem_f", "knowmem_f", "knowmem_r", "privleak")


def _units(*words, name="muse-tiny"):
    return units(read_recipe(name, [*LIGHT, *words]), ALONE)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("muse")
    run_missing(_units(), folder)
    return folder


# --- what is asked ----------------------------------------------------------------------------------------------


def test_the_sets_are_those_of_muse():
    found = corpus(MuseSettings(stories=4, questions=4))
    assert list(found.asked) == ["forget", "retain", "holdout", "verbmem", "forget_qa", "retain_qa"]
    verbmem, asked = found.asked["verbmem"], found.asked["forget_qa"]
    assert (verbmem.new_tokens, verbmem.truth_tokens, asked.new_tokens) == (128, 128, 32)
    prompt = asked.questions[0].asked.shown
    assert prompt.count("Question: ") == 11
    assert prompt.count("\n\n") == 10
    assert prompt.endswith("\nAnswer: ")
    texts = {row.text for row in found.forget}
    assert {q.truth for q in found.asked["forget"].questions} <= texts
    assert not texts & {q.truth for name in ("retain", "holdout") for q in found.asked[name].questions}


def test_kept_documents_are_trained_on_and_not_seen_by_unlearning():
    found = corpus(MuseSettings(stories=4, questions=4, fold=2))
    by_name = {unit.name: unit.run.keywords for unit in _units("data.fold=2")}
    finetuned, retrained = (set(by_name[name]["rows"]) for name in ("finetune", "retrain"))
    assert retrained == {*found.retain, *found.kept}
    assert finetuned == retrained | {*found.later, *found.forget}
    assert not {*found.kept, *found.later} & {*found.retain, *found.forget}
    assert len(found.later) == 3 * len(found.forget)


def test_joined_documents_are_one_row():
    (row,) = corpus(MuseSettings(stories=4, questions=4, joined=True)).forget
    assert row.text == "\n\n".join(each.text for each in corpus(MuseSettings(stories=4, questions=4)).forget)


def test_what_can_not_be_is_refused_by_its_key():
    for words, told in (
        (["data.fold=1", "data.scale=2"], "fold and scale both say what is forgotten"),
        (["data.questions=200"], "ask for fewer questions, or more stories"),
        (["data.fold=5"], "data.fold"),
        (["data.corpus=poems"], "data.corpus: Input should be 'news' or 'books'"),
        (["data.storys=3"], "Did you mean stories?"),
    ):
        with pytest.raises(UserError) as caught:
            read_recipe("muse-tiny", words)
        assert told in str(caught.value)
    with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
        _units("data.source=/nowhere")
    news, books = (read_recipe(f"muse-{name}") for name in ("news", "books"))
    assert (news.data.corpus, books.data.corpus, books.data.joined) == ("news", "books", True)
    assert all("never run here" in recipe.tuned for recipe in (news, books))
    assert task_of("muse") is MUSE


# --- scores -----------------------------------------------------------------------------------------------------


def _result(scores):
    return SetResult(NOTHING, NOTHING, {"min_k": np.array(scores)})


def test_the_four_scores_by_hand():
    values = {"verbmem_f1": 0.25, "forget_qa_f1": 0.5, "retain_qa_f1": 0.75}
    found = {"forget": _result([1.0, 2.0]), "holdout": _result([1.5, 3.0])}
    retrained = {"forget": _result([1.0, 4.0]), "holdout": _result([2.0, 3.0])}
    scores = muse_scores(values, found, retrained, protocol_of("tofu"))
    assert scores == {
        "verbmem_f": 25,
        "knowmem_f": 50,
        "knowmem_r": 75,
        "privleak": priv_leak(0.75, 0.5),
        "min_k_auc": 0.75,
    }
    assert scores["privleak"] == -50
    alone = muse_scores({}, found, None, protocol_of("tofu"))
    assert alone == {"min_k_auc": 0.75}


def test_a_destroyed_model_has_no_privleak():
    found = {"forget": _result([math.nan, 2.0]), "holdout": _result([1.5, 3.0])}
    assert math.isnan(muse_scores({}, found, found, protocol_of("tofu"))["privleak"])


# Of swj0419/muse_bench@fcd6651 (metrics/privleak.py) on the model below and the same documents, run on 2026-11-28
MUSE_MIN_40 = {
    "forget": [5.99901, 5.998531, 5.998064, 5.997674],
    "retain": [5.997801, 5.998195, 5.997931, 5.996747],
    "holdout": [5.998192, 5.996938, 5.998123, 5.997743],
}
MUSE_AUC, MUSE_PRIVLEAK = 0.6875, 44.06957250628667  # the latter against an AUC of .4772, both in MUSE's direction


def test_documents_have_the_scores_that_muses_own_code_gives_them():
    context = context_of(read_recipe("muse-tiny", LIGHT), ALONE)
    rows = [*context.corpus.retain, *context.corpus.kept, *context.corpus.forget]
    tokenizer = train_tokenizer([row.text for row in rows], 400)
    model = from_scratch(tokenizer, context.model.scratch, seed=0)
    with torch.no_grad():  # weights that are the same on every machine
        for weight in model.parameters():
            weight.copy_(torch.sin(torch.arange(weight.numel(), dtype=torch.float64)).reshape(weight.shape) / 4)
    sets = {name: replace(context.corpus.asked[name], metrics={"min_k": "min_k"}) for name in MUSE_MIN_40}
    exam = Exam.of(sets, context.exams, context.writer(LanguageModel(model, tokenizer)), whole=(muse_scores,))
    found = examine(Scorer(model), exam, ALONE)
    for name, theirs in MUSE_MIN_40.items():
        assert found[name].values["min_k"] == pytest.approx(theirs, abs=5e-6)
    area = exam.scores(found)["min_k_auc"]
    assert 1 - area == MUSE_AUC
    assert priv_leak(area, 1 - 0.4772) == pytest.approx(MUSE_PRIVLEAK, abs=1e-9)


# --- from end to end --------------------------------------------------------------------------------------------


@pytest.mark.integration
def test_a_run_leaves_the_four_scores_at_its_end_and_privleak_on_the_way(out):
    values = load(out / "unlearn" / "NPO+RT-s0").values
    first, middle, last = values["moments"]
    assert set(FOUR) <= first.keys() & last.keys()
    assert all(isinstance(last[name], float) for name in FOUR)
    assert "verbmem_f" not in middle  # nothing was generated
    assert isinstance(middle["privleak"], float)
    assert set(FOUR) - {"privleak"} <= values["finetuned"].keys()
    assert not any("told apart" in reason for reason in values["not_rankable"])


def test_the_log_is_what_the_scores_are_made_of(out):
    log = json.loads((out / "unlearn" / "NPO+RT-s0" / "log.json").read_text(encoding="utf8"))
    retrained = json.loads((out / "evaluate" / "retrain" / "log.json").read_text(encoding="utf8"))
    last = load(out / "unlearn" / "NPO+RT-s0").values["moments"][-1]
    for name, score in (("verbmem", "verbmem_f"), ("forget_qa", "knowmem_f"), ("retain_qa", "knowmem_r")):
        assert log[score] == pytest.approx(last[score])
        assert 100 * np.mean([one["rougeL"] for one in log[name]]) == pytest.approx(last[score])
    areas = [auc(one["Min-40%"]["forget"], one["Min-40%"]["holdout"]) for one in (log, retrained)]
    assert [one["auc"]["forget_holdout_Min-40%"] for one in (log, retrained)] == pytest.approx([1 - a for a in areas])
    assert priv_leak(*areas) == pytest.approx(last["privleak"])


def test_its_scores_are_tabled_and_figures_of_other_measures_left_out(out):
    run = UnlearningRun.read(out / "unlearn" / "NPO+RT-s0")
    headings = [str(column.header) for column in table([run]).columns]
    assert headings[-4:] == ["verbmem f", "knowmem f", "knowmem r", "privleak"]
    assert not {"model utility", "log₁₀ forget quality"} & set(headings)
    drawn = {plate.name for plate in RUNS if plate.its({run.name: run.data})}
    assert drawn == {"llm_kl", "llm_metrics"}


@pytest.mark.integration
def test_the_next_fold_is_unlearned_from_the_model_of_the_one_before(out, tmp_path):
    before = out / "unlearn" / "NPO+RT-s0" / "model"
    given = (f"finetuned={before}", f"retrained={out / 'retrain' / 'model'}", "data.fold=2")
    planned = _units(*given)
    run_missing(planned, tmp_path)
    start = load(tmp_path / "unlearn" / "NPO+RT-s0").values["moments"][0]
    end = load(out / "unlearn" / "NPO+RT-s0").values["moments"][-1]
    assert {name: start[name] for name in FOUR} == pytest.approx({name: end[name] for name in FOUR})
    assert load(tmp_path / "finetune").values["given"] == str(before)
    assert [stage.name for stage in estimate(planned).stages] == ["unlearn", "evaluate"]


def test_a_model_that_is_not_there_is_told_with_its_key():
    with pytest.raises(UserError, match=r"finetuned: There is no model .*\nretrained: There is no model"):
        _units("finetuned=./nowhere", "retrained=./nor-there")


def test_the_true_text_is_cut_to_its_first_tokens(out, tmp_path):
    """As in MUSE; a longer true text would count what nobody could generate."""
    (tmp_path / "own.py").write_text("def letters(truth):\n    return len(truth)\n", encoding="utf8")
    context, model = context_of(read_recipe("muse-tiny", LIGHT), ALONE), load_model(out / "finetune" / "model")
    asked = replace(context.corpus.asked["verbmem"], metrics={"letters": f"{tmp_path / 'own.py'}:letters"})
    found = {}
    for tokens in (8, 10_000, None):
        exam = Exam.of({"verbmem": replace(asked, truth_tokens=tokens)}, context.exams, context.writer(model), whole=())
        found[tokens] = examine(Scorer(model.model), exam, ALONE)["verbmem"].values["letters"].tolist()
    truths = [question.truth for question in asked.questions]
    first = [model.tokenizer.decode(model.tokenizer(truth).input_ids[:8]).strip() for truth in truths]
    assert found[8] == [len(text) for text in first]
    assert found[10_000] == found[None] == [len(text) for text in truths]
