"""Half of what was unlearned is relearnt: what comes back of the other half, with the coupling of rows swept.

Signed features of the rows are √κ c + √(1−κ) e_i, c a direction that forget rows share (kept rows have one of their
own) and e_i random, so that two forget rows have the coupling κ. π_ref fits all rows, π_retr the kept ones. From π_ref
each method unlearns until the forget rows have lost NATS, then plain descent relearns the first half, T, until it is as
likely as under π_ref, or for MOST steps. Arrays of `logistic/relearnt-part`, `<model>-<κ>-<seed>.<name>`, <model>
`retrained` or a method; nats, over the rows of V but for the first two and the last two:

    start, part   mean log π of T before it is relearnt, and by how much that rises
    lost          what V has lost against π_ref, before
    rise          what comes back of V
    law           P₀ r_T, see `theory.theorems.recovery.relearnt_part`: exact where margins are large
    exact         log σ(z_V + Q Δz_T) − log σ(z_V): exact in a linear model
    share, even   nats of margin that V gains for one of T, and what `even_share(κ, t)` says where all rows are alike
"""

from functools import partial

import numpy as np
from scipy.special import expit

from records.computed import computed
from records.work import Unit
from synthetic.logistic.columns import closed, gradient, march
from synthetic.logistic.presets import LogisticPreset
from synthetic.logistic.problem import FIT_LR, rows_of_fits
from synthetic.logistic.rows import Columns, SharedRows, columns
from theory.objective import method
from theory.theorems.recovery.relearnt_part import even_share, regression
from theory.weights import log_sigmoid

__all__ = ["COUPLINGS", "MODELS", "relearnt_part", "relearnt_part_unit"]

Array = np.ndarray
COUPLINGS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)
METHODS = {name: method(name, **({"beta": 0.5} if "NPO" in name else {})) for name in ("GA", "GA+RT", "NPO", "NPO+RT")}
MODELS = ("retrained", *METHODS)
FORGET, RETAIN, FEATURES = 20, 40, 256
NATS, STEP, MOST = 20.0, 0.5, 600  # of a step: margins
SEEDS = 3  # the first, as many


def relearnt_part_unit(preset: LogisticPreset) -> Unit:
    """The unit of this study."""
    settings = {"seeds": preset.seeds[:SEEDS], "fit_steps": preset.fit_steps}
    values = {"seeds": list(preset.seeds[:SEEDS]), "couplings": list(COUPLINGS)}
    work = partial(computed, compute=relearnt_part, settings=preset, values=values)
    return Unit("logistic/relearnt-part", settings, work, seconds=1.0)


def relearnt_part(preset: LogisticPreset) -> dict[str, Array]:
    """The arrays at the top of this file."""
    found = dict[str, Array]()
    for seed in preset.seeds[:SEEDS]:
        for coupling in COUPLINGS:
            forget, retain = _features(coupling, seed)
            reference, models = _models(forget, retain, preset.fit_steps // 10)
            for name, theta in models.items():
                seen = _relearnt(forget, reference, theta) | {"even": np.array(even_share(coupling, FORGET // 2))}
                found |= {f"{name}-{coupling:g}-{seed}.{key}": np.asarray(x) for key, x in seen.items()}
    return found


def _features(coupling: float, seed: int) -> tuple[Array, Array]:
    """Signed features of forget and kept rows: log π = log σ(g·θ)."""
    rng = np.random.default_rng(seed)

    def normal(rows: int) -> Array:
        return rng.normal(size=(rows, FEATURES)) / np.sqrt(FEATURES)

    noise, shared = (normal(FORGET), normal(RETAIN)), normal(2)
    forget, retain = (np.sqrt(coupling) * c + np.sqrt(1 - coupling) * e for c, e in zip(shared, noise, strict=True))
    return forget, retain


def _models(forget: Array, retain: Array, fit_steps: int) -> tuple[Array, dict[str, Array]]:
    """π_ref, and the models whose part is relearnt."""
    ones = {"y_forget": np.ones(FORGET), "y_retain": np.ones(RETAIN), "y_idk": np.ones(FORGET)}
    rows, fits = rows_of_fits({"H_forget": forget, "H_retain": retain, **ones}, 20 * FIT_LR)
    reference, retrained = march(rows, columns(*fits), np.zeros((2, FEATURES)), fit_steps)
    rows = rows._replace(z_ref=forget @ reference, p_ref=expit(retain @ reference))
    runs = [closed(objective, 1.0, FORGET, RETAIN) for objective in METHODS.values()]
    unlearned = _unlearned(rows, columns(*(run for run in runs if run)), reference)
    return reference, {"retrained": retrained, **dict(zip(METHODS, unlearned, strict=True))}


def _unlearned(rows: SharedRows, runs: Columns, reference: Array) -> Array:
    """θ of each run where its forget rows have lost NATS; no margin moves by more than STEP at once."""
    theta = np.tile(reference, (len(runs.lr), 1))
    start = log_sigmoid(rows.z_ref).mean()
    every = np.concatenate([rows.H_forget, rows.H_retain])
    for _ in range(MOST):
        going = start - log_sigmoid(theta @ rows.H_forget.T).mean(axis=1) < NATS
        if not going.any():
            break
        slope = gradient(rows, runs, theta)
        fastest = np.abs(slope @ every.T).max(axis=1)
        theta = theta - (going * STEP / fastest)[:, None] * slope
    return theta


def _relearnt(G: Array, reference: Array, theta: Array) -> dict[str, Array]:
    """What relearning the first half does; see the top of this file."""
    part, rest = np.arange(FORGET // 2), np.arange(FORGET // 2, FORGET)
    wanted, moved = log_sigmoid(G @ reference), theta.copy()
    for _ in range(MOST):
        z = G[part] @ moved
        if log_sigmoid(z).mean() >= wanted[part].mean():
            break
        direction = expit(-z) @ G[part]
        moved = moved + STEP / np.abs(G @ direction).max() * direction
    before, after = G @ theta, G @ moved
    rise = log_sigmoid(after) - log_sigmoid(before)
    gram, speed = G @ G.T, expit(-before)
    margins = before[rest] + regression(gram, part) @ (after - before)[part]
    return {
        "start": log_sigmoid(before[part]).mean(),
        "part": rise[part].mean(),
        "lost": (wanted - log_sigmoid(before))[rest],
        "rise": rise[rest],
        "share": (after - before)[rest].mean() / (after - before)[part].mean(),
        "law": regression(gram * np.outer(speed, speed), part) @ rise[part],
        "exact": log_sigmoid(margins) - log_sigmoid(before[rest]),
    }
