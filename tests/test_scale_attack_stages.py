"""Audits and attacks as stages of a recipe: what they leave, level 0, the ends of a mixture, going on, mistakes."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from small_recipe import SMALL

from npo.pools.battery import Finished, units_of
from npo.pools.read import HowMany, asked_of
from npo.verbs.plan import planned
from records.errors import UserError
from records.store import CHECKPOINT, content_hash, load
from records.work import run_missing, silent
from scale.attacks.settings import AttackChoice, Prune, Relearn
from scale.audit.asked import AskedSets, Entity
from scale.audit.items import Items
from scale.audit.known import TOFU_ENTITIES, with_known
from scale.audit.parts import Plan
from scale.audit.settings import FAMILY_NAMES, AuditSettings
from scale.data.questions import Question, QuestionSet
from scale.models.folders import language_model
from scale.models.folders.language_model import LanguageModel
from scale.models.loading import scratch
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.audits import attack_curve
from scale.stages.audits.attack_parts import AttackPlan
from scale.stages.audits.attack_rows import RowsThere
from scale.stages.audits.audited import to_audit
from scale.stages.pipeline import units
from scale.stages.shared.prepared import context_of
from scale.tasks.tofu import TofuSettings

ALONE = Processes("cpu")
CHEAP = "families: [memorisation]"
ATTACKS = (
    "attacks=["
    f"{{relearn: {{steps: [1, 3], lr: 3e-2, {CHEAP}}}}},"
    f"{{relearn: {{rows: part, share: 0.5, steps: [2], {CHEAP}}}}},"
    f"{{quantise: {{bits: [8, 3], {CHEAP}}}}},"
    f"{{mix: {{weights: [0.5, 0.0], keep: 0.9, {CHEAP}}}}}"
    "]"
)
WORDS = (
    *SMALL,
    "unlearn.methods=[GA]",
    "evaluate=end",
    "audit={families: [memorisation], draws: 50, questions: 2}",
    ATTACKS,
)
SCORE = "probability"
SHAPE = scratch.Shape(hidden=16, layers=1, heads=2, feed_forward=24, positions=256)
LEFT_OUT = (
    "attack/finetune",
    "attack/retrain/mix",
    "attack/retrain/relearn,rows=part",
    "attack/GA-s0/relearn,rows=part",
)


def _units(*words):
    return units(read_recipe("quick", words or WORDS), ALONE)


def _done(unit, out):
    """A unit's work alone, in its folder of a run."""
    (out / unit.name).mkdir(parents=True, exist_ok=True)
    unit.run(out / unit.name, {name: out / name for name in unit.needs}, silent)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Audits and attacks in a run whose models were drawn at random instead of trained."""
    folder = tmp_path_factory.mktemp("attacked")
    tokenizer = scratch.train_tokenizer(["Question: Who wrote this?\nAnswer: Nobody knows that."], 300)
    for seed, name in enumerate(("retrain", "finetune", "unlearn/GA-s0")):
        model = LanguageModel(scratch.from_scratch(tokenizer, SHAPE, seed=seed), tokenizer)
        language_model.save(folder / name / "model", model)
    for unit in _units():
        if unit.name.startswith(("audit", "attack")) and not unit.name.startswith(LEFT_OUT):
            _done(unit, folder)
    return folder


def _of(out, unit):
    return load(out / unit)


def test_every_model_is_audited_and_attacked_and_a_mixture_of_the_finetuned_one_with_itself_is_not():
    names = [unit.name for unit in _units()]
    assert names[-14:] == [
        *(f"audit/{name}" for name in ("retrain", "finetune", "GA-s0")),
        *(f"attack/{name}/relearn,lr=0.03" for name in ("retrain", "finetune", "GA-s0")),
        *(f"attack/{name}/relearn,rows=part" for name in ("retrain", "finetune", "GA-s0")),
        *(f"attack/{name}/quantise" for name in ("retrain", "finetune", "GA-s0")),
        *(f"attack/{name}/mix,keep=0.9" for name in ("retrain", "GA-s0")),
    ]


def test_units_of_a_recipe_without_them_are_what_they_were():
    with_them, without = _units(), _units(*(word for word in WORDS if word[:5] not in ("audit", "attac")))
    settings = {unit.name: content_hash(dict(unit.settings)) for unit in with_them}
    assert {unit.name: content_hash(dict(unit.settings)) for unit in without}.items() < settings.items()
    assert not any(unit.name.startswith(("audit", "attack")) for unit in without)


@pytest.mark.integration
def test_a_recipe_runs_them_after_its_models_and_runs_none_of_it_again(tmp_path):
    run_missing(_units(), tmp_path)
    assert len(load(tmp_path / "attack/finetune/quantise").values["levels"]) == 3
    ran = []
    run_missing(_units(), tmp_path, lambda unit, cached: ran.append((unit.name, cached)) or silent)
    assert all(cached for _, cached in ran)


def test_level_0_is_the_model_that_is_not_attacked_to_the_bit(out, tmp_path):
    plain, names = _of(out, "audit/GA-s0").arrays, ("relearn,lr=0.03", "quantise", "mix,keep=0.9")
    for name in names:
        curve = _of(out, f"attack/GA-s0/{name}").arrays  # taken from the audit
        assert all(np.array_equal(curve[score][0], plain[score], equal_nan=True) for score in curve)
        assert plain.keys() - curve.keys() == {"retain_truth_ratio"}
    for number, name in enumerate(names[:2]):  # measured anew
        unit = next(unit for unit in _units() if unit.name == f"attack/GA-s0/{name}")
        inputs = {needed: out / needed for needed in unit.needs}
        partial(unit.run, before=None)(tmp_path / str(number), inputs, silent)
        curve = load(tmp_path / str(number)).arrays
        assert all(np.array_equal(curve[score][0], plain[score], equal_nan=True) for score in curve)


def test_models_of_a_run_audited_in_one_process_have_what_its_own_units_have(out, tmp_path):
    recipe = read_recipe("quick", WORDS)
    context = context_of(recipe, ALONE)
    places = {name.rpartition("/")[2]: out / name / "model" for name in ("retrain", "finetune", "unlearn/GA-s0")}
    finished = Finished(recipe, context, places, to_audit(context).first(2), {})
    units_there = {unit.name: unit for unit in units_of(finished, ["GA-s0"])}
    assert not any("finetune/" in name or name.startswith("attack/retrain/mix") for name in units_there)
    for name in ("audit/retrain", "audit/GA-s0", "attack/retrain/quantise", "attack/GA-s0/quantise"):
        _done(units_there[name], tmp_path)
        mine, same = load(tmp_path / name), _of(out, name)
        assert {f"{score} {x}" for score, x in _values(mine)} <= {f"{score} {x}" for score, x in _values(same)}
        assert SCORE in mine.arrays
    assert mine.values["robustness"]["q"][SCORE] == same.values["robustness"]["q"][SCORE]


def test_families_that_are_asked_less_say_so_and_are_asked_anew_before_an_attack(out, tmp_path):
    recipe = read_recipe("quick", WORDS)
    context = context_of(recipe, ALONE)
    places = {name: out / name / "model" for name in ("retrain", "finetune")}
    finished = Finished(recipe, context, places, to_audit(context).first(2), {"memorisation": 1})
    units_there = {unit.name: unit for unit in units_of(finished, [])}
    for name in ("audit/retrain", "attack/retrain/quantise"):
        _done(units_there[name], tmp_path)
    audit, attack = load(tmp_path / "audit/retrain"), load(tmp_path / "attack/retrain/quantise")
    assert audit.values["asked_less"]["memorisation"]["forget"] == len(audit.arrays[SCORE]) == 1
    assert (audit.values["asked"]["forget"], attack.arrays[SCORE].shape) == (2, (3, 2))


def test_related_rows_are_none_that_membership_is_asked_of():
    recipe = read_recipe("quick", SMALL)
    context = context_of(recipe, ALONE)
    corpus = replace(
        context.corpus, asked={**context.corpus.asked, "forget_paraphrased": context.corpus.asked["forget"]}
    )
    for rows in (1, len(corpus.forget) + 3):
        finished = Finished(recipe, context, {}, asked_of(corpus, HowMany(rows, 1, 1)), {})
        held = {(one.prompt, one.truth) for one in finished.asked.holdout.questions}
        related = {row.words for row in finished.relearnt(Relearn(rows="related"))}
        assert len(held) == rows
        assert related
        assert not held & related


def test_an_attack_is_made_anew_where_its_intervals_would_be_others(out):
    def identity(draws):
        settings = AuditSettings(families=("memorisation",), draws=draws)
        asked = to_audit(context_of(read_recipe("quick", SMALL), ALONE))
        plan = Plan("m", {"model": str(out / "retrain/model")}, asked, settings, ALONE)
        choice = AttackChoice(prune=Prune(shares=(0.5,)))
        (unit,) = AttackPlan(plan, (choice,), RowsThere(()), read_recipe("quick", SMALL).unlearn).units()
        return content_hash(dict(unit.settings))

    assert identity(50) == identity(50) != identity(60)


def _values(data):
    return [(name, values.tolist()) for name, values in data.arrays.items()]


def test_a_mixture_ends_at_the_finetuned_model_and_keeps_what_was_asked(out):
    found = _of(out, "attack/GA-s0/mix,keep=0.9")
    assert np.array_equal(found.arrays[SCORE][2], _of(out, "audit/finetune").arrays[SCORE])
    kept = found.values["kept_at"]
    assert kept["retain_probability"] >= kept["least"]
    assert found.values["levels"][:3] == [1.0, 0.5, 0.0]
    if kept["weight"] < 1:
        assert found.values["levels"][3] == kept["weight"]
    assert found.values["robustness"] == {}


def test_relearning_brings_back_what_it_is_trained_on_and_says_beside_the_retrained_model_how_much(out):
    found = _of(out, "attack/GA-s0/relearn,lr=0.03").values
    value = found["scores"][SCORE]["value"]
    assert found["levels"] == [0.0, 1.0, 3.0]
    assert value[2] > value[0]
    assert found["axis"] == "steps"
    assert found["rows"] == 20
    own, beside = value, _of(out, "attack/retrain/relearn,lr=0.03").values["scores"][SCORE]["value"]
    wanted = [min(max((b - beside[0]) / (a - own[0]), 0), 1) for a, b in zip(own[1:], beside[1:], strict=True)]
    assert found["robustness"]["r"][SCORE] == pytest.approx(wanted)


def test_a_part_is_tested_on_the_rest_and_rows_to_retain_for_their_true_answers(out, tmp_path, monkeypatch):
    seen = []

    def stub(subject, asked, settings, beside):
        seen.append(asked)
        return {"memorisation": {SCORE: Items(np.ones(len(asked.forget.questions)))}}

    monkeypatch.setattr(attack_curve, "measured", stub)
    unit = next(unit for unit in _units() if unit.name == "attack/retrain/relearn,rows=part")
    unit.run(tmp_path, {name: out / name for name in unit.needs}, silent)
    trained = {row.words for row in unit.run.keywords["attack"].rows}
    asked = {(one.prompt, one.truth) for one in seen[0].forget.questions}
    assert (len(trained), len(asked), len(trained | asked)) == (10, 10, 20)
    assert all(len(one.answers) == 1 for one in seen[0].retain.questions)
    assert load(tmp_path).values["levels"] == [0.0, 2.0]


def test_quantised_weights_are_told_and_left_ones_too(out):
    told = _of(out, "attack/GA-s0/quantise").values
    weights = told["weights"]
    assert weights["changed"] == 4 * 16 * 16 + 3 * 16 * 24
    assert sum(weights.values()) == _of(out, "audit/GA-s0").values["model"]["parameters"]
    assert told["levels"] == [32.0, 8.0, 3.0]
    assert set(told["robustness"]) == {"q", "q_symmetric"}


def test_an_audit_has_intervals_and_differences_from_the_retrained_model(out):
    audit = _of(out, "audit/GA-s0").values
    score, off = audit["scores"][SCORE], audit["against_retrained"][SCORE]
    assert score["low"] <= score["value"] <= score["high"]
    assert off["value"] == pytest.approx(score["value"] - _of(out, "audit/retrain").values["scores"][SCORE]["value"])
    assert _of(out, "audit/retrain").values["against_retrained"] == {}


def test_an_interrupted_curve_goes_on_with_the_levels_that_are_left_and_is_the_same(out, tmp_path, monkeypatch):
    unit = next(unit for unit in _units() if unit.name == "attack/GA-s0/relearn,lr=0.03")
    inputs = {name: out / name for name in unit.needs}
    real, audited = attack_curve.measured, []

    def killed_at_the_second_it_measures(subject, *given):
        if len(audited) == 1:
            raise KeyboardInterrupt
        audited.append(subject.name)
        return real(subject, *given)

    monkeypatch.setattr(attack_curve, "measured", killed_at_the_second_it_measures)
    with pytest.raises(KeyboardInterrupt):
        unit.run(tmp_path, inputs, silent)
    assert len(list((tmp_path / CHECKPOINT).iterdir())) == 1
    audited.clear()
    unit.run(tmp_path, inputs, silent)
    assert len(audited) == 1
    again, once = load(tmp_path), _of(out, unit.name)
    assert json.dumps(again.values) == json.dumps(once.values)
    assert all(np.array_equal(again.arrays[name], once.arrays[name], equal_nan=True) for name in once.arrays)


def test_a_plan_counts_audits_and_relearning():
    found = {stage.name: stage for stage in planned(read_recipe("quick", WORDS)).stages}
    audits = sum(1 for unit in _units() if unit.name.startswith("audit/"))
    levels = 3 * 2 + 3 * (1 + 1) + 3 * 2 + 2 * 2  # the first of a part too: it is asked of the rest alone
    assert found["audit"].runs == audits + levels
    assert (found["relearn"].runs, found["relearn"].steps) == (6, (2, 3))


def test_families_of_a_level_are_those_of_an_audit():
    names = Relearn.model_fields["families"].annotation
    assert all(f"'{name}'" in str(names) for name in FAMILY_NAMES)


def test_mistakes_in_attacks_are_told_at_once_with_the_nearest_key():
    words = ("attacks=[{relern: {}}, {quantise: {bits: [5], grid: nf3}}, {prune: {shares: [2]}}]", "audit={family: []}")
    with pytest.raises(UserError) as caught:
        read_recipe("quick", words)
    said = str(caught.value)
    for part in (
        "attacks.0.relern: there is no such key. Did you mean relearn?",
        "attacks.1.quantise.bits.0: Input should be 8, 4 or 3, got 5.",
        "attacks.1.quantise.grid",
        "attacks.2.prune.shares.0",
        "audit.family: there is no such key. Did you mean families?",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("attacks=[mix, mix]",), "mix is there more than once"),
        (("attacks=[relearn]", "unlearn.keep_models=false"), "leave unlearn.keep_models=false out"),
        (("attacks=[{relearn: {rows: related, file: nowhere.jsonl}}]",), "nowhere.jsonl"),
    ],
)
def test_what_can_not_be_attacked_is_told_before_anything_runs(words, said):
    with pytest.raises(UserError, match=said):
        _units(*SMALL, *words)


def _lines(path, *rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf8")
    return path


def test_a_recipe_s_audit_takes_entities_and_other_words_and_tells_all_that_is_wrong_with_them(tmp_path):
    question = next(unit for unit in _units() if unit.name == "audit/GA-s0").run.keywords["asked"].forget.questions[0]
    entities = _lines(tmp_path / "entities.jsonl", {"entity": question.truth.split()[0]})
    words = _lines(tmp_path / "words.jsonl", {"question": question.prompt, "paraphrased_question": "Otherwise?"})
    files = (f"audit.entities={entities}", f"audit.reworded={words}")
    for name in ("audit/GA-s0", "attack/GA-s0/quantise"):
        unit = next(unit for unit in _units(*WORDS, *files) if unit.name == name)
        asked = unit.run.keywords["asked"]
        assert asked.entities[0].words == question.truth.split()[0]
        assert asked.reworded == ("Otherwise?", *[None] * (len(asked.forget.questions) - 1))
        assert {entities, words} <= set(unit.reads)
        assert unit.settings["known_of"] != next(u for u in _units() if u.name == name).settings["known_of"]
    bad = _lines(tmp_path / "bad.jsonl", {"question": "Who?"})
    with pytest.raises(UserError) as caught:
        _units(
            *(*WORDS[:-1], f"audit.reworded={bad}", "audit.entities=nowhere.jsonl", "audit.fluency=nobody"),
            "attacks=[{relearn: {rows: related, file: none.jsonl}}]",
        )
    for part in ("nowhere.jsonl", "from nobody", "no key paraphrased_question", "none.jsonl"):
        assert part in str(caught.value)


def test_entities_that_lie_with_tofu_s_files_are_taken_where_they_fit(tmp_path):
    asked = AskedSets(QuestionSet((Question("Who?", ("It is Ada.",)),), {}))
    data = TofuSettings(source=str(tmp_path), forget="forget10")
    assert with_known(asked, AuditSettings(), data).entities == ()
    _lines(tmp_path / TOFU_ENTITIES, {"entity": "Ada", "prefix": "It is"})
    assert with_known(asked, AuditSettings(), data).entities == (Entity("Ada", "It is"),)
    assert with_known(asked, AuditSettings(), None).entities == ()
    _lines(tmp_path / TOFU_ENTITIES, {"entity": "Bury"})
    assert with_known(asked, AuditSettings(), data).entities == ()
