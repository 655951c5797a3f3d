"""The atlas: for every loss of the family the measured class is the predicted one, with its constants."""

import numpy as np
import pytest

from theory.atlas.classify import classify
from theory.atlas.family import FAMILY


@pytest.mark.parametrize("name", FAMILY)
def test_the_measured_class_is_the_predicted_one_with_its_constants(name: str) -> None:
    for c in (-1.0, 2.0, 6.0):
        found, said = classify(FAMILY[name].at(c)), FAMILY[name].predicted(c)
        assert (found.growth.kind, found.growth.sign) == (said.kind, said.sign)
        measured, predicted = ((g.coefficient, g.constant, g.exponent) for g in (found.growth, said))
        np.testing.assert_allclose(measured, predicted, rtol=1e-6, atol=1e-6)
        assert found.sure
