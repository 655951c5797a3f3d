"""Claims about optimisers in the scalar model: whose steps keep NPO's logarithm, and whose don't."""

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if
from theory.atlas.family import FAMILY
from theory.atlas.growth import KINDS
from theory.atlas.optimisers.grid import LOSSES, MEMORY, NGDIFF_LR, OVERLAP, ROWS, STEPS
from theory.atlas.optimisers.laws import adam_speed
from theory.atlas.optimisers.scalar import OPTIMISERS

__all__ = ["CLAIMS"]

GRID, MAP = "theory/atlas-grid", "theory/adam-regimes"
FLOWS = {loss: FAMILY[loss].predicted(2.0) for loss in LOSSES}
TAILS = {
    loss: 1 / flow.coefficient for loss, flow in FLOWS.items() if flow.kind == "logarithmic" and flow.coefficient >= 1
}
"""Losses of the logarithmic class whose tail e^(−km) is no steeper than the margin's own, k ≤ 1, with this k."""
LIMITED = [loss for loss, flow in FLOWS.items() if flow.kind == "finite"]
LONG = 100_000  # steps, beyond which Adam's speed has settled


def _short(results: Results) -> Judgement | None:
    """What is said where the grid was run for too few steps: with --quick, or without the extra `fast`."""
    steps = int(results[GRID].arrays["steps"])
    if steps >= STEPS:
        return None
    return Judgement(NOT_TESTABLE, None, reason=f"{steps:,} steps of each optimiser; a class is told from {STEPS:,}")


def _cell(results: Results, loss: str, row: str) -> tuple[str, float, float]:
    """Class, coefficient and last margin."""
    a, place = results[GRID].arrays, (LOSSES.index(loss), ROWS.index(row))
    return KINDS[int(a["kind"][place])], float(a["coefficient"][place]), float(a["margin"][place])


def adam_is_linear(results: Results) -> Judgement:
    """The largest distance of a speed from the fixed point's, as its share."""
    if short := _short(results):
        return short
    cells = [(k, *_cell(results, loss, "Adam, ε = 0")) for loss, k in TAILS.items()]
    lr = OPTIMISERS["Adam, ε = 0"].lr
    off = max(abs(speed / adam_speed(k, lr) - 1) for k, _, speed, _ in cells)
    return Judgement(holds_if(all(kind == "linear" for _, kind, _, _ in cells) and off < 0.01), off)


def adam_s_speeds(results: Results) -> Judgement:
    """Over four decades of learning rates, the largest distance of the late speed from the fixed point's."""
    a = results[MAP].arrays
    t, margins = a["steps"], a["margins"][0]
    if t[-1] < LONG:
        return Judgement(NOT_TESTABLE, None, reason=f"{t[-1]:,.0f} steps of Adam; its speed settles by {LONG:,}")
    late = np.flatnonzero(t >= t[-1] / 2)[0]
    speeds = (margins[:, -1] - margins[:, late]) / (t[-1] - t[late])
    laws = np.array([adam_speed(1.0, x / MEMORY) for x in a["a"]])
    settled = laws * t[late] > 5  # NPO's weight is e^(−5) of what it was, and its law a tail
    off = float(np.abs(speeds / laws - 1)[settled].max())
    reason = f"from {speeds.min():.2g} to {speeds.max():.2g} nats a step; never above −log β₂/(2β)"
    return Judgement(holds_if(off < 0.05), off, reason=reason)


def _logarithmic(rows: tuple[str, ...], within: float, results: Results) -> Judgement:
    if short := _short(results):
        return short
    cells = [(k, *_cell(results, loss, row)) for loss, k in TAILS.items() for row in rows]
    off = max((abs(k * coefficient - 1) for k, _, coefficient, _ in cells), default=0.0)
    return Judgement(holds_if(all(kind == "logarithmic" for _, kind, _, _ in cells) and off < within), off)


def memory_keeps_it(results: Results) -> Judgement:
    """The largest distance of k × coefficient from 1."""
    return _logarithmic(("AMSGrad", "AdaGrad"), 0.05, results)


def floors_keep_it(results: Results) -> Judgement:
    """As above; ε = 1e-8 is reached late, and its coefficient still falls to 1/k."""
    return _logarithmic(("Adam, σ = 0.1", "Adam, ε = 1e-08"), 0.3, results)


def soul_inverts(results: Results) -> Judgement:
    """NPO's margin over GA's; under descent it is 1e-3 of it."""
    if short := _short(results):
        return short
    (_, _, ga), (_, _, npo) = (_cell(results, loss, "Sophia (SOUL)") for loss in ("GA", "NPO(0.1)"))
    return Judgement(holds_if(npo > 2 * ga), npo / ga, reason=f"NPO {npo:.0f} nats of margin, GA {ga:.0f}")


def ngdiff_is_linear(results: Results) -> Judgement:
    """The largest distance of a slope from η(1 − κ), of all losses that have no limit of their own."""
    cells = [_cell(results, loss, "NGDiff") for loss in LOSSES if loss not in LIMITED]
    off = max(abs(slope / (NGDIFF_LR * (1 - OVERLAP)) - 1) for _, slope, _ in cells)
    holds = all(kind == "linear" for kind, _, _ in cells) and off < 1e-6
    limited = " and ".join(loss.partition("(")[0] for loss in LIMITED)
    return Judgement(holds_if(holds), off, reason=f"{limited} comes to its own limit")


CLAIMS = (
    Claim(
        id="slowdown-adam",
        short="Adam makes NPO linear in t, given time",
        statement="Under Adam with ε = 0 the exponential slowdown does not survive: every loss of the logarithmic "
        "class becomes linear in t, at the speed of Adam's fixed point.",
        source="this project: theory/atlas/optimisers/laws.py",
        measure="largest |speed/law − 1| of 4 losses after 1e6 steps (predicted 0)",
        units=(GRID,),
        figure="atlas_grid",
        judge=adam_is_linear,
    ),
    Claim(
        id="slowdown-adam-speed",
        short="Adam's speed is its fixed point's, capped",
        statement="Whatever the learning rate, NPO's late speed under Adam is that of the fixed point, below "
        "−log β₂/(2β) nats a step.",
        source="this project: theory/atlas/optimisers/laws.py",
        measure="largest |late speed/law − 1|, a = βη/(1 − β₂) over four decades (predicted 0)",
        units=(MAP,),
        figure="adam_regimes",
        judge=adam_s_speeds,
    ),
    Claim(
        id="slowdown-amsgrad",
        short="AMSGrad and AdaGrad keep the logarithm",
        statement="A normaliser that never forgets keeps the slowdown: under AMSGrad and AdaGrad the margin is "
        "(1/k) log t, as under gradient descent.",
        source="this project: theory/atlas/optimisers/laws.py",
        measure="largest |k × coefficient − 1|, 4 losses of tail e^(−km), last decade of 1e6 steps (predicted 0)",
        units=(GRID,),
        figure="atlas_grid",
        judge=memory_keeps_it,
    ),
    Claim(
        id="slowdown-floors",
        short="ε and retain gradients bring it back",
        statement="Adam's ε, and a retain gradient that stays, bring the logarithm back once the forget gradient is "
        "below them.",
        source="this project: theory/atlas/optimisers/laws.py",
        measure="largest |k × coefficient − 1|, 4 losses, ε = 1e-8 and σ = 0.1 (predicted 0, late)",
        units=(GRID,),
        figure="atlas_grid",
        judge=floors_keep_it,
    ),
    Claim(
        id="slowdown-soul",
        short="SOUL's second order inverts NPO's slowdown",
        statement="Under Sophia as SOUL codes it NPO drops further than gradient ascent: its steps grow as the "
        "gradient fades.",
        source="arXiv:2404.18239 (its code's curvature, EMA of g²); prediction of this project",
        measure="margin of NPO (β = 0.1) over that of GA, lr · t = 1e4 (claimed > 1)",
        units=(GRID,),
        figure="atlas_grid",
        judge=soul_inverts,
    ),
    Claim(
        id="slowdown-ngdiff",
        short="NGDiff is linear whatever the loss",
        statement="NGDiff's normalised difference moves the forget margin by η(1 − κ) a step, whatever the loss.",
        source="arXiv:2410.22086; prediction of this project",
        measure="largest |slope/(η(1 − κ)) − 1|, 7 losses without a limit of their own (predicted 0)",
        units=(GRID,),
        figure="atlas_grid",
        judge=ngdiff_is_linear,
    ),
)
