"""`beta: auto`: the estimates of the wanted drop, the budget, and the β in a run's record."""

import json
import math
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_recipe import SMALL

from records.errors import UserError
from records.store import load
from records.work import keys, run_missing
from scale.beta.budget import beta_for, between, budget_of, drops_at, provisional
from scale.beta.nats import AnswerNats
from scale.beta.sure import beta_range, caveats
from scale.beta.wanted import from_base, from_held_out, from_other_answers, from_retrained
from scale.recipes.file import read_recipe
from scale.recipes.method import methods_of, with_beta
from scale.runtime.processes import Processes
from scale.stages.beta.choose import _chosen
from scale.stages.pipeline import units

ALONE = Processes("cpu")
TOKENS = np.array([10.0, 20.0, 30.0])
KNOWN = AnswerNats(np.array([1.0, 2.0, 3.0]), TOKENS)


# --- what is estimated ------------------------------------------------------------------------------------------


def test_estimates_are_the_nats_that_their_formulas_say():
    other = AnswerNats(np.array([31.0, 62.0, 93.0]), TOKENS)
    for estimate in (from_retrained, from_base):
        found = estimate(KNOWN, other)
        assert found.drop.tolist() == [30.0, 60.0, 90.0]
        assert found.mean == 60
        assert found.per_token == 3
        assert found.error == pytest.approx(30 / math.sqrt(3))
    longer = AnswerNats(np.array([62.0, 124.0, 186.0]), 2 * TOKENS)  # as many nats a token
    assert from_other_answers(KNOWN, longer).drop.tolist() == [30.0, 60.0, 90.0]
    held = from_held_out(KNOWN, AnswerNats(np.array([310.0, 0.0]), np.array([50.0, 50.0])))
    assert held.drop.tolist() == [30.0, 60.0, 90.0]
    assert held.error > from_retrained(KNOWN, other).error  # the held-out rate is not known exactly either


def test_of_one_answer_the_error_is_not_known():
    one = AnswerNats(np.array([1.0]), np.array([10.0]))
    assert from_retrained(one, one).error == math.inf
    assert from_retrained(one, one).described()["error"] is None


# --- budget and β -----------------------------------------------------------------------------------------------


@given(st.floats(0.1, 1e4), st.floats(0.01, 20.0))
def test_a_budget_gives_back_the_beta_it_was_measured_at(drop, scaled):
    beta = scaled / drop
    budget = budget_of(drop, beta)
    assert beta_for(drop, budget) == pytest.approx(beta, rel=1e-6)
    assert drops_at(beta, [drop], beta) == pytest.approx([drop], rel=1e-9)
    assert beta_for(budget * 1.01, budget) is None  # gradient ascent itself ends at the budget
    wider = beta_for(drop, 2 * budget)
    assert wider > beta


def test_the_provisional_beta_is_six_over_the_drop():
    assert provisional(300.0) == pytest.approx(0.02)


def test_where_the_rule_is_at_its_end_it_says_so():
    estimates = {"held-out": {"drop": 30.0, "error": 2.0}, "base": {"drop": 90.0, "error": None}}
    wanted = {"drop": 30.0, "by": "held-out", "estimates": estimates}
    fine = {"ended": 31.0, "budget": 400.0, "reached": True, "optimizer": "adamw"}
    (said,) = caveats(wanted, **fine)
    assert "disagree by more than a factor 2: 30 nats, 90 by base" in said
    agreed = {**wanted, "estimates": {"held-out": estimates["held-out"]}}
    assert caveats(agreed, **fine) == []
    for change, words in (
        ({"ended": 90.0}, "ended at 90 and not at 30"),
        ({"reached": False, "budget": 20.0}, "lets the answers fall by about 20 of 30 nats even as gradient ascent"),
        ({"optimizer": "SGD"}, "with SGD it was not"),
    ):
        (said,) = caveats(agreed, **{**fine, **change})
        assert words in said
    (said,) = caveats({**agreed, "estimates": {"held-out": {"drop": 30.0, "error": 20.0}}}, **fine)
    assert "hardly known: 30 ± 20" in said
    (said,) = caveats({**agreed, "by": "retrained"}, **fine)
    assert "a peek" in said
    low, high = beta_range(30.0, "held-out", 400.0)
    assert low < beta_for(30.0, 400.0) < high
    assert beta_range(390.0, "paraphrase", 400.0).low is None


# --- recipes ----------------------------------------------------------------------------------------------------


def _methods(*words):
    return methods_of(read_recipe("quick", words).unlearn)


def test_auto_is_for_npo_alone_and_the_others_keep_their_paper_s():
    found = _methods(
        "unlearn.beta=auto", "unlearn.methods=[GA, DPO+RT, NPO, NPO+RT, SimNPO, {name: NPO+KL, beta: 0.3}]"
    )
    assert [(one.label, one.beta, one.auto) for one in found] == [
        ("GA", None, False),
        ("DPO+RT", 0.1, False),
        ("NPO", None, True),
        ("NPO+RT", None, True),
        ("SIMNPO", 4.5, False),
        ("NPO+KL,beta=0.3", 0.3, False),
    ]
    chosen = with_beta(found[3], 0.02)
    assert chosen.objective.hyperparameters == {"beta": 0.02}
    assert chosen.beta == 0.02


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["unlearn.methods=[{name: KTO, beta: auto}]"], "beta=auto is NPO's"),
        (["unlearn.methods=[{name: SimNPO, beta: auto}]"], "give it a number, or leave beta out"),
        (["unlearn.methods=[{name: GA, beta: auto}]"], "takes no hyperparameter beta"),
        (["unlearn.beta=otto"], "unlearn.beta: it should be a number above 0, or auto, got 'otto'"),
        (["unlearn.methods=[{name: NPO, beta: -1}]"], "it should be a number above 0, or auto, got -1"),
        (["unlearn.wanted_drop=retrain"], "unlearn.wanted_drop.by: it should be auto, retrained, held-out, base"),
        (["unlearn.wanted_drop=0"], "a number of nats above 0"),
        (["unlearn.wanted_drop.held_out="], None),
        (["unlearn.wanted_drop={bye: base}"], "Did you mean by"),
    ],
)
def test_mistakes_about_beta_are_told_once(words, said):
    if said is None:
        assert read_recipe("quick", words).unlearn.wanted_drop.held_out is None
        return
    with pytest.raises(UserError) as caught:
        _methods(*words)
    assert said in str(caught.value)
    assert str(caught.value).count(said) == 1


def test_an_estimate_that_can_not_be_had_is_told_before_anything_runs():
    with pytest.raises(UserError, match="can't tell by base how far the answers should fall"):
        units(read_recipe("quick", [*SMALL, "unlearn.beta=auto", "unlearn.wanted_drop=base"]), ALONE)


def test_the_units_that_find_a_beta_stand_before_the_runs_that_use_it():
    words = [*SMALL, "unlearn.methods=[GA, {name: NPO+RT, beta: auto}]"]
    found = {unit.name: unit for unit in units(read_recipe("quick", words), ALONE)}
    assert [*found][-4:] == ["auto-beta/wanted", "auto-beta/NPO+RT", "unlearn/GA-s0", "unlearn/NPO+RT,beta=auto-s0"]
    assert found["auto-beta/wanted"].needs == ("finetune", "retrain")
    assert found["auto-beta/NPO+RT"].needs == ("finetune", "auto-beta/wanted")
    assert "auto-beta/NPO+RT" in found["unlearn/NPO+RT,beta=auto-s0"].needs
    plain = keys(units(read_recipe("quick", [*SMALL, "unlearn.methods=[GA]"]), ALONE))
    assert plain.items() <= keys([*found.values()]).items()  # what uses no rule is what it was


# --- a run ------------------------------------------------------------------------------------------------------

RUN = (
    *(word for word in SMALL if ".epochs=" not in word),
    "finetune.epochs=8",
    "finetune.lr=0.01",
    "unlearn.epochs=4",
    "unlearn.lr=0.02",
    "unlearn.methods=[{name: NPO+RT, beta: auto}]",
    "evaluate=end",
    "evaluate.generate=end",
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    run_missing(units(read_recipe("quick", RUN), ALONE), folder)
    return folder


def test_a_run_takes_the_beta_that_was_found_and_says_where_it_is_from(out):
    wanted, chosen = load(out / "auto-beta/wanted"), load(out / "auto-beta/NPO+RT").values
    run = load(out / "unlearn/NPO+RT,beta=auto-s0")
    assert set(wanted.values["estimates"]) == {"retrained", "held-out", "paraphrase", "wrong answers"}
    assert wanted.values["by"] == "retrained"
    assert wanted.values["drop"] == chosen["wanted"] == pytest.approx(wanted.arrays["retrained.drop"].mean())
    both = [load(out / f"evaluate/{name}").arrays for name in ("retrain", "finetune")]
    asked, known = (found["forget.answer_nll"] * found["forget.answer_tokens"] for found in both)
    assert all(np.abs(wanted.arrays["retrained.drop"] - one).min() < 1e-2 for one in asked - known)
    assert run.values["beta"] == run.values["hyperparameters"]["beta"] == chosen["beta"]
    assert run.values["beta_of"] == {
        "unit": "auto-beta/NPO+RT",
        **{key: chosen[key] for key in ("wanted", "by", "predicted")},
    }
    assert chosen["reached"]
    nats = (run.arrays["forget.answer_nll"] * run.arrays["forget.answer_tokens"]).mean(1)
    assert nats[-1] - nats[0] == pytest.approx(chosen["wanted"], rel=0.2)  # of the four answers that are asked
    assert chosen["predicted"][-1] == pytest.approx(chosen["wanted"])


def test_killed_on_the_way_it_goes_on_and_finds_what_it_would_have_found(out, tmp_path):
    shutil.copytree(out, tmp_path / "again")
    again, name = tmp_path / "again", "auto-beta/NPO+RT"
    shutil.rmtree(again / name)
    chosen = [unit for unit in units(read_recipe("quick", RUN), ALONE) if unit.name != "unlearn/NPO+RT,beta=auto-s0"]
    seen = []

    def dies(unit, cached):
        del cached

        def progress(at, whole):
            if unit.name == name:
                seen.append(at)
                if len(seen) == 7:  # in the second run through the schedule
                    raise KeyboardInterrupt

        return progress

    with pytest.raises(KeyboardInterrupt):
        run_missing(chosen, again, dies)
    assert not (again / name).exists()
    seen.clear()
    run_missing(chosen, again, lambda unit, cached: lambda at, whole: seen.append((unit.name, at)))
    assert next(at for of, at in seen if of == name) == 3
    assert load(again / name).values == load(out / name).values


def test_the_verb_prints_what_a_stranger_needs_and_leaves_it_in_a_file(out, run_npo):
    code, printed, err = run_npo("beta", "quick", *RUN, "--out", str(out), "--device", "cpu")
    assert code == 0, err
    assert "running" not in err  # all of it was there
    chosen, words = load(out / "auto-beta/NPO+RT").values, " ".join(printed.split())
    assert f"NPO+RT: β = {chosen['beta']:.3g}" in words
    assert f"{chosen['wanted']:.4g} nats" in words
    assert "by the retrained model." in words
    assert "β is between" in words
    assert all(sentence in words for sentence in chosen["caveats"])
    kept = json.loads((out / "beta.json").read_text(encoding="utf8"))
    assert kept["NPO+RT"]["beta"] == chosen["beta"]
    assert kept["wanted"]["estimates"]["held-out"]["answers"] == 20


def test_the_verb_has_one_message_where_there_is_no_npo(run_npo):
    code, _, err = run_npo("beta", "quick", "unlearn.methods=[GA, DPO]")
    assert code == 2
    assert "None of GA, DPO is NPO, whose β the rule is for. Say unlearn.methods=[NPO+RT]." in err


@given(st.floats(1e-3, 1.0), st.floats(0.3, 3.0), st.floats(1.5, 10.0), st.floats(0.0, 1.0), st.floats(10.0, 500.0))
def test_between_two_runs_a_power_of_beta_is_exact(low: float, power: float, apart: float, share: float, drop: float):
    """Where drops go as a power of β, the β between two runs is that of the wanted drop, whichever came first."""
    high, wanted = low * apart, low * apart**share
    ran = [(beta, [drop, drop * (low / beta) ** power]) for beta in (low, high)]
    for runs in (ran, ran[::-1]):
        found = between(drop * (low / wanted) ** power, runs)
        assert found is not None
        assert found.beta == pytest.approx(wanted, rel=1e-9)
        assert found.drops[-1] == pytest.approx(drop * (low / wanted) ** power, rel=1e-9)
    assert between(drop * 1.01, ran) is None


def test_with_runs_on_both_sides_of_the_wanted_drop_the_law_is_not_asked():
    probes = [{"beta": beta, "drops": [end / 2, end], "budget": 1e9} for beta, end in ((0.01, 400.0), (0.04, 100.0))]
    found = _chosen(200.0, probes)
    assert found["beta"] == pytest.approx(0.02)
    assert found["predicted"][-1] == pytest.approx(200.0)
    assert _chosen(500.0, probes)["beta"] != pytest.approx(0.02)
