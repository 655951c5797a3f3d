"""The wider family's times, each against quadrature of the weight that its paper or code has."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from theory.theorems.time.closed_times import ClosedTime
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.family_times import d2o_time, flat_time, ihl_time, kto_sigmoid_time, wtnpo_time
from theory.theorems.time.quadrature import integrate

Weight = Callable[[np.ndarray], np.ndarray]
SLOPES = {
    "TV": lambda q: 0.5 / np.cosh(q) ** 2,
    "KL": lambda q: np.exp(q - 1),
    "Pearson": lambda q: 1 + q / 2,
    "JS": expit,
}


def _cases(ref: float) -> dict[str, tuple[ClosedTime, Weight]]:
    """Name -> the formula, and the weight of the drop that it is the integral of."""
    answer, p = ForgetAnswer(ref, held={"z_ref": 0.4, "logp_alternate": 0.6}), np.exp(ref)

    def q(u: np.ndarray) -> np.ndarray:
        return p * np.exp(-u)

    found: dict[str, tuple[ClosedTime, Weight]] = {
        "WTNPO": (
            wtnpo_time(answer, beta=4.0, alpha=1.5),
            lambda u: 2 * q(u) ** 5.5 / (q(u) ** 4 + p**4 + 1e-5),
        ),
        "IHL": (ihl_time(answer), lambda u: 2 * q(u)),
        "D2O": (
            d2o_time(answer, alpha=0.1, beta=0.5),
            lambda u: 0.1 / (1 + np.exp(0.3 + 0.1 * u)),
        ),
        "KTO-sigmoid": (
            kto_sigmoid_time(answer, beta=0.5),
            lambda u: 2 * expit(0.4 + 0.5 * u) * expit(-0.4 - 0.5 * u),
        ),
    }
    for name, slope in SLOPES.items():
        found[f"FLAT-{name}"] = (flat_time(answer, divergence=name), lambda u, slope=slope: slope(q(u)) * q(u))
    return found


@pytest.mark.parametrize("ref", [-1e-9, -0.7, -12.0])
@pytest.mark.parametrize("name", list(_cases(-1.0)))
def test_the_formula_is_the_integral_of_the_weight(name: str, ref: float) -> None:
    closed, weight = _cases(ref)[name]
    u = np.array([1e-12, 1e-6, 0.1, 1.0, 7.0, 40.0])
    np.testing.assert_allclose(closed.time(u), integrate(weight, least=ref).time(u), rtol=1e-12)
