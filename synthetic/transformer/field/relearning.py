"""Who resists relearning in a small transformer that knows its sequences by heart? After `synthetic.relearning`.

Losses of answers, and of tokens (an answer has six), each a function of log π. Arrays as there, `<arm>.<column>`
(seeds,) at an equal drop, `steps.<arm>.<column>` (looks, seeds) and `steps.at` at equal steps.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from synthetic.relearning import HowFar, arms_of, at_equal_drop, at_equal_steps, stepped_of
from synthetic.there_and_back import ManyModels
from synthetic.transformer.field.subjects import Learnt, known
from synthetic.transformer.presets import FieldSizes
from synthetic.transformer.stacked import all_log_probs, all_token_log_probs, stack, stack_sequences
from theory.theorems.time.drop_weights import ForgetAnswer
from theory.theorems.time.loss_times import kernels_with_a_law, of_any_model

__all__ = ["relearning"]

WANTED = 18.0  # nats an answer
BETAS = (0.1,)  # of NPO, beside ½
LR, ADAM_LR = 1e-2, 1e-3
SEEDS, PACES, MOST = 3, 10, 100  # at most
STEP, LOOKS = 5e-3, (5, 15, 50)  # of unlearning at equal steps


def relearning(sizes: FieldSizes) -> dict[str, np.ndarray]:
    """The arrays at the top of this file."""
    setting = HowFar(WANTED, min(sizes.steps // 20 + 1, PACES), LR, ADAM_LR, min(sizes.steps // 2, MOST))
    subjects = [known(sizes.shape, seed) for seed in sizes.seeds[:SEEDS]]
    count = len(subjects)
    take = partial(_models, subjects)
    arms = arms_of(of_any_model(kernels_with_a_law(ForgetAnswer(-1.0))), BETAS)
    at = [look for look in LOOKS if look <= sizes.steps]
    steps = at_equal_steps(take, count, stepped_of(arms), setting, lr=STEP, at=at)
    return at_equal_drop(take, count, arms, setting) | {f"steps.{name}": x for name, x in steps.items()}


def _models(subjects: Sequence[Learnt], runs: Sequence[int]) -> ManyModels:
    """One model for each run, on its own sequences."""
    config = subjects[0].config
    forget, kept = (
        stack_sequences(getattr(subjects[run].split, name) for run in runs) for name in ("forget", "retain")
    )
    return ManyModels(
        lambda theta: all_token_log_probs(theta, forget, config),
        all_log_probs(config, kept),
        stack(subjects[run].reference for run in runs),
    )
