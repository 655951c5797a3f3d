"""A sentence of another paper that kept runs of the real TOFU decide: NPO's weights in its first epoch."""

from dataclasses import replace

import numpy as np

from npo.ledger.judging.claim import Judgement, Results
from npo.ledger.language_model.forget_sets import by_set, judged
from npo.ledger.language_model.tofu_scratch import tofu_claim
from records.examined import moments_of
from records.store import Data

__all__ = ["CLAIMS"]

NEAR_ONE = 0.9


def _weight(data: Data) -> float:
    """2/(1 + e^{βu}) at the mean drop u after the first epoch."""
    after = next(k for k, moment in enumerate(moments_of(data.values)) if moment.epoch == 1)
    return float(2 / (1 + np.exp(data.values["beta"] * data.values["drop"][after])))


def first_epoch_is_ascent(results: Results) -> Judgement:
    """NPO's weight at the mean drop at the end of its first epoch."""
    return judged(by_set(results, "NPO", _weight), lambda x: x > NEAR_ONE, high=False)


CLAIMS = (
    replace(
        tofu_claim(
            "npo-first-epoch",
            short="NPO's weights are 1 in the first epoch",
            statement="At β = 0.1 NPO's weights are still nearly 1 at the end of the first epoch, on all of TOFU.",
            measure=f"NPO's weight at the mean drop after one epoch, the least (claimed 1; > {NEAR_ONE:g} counts)",
            judge=first_epoch_is_ascent,
            methods=("NPO",),
        ),
        source="after arXiv:2410.07163, on a small Llama from scratch; rates tuned on seed 0",
    ),
)
