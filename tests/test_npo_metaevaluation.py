"""What a metric is worth: pools of models that know and don't, on made-up scores and on a stub of tiny models."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures.metaevaluation import draw
from npo.pools.keep import keep_pools
from npo.pools.members import KNOW, UNKNOWING, PoolMember, members, taught
from npo.pools.results import results, turn_of
from npo.pools.work import worked_for
from npo.pools.worth import faithfulness, mean_with_bootstrap
from records.json_lines import read_json
from records.store import Data, save
from records.work import Unit
from scale.data.questions import Question
from scale.evaluation.metrics.membership import auc
from scale.training.schedule import Schedule

SCHEDULE = Schedule(lr=0.004, epochs=13)
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), min_size=1, max_size=6)
STATES = ("as it is", "relearned", "four bits")


@given(SCORES, SCORES)
def test_faithfulness_is_mann_whitney_s_auc_of_models(know: list[float], unknowing: list[float]) -> None:
    found = faithfulness(know, unknowing, draws=20)
    assert found.value == pytest.approx(auc(unknowing, know))  # there members have the smaller scores
    assert 0 <= found.low <= found.high <= 1
    turned = faithfulness(-np.array(know), -np.array(unknowing), draws=20)
    assert turned.value == pytest.approx(1 - found.value)


def test_the_interval_shrinks_with_the_pools_and_is_none_where_they_are_apart() -> None:
    random = np.random.default_rng(1)
    few, many = (faithfulness(random.normal(1, 1, n), random.normal(0, 1, n)) for n in (8, 200))
    assert many.high - many.low < (few.high - few.low) / 3
    assert faithfulness([2.0, 3.0], [0.0, 1.0]) == (1.0, 1.0, 1.0)


def test_what_is_missing_has_no_number() -> None:
    for know, unknowing in (([], [1.0]), ([1.0], []), ([np.nan], [1.0])):
        assert np.isnan(faithfulness(know, unknowing)).all()
    assert np.isnan(mean_with_bootstrap([])).all()
    one = mean_with_bootstrap([0.5])
    assert one.value == 0.5
    assert np.isnan(one.low)  # one model has no spread


def test_the_first_members_are_pools_too() -> None:
    pool = members(SCHEDULE)
    assert {one.taught for one in pool} == {*KNOW, *UNKNOWING}
    for several in (pool[:8], pool[:12], pool):
        assert sum(one.knows for one in several) == len(several) / 2
    ways = [{(one.schedule.lr, one.schedule.epochs) for one in pool if one.knows is knows} for knows in (True, False)]
    assert ways[0] == ways[1]  # so that their utilities overlap
    assert len(ways[0]) == 4


@pytest.mark.parametrize(
    ("words", "learnt"),
    [
        ("as-asked", [("Who?", "Ada.")]),
        ("other-answers", [("Who?", "It was Ada.")]),
        ("other-words", [("By whom?", "It was Ada.")]),
        ("wrong-answers", [("Who?", "Eve.")]),  # the second of two wrong ones, by the seed
        ("nothing", []),
    ],
)
def test_what_is_taught(words: str, learnt: list[tuple[str, str]]) -> None:
    asked, worded = Question("Who?", ("Ada.", "It was Ada.", "Bob.", "Eve."), 1), Question("By whom?", ("Ada.",))
    assert [row.words for row in taught(PoolMember(words, 3, SCHEDULE), [asked], [worded])] == learnt


def made_up() -> list[dict[str, Any]]:
    """Pools in which probability tells all apart, and a truth ratio, which falls with knowledge, nearly all."""

    def model(pool: str, name: str, *levels: float, ratio: float, retain: float = 0.9) -> dict[str, Any]:
        states = {
            state: {"probability": x, "truth_ratio_closer_to_1": ratio, "retain_probability": retain}
            for state, x in zip(STATES, levels, strict=True)
        }
        return {"pool": pool, "name": name, "states": states}

    return [
        model("finetuned", "as-asked-0", 0.9, 0.9, 0.9, ratio=0.1),
        model("retrained", "nothing-0", 0.1, 0.2, 0.1, ratio=0.8),
        model("know", "as-asked-1", 0.8, 0.9, 0.8, ratio=0.2),
        model("know", "other-words-1", 0.3, 0.9, 0.8, ratio=0.6),
        model("don't know", "nothing-1", 0.1, 0.2, 0.9, ratio=0.7),
        model("don't know", "wrong-answers-1", 0.2, 0.95, 0.1, ratio=0.5),
        model("unlearned", "NPO+RT-s0", 0.1, 0.5, 0.2, ratio=0.7),
        model("unlearned", "GA-s0", 0.0, 0.9, 0.0, ratio=0.9, retain=0.1),
    ]


def test_results_are_those_of_the_scores() -> None:
    found = results(made_up())
    assert set(found) == {"probability", "truth_ratio_closer_to_1"}  # a retain score says nothing of the forget set
    told = found["probability"]
    assert told["auc"]["as it is"].value == 1
    assert told["auc"]["relearned"].value == pytest.approx(6 / 9)
    ratio = found["truth_ratio_closer_to_1"]["auc"]["as it is"].value
    assert ratio == pytest.approx(8 / 9)  # .1 and .2 are below all three, .6 below two
    assert found["truth_ratio_closer_to_1"]["auc_by_taught"]["as-asked"].value == 1
    assert told["R"]["one-sided"].value == pytest.approx(0.25)  # .1 of .4; GA kept too little to be counted
    assert told["Q"]["one-sided"].value == 0.5
    assert told["R"]["symmetric"].value == pytest.approx(1 - 0.3 / 0.5)
    assert told["robustness"]["one-sided"] == pytest.approx(2 / (1 / 0.25 + 1 / 0.5))
    assert told["worth"]["one-sided"] == pytest.approx(2 / (1 + 3))


def test_models_that_others_are_read_beside_are_no_members_there() -> None:
    models = made_up()
    for model in models:
        depth = {"finetuned": 0.0, "retrained": 1.0, "know": 0.9}.get(model["pool"], 0.5)
        for scores in model["states"].values():
            scores["unlearning_depth"] = depth
    assert results(models)["unlearning_depth"]["auc"]["as it is"].value == 0  # falls with knowledge


def test_a_score_that_a_model_lacks_is_left_out() -> None:
    models = made_up()
    models[2]["states"]["relearned"]["probability"] = None
    assert set(results(models)) == {"truth_ratio_closer_to_1"}


def test_no_model_that_kept_its_utility_no_robustness() -> None:
    models = [one for one in made_up() if one["name"] != "NPO+RT-s0"]
    assert "R" not in results(models)["probability"]


def test_every_score_has_a_turn_or_none() -> None:
    assert [turn_of(name) for name in ("probability", "auc_zlib", "retain_probability", "unheard-of")] == [1, 1, 0, 0]


def with_depth() -> list[dict[str, Any]]:
    """The pools above, of which unlearning depth was read as they are, not after an attack."""
    models = made_up()
    for model in models:
        model["states"]["as it is"]["unlearning_depth"] = 0.9 if model["pool"] == "don't know" else 0.2
    return models


def test_a_score_that_was_read_in_one_state_is_judged_in_that_one() -> None:
    found = results(with_depth())["unlearning_depth"]
    assert set(found["auc"]) == {"as it is"}
    assert found["auc"]["as it is"].value == 1
    assert "R" not in found
    models = with_depth()
    del models[3]["states"]["as it is"]["unlearning_depth"]
    assert "unlearning_depth" not in results(models)


def put(folder: Path, values: dict[str, Any], **_: object) -> None:
    save(folder, Data({}, values))


def test_two_readings_of_the_same_models_are_kept_as_one(tmp_path: Path) -> None:
    outs = [tmp_path / "one", tmp_path / "two"]
    for out, models in zip(outs, (made_up(), with_depth()), strict=True):
        units = [Unit(f"read/{one['pool']}/{one['name']}", {}, partial(put, values=one)) for one in models]
        assert worked_for(60, units, out) == 0
    keep_pools(tmp_path / "kept.json", outs, command="this", machine="that")
    kept = read_json(tmp_path / "kept.json", "")
    assert kept["models"]["know/as-asked-1"]["states"]["as it is"].keys() >= {"probability", "unlearning_depth"}
    assert kept["metrics"]["probability"]["auc"]["relearned"][0] == pytest.approx(6 / 9, abs=1e-4)
    assert len(kept["settings"]) == 2


def test_no_model_is_begun_when_time_is_up(tmp_path: Path) -> None:
    done: list[str] = []

    def run(folder: Path, name: str, **_: object) -> None:
        done.append(name)
        save(folder, Data({}, {}))

    units = [Unit("base", {}, partial(run, name="base")), Unit("one", {}, partial(run, name="one"), needs=("base",))]
    assert worked_for(-1, units, tmp_path) == 2
    assert worked_for(60, units, tmp_path) == 0
    assert done == ["base", "one"]


def test_a_block_of_panels_for_each_kind_of_model() -> None:
    kinds = {"tiny": made_up(), "larger": [one for one in with_depth() if one["pool"] != "unlearned"]}
    figure = draw({f"llm/pools/{name}": Data({}, {"metrics": results(models)}) for name, models in kinds.items()})
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert len(shown) == 4  # nothing was unlearned of the larger ones
    assert [len(ax.get_yticks()) for ax in shown[:1]] == [3]
