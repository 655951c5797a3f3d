"""The draws of Section 4: label noise leaves everything else as it is, and its levels are nested."""

import numpy as np
import pytest

from records.errors import UserError
from synthetic.logistic.gaussians import draw


def test_noise_turns_labels_of_training_rows_alone() -> None:
    clean, some, more, all_ = (draw(alpha=1.0, seed=2, label_noise=x) for x in (0.0, 0.2, 0.4, 1.0))
    for name, values in vars(clean).items():
        if name in ("y_forget", "y_retain"):
            turned = [values != getattr(s, name) for s in (some, more, all_)]
            assert turned[0].mean() == pytest.approx(0.2, abs=0.07)
            assert (turned[0] <= turned[1]).all()
            assert turned[2].all()
        else:
            assert all((values == getattr(s, name)).all() for s in (some, more, all_))


def test_sizes_are_those_asked_for_and_nonsense_is_refused() -> None:
    sample = draw(alpha=0.0, seed=0, d=3, features=7, n_forget=4, n_retain=5, n_eval=6)
    assert [x.shape for x in (sample.W, sample.X_forget, sample.X_retain, sample.X_eval_retain)] == [
        (7, 3),
        (4, 3),
        (5, 3),
        (6, 3),
    ]
    assert np.isin(sample.y_idk, (0, 1)).all()
    with pytest.raises(UserError, match=r"n_forget must be at least 1, got 0\. label_noise must be a share"):
        draw(alpha=0.0, seed=0, n_forget=0, label_noise=1.5)
