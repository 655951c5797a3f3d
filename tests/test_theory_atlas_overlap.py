"""Overlap with a retain example: gradient ascent leaves the gap at κ, NPO lets it close, as simulated."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from theory.atlas.family import member
from theory.atlas.overlap import (
    Gap,
    Overlap,
    divergence,
    ga_with_retain,
    likelihood,
    npo_with_kl,
    npo_with_rt,
    retain_gap_of_npo,
    retain_gap_of_npo_with_kl,
)

KAPPA = 0.3
FAR = np.array([1e5])


@pytest.mark.parametrize("gap", [likelihood, divergence])
def test_gradient_ascent_leaves_the_retain_gap_at_kappa_for_ever(gap: Gap) -> None:
    tau = np.array([1e3, 1e4])
    ga = Overlap(member("GA").at(2.0), KAPPA, gap=gap).simulate(tau)
    assert_allclose(ga[:, 1], KAPPA, rtol=1e-6)
    assert_allclose(np.diff(ga[:, 0])[0] / 9e3, ga_with_retain(KAPPA).coefficient, rtol=1e-6)


def test_a_divergence_from_an_unsure_reference_has_no_gap_as_large_as_kappa() -> None:
    ga = Overlap(member("GA").at(2.0), 0.8, retain_confidence=0.0, gap=divergence).simulate(np.array([1e3]))
    assert_allclose(ga[0, 1], 0.5, rtol=1e-6)  # π_r,ref: the retain answer is gone


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_npo_lets_the_retain_gap_close(beta: float) -> None:
    rt = Overlap(member("NPO", beta=beta).at(2.0), KAPPA).simulate(FAR)
    assert_allclose(rt[:, 0], npo_with_rt(2.0, KAPPA, beta=beta)(FAR), atol=1e-3)
    assert_allclose(rt[:, 1], retain_gap_of_npo(FAR, KAPPA, beta=beta), rtol=1e-3)


def test_npo_lets_the_gap_of_a_divergence_close_by_its_own_law() -> None:
    kl = Overlap(member("NPO", beta=1.0).at(2.0), KAPPA, gap=divergence).simulate(FAR)
    assert_allclose(kl[:, 0], npo_with_kl(2.0, KAPPA, beta=1.0)(FAR), atol=1e-3)
    assert_allclose(kl[:, 1], retain_gap_of_npo_with_kl(FAR, KAPPA, beta=1.0), rtol=1e-3)
