"""Exact times and escape: closed integrals against 30 digits, quadrature of the kernels, margins that invert."""

import mpmath
import numpy as np
import pytest

from theory.atlas.escape import escape_law, escape_time
from theory.atlas.exact_times import EXACT_TIMES, ce_u_margin, dpo_margin
from theory.atlas.family import member
from theory.atlas.master_integral import master_integral


@pytest.mark.parametrize(("b", "d"), [(0.1, 1.0), (1.0, 1.0), (1.0000001, 1.0), (5.0, 2.0), (10.0, 1.1), (1.0, 0.0)])
def test_the_master_integral_to_rounding_near_whole_numbers_too(b: float, d: float) -> None:
    for m, c in ((1e-9, 2.0), (8.0, 2.0), (2.0, 20.0), (5.0, -3.0)):
        with mpmath.workdps(30):
            wanted = mpmath.quad(
                lambda s, c=c: (1 + mpmath.exp(s - c)) ** mpmath.mpf(b) * (1 + mpmath.exp(c - s)) ** mpmath.mpf(d),
                np.linspace(0, m, 5).tolist(),
            )
        np.testing.assert_allclose(float(master_integral(m, c, b=b, d=d)), float(wanted), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("GA", {}, 408.4288),
        ("NPO", {"beta": 0.1}, 408.7024),
        ("WGA", {"beta": 1.0}, 415.4263),
        ("SatImp", {"beta1": 5.0, "beta2": 1.0}, 84381.26),
        ("SatImp", {"beta1": 5.0, "beta2": 0.1}, 753.6195),
        ("CE-U", {}, 6.997521),
        ("DPO", {"beta": 0.1}, 7.110594),
        ("TNPO", {"beta": 4.0}, 426.6632),
        ("SimNPO", {"beta": 4.5, "gamma": 0.0}, 433.5740),
        ("IHL", {}, 207.7132),
    ],
)
def test_escape_from_saturation_is_the_exact_time(name: str, given: dict[str, float], wanted: float) -> None:
    found = escape_time(member(name, **given).at(2.0), 6.0)
    np.testing.assert_allclose(found, float(EXACT_TIMES[name](6.0, 6.0, **given)), rtol=1e-11)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_what_stops_at_one_half_never_escapes_and_mistakes_are_told() -> None:
    for name in ("PDU", "ME"):
        assert escape_time(member(name).at(2.0), 6.0) == float("inf")
    with pytest.raises(ValueError, match="less likely"):
        escape_time(member("GA").at(2.0), -1.0)


def test_the_leading_law_of_escape_holds_far_in() -> None:
    slow = escape_time(member("SatImp", beta1=5.0, beta2=1.0).at(2.0), 14.0)
    np.testing.assert_allclose(slow, escape_law(14.0, order=2.0, weight=1.0), rtol=1e-4)


def test_margins_in_closed_form_invert_the_times() -> None:
    m = np.array([0.3, 4.0, 40.0])
    np.testing.assert_allclose(ce_u_margin(EXACT_TIMES["CE-U"](m, 2.0), 2.0), m, rtol=1e-12)
    np.testing.assert_allclose(dpo_margin(EXACT_TIMES["DPO"](m, 2.0, beta=0.5), beta=0.5), m, rtol=1e-12)
