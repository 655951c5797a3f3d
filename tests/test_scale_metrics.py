"""TOFU's measures: by hand, at their limits, and on the logs of real models."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from records.errors import UserError
from scale.evaluation import Losses, metrics
from scale.evaluation.exam import SetResult, arrays, from_arrays, scores
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.tofu_log import misfits, read_log, score

ARITHMETIC, GEOMETRIC = metrics.log_truth_ratio_arithmetic, metrics.log_truth_ratio_geometric
BY_HAND = Losses(
    np.log([2.0, 4.0]), np.log([4.0, 2.0]), np.log([[8.0, 2.0], [4.0, 1.0]])
)  # answer ½, ¼; paraphrase ¼, ½; perturbed ⅛ and ½, ¼ and 1


def test_values_by_hand():
    assert metrics.probability(BY_HAND) == pytest.approx([1 / 2, 1 / 4])
    assert metrics.paraphrase_probability(BY_HAND) == pytest.approx([1 / 4, 1 / 2])
    assert metrics.probability_among(BY_HAND) == pytest.approx([1 / 2 / (9 / 8), 1 / 4 / (6 / 4)])
    assert np.exp(ARITHMETIC(BY_HAND)) == pytest.approx([(1 / 8 + 1 / 2) / 2 * 4, (1 / 4 + 1) / 2 * 2])
    assert np.exp(GEOMETRIC(BY_HAND)) == pytest.approx([1 / 4 * 4, 1 / 2 * 2])
    assert metrics.retain_truth_ratio(np.log([0.25, 1.0, 4.0])) == pytest.approx([0.75, 0, 0])
    assert metrics.forget_truth_ratio(np.log([0.25, 1.0, 4.0])) == pytest.approx([0.25, 1, 0.25])
    assert metrics.harmonic_mean([1, 1 / 2, 1 / 4]) == pytest.approx(3 / 7)
    assert metrics.harmonic_mean([1.0, 0.0]) == 0


@given(st.lists(st.floats(0, 30), min_size=3, max_size=3), st.floats(0, 30))
def test_the_arithmetic_ratio_is_never_below_the_geometric(perturbed, paraphrase):
    losses = Losses(np.zeros(1), np.array([paraphrase]), np.array([perturbed]))
    assert ARITHMETIC(losses)[0] >= GEOMETRIC(losses)[0] - 1e-12


@pytest.mark.parametrize("n", [1, 20, 60, 300])
def test_the_floor_is_the_p_of_samples_that_do_not_overlap(n):
    found = metrics.forget_quality(np.arange(n) + 0.5, -np.arange(n) - 0.5)
    assert found.statistic == 1
    assert found.log10_floor == pytest.approx(math.log10(2 / math.comb(2 * n, n)), rel=1e-12, abs=1e-12)
    assert found.log10_p == pytest.approx(found.log10_floor, rel=1e-9, abs=1e-9)
    assert (found.n, found.n_retrained) == (n, n)


def test_a_model_against_itself_can_not_be_told_apart():
    ratios = np.linspace(-2, 1, 60)
    found = metrics.forget_quality(ratios, ratios)
    assert (found.p, found.log10_p, found.statistic) == (1, 0, 0)


def test_the_logarithm_and_the_inverse_change_nothing():
    random = np.random.default_rng(0)
    one, other = random.normal(size=60), random.normal(0.5, 1, size=60)
    found = metrics.forget_quality(one, other)
    for transform in (np.exp, lambda x: np.exp(-x)):
        assert found.p == pytest.approx(ks_2samp(transform(one), transform(other), method="exact").pvalue, rel=1e-12)


def _part(losses):
    one, none = np.ones(len(losses.answer)), Losses(np.array([]), np.array([]), np.array([]))
    return SetResult(losses, none, {"rouge1": one, "rouge": one, "degenerate": 0 * one})


def test_a_destroyed_model_is_measured_without_a_warning():
    """After gradient ascent losses of hundreds of nats are common; here they are thousands, or not numbers at all."""
    far = Losses(np.full(3, 5e3), np.full(3, 9e3), np.full((3, 5), 2e3))
    lost = Losses(*(np.full_like(part, np.nan) for part in far))
    for protocol in PROTOCOLS.values():
        values = scores({"forget": _part(far), "retain": _part(far)}, protocol, BY_HAND)
        assert values["forget_probability"] == values["model_utility"] == 0
        # a ratio of probabilities below the guard is next to 0, as if nothing wrong were likely
        assert values["retain_truth_ratio"] == (protocol.name == "open-unlearning")
        assert values["forget_quality"] is not None
        values = scores({"forget": _part(lost), "retain": _part(lost)}, protocol, BY_HAND)
        assert values["forget_probability"] is values["forget_quality"] is values["model_utility"] is None
        json.dumps(values, allow_nan=False)


def test_utility_needs_answers_and_leaves_out_the_forget_set():
    good = Losses(np.zeros(3), np.zeros(3), np.full((3, 5), 9.0))
    silent = _part(good)._replace(values=dict.fromkeys(("rouge", "rouge1", "degenerate"), np.array([])))
    protocol = PROTOCOLS["tofu"]
    assert scores({"forget": silent, "retain": _part(good)}, protocol)["model_utility"] == pytest.approx(1, abs=1e-4)
    assert scores({"forget": _part(good), "retain": silent}, protocol)["model_utility"] is None


def test_an_examination_is_put_back_together():
    found = {"forget": _part(BY_HAND)._replace(tokens=BY_HAND)}
    again = from_arrays(arrays(found))
    assert again.keys() == found.keys()
    for one, other in zip(again["forget"][:2], found["forget"][:2], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_interval_holds_the_value_and_is_none_without_a_test():
    random = np.random.default_rng(0)
    one, other = random.normal(size=100), random.normal(0.6, 1, size=100)
    low, high = metrics.quality_interval(one, other)
    assert low < metrics.forget_quality(one, other).log10_p < high
    assert metrics.quality_interval(np.array([np.nan]), one) == (None, None)


LIMITS = (0.0, -0.0, 1e-300, 7.0, 5e3, math.inf, math.nan)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("answer", LIMITS)
@pytest.mark.parametrize("other", LIMITS)
def test_losses_at_their_limits_give_a_number_of_the_range_or_nan(n, k, answer, other):
    losses = Losses(np.full(n, answer), np.full(n, other), np.full((n, k), answer))
    for ratio in (ARITHMETIC(losses), GEOMETRIC(losses)):
        assert k or np.isnan(ratio).all()
        for part in (metrics.retain_truth_ratio(ratio), metrics.forget_truth_ratio(ratio)):
            assert part.shape == (n,)
            assert all(math.isnan(x) or (0 <= x <= 1 and math.copysign(1, x) == 1) for x in part)
        assert metrics.forget_quality(ratio, ratio).p in (1, None) or not np.isfinite(ratio).all()
    for part in (metrics.probability(losses), metrics.probability_among(losses)):
        assert all(math.isnan(x) or 0 <= x <= 1 for x in part)


@pytest.mark.parametrize(
    ("parts", "mean"),
    [([], math.nan), ([1.0], 1), ([-0.0, 1.0], 0), ([0.0, math.nan], 0), ([0.5, math.nan], math.nan), ([5e-324], 0)],
)
def test_the_harmonic_mean_at_its_limits(parts, mean):
    assert metrics.harmonic_mean(parts) == pytest.approx(mean, nan_ok=True)


def test_no_questions_no_test_and_equal_ratios_can_not_be_told_apart():
    none, one = np.array([]), np.array([0.5])
    for pair in ((none, one), (one, none), (none, none), (np.array([math.inf]), one)):
        found = metrics.forget_quality(*pair)
        assert math.isnan(found.p)
        assert math.isnan(found.statistic)
        assert metrics.quality_interval(*pair) == (None, None)
    for same in (one, np.zeros(7), np.array([0.0, -0.0])):
        assert metrics.forget_quality(same, -0.0 + same).p == 1
        assert metrics.quality_interval(same, same) == (0, 0)


def test_reasons_not_to_rank():
    assert metrics.rankable(finetuned=0.8, retrained=0.4, p=0.01) == []
    low, high, same = metrics.rankable(finetuned=0.79, retrained=0.41, p=0.02)
    assert low == "The finetuned model does not know the forget set: answer probability 0.79, 0.8 is asked."
    assert high == "The retrained model knows the forget set: answer probability 0.41, at most 0.4 is allowed."
    assert "can't be told apart on the forget set: forget quality 0.02, at most 0.01 is asked." in same
    assert len(metrics.rankable(finetuned=math.nan, retrained=math.nan, p=math.nan)) == 3


# --- logs in TOFU's format ------------------------------------------------------------------------------------


def _log(n=2):
    task = {
        "avg_gt_loss": {str(i): 1.0 for i in range(n)},
        "avg_paraphrased_loss": {str(i): 1.0 for i in range(n)},
        "average_perturb_loss": {str(i): [1.0, 2.0] for i in range(n)},
        "rougeL_recall": {str(i): 1.0 for i in range(n)},
    }
    names = ("eval_log", "eval_real_author_wo_options", "eval_real_world_wo_options", "eval_log_forget")
    return {f"{name}.json": json.loads(json.dumps(task)) for name in names}


def _read(tmp_path, content):
    path = tmp_path / "log.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_log(path)


def test_a_log_that_can_not_be_scored_is_told_why(tmp_path):
    assert _read(tmp_path, _log())["forget"].losses.perturbed.shape == (2, 2)
    with pytest.raises(UserError, match=r"There is no file .*absent\.json"):
        read_log(tmp_path / "absent.json")
    with pytest.raises(UserError, match=r"log\.json is not JSON"):
        _read(tmp_path, "{")
    for broken in ([], {}, {"eval_log.json": 3}):
        with pytest.raises(UserError, match=r"has no task eval_log\.json"):
            _read(tmp_path, broken)
    log = _log()
    del log["eval_log_forget.json"]["rougeL_recall"]
    with pytest.raises(UserError, match=r"eval_log_forget\.json: no rougeL_recall\. Evaluate again"):
        _read(tmp_path, log)
    log = _log()
    del log["eval_log.json"]["average_perturb_loss"]["1"]
    with pytest.raises(UserError, match=r"average_perturb_loss has 1 questions, avg_gt_loss has 2"):
        _read(tmp_path, log)


def test_questions_are_put_in_the_order_of_their_numbers(tmp_path):
    log = _log(12)
    losses = {str(i): float(i) for i in range(12)}
    log["eval_log.json"]["avg_gt_loss"] = dict(sorted(losses.items()))  # "0", "1", "10", "11", "2", …
    assert _read(tmp_path, log)["retain"].losses.answer.tolist() == list(range(12))


def test_a_log_of_another_size_than_the_protocol_s_is_scored_with_a_warning(tmp_path):
    log = _read(tmp_path, _log())
    warned = misfits(log, PROTOCOLS["tofu"], tmp_path / "log.json")
    assert any("2 retain questions, and the protocol tofu has 300" in line for line in warned)
    assert score(log, log, PROTOCOLS["tofu"])["n"] == 2


@pytest.fixture
def logs(tofu):
    folder = tofu.parent / "eval_logs"
    if not folder.is_dir():
        pytest.skip("there is no folder eval_logs beside the folder that NPO_DATA names")
    return folder


@pytest.mark.parametrize(
    ("name", "arithmetic", "geometric"),
    [
        ("llama2-7b_full", 0.585886035092722, 0.6226773637427152),
        ("llama2-7b_retain90", 0.5752399175318536, 0.613744995233942),
    ],
)
def test_model_utility_of_real_logs(logs, name, arithmetic, geometric):
    log = read_log(logs / f"{name}.json")
    for protocol, expected in (("tofu-paper", arithmetic), ("tofu", geometric), ("all-questions", geometric)):
        assert scores(log, PROTOCOLS[protocol])["model_utility"] == pytest.approx(expected, rel=1e-9)
    assert scores(log, PROTOCOLS["open-unlearning"])["model_utility"] == pytest.approx(geometric, rel=1e-6)


def test_the_nine_parts_of_a_real_log(logs):
    log = read_log(logs / "llama2-7b_full.json")
    arithmetic, geometric = (scores(log, PROTOCOLS[name]) for name in ("tofu-paper", "tofu"))
    expected = {  # six decimals, as published with the logs
        "retain_probability": (0.989527, 0.989527),
        "retain_rouge": (0.985655, 0.985655),
        "retain_truth_ratio": (0.453867, 0.474699),
        "real_authors_probability": (0.455482, 0.455482),
        "real_authors_rouge": (0.933, 0.933),
        "real_authors_truth_ratio": (0.50516, 0.596229),
        "world_facts_probability": (0.418562, 0.418562),
        "world_facts_rouge": (0.882479, 0.882479),
        "world_facts_truth_ratio": (0.423055, 0.539033),
    }
    assert set(arithmetic) >= {"model_utility", *expected}
    for part, (a, g) in expected.items():
        assert (arithmetic[part], geometric[part]) == pytest.approx((a, g), abs=6e-7), part


@pytest.mark.parametrize(
    ("protocol", "statistic", "p"),
    [("tofu-paper", 0.41, 6.031911569834469e-23), ("tofu", 0.39666666666666667, 1.834066410994743e-21)],
)
def test_forget_quality_of_real_logs(logs, protocol, statistic, p):
    full, retrained = (read_log(logs / f"llama2-7b_{name}.json") for name in ("full", "retain90"))
    found = score(full, retrained, PROTOCOLS[protocol])
    assert found["forget_quality"] == pytest.approx(p, rel=1e-9)
    assert found["log10_forget_quality"] == pytest.approx(math.log10(p), rel=1e-9)
    assert found["ks_statistic"] == pytest.approx(statistic, rel=1e-9)
    assert found["n"] == 300
    low, high = found["log10_forget_quality_interval"]
    assert low < found["log10_forget_quality"] < high < -5
    assert score(full, full, PROTOCOLS[protocol])["forget_quality"] == 1


def test_forget_truth_ratio_of_real_logs(logs):
    """The leaderboard's forget truth ratios, four digits."""
    for name, expected in (("full", 0.5160), ("retain90", 0.6740)):
        losses = read_log(logs / f"llama2-7b_{name}.json")["forget"].losses
        assert metrics.forget_truth_ratio(GEOMETRIC(losses)).mean() == pytest.approx(expected, abs=6e-5)
