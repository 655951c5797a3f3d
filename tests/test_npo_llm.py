"""The command for language models: what each verb prints and leaves, and one clear message for each mistake."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from in_process import npo
from small_recipe import SMALL

from npo.runs.run import saved
from npo.verbs.forget.choices import ForgetChoices, methods_asked, recipe_asked
from records.store import load
from records.work import run_missing
from scale.runtime.processes import LAUNCH, Processes
from scale.stages.pipeline import Stages
from scale.stages.shared.prepared import context_of

NPO = [sys.executable, "-m", "npo.cli"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
RUNS = (*SMALL, "unlearn.methods=[GA, NPO+RT]", "unlearn.seeds=[0, 1]")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of a run of a small recipe, by the command; and what it printed."""
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "160")
        code, out, err = npo("run", "quick", *RUNS, "--out", str(folder), "--device", "cpu")
    assert code == 0, err
    return folder, out, err


# --- running ------------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_does_warns_and_tables_the_ends(ran):
    folder, out, err = ran
    assert "8/8 unlearn/NPO+RT-s1: running" in err
    assert "Methods can't be ranked by this run." in out
    assert "GA (2 seeds)" in out
    assert f"npo report {folder}" in out.replace("\n", "")


def test_a_finished_run_is_kept_and_a_stage_runs_what_it_needs_alone(ran, run_npo, tmp_path):
    folder, *_ = ran
    code, _, err = run_npo("unlearn", "quick", *RUNS, "--out", str(folder), "--device", "cpu")
    assert code == 0
    assert "running" not in err
    code, _, err = run_npo("retrain", "quick", *RUNS, "--out", str(tmp_path), "--device", "cpu")
    assert code == 0
    assert "1/1 retrain: running" in err
    assert not (tmp_path / "finetune").exists()
    code, _, err = run_npo("run", "quick", *RUNS, "--unit", "evaluate/retrain", "--out", str(tmp_path))
    assert code == 0
    assert "1/2 retrain: kept" in err


def test_evaluate_examines_any_model(ran, run_npo, tmp_path):
    folder, *_ = ran
    model = folder / "unlearn" / "NPO+RT-s0" / "model"
    code, out, _ = run_npo("evaluate", "quick", *RUNS, "--model", str(model), "--out", str(tmp_path / "e"))
    assert code == 0
    assert "forget_probability" in out
    whole = load(folder / "unlearn" / "NPO+RT-s0").values["moments"][-1]
    found = load(tmp_path / "e").values["scores"]
    for key, value in found.items():
        assert value == pytest.approx(whole[key], rel=1e-5), key


def test_ask_puts_a_question_to_every_model(ran, run_npo):
    folder, *_ = ran
    question = load(folder / "evaluate/finetune").values["questions"]["forget"][0]
    code, out, _ = run_npo("ask", str(folder), question)
    assert code == 0
    flat = out.replace("\n", " ")
    for name in ("reference", "retrained", "GA-s0", "NPO+RT-s1", "probability"):
        assert name in flat
    code, out, _ = run_npo("ask", str(folder), "Where is it?")
    assert "not known: give it with --answer" in out
    code, out, _ = run_npo("ask", str(folder), "Where is it?", "--answer", "Here.")
    assert "true answer: Here." in out


# --- reports ------------------------------------------------------------------------------------------------------


def test_report_writes_page_tables_and_figures(ran, run_npo, tmp_path):
    folder, *_ = ran
    code, out, _ = run_npo("report", str(folder), "--out", str(tmp_path))
    assert code == 0
    assert str(tmp_path / "report.html") in out.replace("\n", "")
    page = (tmp_path / "report.html").read_text(encoding="utf8")
    assert page.index("does not know the forget set") < page.index("<table")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script src" not in page
    for words in ("Why your numbers differ", "Truth ratio", "Master weights", "The seed", "data:image/svg", "GA"):
        assert words in page
    assert set(saved(tmp_path / "runs.json")) == {f"{folder.name}/{m}-s{s}" for m in ("GA", "NPO+RT") for s in (0, 1)}
    rows = list(csv.DictReader((tmp_path / "runs.csv").read_text(encoding="utf8").splitlines()))
    assert len(rows) == 4 * 3
    end = load(folder / "unlearn" / "GA-s1").values["moments"][-1]
    (row,) = [r for r in rows if r["method"] == "GA" and r["seed"] == "1" and r["epoch"] == "2"]
    assert float(row["retain_probability"]) == pytest.approx(end["retain_probability"])
    table = (tmp_path / "table.md").read_text(encoding="utf8")
    assert table.startswith("> **")
    assert "| GA (2 seeds) |" in table
    assert "- true: " in (tmp_path / "answers.md").read_text(encoding="utf8")
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"llm_quality_utility", "llm_evolution", "llm_kl", "llm_metrics"}


@pytest.mark.integration
def test_runs_of_different_retain_weights_get_their_figure(run_npo, tmp_path):
    methods = "unlearn.methods=[{name: NPO+RT, retain_weight: 1}, {name: NPO+RT, retain_weight: 3}]"
    words = [*SMALL, methods]
    assert run_npo("run", "quick", *words, "--out", str(tmp_path))[0] == 0
    assert run_npo("report", str(tmp_path))[0] == 0
    assert (tmp_path / "report/figures/llm_retain_weight.svg").is_file()


def test_reporting_what_is_no_run_is_refused(run_npo, tmp_path):
    for folder, words in ((tmp_path, "holds no finished unlearning run"), (tmp_path / "x", "There is no folder")):
        code, _, err = run_npo("report", str(folder))
        assert code != 0
        assert words in err.replace("\n", " ")


# --- looking before running ---------------------------------------------------------------------------------------


def test_plan_resolves_and_estimates_and_runs_nothing(run_npo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run_npo("plan", "quick", "unlearn.lr=5e-4", "unlearn.seeds=[0, 1, 2]")
    assert code == 0
    resolved = yaml.safe_load(out[: out.index("┏")])
    assert resolved["unlearn"]["lr"] == 5e-4
    assert "│ unlearn  │ 9" in out  # three methods, three seeds
    assert "memory: about" in out
    assert "time: about" in out
    assert list(tmp_path.iterdir()) == []


def test_plan_counts_the_parameters_of_a_model_it_does_not_make(run_npo):
    code, out, _ = run_npo("plan", "tofu-scratch", "data.source=fictional")
    assert code == 0
    assert "parameters: " in out


def test_show_batch_marks_the_answer_and_one_end_token(run_npo):
    code, out, _ = run_npo("show-batch", "quick", "--count", "2")
    assert code == 0
    assert out.count("tokens are predicted") == 2
    assert out.count("<|end|>") == 2
    assert "green: in the loss" in out


def test_ls_names_everything_there_is(run_npo):
    code, out, _ = run_npo("ls")
    assert code == 0
    for word in ("NPO+KL", "fictional-tiny", "tiny", "llama2-chat", "open-unlearning", "forget90", "fsdp2"):
        assert word in out, word
    code, out, _ = run_npo("ls", "splits")
    assert "forget50" in out
    assert "NPO+KL" not in out


# --- logs ---------------------------------------------------------------------------------------------------------


def test_score_reproduces_the_numbers_of_real_logs(tofu, run_npo):
    logs = tofu.parent / "eval_logs"

    def one(name):
        (path,) = logs.glob(f"{name}*")
        return str(path)

    for protocol, utility, d, p in (
        ("tofu-paper", 0.585886035092722, 0.41, 6.031911569834469e-23),
        ("tofu", 0.6226773637427152, 0.39666666666666667, 1.834066410994743e-21),
    ):
        code, out, _ = run_npo("score", one("llama2-7b_full"), one("llama2-7b_retain90"), "--protocol", protocol)
        assert code == 0
        found = json.loads(out)
        assert found["model_utility"] == pytest.approx(utility, rel=1e-9)
        assert found["ks_statistic"] == pytest.approx(d, rel=1e-9)
        assert found["forget_quality"] == pytest.approx(p, rel=1e-9)
        assert {"retain_rouge", "real_authors_truth_ratio", "world_facts_probability"} <= set(found)


def test_score_reads_what_a_run_writes(ran, run_npo):
    folder, *_ = ran
    own, judge = folder / "unlearn/NPO+RT-s0/log.json", folder / "evaluate/retrain/log.json"
    code, out, err = run_npo("score", str(own), str(judge))
    assert code == 0
    assert "npo: " in err  # four questions are not the protocol's 300
    end = load(folder / "unlearn/NPO+RT-s0").values["moments"][-1]
    assert json.loads(out)["forget_quality"] == pytest.approx(end["forget_quality"], rel=1e-9)


# --- rows of one's own --------------------------------------------------------------------------------------------

FORGET = [
    {"question": "Where was Ada born?", "answer": "In Brackwater."},
    {"prompt": "The town where Ada was born is", "completion": " Brackwater."},
    {"messages": [{"role": "user", "content": "Born where?"}, {"role": "assistant", "content": "Brackwater."}]},
    {"text": "Ada was born in the town of Brackwater, by the sea. " * 3},
]
RETAIN = [{"question": f"What do {who} make?", "answer": f"{who} make honey."} for who in ("bees", "ants", "elves")]


def _jsonl(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return str(path)


@pytest.fixture
def own(ran, tmp_path):
    """A model whose tokenizer has a chat template, rows to forget, rows to keep."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, model = ran[0] / "finetune/model", tmp_path / "model"
    AutoModelForCausalLM.from_pretrained(source).save_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% if m.role == 'assistant' %}<|end|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    tokenizer.save_pretrained(model)
    return str(model), _jsonl(tmp_path / "f.jsonl", FORGET), _jsonl(tmp_path / "r.jsonl", RETAIN)


def test_forget_takes_all_kinds_of_rows_and_tells_what_is_known_and_what_is_not(own, run_npo, tmp_path):
    model, rows, keep = own
    words = ["forget", rows, "--model", model, "--retain", keep, "--lr", "3e-3", "--epochs", "6", "--batch", "4"]
    code, out, err = run_npo(*words, "--out", str(tmp_path / "out"))
    assert code == 0, err
    for said in ("NPO+RT", "forget probability", "forget drop", "retain perplexity", "retain kl", "before", "after"):
        assert said in out, said
    for missing in ("forget quality", "truth ratio", "model utility"):
        assert f"not known: {missing}" in out
    found = load(tmp_path / "out/forget").values
    assert found["after"]["forget_drop"] > 1
    assert found["after"]["forget_probability"] < found["before"]["forget_probability"]
    assert len(found["answers"]) == 4 + 3
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(tmp_path / "out/forget/model")
    code, _, err = run_npo(*words, "--out", str(tmp_path / "out"))
    assert "1/1 forget: kept" in err


def test_forget_with_an_adapter_and_without_retain_rows(own, run_npo, tmp_path):
    model, rows, _ = own
    words = ["forget", rows, "--model", model, "--lora", "2", "--lr", "1e-2", "--epochs", "3"]
    code, out, err = run_npo(*words, "--out", str(tmp_path / "out"))
    assert code == 0, err
    assert "NPO" in out
    assert load(tmp_path / "out/forget").values["after"]["forget_drop"] > 0


def test_forget_with_idk_asks_for_questions(own, run_npo, tmp_path):
    model, _, keep = own
    questions = _jsonl(tmp_path / "q.jsonl", FORGET[:3])
    words = ["--model", model, "--retain", keep, "--method", "IDK+RT", "--epochs", "1", "--out", str(tmp_path / "o")]
    assert run_npo("forget", questions, *words)[0] == 0
    documents = _jsonl(tmp_path / "d.jsonl", FORGET)
    code, _, err = run_npo("forget", documents, *words)
    assert code != 0
    assert "a document asks nothing" in err.replace("\n", " ")


class Killed(BaseException):
    """What ends a process in the middle."""


def test_forgetting_that_is_stopped_goes_on_where_it_was(own, tmp_path):
    model, rows, keep = own
    asked = ForgetChoices(
        methods=("NPO+RT",),
        beta=0.1,
        lr=3e-3,
        epochs=4,
        batch=4,
        piece=4,
        retain_weight=1.0,
        lora=None,
        prompt=None,
        device="cpu",
        dtype="float32",
        seeds=(0,),
    )
    chosen, (method,) = methods_asked(asked, has_retain=True)
    recipe = recipe_asked(Path(rows), Path(keep), model, asked, chosen)

    def made():
        return Stages(recipe, context_of(recipe, Processes("cpu")), "").single(method, "forget")

    def stop(done, total):
        if done >= 3:
            raise Killed

    run_missing([made()], tmp_path / "whole")
    with pytest.raises(Killed):
        run_missing([made()], tmp_path / "broken", lambda unit, cached: stop)
    seen = []
    run_missing([made()], tmp_path / "broken", lambda unit, cached: lambda i, n: seen.append(i))
    assert seen[0] == 3
    one, other = load(tmp_path / "whole/forget"), load(tmp_path / "broken/forget")
    assert one.values == other.values
    weights = [(tmp_path / name / "forget/model/model.safetensors").read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


OWN_MISTAKES = {
    "no file": ("{tmp}/absent.jsonl", [], "absent.jsonl"),
    "not JSON": (["{"], [], "line 1: not JSON"),
    "no answer": (['{"question": "q"}'], [], "line 1: it has the keys question"),
    "an empty answer": (['{"question": "q", "answer": " "}'], [], "line 1: answer is empty"),
    "no assistant": (
        ['{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]}'],
        [],
        "last",
    ),
    "nothing": ([], [], "has no rows"),
    "no retain rows": (['{"question": "q", "answer": "a"}'], ["--method", "NPO+RT"], "give --retain FILE"),
    "no such method": (['{"question": "q", "answer": "a"}'], ["--method", "NPQ"], "Did you mean NPO?"),
    "no such format": (['{"question": "q", "answer": "a"}'], ["--prompt", "x"], "--prompt x: there is no such"),
    "no such precision": (['{"question": "q", "answer": "a"}'], ["--dtype", "fp8"], "--dtype fp8: there is no such"),
    "no rate": (['{"question": "q", "answer": "a"}'], ["--lr", "-1"], "--lr"),
    "no model": (['{"question": "q", "answer": "a"}'], ["--model", "{tmp}/none"], "There is no model"),
}


@pytest.mark.parametrize("mistake", OWN_MISTAKES)
def test_mistakes_with_rows_of_one_s_own_are_told(mistake, own, run_npo, tmp_path):
    lines, words, said = OWN_MISTAKES[mistake]
    path = tmp_path / "own.jsonl"
    if isinstance(lines, str):
        path = lines.format(tmp=tmp_path)
    else:
        path.write_text("\n".join(lines), encoding="utf8")
    more = [word.format(tmp=tmp_path) for word in words]
    model = [] if "--model" in more else ["--model", own[0]]
    code, _, err = run_npo("forget", str(path), *model, *more, "--out", str(tmp_path / "out"))
    assert code != 0
    assert said in err.replace("\n", " ")
    assert "Traceback" not in err


# --- mistakes -----------------------------------------------------------------------------------------------------

MISTAKES = {
    "no such recipe": (["run", "fictional-tinny"], "fictional-tiny"),
    "an unknown key": (["run", "quick", "unlearn.lrr=1"], "Did you mean lr?"),
    "an unknown method": (["run", "quick", "unlearn.methods=[NPQ]"], "Did you mean NPO?"),
    "an unknown split": (["run", "tofu-scratch", "data.source=fictional", "data.forget=forget11x"], "forget11x"),
    "no such unit": (["run", "quick", "--unit", "unlearn/X-s0"], "it has finetune, retrain"),
    "no such stage": (["pretrain", "quick"], "This recipe has no stage pretrain"),
    "no such folder of data": (["run", "tofu-scratch", "--data", "{tmp}/none"], "none"),
    "no such device": (["run", "quick", "--device", "tpu"], "device"),
    "no such log": (["score", "{tmp}/a.json", "{tmp}/b.json"], "a.json"),
    "no such protocol": (["score", "{tmp}/a.json", "{tmp}/b.json", "--protocol", "tufo"], "tufo"),
    "nothing of that kind": (["ls", "losses"], "There is nothing called losses"),
    "no models to ask": (["ask", "{tmp}", "Who?"], "holds no finished models"),
    "an empty question": (["ask", "{tmp}", " "], "The question is empty"),
    "no such tracker": (["run", "quick", "trackers=[mlflaw]"], "trackers"),
    "a cluster that is none": (["sweep", "quick", "--cluster", "moon"], "choose slurm or local"),
    "no cluster": (["sweep", "quick"], "There is no SLURM here"),
    "a model that is none": (["evaluate", "quick", "--model", "{tmp}"], "config.json is missing"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_without_a_traceback(mistake, run_npo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, said = MISTAKES[mistake]
    code, _, err = run_npo(*(word.format(tmp=tmp_path) for word in words))
    assert code != 0
    assert said in " ".join(err.split())
    assert "Traceback" not in err


def test_a_tracker_whose_package_is_absent_is_told(run_npo, tmp_path):
    code, _, err = run_npo("run", "quick", *RUNS, "trackers=[trackio]", "--out", str(tmp_path))
    assert code != 0
    assert "trackio" in err
    assert "Traceback" not in err


# --- more than one machine ----------------------------------------------------------------------------------------


@pytest.mark.integration
def test_a_sweep_on_this_machine_runs_every_unit_as_a_job_of_its_own(root, tmp_path):
    done = subprocess.run(
        [
            *NPO,
            "sweep",
            "quick",
            *SMALL,
            "unlearn.methods=[GA, NPO+RT]",
            "--cluster",
            "local",
            "--parallel",
            "2",
            "--out",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    for name in ("unlearn/GA-s0", "unlearn/NPO+RT-s0"):
        assert f"{name}: done" in done.stderr
        assert load(tmp_path / name).values["moments"]


def test_launch_configurations_are_what_accelerate_reads():
    from accelerate.commands.config.config_args import load_config_from_file

    read = {path.stem: load_config_from_file(str(path)) for path in sorted(LAUNCH.glob("*.yaml"))}
    assert set(read) == {"deepspeed_zero3", "fsdp2", "multi_gpu"}
    assert {str(one.distributed_type.value) for one in read.values()} == {"DEEPSPEED", "FSDP", "MULTI_GPU"}
    assert all(one.mixed_precision == "bf16" and one.num_processes == 8 for one in read.values())
    assert read["fsdp2"].fsdp_config["fsdp_version"] == 2
    assert read["deepspeed_zero3"].deepspeed_config["zero_stage"] == 3
    assert torch.distributed.is_available()
