"""The claim that Adam's own law says at which drop NPO+RT ends, in kept sweeps over β of language models.

The law is that of one coordinate (`theory.theorems.beta.adam_clock`): beside β it has the learning rates, known, the
confidence of the reference, measured, and one constant, nats a unit of learning rate. That is taken from GA+RT's run,
the limit β → 0, so no run of NPO is looked at. It knows nothing of the retain term.
"""

import numpy as np
from scipy.optimize import brentq

from npo.ledger.beta.law import OFF, PLACE, Sweep, beta_claim, judged, sweeps, wanted_beta
from npo.ledger.judging.claim import Judgement, Results
from records.examined import moments_of
from records.store import Data
from theory.theorems.beta.adam_clock import Confidence, drops_under_adam

__all__ = ["CLAIMS", "under_adam"]


def under_adam(ascent: Data, betas: np.ndarray) -> np.ndarray:
    """The final drop (nats) at every β, with the speed at which GA+RT drops as far as it did in this run."""
    values = ascent.values
    rates = np.asarray(values["rates"], dtype=np.float64)
    known = moments_of(values)[0].scores["forget_probability"] or 0.0
    confidence = Confidence(float(known), float(values["tokens"]))

    def end(beta: float, speed: float) -> float:
        return float(drops_under_adam(beta, (speed * rates).tolist(), confidence=confidence)[-1])

    wanted = float(values["drop"][-1])
    guess = np.log(wanted / rates.sum())
    log_speed = brentq(lambda x: end(0.0, float(np.exp(x))) / wanted - 1, guess - 20, guess + 20)
    return np.array([end(float(beta), float(np.exp(log_speed))) for beta in betas])


def adams_law(results: Results) -> Judgement:
    """The largest factor between final drops and Adam's law; beside it that for β up to β*."""
    ascents = {
        (name.split("/")[2], int(data.values["seed"])): data
        for name, data in results.items()
        if name.startswith(PLACE) and data.values["method"] == "GA+RT"
    }
    told: dict[str, list[float]] = {}

    def furthest(sweep: Sweep) -> float:
        off = np.abs(np.log(sweep.drop / under_adam(ascents[sweep.setting, sweep.seed], sweep.beta)))
        told.setdefault(sweep.setting, []).append(float(np.exp(off[sweep.beta <= wanted_beta(sweep)].max(initial=0.0))))
        return float(np.exp(off.max()))

    there = {(s.setting, s.seed) for s in sweeps(results)} & ascents.keys()
    mine = {n: d for n, d in results.items() if n.startswith(PLACE) and (n.split("/")[2], d.values["seed"]) in there}
    found = judged(mine, furthest, high=True, holds=lambda factor: factor < OFF)
    below = ", ".join(f"{setting} {np.mean(factors):.2g}" for setting, factors in told.items())
    return Judgement(found.verdict, found.effect, found.interval, found.seeds, f"{found.reason}; up to β*: {below}")


CLAIMS = (
    beta_claim(
        "adam",
        "Adam's own law gives NPO+RT's drop at every β",
        "Adam's law of one coordinate, with its speed from GA+RT's run alone, gives NPO+RT's final drop at every β.",
        f"largest factor between a final drop and Adam's law (claimed < {OFF}); it leaves the retain term out",
        adams_law,
    ),
)
