"""The pipeline end to end: what units leave, that nothing is stale, and being killed for real on the way."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from small_recipe import SMALL
from transformers import AutoModelForCausalLM, AutoTokenizer
from two_processes import run_two

from records.errors import UserError
from records.store import content_hash, load
from records.work import keys, run_missing, silent
from scale.evaluation.exam import from_arrays, scores
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.tofu_log import read_log, score
from scale.models.loading.whole import load as load_model
from scale.recipes.file import read_recipe, shipped
from scale.runtime.processes import Processes
from scale.stages.examining.evaluate import evaluate_model
from scale.stages.pipeline import stage_of, units
from scale.stages.shared.prepared import context_of
from scale.tasks.tofu import TOFU

ALONE = Processes("cpu")
# The recipe with its own data, epochs and methods, but a smaller model that writes less.
LIGHT = (
    "model.shape.hidden=48",
    "model.shape.layers=1",
    "model.shape.heads=2",
    "model.shape.feed_forward=96",
    "evaluate.new_tokens=6",
)
STAGES = ["finetune", "retrain", "evaluate/finetune", "evaluate/retrain"]


def _units(*words, name="quick"):
    """Units of a shipped recipe; of a key that is there twice the last holds."""
    last = {word.partition("=")[0]: word for word in words}
    return units(read_recipe(name, list(last.values())), ALONE)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    run_missing(_units(*LIGHT), folder)
    return folder


# --- recipes ----------------------------------------------------------------------------------------------------


def test_every_shipped_recipe_is_valid(root):
    found = shipped()
    assert len(found) == len(list((root / "scale" / "recipes").rglob("*.yaml"))) >= 10
    for name in found:
        recipe = read_recipe(name)
        assert recipe.about, name
        assert recipe.tuned, name


MISTAKES = {
    ("unlearn.lrr=1",): "unlearn.lrr: there is no such key. Did you mean lr?",
    ("modle.base=x",): "modle: there is no such key. Did you mean model?",
    ("unlearn.lr=-1", "finetune.batch=0"): "The recipe quick has 2 mistake(s)",
    ("unlearn.lr=inf",): "unlearn.lr: Input should be a valid number",
    ("model.prompt=qwen",): "did you mean qwen2.5?",
    ("evaluate.protocol=tofo",): "Did you mean tofu?",
    ("data.forget=forget10",): "give either forget (a split), or both forget_authors and retain_authors",
    ("data.forget=forgotten", "data.forget_authors=", "data.retain_authors="): "There is no split 'forgotten'",
    ("unlearn.methods=[GA, GA]",): "a method or a seed is there more than once",
    ("unlearn.seeds=[1, 1]",): "a method or a seed is there more than once",
    ("model.shape.heads=7",): "is no multiple of 2 · 7 heads",
    ("model.shape.vocab=9",): "model.shape.vocab: Input should be greater than or equal to 258",
    ("model.four_bit=true",): "four_bit trains nothing without lora",
    ("unlearn.reference=alive",): "unlearn.reference: Input should be 'cached' or 'live', got 'alive'",
    ("finetune=",): "finetune: Input should be a group of keys: {key: value}",
    ("finetune.lr.x=3",): "lr is not a group of keys",
    ("lr",): "Settings are written key=value",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_in_a_recipe_are_told_at_once_with_the_nearest_name(words):
    with pytest.raises(UserError) as caught:
        read_recipe("quick", words)
    assert MISTAKES[words] in str(caught.value)


def test_an_absent_and_a_broken_recipe_are_told(tmp_path):
    with pytest.raises(UserError, match=r"There is no recipe fictional-tny\. Did you mean fictional-tiny\?"):
        read_recipe("fictional-tny")
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(UserError, match="can't be read:"):
        read_recipe(str(tmp_path / "a.yaml"))
    (tmp_path / "a.yaml").write_text("[1]")
    with pytest.raises(UserError, match="is not a mapping of keys"):
        read_recipe(str(tmp_path / "a.yaml"))
    (tmp_path / "a.yaml").write_text("about: nothing else")
    with pytest.raises(UserError, match=r"data: is missing\.[\s\S]*finetune: is missing\."):
        read_recipe(str(tmp_path / "a.yaml"))


def test_mistakes_in_methods_are_told_before_anything_runs():
    for word, said in (
        ("NOP", "Did you mean NPO"),
        ("ga+rd", "GA\\+RT"),
        ("{name: GA, beta: 1}", "takes no hyperparameter beta"),
        ("{name: NPO, retain_weight: 2}", "has no retain term"),
    ):
        with pytest.raises(UserError, match=said):
            _units(f"unlearn.methods=[{word}]")


# --- what they leave --------------------------------------------------------------------------------------------


def test_units_come_in_order_and_know_what_they_need():
    found = _units()
    runs = ["unlearn/GA-s0", "unlearn/NPO-s0", "unlearn/NPO+RT-s0"]
    assert [unit.name for unit in found] == [*STAGES, *runs]
    assert found[-1].needs == ("finetune", "evaluate/finetune", "evaluate/retrain")
    assert [stage_of(unit) for unit in found[:3]] == ["finetune", "retrain", "evaluate"]


def test_settings_tell_data_seed_and_method_apart():
    found = keys(_units())
    assert found == keys(_units())
    assert len(set(found.values())) == len(found)
    assert not set(keys(_units("seed=1")).values()) & set(found.values())
    assert not set(keys(_units("model.prompt=phi-1.5")).values()) & set(found.values())
    other_rate = keys(_units("unlearn.lr=0.5"))
    assert [name for name in found if other_rate[name] == found[name]] == STAGES
    other_protocol = keys(_units("evaluate.protocol=tofu-paper"))
    assert [name for name in found if other_protocol[name] == found[name]] == STAGES[:2]
    assert all(content_hash(unit.settings) for unit in _units())


def test_a_method_of_one_s_own_is_run_anew_when_its_file_changes(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def f(logp):\n    return logp\n")

    def resolve(name, hyperparameters, beta):
        from theory.objective import method

        return method("GA")

    def key():
        recipe = read_recipe("quick", [f"unlearn.methods=[{path}:f]"])
        return list(keys(units(recipe, ALONE, resolve=resolve)).values())[-1]

    before = key()
    assert before == key()
    path.write_text("def f(logp):\n    return 2 * logp\n")
    assert key() != before


@pytest.mark.parametrize("name", ["finetune", "retrain"])
def test_a_trained_model_loads_with_the_library_alone_and_has_a_card(out, name):
    found = load(out / name).values
    assert found["stage"] == name
    assert set(found["history"]) == {"epoch", "lr", "loss", "forget", "weight"}
    assert found["history"]["loss"][-1] < found["history"]["loss"][0] / 5
    model = AutoModelForCausalLM.from_pretrained(out / name / "model")
    tokenizer = AutoTokenizer.from_pretrained(out / name / "model")
    assert model.num_parameters() == found["model"]["parameters"]
    assert tokenizer.eos_token_id == model.generation_config.eos_token_id
    card = (out / name / "model" / "README.md").read_text(encoding="utf8")
    assert "Results" in card
    assert '"schedule"' in card
    assert not list(out.rglob("*.bin")) + list(out.rglob("*.pt"))


@pytest.mark.parametrize("method", ["GA", "NPO", "NPO+RT"])
def test_an_unlearning_run_leaves_what_is_documented(out, method):
    found = load(out / f"unlearn/{method}-s0")
    values, n = found.values, 15
    assert (values["method"], values["beta"]) == (method, None if method == "GA" else 0.1)
    assert [moment["epoch"] for moment in values["moments"]] == list(range(6))
    columns = {"epoch", "lr", "loss", "forget", "drop", "weight"} | ({"retain"} if "RT" in method else set())
    assert set(values["history"]) == columns
    assert {len(column) for column in values["history"].values()} == {5 * 2}
    for moment in values["moments"]:
        parts = [
            f"{s}_{p}"
            for s in ("retain", "real_authors", "world_facts")
            for p in ("probability", "rouge", "truth_ratio")
        ]
        expected = 9 / sum(1 / moment[p] for p in parts) if all(moment[p] for p in parts) else 0
        assert moment["model_utility"] == pytest.approx(expected)
    assert found.arrays["forget.answer_nll"].shape == (6, n)
    assert found.arrays["forget.perturbed_nll"].shape == (6, n, 5)
    assert found.arrays["world_facts.perturbed_nll"].shape == (6, n, 3)
    assert values["moments"][0]["forget_kl"] == 0
    assert values["moments"][-1]["forget_kl"] > values["moments"][1]["forget_kl"] > 0
    assert {text["set"] for text in values["texts"]} == {"forget", "retain", "real_authors", "world_facts"}
    assert AutoModelForCausalLM.from_pretrained(out / f"unlearn/{method}-s0" / "model").num_parameters()


def test_the_log_that_is_written_is_scored_to_the_same_numbers(out):
    """Out in TOFU's format, back through the reader that real logs pass."""
    run = out / "unlearn/NPO-s0"
    log, judge = read_log(run / "log.json"), read_log(out / "evaluate/retrain/log.json")
    found = score(log, judge, PROTOCOLS["tofu"])
    last = load(run).values["moments"][-1]
    for key in ("model_utility", "forget_quality", "ks_statistic", "retain_rouge", "world_facts_truth_ratio"):
        assert found[key] == pytest.approx(last[key], rel=1e-9), key
    entry = json.loads((run / "log.json").read_text())["eval_log_forget.json"]
    assert entry["gt_loss"]["0"] == pytest.approx(entry["avg_gt_loss"]["0"] * entry["num_token_gt"]["0"])
    assert len(entry["generated_text"]["0"]) == 3


def test_the_first_moment_is_the_finetuned_model_and_the_last_the_saved_one(out, tmp_path):
    run = load(out / "unlearn/NPO+RT-s0")
    known = load(out / "evaluate/finetune")
    for name, array in known.arrays.items():
        np.testing.assert_array_equal(run.arrays[name][0], array)
    context = context_of(read_recipe("quick", LIGHT), ALONE)
    evaluate_model(tmp_path, out / "unlearn/NPO+RT-s0" / "model", context, TOFU, name="again")
    again = load(tmp_path)
    for name, array in again.arrays.items():
        np.testing.assert_allclose(run.arrays[name][-1], array, rtol=1e-5, atol=1e-6)
    assert again.values["scores"] == pytest.approx(
        {k: v for k, v in run.values["moments"][-1].items() if k in again.values["scores"]}, rel=1e-5
    )


def test_any_protocol_can_be_applied_to_what_is_saved(out):
    parts = from_arrays(load(out / "evaluate/finetune").arrays)
    one, other = (scores(parts, PROTOCOLS[name]) for name in ("tofu", "tofu-paper"))
    assert one["retain_probability"] == other["retain_probability"]
    assert one["retain_truth_ratio"] != other["retain_truth_ratio"]


def test_a_finished_run_is_not_run_again_and_a_changed_one_is(out):
    def what(*words):
        ran = []
        found = _units(*LIGHT, *words)
        for unit, key in zip(found, keys(found).values(), strict=True):
            manifest = json.loads((out / unit.name / "manifest.json").read_text()) if (out / unit.name).exists() else {}
            ran += [unit.name] if manifest.get("key") != key else []
        return ran

    assert what() == []
    assert what("unlearn.beta=0.2") == ["unlearn/NPO-s0", "unlearn/NPO+RT-s0"]
    cached = []
    run_missing(_units(*LIGHT), out, lambda unit, done: cached.append(done) or silent)
    assert all(cached)


def test_running_touches_no_global_random_state(tmp_path):
    torch.manual_seed(3)
    before, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    run_missing(_units(*SMALL)[:3], tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002


# --- every family, every stage ----------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.parametrize("family", ["llama", "phi", "qwen2"])
def test_every_family_runs_every_stage(tmp_path, family):
    words = (f"model.shape.family={family}", "pretrain={lr: 1e-3, epochs: 1}", "rehearse=true")
    run_missing(_units(*SMALL, *words, "unlearn.methods=[NPO+KL]", "unlearn.epochs=1"), tmp_path)
    values = load(tmp_path / "unlearn/NPO+KL-s0").values
    assert values["model"]["kind"] == family
    assert values["stopped"] is None
    assert set(values["history"]) >= {"retain", "drop", "weight"}


@pytest.mark.integration
def test_all_twelve_methods_and_one_step_evaluations(tmp_path):
    from theory.objective import METHODS

    words = (f"unlearn.methods=[{', '.join(METHODS)}]", "unlearn.epochs=1", "evaluate.every=step", "unlearn.batch=8")
    run_missing(_units(*SMALL, *words, "evaluate.generate=end"), tmp_path)
    for name in METHODS:
        values = load(tmp_path / f"unlearn/{name}-s0").values
        assert [moment["step"] for moment in values["moments"]] == [0, 1, 2, 3]  # 20 rows in batches of 8
        assert values["moments"][1]["model_utility"] is None  # no answers on the way
        assert values["moments"][-1]["model_utility"] is not None


@pytest.mark.integration
@pytest.mark.parametrize("merge", [False, True])
def test_lora_unlearns_the_finetuned_model_and_its_result_loads(tmp_path, merge):
    words = (*SMALL, "unlearn.methods=[NPO+RT]")
    found = _units(*words)
    run_missing(found[:4], tmp_path)
    base = tmp_path / "finetune" / "model"
    tuned = ("model.lora={rank: 2}", f"model.lora.merge={str(merge).lower()}", f"model.base={base}", "model.shape=")
    lora = tmp_path / "lora"
    run_missing(_units(*(w for w in words if not w.startswith("model.shape")), *tuned), lora)
    values = load(lora / "unlearn/NPO+RT-s0").values
    assert values["model"]["trained"] < values["model"]["parameters"] / 3
    assert values["moments"][0]["forget_kl"] == 0
    place = lora / "unlearn/NPO+RT-s0" / "model"
    assert (place / "adapter_config.json").is_file() != merge
    model = load_model(place).model
    assert not merge or AutoModelForCausalLM.from_pretrained(place).num_parameters() == model.num_parameters()
    context = context_of(read_recipe("quick", words), ALONE)
    (tmp_path / "again").mkdir()
    evaluate_model(tmp_path / "again", place, context, TOFU, name="again")
    again = load(tmp_path / "again").values["scores"]["forget_probability"]
    assert again == pytest.approx(values["moments"][-1]["forget_probability"], rel=1e-4)


# --- accidents --------------------------------------------------------------------------------------------------

RUN = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from records.work import run_missing
from scale.stages.pipeline import units
from scale.runtime.processes import Processes
from scale.recipes.file import read_recipe
words = list({w.partition("=")[0]: w for w in sys.argv[2:]}.values())
run_missing(units(read_recipe("quick", words), Processes("cpu")), Path(sys.argv[1]))
"""
LONG = (*SMALL, "finetune.epochs=6", "unlearn.epochs=6", "unlearn.methods=[NPO+KL]", "evaluate.questions=2")


def _process(folder, root):
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder), *LONG], env=environment)


def _same_results(one, other):
    names = [path.parent.relative_to(one) for path in sorted(one.rglob("data.json"))]
    assert len(names) == 5
    for name in names:
        a, b = load(one / name), load(other / name)
        assert a.values == b.values, name
        assert all(np.array_equal(array, b.arrays[key], equal_nan=True) for key, array in a.arrays.items()), name
        weights = [folder / name / "model" / "model.safetensors" for folder in (one, other)]
        if weights[0].exists():
            assert weights[0].read_bytes() == weights[1].read_bytes(), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run_missing(_units(*LONG), folder)
    return folder


@pytest.mark.integration
@pytest.mark.parametrize("stage", ["finetune", "unlearn/NPO+KL-s0"])
def test_killed_for_real_after_a_checkpoint_it_ends_where_it_would_have_ended(tmp_path, root, whole, stage):
    """kill -9 as soon as the stage has a checkpoint of its middle, twice, then to the end."""
    place = (tmp_path / stage).parent
    for _ in range(2):
        process = _process(tmp_path, root)
        while process.poll() is None:
            if list(place.glob(f".{(tmp_path / stage).name}.*/checkpoint/data.json")):
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() in (-signal.SIGKILL, 0)
    assert not (tmp_path / stage).exists()
    left = list(place.glob(f".{(tmp_path / stage).name}.*/checkpoint"))
    assert left  # it will go on from there, not from the start
    assert _process(tmp_path, root).wait() == 0
    _same_results(whole, tmp_path)
    assert not list(tmp_path.rglob("checkpoint*"))


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.mark.integration
@pytest.mark.parametrize("at", [2, *(pytest.param(k, marks=pytest.mark.integration) for k in (1, 3, 5))])
@pytest.mark.parametrize("stage", ["finetune", "unlearn/NPO+KL-s0"])
def test_ended_between_epochs_it_goes_on_from_the_last_one(tmp_path, whole, stage, at):
    def progress(done, total):
        if done >= at:
            raise Killed

    with pytest.raises(Killed):
        run_missing(_units(*LONG), tmp_path, lambda unit, cached: progress if unit.name == stage else silent)
    seen = []
    run_missing(
        _units(*LONG), tmp_path, lambda unit, cached: (lambda i, n: seen.append(i)) if unit.name == stage else silent
    )
    assert seen[0] == at  # epoch `at` was told of before its checkpoint, so it is done again, and none before it
    _same_results(whole, tmp_path)


def test_a_damaged_checkpoint_and_one_of_another_model_are_refused(tmp_path, whole):
    def stop_at_two(done, total):
        if done >= 2:
            raise Killed

    with pytest.raises(Killed):
        run_missing(_units(*LONG), tmp_path, lambda unit, cached: stop_at_two)
    (place,) = tmp_path.glob(".finetune.*/checkpoint")
    from safetensors.torch import load_file, save_file

    kept = load_file(place / "trained.safetensors")
    save_file({name: tensor[:1].clone() for name, tensor in kept.items()}, place / "trained.safetensors")
    with pytest.raises(UserError, match=r"can't be resumed from: it holds the parameters of another model.*Delete"):
        run_missing(_units(*LONG), tmp_path)
    (place / "trained.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"can't be resumed from"):
        run_missing(_units(*LONG), tmp_path)


def test_finetuning_that_diverges_says_so_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"The stage finetune diverged: The loss of step \d+ of epoch \d is not finite"):
        run_missing(_units(*SMALL, "finetune.lr=1e30", "finetune.warmup=0.5", "finetune.epochs=3"), tmp_path)
    assert not (tmp_path / "finetune").exists()


def test_unlearning_that_diverges_is_kept_and_marked(tmp_path):
    run_missing(_units(*SMALL, "unlearn.lr=1e30", "unlearn.methods=[GA]"), tmp_path)
    values = load(tmp_path / "unlearn/GA-s0").values
    assert "is not finite" in values["stopped"]
    assert values["history"]["loss"][-1] is None
    assert values["moments"][0]["forget_probability"] > 0


def test_a_full_disk_while_a_checkpoint_is_saved_loses_nothing(tmp_path, monkeypatch, whole):
    import errno

    from scale.runtime import checkpoint

    plain, calls = checkpoint.save_file, []

    def full(tensors, path):
        calls.append(path)
        if len(calls) == 5:  # two files a checkpoint: in the middle of the third
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        plain(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(UserError, match=r"Can't write .*finetune: No space left on device. Make room"):
        run_missing(_units(*LONG), tmp_path)
    monkeypatch.setattr(checkpoint, "save_file", plain)
    seen = []
    run_missing(_units(*LONG), tmp_path, lambda unit, cached: lambda i, n: seen.append((unit.name, i)))
    assert seen[0] == ("finetune", 3)
    _same_results(whole, tmp_path)


# --- more than one process --------------------------------------------------------------------------------------

TWO = """
import os, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from records.work import run_missing
from scale.stages.pipeline import units
from scale.runtime.processes import Processes
from scale.recipes.file import read_recipe
from two_processes import part
together = Processes("cpu")
words = list({w.partition("=")[0]: w for w in sys.argv[2:]}.values())
stop = os.environ.get("STOP_AFTER", "").split(":")
def watch(unit, cached):
    def progress(done, whole):
        if [unit.name, str(done)] == stop:
            progress.due = True  # the checkpoint of this epoch is still to be written
        elif getattr(progress, "due", False):
            os._exit(9)
    return progress
run_missing(units(read_recipe("quick", words), together), Path(sys.argv[1]), watch, crew=together)
assert together.count == 2
part()
"""


def _two(folder, *words, stop_after=""):
    script = folder / "two.py"
    script.write_text(TWO)
    done = run_two(script, folder / "out", *words, STOP_AFTER=stop_after)
    assert (done.returncode != 0) == bool(stop_after), done.stderr[-3000:]
    return folder / "out"


@pytest.mark.integration
def test_two_processes_run_every_stage_to_the_same_numbers(tmp_path):
    """gloo on the CPU: AdamW to a tolerance; the evaluation of the same weights to the bit."""
    words = (*SMALL, "unlearn.methods=[NPO+RT, KTO+RT, DPO+KL]", "pretrain={lr: 1e-3, epochs: 1}", "finetune.batch=7")
    one = tmp_path / "one"
    run_missing(_units(*words), one)
    two = _two(tmp_path, *words)
    for unit in _units(*words):
        a, b = load(one / unit.name), load(two / unit.name)
        if "history" in a.values:
            for column in a.values["history"]:
                assert a.values["history"][column] == pytest.approx(b.values["history"][column], rel=2e-2, abs=5e-3)
        for key, array in a.arrays.items():
            if key.endswith("_nll"):
                np.testing.assert_allclose(b.arrays[key], array, rtol=2e-2, atol=5e-3)
    (tmp_path / "check").mkdir()
    evaluate_model(
        tmp_path / "check", two / "finetune" / "model", context_of(read_recipe("quick", words), ALONE), TOFU, name="x"
    )
    for key, array in load(tmp_path / "check").arrays.items():
        np.testing.assert_array_equal(load(two / "evaluate/finetune").arrays[key], array)


@pytest.mark.integration
def test_two_processes_that_are_stopped_go_on_where_they_were(tmp_path):
    words = (*LONG, "unlearn.methods=[NPO+RT]", "finetune.epochs=2", "unlearn.epochs=3")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    _two(whole, *words)
    _two(broken, *words, stop_after="unlearn/NPO+RT-s0:1")
    work = [path for path in (broken / "out").rglob("checkpoint") if path.is_dir()]
    assert work  # so the next start resumes
    _two(broken, *words)
    _same_results(whole / "out", broken / "out")


# --- real rows --------------------------------------------------------------------------------------------------


def test_real_rows_run_too(tofu, tmp_path):
    words = (*SMALL, f"data.source={tofu}", "evaluate.questions=3")
    found = _units(*words)
    assert found[0].settings["data"]["source"] == "TOFU rows"
    assert str(tofu) not in str([unit.settings for unit in found])
    run_missing(found[:3], tmp_path)
    values = load(tmp_path / "evaluate/finetune").values
    assert set(values["scores"]) >= {"model_utility", "real_authors_rouge", "world_facts_truth_ratio"}
