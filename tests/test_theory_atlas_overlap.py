"""Overlap with a retain example: gradient ascent leaves the gap at κ, NPO lets it close, as simulated."""

import numpy as np

from theory.atlas.family import member
from theory.atlas.overlap import Overlap, ga_with_rt, npo_with_rt, retain_gap_of_npo

KAPPA = 0.3


def test_ga_leaves_the_retain_gap_at_kappa_and_npo_closes_it() -> None:
    tau = np.array([1e3, 1e4])
    ga = Overlap(member("GA").at(2.0), KAPPA).simulate(tau)
    np.testing.assert_allclose(ga[-1, 1], KAPPA, rtol=1e-6)
    np.testing.assert_allclose(np.diff(ga[:, 0])[0] / 9e3, ga_with_rt(KAPPA).coefficient, rtol=1e-6)
    for beta in (0.5, 1.0):
        far = np.array([1e7, 1e8])
        npo = Overlap(member("NPO", beta=beta).at(2.0), KAPPA).simulate(far)
        np.testing.assert_allclose(npo[:, 0], npo_with_rt(2.0, KAPPA, beta=beta)(far), atol=1e-4)
        np.testing.assert_allclose(npo[:, 1], retain_gap_of_npo(far, KAPPA, beta=beta), rtol=1e-3)
