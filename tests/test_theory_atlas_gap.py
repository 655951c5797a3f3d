"""Logarithmic are just the losses bounded below with an exponential tail, and then the loss is 1/(κ²τ) above its limit.

Losses with a stop-gradient (token weights, KTO) do not descend their own value: of these the integral of V is meant,
which is the loss that such a flow descends. The value of WGA itself, π^β log π, comes up to 0 from below.
"""

import numpy as np
import pytest

from theory.atlas.family import FAMILY, Member
from theory.atlas.scalar import ScalarLoss
from theory.atlas.trajectory import travel

SLOW = ("SimNPO(4.5, 0)",)  # κ > 1: the next order is τ^(−1/κ)
STOPPED = ("KTO", "WGA", "TNPO", "WTNPO", "SatImp")
END = 2e4  # a margin at which every bounded loss is at its limit


def tail_of(loss: ScalarLoss) -> float:
    """κ of V ~ A e^(−κm), 0 where V falls otherwise or has a zero: by the speed at large margins alone."""
    m = np.linspace(1.0, 3000.0, 3000)
    v = loss.speed(m)
    if v.min() < 0:
        return 0.0
    last = int(np.argmax(v < 1e-250)) if (v < 1e-250).any() else len(m)
    first, second, third = (int(share * last) - 1 for share in (0.6, 0.8, 1.0))
    early = np.log(v[first] / v[second]) / (m[second] - m[first])
    late = np.log(v[second] / v[third]) / (m[third] - m[second])
    return float(late) if late > 1e-3 and abs(early / late - 1) < 1e-6 else 0.0


@pytest.mark.parametrize("one", FAMILY.values(), ids=FAMILY.keys())
def test_logarithmic_is_bounded_below_with_an_exponential_tail(one: Member) -> None:
    law, kappa = one.predicted(2.0), tail_of(one.at(2.0))
    assert (law.kind == "logarithmic") == (kappa > 0)
    if kappa:
        np.testing.assert_allclose(law.coefficient * kappa, 1, rtol=1e-6)


def descends_itself(loss: ScalarLoss) -> bool:
    """Whether V is the slope of the kernel's value, no stop-gradient in it."""
    m, h = np.linspace(0.1, 5.0, 8), 1e-4
    return bool(np.allclose((loss.value(m - h) - loss.value(m + h)) / (2 * h), loss.speed(m), rtol=1e-6))


@pytest.mark.parametrize("one", FAMILY.values(), ids=FAMILY.keys())
def test_the_loss_is_one_over_kappa_squared_tau_above_its_limit(one: Member) -> None:
    loss, law = one.at(2.0), one.predicted(2.0)
    assert descends_itself(loss) == (not one.name.startswith(STOPPED))
    if law.kind != "logarithmic":
        return
    path = travel(loss.speed, until=1e60)
    if descends_itself(loss):
        limit = float(loss.value(np.array([END]))[0])
        j = int(np.searchsorted(path.tau, 1e40 if one.name in SLOW else 1e6))
        gap = float(loss.value(path.margin[j : j + 1])[0]) - limit
    else:
        j = int(np.searchsorted(path.tau, 1e40))
        m, v = path.margin[j:], path.speed[j:]
        gap = float(np.sum(np.diff(m) * (v[:-1] - v[1:]) / np.log(v[:-1] / v[1:])))  # exact for an exponential
    np.testing.assert_allclose(gap * path.tau[j], law.coefficient**2, rtol=1e-3)


def test_a_loss_without_a_tail_has_another_class_and_its_gap_another_law() -> None:
    one = FAMILY["(−log π)^-1"]  # bounded below by 0, with the tail 1/m: a power of τ
    loss = one.at(2.0)
    path = travel(loss.speed, until=1e30)
    gap = float(loss.value(path.margin[-1:])[0])
    assert tail_of(loss) == 0
    np.testing.assert_allclose(gap * (3 * path.tau[-1]) ** (1 / 3), 1, rtol=1e-6)
