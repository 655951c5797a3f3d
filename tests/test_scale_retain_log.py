"""The log of a retrained model in its place: each kind gives the KS test of its own numbers, misfits are told."""

import json

import numpy as np
import pytest
from open_unlearning_made_up import evaluation
from scipy.stats import ks_2samp
from small_recipe import SMALL

from npo.verbs.score import score as show
from records.errors import UserError
from records.store import load
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.results import from_arrays
from scale.evaluation.retain_log import fitted, read_retain_log
from scale.evaluation.tofu_log import TASKS
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.examining.evaluate import sets_of
from scale.stages.examining.judged_by_log import log_of
from scale.stages.pipeline import units
from scale.stages.shared.prepared import context_of

N = 4  # questions that SMALL asks


def asked(*words):
    """What the small recipe asks, its protocol, and so many questions."""
    context = context_of(read_recipe("quick", [*SMALL, *words]), Processes("cpu"))
    return sets_of(context), context.exams, N


def truths(*words):
    return [question.truth for question in asked(*words)[0]["forget"].questions]


def in_tofu_form(n=N, said=None, seed=0):
    """A log in TOFU's format of `n` forget questions, whose true answers are `said`."""
    random = np.random.default_rng(seed)

    def column(*shape):
        return {str(i): x for i, x in enumerate(random.gamma(2.0, 1.0, (n, *shape)).tolist())}

    task = {"avg_gt_loss": column(), "avg_paraphrased_loss": column(), "average_perturb_loss": column(5)}
    task["rougeL_recall"] = dict.fromkeys(task["avg_gt_loss"], 0.5)
    if said is not None:
        task["generated_text"] = {str(i): ["asked", "said", text] for i, text in enumerate(said)}
    return {TASKS["forget"]: task}


def in_their_form(said):
    """open-unlearning's, of as many forget questions as it has."""
    found = evaluation(1, 3.0)
    for i, one in found["forget_Q_A_ROUGE"]["value_by_index"].items():
        one["ground_truth"] = said[int(i)] if int(i) < len(said) else "another"
    return found


def written(path, content):
    path.write_text(json.dumps(content), encoding="utf8")
    return path


def ks_by_hand(run, log, protocol="tofu"):
    """p of the KS test between the run's last truth ratios and the log's first, each a mean of the losses in it."""
    found = from_arrays({name: array[-1] for name, array in load(run).arrays.items()})["forget"].losses
    n = len(found.paraphrase)
    theirs = read_retain_log(log).sets["forget"].losses
    pairs = [(each.paraphrase[:n], each.perturbed[:n]) for each in (found, theirs)]
    if protocol == "tofu-paper":
        ratios = [np.exp(-wrong).mean(axis=1) / np.exp(-para) for para, wrong in pairs]
    else:
        ratios = [np.exp(-wrong.mean(axis=1)) / np.exp(-para) for para, wrong in pairs]
    return ks_2samp(*ratios, method="exact").pvalue


LATER = (pytest.param(name, marks=pytest.mark.integration) for name in ("tofu-paper", "open-unlearning"))


@pytest.mark.parametrize("protocol", ["tofu", *LATER])
def test_forget_quality_is_the_test_against_the_log_and_nothing_is_retrained(protocol, run_npo, tmp_path):
    ours = protocol != "open-unlearning"
    content = in_tofu_form(said=truths()) if ours else in_their_form(truths())
    log = written(tmp_path / "TOFU_EVAL.json", content)
    words = ["run", "quick", *SMALL, f"evaluate.protocol={protocol}", "unlearn.methods=[NPO]", "evaluate.every=end"]
    code, out, err = run_npo(*words, "--retain-log", str(log), "--out", str(tmp_path / "out"))
    assert code == 0, err
    assert not (tmp_path / "out/retrain").exists()
    run = tmp_path / "out/unlearn/NPO-s0"
    values = load(run).values
    assert values["moments"][-1]["forget_quality"] == pytest.approx(ks_by_hand(run, log, protocol), rel=1e-12)
    assert values["n"] == N
    assert values["retain_log"]["path"] == str(log)
    assert values["retrained"]["forget_probability"] > 0
    assert "finished" in out


@pytest.mark.integration
def test_the_examination_of_another_run_judges_as_its_model_does(run_npo, tmp_path):
    words = ["run", "quick", *SMALL, "unlearn.methods=[GA]", "evaluate.every=end"]
    assert run_npo(*words, "--out", str(tmp_path / "one"))[0] == 0
    judge = tmp_path / "one/evaluate/retrain"
    assert run_npo(*words, "--retain-log", str(judge), "--out", str(tmp_path / "two"))[0] == 0
    one, two = (load(tmp_path / name / "unlearn/GA-s0").values for name in ("one", "two"))
    for name in ("moments", "retrained", "not_rankable", "n"):
        assert one[name] == two[name], name
    model = str(tmp_path / "one/unlearn/GA-s0/model")
    out = tmp_path / "three"
    assert run_npo("evaluate", "quick", *SMALL, "--model", model, "--retain-log", str(judge), "--out", str(out))[0] == 0
    found = load(out).values
    assert found["scores"]["forget_quality"] == one["moments"][-1]["forget_quality"]
    assert found["judged_by"]["path"] == str(judge)


MISFITS = {
    "another protocol": (lambda: in_their_form(truths()), (), "set evaluate.protocol=open-unlearning"),
    "too few": (lambda: in_tofu_form(2, truths()[:2]), (), "has 2 questions to forget, and this run asks 4: set eval"),
    "another forget set": (lambda: in_tofu_form(N, ["Nobody."] * N), (), "another forget set, 4 of 4 true answers"),
    "more, of which set is not known": (lambda: in_tofu_form(9), (), "no answers to tell which"),
    "no log": (lambda: {"a": 1}, (), "is no log of a retrained model"),
    "a summary": (lambda: {"forget_quality": 0.5, "model_utility": 0.6}, (), "it can judge no run"),
    "nothing is examined": (lambda: in_tofu_form(), ("evaluate=none",), "retain_log has nothing to judge"),
    "a retrained model too": (lambda: in_tofu_form(), ("retrained=x",), "retain_log spares retrain and retrained"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_log_that_does_not_fit_is_told_before_anything_runs(name, run_npo, tmp_path):
    content, words, said = MISFITS[name]
    log = written(tmp_path / "x.json", content())
    code, _, err = run_npo("run", "quick", *SMALL, *words, "--retain-log", str(log), "--out", str(tmp_path / "out"))
    assert code == 2
    assert said in " ".join(err.split())
    assert not (tmp_path / "out/finetune").exists()


def test_all_that_keeps_a_log_from_judging_is_told_at_once(tmp_path):
    log = read_retain_log(written(tmp_path / "x.json", in_their_form(["Nobody."] * 20)))
    sets, protocol, _ = asked()
    with pytest.raises(UserError) as caught:
        fitted(log, {"forget": sets["forget"].first(20)}, PROTOCOLS["tofu"], None)
    assert str(caught.value).count("retain_log") == 2
    kept = fitted(read_retain_log(written(tmp_path / "y.json", in_tofu_form(N))), sets, protocol, N)
    assert "does not tell its true answers" in kept.told[0]


def test_data_that_is_judged_otherwise_takes_no_log_of_tofu(tmp_path):
    log = written(tmp_path / "x.json", in_tofu_form())
    with pytest.raises(UserError, match="has nothing of what judges data of the kind MUSE"):
        units(read_recipe("muse-tiny", [f"retain_log={log}"]))


# --- one's own rows, and logs of real models --------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model that knows nothing."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = scratch.train_tokenizer(["Question: Where was he born?\nAnswer: In Oldham."], 300)
    model = scratch.from_scratch(tokenizer, Shape(hidden=16, layers=1, heads=2, feed_forward=16), seed=0)
    language_model.save(folder / "model", LanguageModel(model, tokenizer))
    return str(folder / "model")


def test_npo_forget_is_judged_by_a_log(tiny, run_npo, tmp_path):
    rows = [
        {"question": f"{i}?", "answer": f"{i}.", "paraphrased_answer": f"It is {i}.", "perturbed_answer": ["No.", "2."]}
        for i in range(5)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    log = written(tmp_path / "x.json", in_tofu_form(5, [row["answer"] for row in rows]))
    words = [
        "forget",
        str(file),
        "evaluate.protocol=tofu",
        "--model",
        tiny,
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "o"),
    ]
    code, out, err = run_npo(*words, "--retain-log", str(log))
    assert code == 0, err
    run = tmp_path / "o/unlearn/NPO-s0"
    values = load(run).values
    assert values["after"]["forget_quality"] == pytest.approx(ks_by_hand(run, log), rel=1e-12)
    assert "forget_quality" not in values["unknown"]
    assert "by its log, has p =" in " ".join(out.split())


@pytest.mark.integration
def test_a_log_of_a_real_model_judges_a_run_on_its_rows(tofu, tiny, run_npo, tmp_path):
    log = tofu.parent / "eval_logs" / "llama2-7b_retain99.json"
    if not log.is_file():
        pytest.skip("there is no folder eval_logs beside the folder that NPO_DATA names")
    words = ["tofu-mini", f"data.source={tofu}", "data.forget_authors=", "data.retain_authors=", "data.forget=forget01"]
    words += [f"model.base={tiny}", "pretrain=", "rehearse=false", "finetune=", "evaluate.every=end"]
    words += ["evaluate.questions=12", "evaluate.new_tokens=2", "unlearn.methods=[NPO]", "unlearn.epochs=2"]
    out = tmp_path / "out"
    code, _, err = run_npo("run", *words, "--retain-log", str(log), "--out", str(out))
    assert code == 0, err
    run = out / "unlearn/NPO-s0"
    values = load(run).values
    assert values["moments"][-1]["forget_quality"] == pytest.approx(ks_by_hand(run, log), rel=1e-12)
    assert values["retain_log"]["told"] == []
    other = log.with_name("llama2-7b_retain90.json")
    wide = read_recipe(
        "tofu-mini", [f"data={{source: {tofu}, forget: forget50}}", f"retain_log={other}", "evaluate.questions=9"]
    )
    found = log_of(wide, context_of(wide, Processes("cpu")))
    assert found.told == (
        f"This run forgets 2000 rows and asks 400: {other} can't tell that its model saw none of them.",
    )
    code, _, err = run_npo("plan", *words, f"retain_log={other}")
    assert code == 2
    assert "another forget set, 12 of 12 true answers are others" in " ".join(err.split())


def test_score_takes_it_as_an_option(tmp_path, capsys, run_npo):
    own, judge = (written(tmp_path / f"{i}.json", evaluation(i)) for i in (0, 1))
    show(own, judge, None)
    wanted = capsys.readouterr().out
    assert run_npo("score", str(own), "--retain-log", str(judge))[:2] == (0, wanted)
    code, _, err = run_npo("score", str(own), str(judge), "--retain-log", str(judge))
    assert code == 2
    assert "are the same: give one of them" in err
