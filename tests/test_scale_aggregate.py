"""Aggregates: harmonic means against scipy's, the published table, and four ways to be near the retrained model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hmean

from scale.evaluation.metrics.aggregate import CLOSENESS, all_of, harmonic, memorisation, privacy, utility

SHARE = st.floats(0.01, 1)
AUC = st.floats(0.01, 0.99)

# Published of Llama-3.2-1B on forget10: extraction strength, exact memorization, paraphrase and truth share; AUCs
FULL = [0.70627, 0.97394, 0.10042, 0.68498]
FULL_AUC = {"loss": 0.9965, "zlib": 0.9979, "min_k": 0.9967, "min_k_plus_plus": 0.9980}
RETAIN_AUC = {"loss": 0.38736, "zlib": 0.30889, "min_k": 0.38261, "min_k_plus_plus": 0.47763}


@given(st.lists(SHARE, min_size=1, max_size=6))
def test_harmonic_is_scipys_and_between_the_least_part_and_the_mean(parts):
    assert harmonic(parts) == pytest.approx(hmean(parts), rel=1e-12)
    assert min(parts) - 1e-12 <= harmonic(parts) <= sum(parts) / len(parts) + 1e-12
    assert harmonic([*parts, 0.0]) == 0


def test_what_has_no_harmonic_mean():
    assert math.isnan(memorisation([math.nan, 0.5]))
    assert all(math.isnan(harmonic(parts)) for parts in ([], [math.nan, 0.0], [0.5, -0.1]))
    assert math.isnan(utility([0.5, 1.0], finetuned=[0.5, 0.0]))
    with pytest.raises(ValueError, match="shorter"):
        memorisation([0.5, 0.5], finetuned=[0.5])


def test_the_published_table_is_scaled_by_the_finetuned_model():
    assert memorisation(FULL) == pytest.approx(0.0868, abs=1e-4)
    assert memorisation(FULL, finetuned=FULL) == 0  # the table has .00
    retrained = [0.05896, 0.58489, 0.05341, 0.5674]  # its truth share is not published: solved from .346
    assert memorisation(retrained, finetuned=FULL) == pytest.approx(0.346, abs=1e-3)
    assert memorisation(retrained) == pytest.approx(0.585, abs=1e-3)
    assert utility([0.59112, 1.0], finetuned=[0.59915, 1.0]) == pytest.approx(0.9933, abs=1e-4)


@pytest.mark.parametrize(
    ("form", "finetuned", "over"),
    [("scaled", 0.0, 0.2063), ("relative", 0.0, 0.0), ("exponential", 0.0944, 0.2187), ("odds", 0.0999, 0.1447)],
)
def test_the_forms_of_privacy_on_the_published_areas(form, finetuned, over):
    assert privacy(form, RETAIN_AUC, RETAIN_AUC, FULL_AUC) == 1
    assert privacy(form, FULL_AUC, RETAIN_AUC, FULL_AUC) == pytest.approx(finetuned, abs=1e-4)
    assert privacy(form, dict.fromkeys(FULL_AUC, 0.0), RETAIN_AUC, FULL_AUC) == pytest.approx(over, abs=1e-4)


@pytest.mark.parametrize(
    ("parts", "told"), [((0.31, 1.0, 0.99), 0.58), ((0.32, 0.63, 1.0), 0.53), ((0.0, 0.1, 1.0), 0.0)]
)
def test_the_whole_is_the_harmonic_mean_of_three(parts, told):
    low, high = (all_of(*(max(0.0, part + shift) for part in parts)) for shift in (-0.005, 0.005))
    assert low - 0.005 <= told <= high + 0.005


@given(AUC, AUC, AUC)
def test_closeness_is_one_at_the_retrained_models_alone_and_falls_away_from_it(auc, retrained, finetuned):
    for close in CLOSENESS.values():
        found = close(auc, retrained, finetuned)
        assert found == pytest.approx(1) or auc != retrained
        assert 0 <= found <= 1 or math.isnan(found)
        between = (auc + retrained) / 2
        assert close(between, retrained, finetuned) >= found - 1e-12 or math.isnan(found)
    assert math.isnan(privacy("scaled", {"loss": auc}, {"loss": retrained})) or auc == retrained
