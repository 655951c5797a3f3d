"""npo forget: options that can't be, runs that blow up or change nothing, and what is said at the end."""

import json

import pytest
import torch

from records.store import load
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.models.loading import whole as loading
from scale.models.loading.scratch import Shape
from scale.training.loop import Training

ROWS = [{"question": f"Where was no. {i} born?", "answer": f"In {town}."} for i, town in enumerate(["Oldham", "Siena"])]
KEEP = [{"question": "What do bees make?", "answer": "They make honey."}]


def _write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return str(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny model, a file of rows to forget, one of rows to retain."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = scratch.train_tokenizer([f"Question: {row['question']}\nAnswer: {row['answer']}" for row in ROWS], 300)
    shape = Shape(hidden=16, layers=1, heads=2, feed_forward=16, positions=128)
    model = scratch.from_scratch(tokenizer, shape, seed=0)
    language_model.save(folder / "model", LanguageModel(model, tokenizer))
    return str(folder / "model"), _write(folder / "rows.jsonl", ROWS), _write(folder / "keep.jsonl", KEEP)


@pytest.fixture
def forget(tiny, run_npo, tmp_path):
    """The verb on the tiny model, with more words: exit code, output, what was said on standard error."""
    model, rows, _ = tiny

    def run(*words, rows=rows):
        code, out, err = run_npo("forget", rows, "--model", model, "--out", str(tmp_path / "out"), *words)
        assert "Traceback" not in err
        return code, " ".join(out.split()), " ".join(err.split())

    return run


def test_a_beta_is_found_for_rows_of_one_s_own(forget, tmp_path, tiny):
    words = ("--beta", "auto", "--held-out", tiny[2], "--epochs", "3", "--lr", "1e-3")
    code, out, _ = forget(*words, "--only-beta", "unlearn.wanted_drop.by=3.0")
    assert code == 0
    assert "3 nats, " in out
    assert not (tmp_path / "out/forget").exists()
    code, out, _ = forget(*words, "unlearn.wanted_drop.by=3.0")
    assert code == 0
    values, found = load(tmp_path / "out/forget").values, load(tmp_path / "out/auto-beta/NPO").values
    assert values["beta"] == found["beta"]
    assert values["beta_of"]["unit"] == "auto-beta/NPO"
    assert f"β = {found['beta']:.3g}" in out


# --- what is said -------------------------------------------------------------------------------------------------


def test_one_epoch_of_one_step_trains(forget, tmp_path):
    code, out, _ = forget("--epochs", "1", "--lr", "1e-2")
    assert code == 0
    values = load(tmp_path / "out/forget").values
    assert values["changed"]
    assert values["history"]["lr"] == [1e-2]
    assert values["after"]["forget_drop"] != 0
    assert "a token before: it hardly knew them." in out
    assert "No rows to retain were given" in out
    assert all(" ".join(sentence.split()) in out for sentence in values["said"])


def test_several_epochs_warm_up_as_before(forget, tmp_path):
    assert forget("--epochs", "3", "--lr", "1e-2")[0] == 0
    assert load(tmp_path / "out/forget").values["history"]["lr"] == pytest.approx([0, 1e-2, 0.5e-2])


def test_a_run_that_changed_nothing_says_so(forget, tmp_path):
    code, out, _ = forget("--epochs", "2", "--lr", "1e-40")
    assert code == 0
    assert "Not one weight has changed: this is the model as it was." in out


def test_what_is_cut_or_there_twice_is_told(forget, tmp_path):
    rows = _write(tmp_path / "r", [*ROWS, ROWS[0], {"text": "Ada was born in Brackwater, by the sea. " * 5}])
    code, out, _ = forget("--max-length", "40", "--epochs", "1", "--recompute", rows=rows)
    assert code == 0
    assert "1 text(s) to forget are longer than 40 tokens and were cut" in out
    assert "1 row(s) to forget repeat one before them" in out


def test_batches_and_pieces_of_any_size_are_all_rows(forget):
    assert forget("--batch", str(10**400), "--piece", str(10**30), "--epochs", "1")[0] == 0


def test_any_key_of_a_recipe_can_be_typed(forget, tmp_path):
    words = (
        "unlearn.methods.0.lr=1e-3",
        "unlearn.seeds=[0,1]",
        "unlearn.optimizer=SGD:momentum=0.5",
    )
    assert forget(*words, "--epochs", "1", "--lr", "1e-2")[0] == 0
    runs = sorted(path.name for path in (tmp_path / "out/unlearn").iterdir() if not path.name.startswith("."))
    assert runs == ["NPO,lr=0.001-s0", "NPO,lr=0.001-s1"]
    assert load(tmp_path / "out/unlearn" / runs[0]).values["history"]["lr"] == [1e-3]


def test_keys_that_can_not_be_are_told_at_once(forget):
    code, _, err = forget("unlearn.lrr=1", "unlearn.methods.4.lr=1", "data.forget=x", "finetune.lr=1")
    assert code == 2
    assert "unlearn.lrr: there is no such key. Did you mean lr?" in err
    assert "unlearn.methods.4: unlearn.methods is a list of 1" in err
    for word in ("data.forget=x", "finetune.lr=1"):
        assert f"{word}: rows are named as arguments and nothing is trained before" in err


# --- what blows up ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GA", "NPO"])
def test_a_run_that_blows_up_fails_and_keeps_the_model_of_its_last_good_epoch(method, forget, tmp_path):
    """Of four epochs of one step the first has rate 0; the second breaks the model."""
    for _ in range(2):  # run, and found there
        code, _, err = forget("--method", method, "--epochs", "4", "--lr", "1e40")
        assert code == 2
        assert "not finite. The model is that of epoch 1. Choose a smaller --lr." in err
    values = load(tmp_path / "out/forget").values
    assert "not finite" in values["stopped"]
    assert values["after"]["forget_nll"] == pytest.approx(values["before"]["forget_nll"])
    model = loading.load(tmp_path / "out/forget/model").model
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_run_whose_first_epoch_blows_up_saves_nothing(forget, tmp_path):
    code, _, err = forget("--epochs", "1", "--lr", "1e40")
    assert code == 2
    assert "Forgetting blew up" in err
    assert not (tmp_path / "out/forget").exists()


@pytest.mark.parametrize("epochs", [1, 2])
def test_rows_without_a_probability_are_found_at_the_end_whichever_they_are(epochs, forget, tmp_path, monkeypatch):
    """The loop looks at the first rows alone; here it is told that those are well."""
    monkeypatch.setattr(Training, "_finite", lambda self: True)
    code, _, err = forget("--epochs", str(epochs), "--lr", "1e40")
    assert code == 2
    assert "The probabilities of some rows are not finite." in err
    if epochs == 1:
        assert "no epoch before to go back to" in err
        return
    assert "The model is that of epoch 1." in err
    values = load(tmp_path / "out/forget").values
    assert values["after"]["forget_nll"] == pytest.approx(values["before"]["forget_nll"])
    assert [moment["epoch"] for moment in values["moments"]] == [0, 1]
    assert all(p.isfinite().all() for p in loading.load(tmp_path / "out/forget/model").model.parameters())


# --- what can't be ------------------------------------------------------------------------------------------------

MISTAKES = {
    "a seed that no generator takes": (["--seed", str(2**63)], "--seed"),
    "no number": (["--lr", "nan"], "--lr: "),
    "no finite number": (["--lr", "inf"], "--lr: "),
    "a rate of 0": (["--lr", "0"], "--lr: "),
    "β is no number": (["--beta", "nan"], "--beta: "),
    "β is a word": (["--beta", "otto"], "--beta otto: write a number, or auto."),
    "β to be found by nothing": (["--beta", "auto"], "--beta auto can't tell how far the answers should fall: give"),
    "β to be found of GA": (["--method", "GA", "--beta", "auto"], "--beta auto: it is found for NPO, and GA"),
    "a wanted drop and no β to find": (["--wanted-drop", "3"], "--wanted-drop: for --beta auto alone."),
    "a wanted drop that is none": (
        ["--beta", "auto", "--wanted-drop", "-3"],
        "--wanted-drop: it should be a number of",
    ),
    "β is 0": (["--beta", "0"], "--beta: "),
    "β for a method without": (["--method", "GA", "--beta", "0.1"], "--beta: GA takes no β"),
    "a weight that is no number": (["--retain-weight", "nan"], "--retain-weight"),
    "an infinite weight": (["--retain-weight", "inf"], "--retain-weight: "),
    "a weight of nothing": (["--retain-weight", "2"], "no retain term"),
    "epochs without end": (["--epochs", str(10**9)], "--epochs: "),
    "no epochs": (["--epochs", "0"], "--epochs"),
    "no batch": (["--batch", "0"], "--batch"),
    "pieces of no length": (["--max-length", "1"], "--max-length"),
    "rows that are too long": (["--max-length", "10"], "2 unusable line(s)"),
    "one file for both": (["--retain", "{rows}"], "are one file"),
    "no file to retain": (["--retain", "{tmp}/absent"], "There is no file absent"),
    "a folder to retain": (["--retain", "{tmp}"], "is a folder"),
    "all at once": (["--lr", "nan", "--prompt", "x", "--dtype", "y", "--retain", "{tmp}/absent"], "--lr: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_and_nothing_is_written(mistake, tiny, forget, tmp_path):
    words, said = MISTAKES[mistake]
    code, _, err = forget(*(word.format(rows=tiny[1], tmp=tmp_path) for word in words))
    assert code == 2
    assert said in err
    assert not (tmp_path / "out/forget").exists()
    if mistake == "all at once":
        for part in ("--prompt x", "--dtype y", "There is no file absent"):
            assert part in err


def test_a_text_with_an_answer_that_declines_that_is_too_long_is_told_as_such(forget, tiny):
    code, _, err = forget("--retain", tiny[2], "--method", "IDK+RT", "--max-length", "50")
    assert code == 2
    assert "With “I don’t know” instead of its own answer: " in err


def test_a_row_in_both_files_is_told_by_its_line(forget, tmp_path):
    keep = _write(tmp_path / "k", [*KEEP, {"question": ROWS[1]["question"].upper(), "answer": ROWS[1]["answer"]}])
    code, _, err = forget("--retain", keep)
    assert code == 2
    assert "line 2: 'WHERE WAS NO. 1 BORN?' is to be forgotten too, by line 2 of rows.jsonl" in err


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
    ids=["GPU", "Python", "CPU"],
)
def test_memory_that_runs_out_is_told_with_what_to_do(error, forget, monkeypatch):
    def fail(*given):
        raise error

    monkeypatch.setattr("scale.training.batch_loss.BatchLoss.gradient", fail)
    code, _, err = forget()
    assert code == 2
    assert "Memory ran out" in err
    for advice in ("--piece", "--max-length", "--recompute", "--lora"):
        assert advice in err


# --- rows and optimizers of any kind ------------------------------------------------------------------------------


def test_rows_in_a_table_with_other_answers_have_a_truth_ratio(forget, tmp_path):
    wrong = '"[""In Lima."", ""In Kyoto.""]"'
    (tmp_path / "r.csv").write_text(
        "question,answer,paraphrased_answer,perturbed_answer\n"
        + "".join(f"{row['question']},{row['answer']},It was {row['answer'][3:]},{wrong}\n" for row in ROWS)
    )
    code, _, err = forget("--epochs", "1", "--lr", "1e-2", rows=str(tmp_path / "r.csv"))
    assert (code, err.count("npo:")) == (0, 0)
    assert any("truth_ratio" in key for key in load(tmp_path / "out/forget").values["after"])


def test_the_kind_of_rows_may_be_named(forget, tmp_path):
    rows = _write(tmp_path / "r", [{**row, "text": "not this"} for row in ROWS])
    code, _, err = forget(rows=rows)
    assert (code, "keep those of one, or name it by `format`" in err) == (2, True)
    assert forget("--format", "question-answer", "--epochs", "1", "--lr", "1e-2", rows=rows)[0] == 0
    code, _, err = forget("--format", "sharegtp", "--lr", "-1", rows=rows)
    assert code == 2
    assert "--format sharegtp: there is no such format; choose one of question-answer" in err
    assert "--lr: " in err


@pytest.mark.parametrize("optimizer", ["SAM:rho=0.1:base=SGD", "sign-descent", "Sophia:betas=[0.9,0.95]"])
def test_an_optimizer_is_named_with_its_options(optimizer, forget, tmp_path):
    assert forget("--epochs", "1", "--lr", "1e-2", "--optimizer", optimizer)[0] == 0
    assert load(tmp_path / "out/forget").values["changed"]


def test_an_optimizer_that_is_none_is_told_with_the_rest(forget, tmp_path):
    code, _, err = forget("--optimizer", "SGD:momentun=0.9", "--lr", "-1")
    assert code == 2
    assert "--optimizer: SGD has no option momentun: did you mean momentum, got 'SGD:momentun=0.9'." in err
    assert "--lr: " in err


# --- one pipeline -------------------------------------------------------------------------------------------------


def _flat(text):
    return " ".join(text.split())


@pytest.mark.integration
def test_several_methods_leave_what_a_recipe_s_do(forget, run_npo, tiny, tmp_path):
    words = ["--retain", tiny[2], "--method", "NPO", "--method", "GA+RT", "--epochs", "1", "--lr", "1e-2"]
    code, out, _ = forget(*words)
    assert code == 0
    place = tmp_path / "out"
    assert {path.name for path in (place / "unlearn").iterdir()} == {"NPO-s0", "GA+RT-s0"}
    for label in ("NPO", "GA+RT"):
        values = load(place / f"unlearn/{label}-s0").values
        assert values["after"]["forget_drop"] != 0
        assert values["before"] == pytest.approx(load(place / "unlearn/NPO-s0").values["before"])
        assert label in out
    assert run_npo("report", str(place))[0] == 0
    page = (place / "report/report.html").read_text(encoding="utf8")
    assert "GA+RT" in page
    assert "0 forget questions" not in page


def test_hyperparameters_are_typed_for_all_methods_or_for_one(forget, tmp_path):
    words = ["--method", "SimNPO", "--method", "NPO", "--set", "gamma=0", "--set", "NPO.beta=0.5", "--beta", "2"]
    assert forget(*words, "--epochs", "1", "--lr", "1e-2")[0] == 0
    place = tmp_path / "out/unlearn"
    assert {path.name for path in place.iterdir()} == {"SIMNPO,gamma=0-s0", "NPO,beta=0.5-s0"}
    assert load(place / "SIMNPO,gamma=0-s0").values["hyperparameters"] == {"beta": 2, "gamma": 0}
    assert load(place / "NPO,beta=0.5-s0").values["beta"] == 0.5


def test_several_seeds_leave_a_folder_each(forget, tmp_path):
    code, out, _ = forget("--seeds", "3,1", "--epochs", "1", "--lr", "1e-2")
    assert code == 0
    assert {path.name for path in (tmp_path / "out/unlearn").iterdir()} == {"NPO-s3", "NPO-s1"}
    assert load(tmp_path / "out/unlearn/NPO-s3").values["seed"] == 3
    assert out.index("NPO-s3") < out.index("NPO-s1")


def test_further_metrics_are_taken_before_and_after(forget, tiny, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("def likeliest(token_logp):\n    return float(token_logp.max())\n", encoding="utf8")
    words = (
        "--metrics",
        "exact_memorization,extraction_strength",
        "--metrics",
        f"{mine}:likeliest",
        "--metric",
        "rouge",
    )
    code, out, _ = forget("--retain", tiny[2], "--epochs", "1", "--lr", "1e-2", *words)
    assert code == 0
    values = load(tmp_path / "out/forget").values
    for name in ("exact_memorization", "extraction_strength", "likeliest", "rouge"):
        for key in (f"forget_{name}", f"retain_{name}"):
            assert values["before"][key] is not None
            assert values["after"][key] is not None
    assert values["after"]["forget_likeliest"] != values["before"]["forget_likeliest"]
    assert "truth_ratio" in values["unknown"]
    assert "forget exact memorization" in out


@pytest.mark.integration
def test_what_one_method_and_what_several_leave_stand_in_one_report(forget, run_npo, tmp_path):
    words = ("--epochs", "1", "--lr", "1e-2")
    assert forget("--method", "GA", *words)[0] == 0
    assert forget("--method", "NPO", "--seeds", "0,1", *words)[0] == 0
    assert _reported(run_npo, tmp_path) == {"out/forget", "out/NPO-s0", "out/NPO-s1"}
    assert forget("--method", "GA", "--method", "NPO", "--seeds", "0,1", *words)[0] == 0  # that of before once more
    assert _reported(run_npo, tmp_path) == {f"out/{name}-s{seed}" for name in ("GA", "NPO") for seed in (0, 1)}


def _reported(run_npo, tmp_path):
    code, _, err = run_npo("report", str(tmp_path / "out"))
    assert code == 0, err
    assert "left out" not in err
    return set(json.loads((tmp_path / "out/report/runs.json").read_text(encoding="utf8"))["runs"])


@pytest.mark.integration
def test_report_and_ask_understand_what_one_method_leaves(forget, run_npo, tmp_path):
    assert forget("--epochs", "1", "--lr", "1e-2")[0] == 0
    assert run_npo("report", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out/report/report.html").is_file()
    code, out, _ = run_npo("ask", str(tmp_path / "out"), ROWS[0]["question"])
    assert code == 0
    assert f"true answer: {ROWS[0]['answer']}" in _flat(out)


def test_a_recipe_of_one_s_own_rows_gives_what_npo_forget_gives(forget, run_npo, tiny, tmp_path):
    model, rows, keep = tiny
    words = ("--retain", keep, "--epochs", "2", "--lr", "1e-2", "--batch", "8", "--piece", "4")
    assert forget("--method", "NPO+RT", *words)[0] == 0
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"data: {{kind: rows, forget: {rows}, retain: {keep}}}\nmodel: {{base: {model}, prompt: auto}}\n"
        "finetune: null\n"
        "unlearn: {lr: 1.0e-2, epochs: 2, batch: 8, piece: 4, methods: [NPO+RT]}\ndevice: cpu\n"
    )
    code, _, err = run_npo("run", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    one, other = load(tmp_path / "out/forget").values, load(tmp_path / "run/unlearn/NPO+RT-s0").values
    for when in ("before", "after"):
        assert one[when] == pytest.approx(other[when], rel=1e-4)
    assert [moment["epoch"] for moment in other["moments"]] == [0, 1, 2]
    assert "│ unlearn" in run_npo("plan", str(recipe))[1]


def test_what_is_told_of_a_run_that_keeps_its_best_moment_is_of_that_moment(run_npo, tiny, tmp_path):
    model, rows, _ = tiny
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"data: {{kind: rows, forget: {rows}}}\nmodel: {{base: {model}, prompt: auto}}\nfinetune: null\ndevice: cpu\n"
        "unlearn: {lr: 1.0e-2, epochs: 3, warmup: 1, batch: 8, piece: 4, methods: [GA], keep: best,\n"
        "          best: {maximise: forget_probability, at_least: {forget_probability: 0.1}}}\n"
    )
    code, _, err = run_npo("run", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 0, err
    found = load(tmp_path / "run/unlearn/GA-s0")
    values, after = found.values, found.values["after"]
    assert values["kept"]["epoch"] == 1 < values["moments"][-1]["epoch"]
    assert after["forget_probability"] == values["moments"][1]["forget_probability"]
    assert after["forget_drop"] == pytest.approx(0, abs=1e-6)
    assert found.arrays["forget.after_nll"] == pytest.approx(found.arrays["forget.before_nll"])


def test_rows_with_wrong_answers_have_a_truth_ratio(forget, tmp_path):
    rows = [{**row, "paraphrased_answer": "There.", "perturbed_answer": ["In Rome.", "In Oslo."]} for row in ROWS]
    code, *_ = forget("--epochs", "1", "--lr", "1e-2", rows=_write(tmp_path / "r", rows))
    assert code == 0
    values = load(tmp_path / "out/forget").values
    assert 0 < values["after"]["forget_truth_ratio"] <= 1
    assert "truth_ratio" not in values["unknown"]
