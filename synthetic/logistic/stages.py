"""Does the order of training stages change what unlearning leaves, in a model that is linear? After arXiv:2510.16629.

π_ref is trained by gradient descent on the forget rows and then on the kept ones, or the other way round, each stage
alone and for a tenth of the steps of a fit; 256 features carry 20 + 100 rows. Then gradient ascent on the forget rows.
Arrays of `logistic/stages`, `<order>-<seed>.<name>` over looks, <order> what is learnt first:

    drop    mean nats that the forget answers have lost
    kept    mean nats that the kept answers have lost
"""

from functools import partial

import numpy as np

from records.computed import computed
from records.work import Unit
from synthetic.logistic.columns import gradient, march
from synthetic.logistic.gaussians import draw
from synthetic.logistic.presets import LogisticPreset
from synthetic.logistic.problem import FIT_LR, relu
from synthetic.logistic.rows import Column, SharedRows, columns
from theory.weights import log_sigmoid

__all__ = ["ORDERS", "stages", "stages_unit"]

Array = np.ndarray
ORDERS = ("forget", "retain")
FEATURES, FORGET, RETAIN = 256, 20, 100
STEP, UNTIL, MOST_STEPS = 0.1, 20.0, 2000  # nats, mean nats


def stages_unit(preset: LogisticPreset) -> Unit:
    """The unit of this study; it takes the first α."""
    seeds = preset.seeds
    settings = {"alpha": preset.alphas[0], "seeds": seeds, "fit_steps": preset.fit_steps}
    values = {"seeds": list(seeds), "alpha": preset.alphas[0]}
    work = partial(computed, compute=stages, settings=preset, values=values)
    return Unit("logistic/stages", settings, work, seconds=1.0 * len(seeds))


def stages(preset: LogisticPreset) -> dict[str, Array]:
    """The arrays at the top of this file."""
    found = dict[str, Array]()
    for seed in preset.seeds:
        sample = draw(alpha=preset.alphas[0], seed=seed, features=FEATURES, n_forget=FORGET, n_retain=RETAIN)
        forget, retain = (
            _rows(relu(x @ sample.W.T), y)
            for x, y in ((sample.X_forget, sample.y_forget), (sample.X_retain, sample.y_retain))
        )
        for order in ORDERS:
            theta = np.zeros((1, FEATURES))
            for part in (forget, retain) if order == "forget" else (retain, forget):
                learn = Column(FIT_LR, forget=1 / len(part.y), lose=-1)
                theta = march(part, columns(learn), theta, preset.fit_steps // 10)
            found |= {f"{order}-{seed}.{name}": x for name, x in _ascent(forget, retain, theta).items()}
    return found


def _rows(H: Array, y: Array) -> SharedRows:
    """Rows alone: no reference, nothing to keep."""
    return SharedRows(H, y, y, np.zeros(len(y)), np.zeros((0, H.shape[1])), np.zeros(0), np.zeros(0))


def _logp(rows: SharedRows, theta: Array) -> float:
    return float(log_sigmoid((2 * rows.y - 1) * (rows.H_forget @ theta[0])).mean())


def _ascent(forget: SharedRows, retain: SharedRows, theta: Array) -> dict[str, Array]:
    """What gradient ascent on the forget rows costs both sides, in steps that move no margin by more than STEP."""
    ascend = columns(Column(1.0, forget=1 / len(forget.y), lose=1))
    start, seen = (_logp(forget, theta), _logp(retain, theta)), [(0.0, 0.0)]
    for _ in range(MOST_STEPS):
        slope = gradient(forget, ascend, theta)
        theta = theta - STEP / np.abs(forget.H_forget @ slope[0]).max() * slope
        seen.append((start[0] - _logp(forget, theta), start[1] - _logp(retain, theta)))
        if seen[-1][0] > UNTIL:
            break
    drop, kept = np.array(seen).T
    return {"drop": drop, "kept": kept}
