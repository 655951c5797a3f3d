"""The atlas: for every loss of the family the measured class is the predicted one, with its constants."""

import numpy as np
import pytest

from theory.atlas.classify import classify, classify_speed
from theory.atlas.family import FAMILY, member


@pytest.mark.parametrize("name", FAMILY)
def test_the_measured_class_is_the_predicted_one_with_its_constants(name: str) -> None:
    for c in (-1.0, 2.0, 6.0):
        found, said = classify(FAMILY[name].at(c)), FAMILY[name].predicted(c)
        assert (found.growth.kind, found.growth.sign) == (said.kind, said.sign)
        measured, predicted = ((g.coefficient, g.constant, g.exponent) for g in (found.growth, said))
        np.testing.assert_allclose(measured, predicted, rtol=1e-6, atol=1e-6)
        assert found.sure


def test_a_limit_is_sure_where_it_is_approached_exponentially() -> None:
    for beta in (3.0, 30.0):
        found = classify(member("UNDIAL", beta=beta).at(2.0))
        assert found.sure
        assert found.misfit < 1e-2 * found.runner_up_misfit < 1
    double = classify_speed(lambda m: (3 - m) * np.abs(3 - m))  # like 1/τ
    assert double.growth.kind == "finite"
    assert not double.sure
    assert classify_speed(lambda m: np.where(m < 3, 1.0, 0.0)).sure
