"""npo audit: a model of a run beside the run's others, own rows without any reference, every mistake in words."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from html_page import sound
from in_process import npo
from malformed_things import QUESTIONS
from matplotlib import pyplot as plt
from small_recipe import SMALL

from figures import audit as figure_of_audit
from figures import audit_probes
from npo.report.audited import NO_REFERENCE, remarks, write_audit
from npo.report.meanings import meaning
from npo.running import units as running
from npo.stopping import GOES_ON
from npo.verbs.audit_settings import settings_asked
from records.errors import UserError
from records.store import Data
from scale.attacks.robustness import recovered
from scale.audit.settings import AuditSettings

FAST = ("audit.families=[memorisation,membership]", "audit.gradients=2", "audit.draws=40")
RECIPE = ("--recipe", "quick", *SMALL, "unlearn.methods=[GA]", *FAST, "--device", "cpu")
"""That of the prepared run."""


@pytest.fixture(scope="module")
def audited(prepared, tmp_path_factory):
    """An audit of a run's unlearned model, its words and where it lies."""
    out = tmp_path_factory.mktemp("audited")
    words = ("audit", str(prepared / "run/unlearn/GA-s0"), *RECIPE, "--out", str(out))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "160")
        code, printed, err = npo(*words)
    assert code == 0, err
    return words, printed, out


@pytest.fixture(scope="module")
def told(audited):
    return json.loads((audited[2] / "GA-s0/audit.json").read_text(encoding="utf8"))


def test_every_score_stands_beside_those_of_the_run_s_other_models(audited, told):
    _, printed, _ = audited
    assert set(told["models"]) == {"model", "retrained", "finetuned"}
    assert set(told["scores"]) == {"memorisation", "membership"}
    for scores in told["scores"].values():
        for one in scores.values():
            assert one["n"] > 0
            assert one["model"]["low"] <= one["model"]["value"] <= one["model"]["high"]
            assert one["difference"]["value"] == pytest.approx(one["model"]["value"] - one["retrained"]["value"])
            assert one["finetuned"] is not None
    assert told["scores"]["membership"]["auc_gradient_norm"]["n"] == 2
    assert told["scores"]["membership"]["auc_reference"]["finetuned"]["value"] == 0.5  # beside itself
    assert told["given"]["model"].keys() == {"model_utility"}
    assert told["derived"]["privacy_relative"]["retrained"]["value"] == 1
    assert told["derived"]["memorisation_scaled"]["finetuned"]["value"] == pytest.approx(0, abs=1e-9)
    assert {"utility", "all_odds", "priv_leak_min_k"} <= told["derived"].keys()
    for word in ("extraction strength", "priv leak loss", "retrained", "scores tell", "audit.html"):
        assert word in printed
    assert NO_REFERENCE not in printed


def test_scores_by_question_and_the_page_lie_beside_it(audited, told):
    place = audited[2] / "GA-s0"
    with np.load(place / "audit.npz") as arrays:
        assert arrays["model.probability"].mean() == pytest.approx(
            told["scores"]["memorisation"]["probability"]["model"]["value"]
        )
        assert len(arrays["retrained.auc_loss.others"]) == told["questions"]["holdout"]
    page = sound(place / "audit.html")
    assert not [address for address in page.values("src") if not address.startswith("data:")]
    assert "Audit of GA-s0" in page.text
    assert (place / "figures/audit.png").stat().st_size > 1000


def test_finished_parts_are_kept_and_one_setting_measures_its_family_alone(audited):
    """Min-K's share is no matter of memorisation, whose parts are all that is asked for."""
    code, printed, err = npo(*audited[0], "audit.min_k=0.3", "--families", "memorisation")
    assert code == 0, err
    assert (err.count(": kept"), err.count(": running")) == (3, 0)
    assert "The report that was here had the family membership too" in " ".join(printed.split())


ATTACKS = (
    *("--attack", "{quantise: {bits: [3], families: [memorisation]}, mix: {weights: [0.0], keep: null}}"),
    *("--attack", "relearn: {steps: [1, 2], lr: 3e-2, families: [memorisation]}"),
)


def test_attacks_on_the_model_and_on_the_retrained_one_are_curves_and_are_kept(audited, told):
    code, printed, err = npo(*audited[0], *ATTACKS)
    assert code == 0, err
    curves = json.loads((audited[2] / "GA-s0/audit.json").read_text(encoding="utf8"))["attacks"]
    assert list(curves) == ["quantise", "mix,keep=None", "relearn,lr=0.03"]
    scores = told["scores"]["memorisation"]
    for curve in curves.values():  # the first level is the model as it was
        assert curve["scores"]["probability"]["model"]["value"][0] == scores["probability"]["model"]["value"]
        assert curve["scores"]["probability"]["retrained"]["value"][0] == scores["probability"]["retrained"]["value"]
    assert curves["mix,keep=None"]["scores"]["probability"]["model"]["value"][1] == pytest.approx(
        scores["probability"]["finetuned"]["value"], rel=1e-5
    )
    before, back = (scores["probability"][who]["value"] for who in ("model", "finetuned"))
    told_of = curves["mix,keep=None"]["recovered"]["probability"]["model"]
    assert told_of == [None if (share := recovered(before, back, back)) is None else pytest.approx(share, rel=1e-3)]
    own, beside = (curves["relearn,lr=0.03"]["scores"]["probability"][who]["value"] for who in ("model", "retrained"))
    assert own[0] < own[1] < own[2]
    wanted = min((beside[2] - beside[0]) / (own[2] - own[0]), 1)
    assert curves["relearn,lr=0.03"]["robustness"]["r"]["probability"][1] == pytest.approx(wanted)
    assert "After relearn (lr=0.03), at 2 steps: probability" in " ".join(printed.split())
    assert "After attacks" in sound(audited[2] / "GA-s0/audit.html").text
    assert (audited[2] / "GA-s0/figures/attacks.png").stat().st_size > 1000
    report = (audited[2] / "GA-s0/audit.json").read_text(encoding="utf8")
    code, _, err = npo(*audited[0], "--family", "memorisation")  # what has been measured stays in the report
    assert (code, err.count(": running")) == (0, 0)
    again = json.loads((audited[2] / "GA-s0/audit.json").read_text(encoding="utf8"))
    assert (again["scores"], again["attacks"].keys()) == (json.loads(report)["scores"], curves.keys())
    code, printed, err = npo(*audited[0], "audit.min_k=0.3", "--family", "memorisation")
    assert "had the family membership, the attack mix,keep=None" in " ".join(printed.split())
    assert not (audited[2] / "GA-s0/figures/attacks.png").exists()


def test_rows_of_one_s_own_without_any_model_beside(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    words = ("--forget", str(prepared / "rows.jsonl"), "--retain", str(prepared / "kept.jsonl"), "--device", "cpu")
    code, printed, err = npo("audit", str(prepared / "adapter"), *words, *FAST)
    assert code == 0, err
    assert printed.count(NO_REFERENCE[1:]) == 1
    assert "membership was not attacked" in printed
    (file,) = Path("out/audit").glob("*/audit.json")
    told = json.loads(file.read_text(encoding="utf8"))
    assert told["questions"] == {"forget": len(QUESTIONS), "retain": 6}
    assert told["scores"]["membership"] == {}
    assert told["scores"]["memorisation"]["probability"]["difference"] is None
    assert told["judged"] == NO_REFERENCE
    text = sound(file.parent / "audit.html").text
    assert NO_REFERENCE[1:] in text
    assert "of rows to retain: of the true answer, a token" in text


MISTAKES = {
    "no rows": ([], "Name the rows that were to be forgotten"),
    "an empty file": (["--forget", "{tmp}/empty.jsonl"], "has no rows"),
    "no such file": (["--forget", "{tmp}/none.jsonl"], "none.jsonl"),
    "no such model": (["--forget", "{rows}", "--retrained", "{tmp}/none"], "--retrained: There is no model"),
    "retrained is the same": (["--forget", "{rows}", "--retrained", "{model}"], "has the weights of the model that is"),
    "finetuned is a copy": (
        ["--forget", "{rows}", "--finetuned", "{tmp}/copy"],
        "has the weights of the model that is",
    ),
    "one model is both": (
        ["--forget", "{rows}", "--retrained", "{adapter}", "--finetuned", "{adapter}"],
        "has the weights of the finetuned model",
    ),
    "a row held out that is to be forgotten": (
        ["--forget", "{rows}", "--holdout", "{rows}"],
        "line 1: 'What is the number 0?' is a row to forget too",
    ),
    "membership without rows held out": (["--forget", "{rows}", "--family", "membership"], "Name them with --holdout"),
    "one row held out": (["--forget", "{rows}", "--holdout", "{tmp}/one.jsonl"], "an AUC against one row"),
    "no such entities": (["--forget", "{rows}", "--entities", "{tmp}/none.jsonl"], "none.jsonl"),
    "a row retained that is to be forgotten": (["--forget", "{rows}", "--retain", "{rows}"], "are one file"),
    "no such family": (["--forget", "{rows}", "--families", "memorization"], "Did you mean memorisation?"),
    "no such setting": (["--forget", "{rows}", "audit.answer=3"], "Did you mean audit.answers?"),
    "no such classifier": (["--forget", "{rows}", "audit.fluency={tmp}/none"], "no classifier of texts could be read"),
    "no such number": (["--forget", "{rows}", "audit.min_k=nan"], "audit.min_k: "),
    "a recipe's key without one": (["--forget", "{rows}", "data.forget=forget05"], "only a recipe has such a key"),
    "no such device": (["--forget", "{rows}", "--device", "tpu"], "--device tpu: there is no such device"),
    "no such format": (["--forget", "{rows}", "--prompt", "x"], "--prompt x: there is no such prompt"),
    "entities of other answers": (["--forget", "{rows}", "--entities", "{tmp}/words.jsonl"], "none of its 1 entities"),
    "no such recipe": (["--recipe", "quik"], "quick"),
    "no such attack": (["--forget", "{rows}", "--attack", "quantize"], "Did you mean quantise?"),
    "mixed back to nothing": (["--forget", "{rows}", "--attack", "mix"], "name that with --finetuned"),
    "relearnt on no rows": (
        ["--forget", "{rows}", "--attack", "relearn: {{rows: retain}}"],
        "--attack relearn.rows: there are no rows to retain. Name them with --retain FILE",
    ),
    "no related rows": (
        ["--forget", "{rows}", "--attack", "relearn: {{rows: related}}"],
        "Name a file of them with --attack-rows FILE",
    ),
    "related rows that are to be forgotten": (
        ["--forget", "{rows}", "--attack", "relearn: {{rows: related}}", "--attack-rows", "{rows}"],
        "line 1: 'What is the number 0?' is a row to forget too",
    ),
    "related rows that are none": (
        ["--forget", "{rows}", "--attack", "relearn: {{rows: related}}", "--attack-rows", "{tmp}/none.jsonl"],
        "none.jsonl",
    ),
    "other words of other questions": (
        ["--forget", "{rows}", "--reworded", "{tmp}/other.jsonl"],
        "none of its 1 questions is one of the 6 to forget",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told(mistake, prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "other.jsonl").write_text('{"question": "Who?", "paraphrased_question": "Which?"}', encoding="utf8")
    (tmp_path / "one.jsonl").write_text('{"question": "Who?", "answer": "Ada."}', encoding="utf8")
    (tmp_path / "words.jsonl").write_text('{"entity": "Oldham", "prefix": "In"}', encoding="utf8")
    words, said = MISTAKES[mistake]
    shutil.copytree(prepared / "model", tmp_path / "copy")
    places = {"model": prepared / "model", "adapter": prepared / "adapter", "rows": prepared / "rows.jsonl"}
    given = [word.format(tmp=tmp_path, **places) for word in words]
    code, _, err = npo("audit", str(prepared / "model"), *given)
    assert code == 2
    assert said in " ".join(err.split())
    assert "Traceback" not in err


def test_all_mistakes_are_told_at_once(prepared, tmp_path):
    words = ("--forget", str(tmp_path / "none"), "--retrained", str(tmp_path / "no"), "audit.x=1", "--device", "tpu")
    words += ("--attack", "relern", "--attack", "prune: {shares: [2]}")
    code, _, err = npo("audit", str(tmp_path / "nothing"), *words)
    assert code == 2
    for said in (
        "There is no model",
        "--retrained",
        "audit.x",
        "--device tpu",
        "Did you mean relearn?",
        "--attack prune",
    ):
        assert said in err


def test_a_run_and_a_run_of_other_rows_are_refused(prepared):
    code, _, err = npo("audit", str(prepared / "run"))
    assert (code, "Name one of its models" in err, "GA-s0" in err) == (2, True, True)
    code, _, err = npo("audit", str(prepared / "run/unlearn/GA-s0"), "--recipe", "quick", *FAST)
    assert (code, "other rows than this recipe has" in err) == (2, True)


def test_the_picture_has_a_panel_a_family_and_a_line_a_score(told):
    figure = figure_of_audit.draw({"audit": Data({}, told)})
    assert len(figure.axes) == 2
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [figure_of_audit.words(name) for name in told["scores"]["memorisation"]]
    plt.close(figure)


def test_what_is_drawn_and_what_lies_in_the_layers_are_curves_of_their_own(told, tmp_path):
    point = {"value": 0.5, "low": None, "high": None}
    every = {"n": 2, "model": point, "retrained": point, "finetuned": None, "difference": None}
    names = {"sampling": ("leak_at_1", "leak_at_16", "leak_at_2", "leak_greedy"), "hidden": ("lens_block_1",)}
    scores = {family: dict.fromkeys(some, every) for family, some in names.items()}
    assert not audit_probes.has_curves(told)
    told = {**told, "scores": scores, "derived": {}}
    assert audit_probes.has_curves(told)
    figure = audit_probes.draw({"audit": Data({}, told)})
    (ax,) = figure.axes  # of the lens there is one point
    assert [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 3] == [[1, 2, 16]] * 2
    assert len(ax.lines) == 4  # and two levels of greedy answers
    plt.close(figure)
    write_audit(tmp_path, told, {}, "npo audit")
    assert (tmp_path / "figures/audit_probes.svg").is_file()
    labels = figure_of_audit.draw({"audit": Data({}, told)}).axes[0].get_yticklabels()
    assert [text.get_text() for text in labels] == ["leak greedy"]


def test_what_tells_a_model_from_the_retrained_one_is_said(told):
    flat = {"value": 0.0, "low": -0.1, "high": 0.1}
    scores = {"memorisation": {"probability": {"difference": flat}}}
    scores["memorisation"]["retain_probability"] = {"difference": {**flat, "low": 0.01}}  # kept better, or a twin:
    scores["memorisation"]["extraction_strength_floored"] = {"difference": {**flat, "low": 0.01}}  # not counted
    assert "None of 1 scores" in remarks({**told, "scores": scores})[0]
    scores = {"memorisation": {"probability": {"difference": {**flat, "low": 0.01}}}}
    assert (
        "1 of 1 scores tell this model from the retrained one (of rows to forget; of several forms of one score the "
        "first): memorisation 1 of 1" in remarks({**told, "scores": scores})[0]
    )


def test_every_score_has_a_line_on_what_it_means(told):
    names = [name for scores in (*told["scores"].values(), told["derived"]) for name in scores]
    assert [name for name in names if not meaning(name)] == []


def test_one_that_is_stopped_goes_on(prepared, tmp_path, monkeypatch):
    real = running.run_missing

    def first_alone(units, *more):
        real(units[:1], *more)
        raise KeyboardInterrupt

    words = ("audit", str(prepared / "model"), "--forget", str(prepared / "rows.jsonl"), *FAST, "--out", str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(running, "run_missing", first_alone)
        code, _, err = npo(*words)
    assert (code, err.endswith(f"npo: stopped. {GOES_ON}\n")) == (130, True)
    code, _, err = npo(*words)
    assert code == 0, err
    assert (err.count(": kept"), err.count(": running")) == (1, 1)


def test_settings_go_over_those_of_the_recipe():
    usual = AuditSettings(answers=8, ks=(1, 8))
    found = settings_asked(["audit.min_k=0.2"], ("membership",), usual)
    assert (found.answers, found.ks, found.min_k, found.families) == (8, (1, 8), 0.2, ("membership",))
    with pytest.raises(UserError, match="leak@8 needs as many answers"):
        settings_asked(["audit.answers=4"], (), usual)
