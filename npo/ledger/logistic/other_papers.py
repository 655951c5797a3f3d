"""Sentences of other papers that the logistic model can decide: where ascent ends, what bounds and stages do."""

import numpy as np

from npo.ledger.judging.claim import FAILS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided
from npo.ledger.logistic.paper import Arrays, as_in_the_paper, runs_by_seed
from synthetic.logistic.bounded import BOUNDS
from synthetic.logistic.stages import ORDERS
from synthetic.readings import at_drop

__all__ = ["CLAIMS"]

BOUNDED_LOSSES = ("NPO+RT", "KTO+RT", "DPO+RT")
FAR = 8.0  # nats a forget answer
WON = 0.02  # log of a ratio of distances that counts as won back
LEVEL, LEFT = 0.2, 0.5  # a power of t that counts as none; a share of the forget distance


def _away(results: Results, method: str) -> tuple[list[float], str]:
    """log of ‖θ − θ_retr‖ at the end over the start, seed by seed, and the same of the path's nearest point."""
    runs = runs_by_seed(results)
    paths = [a[f"{method}.parameter_distance"] for a in runs.values()]
    nearest = np.mean([path.min() / path[0] for path in paths])
    kl = np.mean([a[f"{method}.forget_distance"][-1] / a[f"{method}.forget_distance"][0] for a in runs.values()])
    kept = np.mean([a[f"{method}.retain_distance"][-1] / a[f"{method}.retain_distance"][0] for a in runs.values()])
    reason = f"nearest on the way {nearest:.2f} times the start's; KL to the retrained at the end, over the start's: "
    return [float(np.log(path[-1] / path[0])) for path in paths], f"{reason}forget {kl:.2g}, retain {kept:.2g}"


def descent_ascent_ends_farther(results: Results) -> Judgement:
    """Does GA+RT end farther from θ_retr than it began?"""
    found, reason = _away(results, "GA+RT")
    return decided(found, list(runs_by_seed(results)), reason)


def npo_with_retain_ends_nearer(results: Results) -> Judgement:
    """Does NPO+RT end nearer to θ_retr than it began?"""
    found, reason = _away(results, "NPO+RT")
    return decided([-x for x in found], list(runs_by_seed(results)), reason)


def bounds_stop_ascent(results: Results) -> Judgement:
    """log of the retain distance of GA+RT without a bound over that with the tightest one, at the end."""
    runs = runs_by_seed(results)
    tight, free = f"{min(BOUNDS):g}", f"{max(BOUNDS):g}"
    found = [float(np.log(a[f"{free}.retain_distance"][-1] / a[f"{tight}.retain_distance"][-1])) for a in runs.values()]
    grown = {b: [_late_growth(a, b) for a in runs.values()] for b in (tight, free)}
    left = [float(a[f"{tight}.forget_distance"][-1] / a[f"{tight}.forget_distance"][0]) for a in runs.values()]
    reason = (
        f"‖θ − θ_ref‖ as a power of t, last decade: {np.mean(grown[free]):.2f} without, {np.mean(grown[tight]):.2f} "
    )
    reason += f"with |Δθ| < {tight}, which leaves {np.mean(left):.1%} of the forget distance"
    judged = decided(found, list(runs), reason, least=float(np.log(2)))
    stopped = max(grown[tight]) < LEVEL and max(left) < LEFT
    return judged if stopped else Judgement(FAILS, judged.effect, judged.interval, judged.seeds, reason)


def _late_growth(arrays: Arrays, label: str) -> float:
    """d log‖θ − θ_ref‖ / d log t over the last decade of steps."""
    t, moved = arrays[f"{label}.steps"], arrays[f"{label}.reference_distance"]
    last = t >= t[-1] / 10
    return float(np.polyfit(np.log(t[last]), np.log(moved[last]), 1)[0])


def _recovered(arrays: Arrays, method: str) -> float:
    """log of the largest retain distance over that at the end."""
    path = arrays[f"{method}.retain_distance"]
    return float(np.log(path.max() / path[-1]))


def _told(runs: dict[int, Arrays]) -> str:
    back = {m: np.mean([_recovered(a, m) for a in runs.values()]) for m in (*BOUNDED_LOSSES, "GA+RT")}
    rose = np.mean([a["NPO+RT.retain_distance"].max() / a["NPO+RT.retain_distance"][0] for a in runs.values()])
    return f"{', '.join(f'{m} {x:.2f}' for m, x in back.items())}; NPO+RT's peak is {rose:.2f} times its start"


def kept_rows_recover(results: Results) -> Judgement:
    """What NPO+RT wins back of its largest retain distance less what GA+RT does."""
    runs = runs_by_seed(results)
    return decided([_recovered(a, "NPO+RT") - _recovered(a, "GA+RT") for a in runs.values()], list(runs), _told(runs))


def all_bounded_recover(results: Results) -> Judgement:
    """What the bounded loss that wins back least wins back of its largest retain distance."""
    runs = runs_by_seed(results)
    least = [min(_recovered(a, m) for m in BOUNDED_LOSSES) for a in runs.values()]
    return decided(least, list(runs), _told(runs), least=WON)


def order_of_stages_matters(results: Results) -> Judgement:
    """|1 − ratio| of what kept answers lose, forget rows learnt last over first, where these have lost FAR nats."""
    (data,) = results.values()
    seeds = data.values["seeds"]
    kept = {
        order: [at_drop(data.arrays[f"{order}-{s}.drop"], data.arrays[f"{order}-{s}.kept"], FAR) for s in seeds]
        for order in ORDERS
    }
    first, last = (np.array(kept[order]) for order in ORDERS)
    if np.isnan(first + last).any():
        return Judgement(NOT_TESTABLE, None, seeds=tuple(seeds), reason=f"not all lost {FAR:g} nats")
    reason = f"nats lost: {first.min():.2f} to {first.max():.2f} where the forget rows were learnt first, "
    reason += f"{last.min():.2f} to {last.max():.2f} where they were learnt last (below 0: won)"
    return decided(list(np.abs(last / first - 1)), seeds, reason, least=0.2)


STAGES = Claim(
    id="stages-order-logistic",
    short="the order of training stages matters",
    statement="In the logistic model the order of two training stages changes what GA costs by a fifth.",
    source="after arXiv:2510.16629",
    measure=f"|ratio − 1| of what kept answers lose at {FAR:g} nats a forget answer, forget rows last over first "
    "(claimed > 0.2)",
    units=("logistic/stages",),
    figure="field_bounded",
    judge=order_of_stages_matters,
)

RECOVERY = (
    Claim(
        id="bounded-recovers-logistic",
        short="kept rows recover from NPO+RT, not from GA+RT",
        statement="A retain term wins back some of the retain distance that NPO cost, and nothing from GA.",
        source="this project: overlap with a retain row",
        measure="log of the largest retain distance over the last, NPO+RT's less GA+RT's (predicted > 0)",
        units=("logistic/methods-1-*",),
        figure="logistic_methods",
        judge=as_in_the_paper(1.0)(kept_rows_recover),
    ),
    Claim(
        id="bounded-all-recover",
        short="kept rows recover from all bounded losses",
        statement="Within 2000 steps the retain term wins back from every bounded loss: NPO, KTO and DPO.",
        source="this project: overlap with a retain row",
        measure="log of the largest retain distance over the last, of the method where it is least (predicted > "
        f"{WON:g})",
        units=("logistic/methods-1-*",),
        figure="logistic_methods",
        judge=as_in_the_paper(1.0)(all_bounded_recover),
    ),
)

BOUNDED = Claim(
    id="bounded-adapters",
    short="bounded adapters stop GA+RT",
    statement="With adapters that bound how far a weight may move GA+RT stops: it forgets, what is kept stays near.",
    source="after arXiv:2509.24166",
    measure="log of GA+RT's retain distance at the end without a bound over that with |Δθ| < 0.1 (claimed > log 2; "
    "the weights level off, half of the forget distance is gone)",
    units=("logistic/bounded-*",),
    figure="field_bounded",
    judge=bounds_stop_ascent,
)

OF_ASCENT = tuple(
    claim
    for alpha in (1.0, 0.0)
    for claim in (
        Claim(
            id=f"descent-ascent-{alpha:g}",
            short=f"α = {alpha:g}: GA+RT ends farther from π_retr",
            statement=f"At α = {alpha:g} GA+RT (descent-ascent) ends farther from π_retr than the original model.",
            source="after arXiv:2509.26427",
            measure="log of ‖θ − θ_retr‖ at the end over that of π_ref (claimed > 0)",
            units=(f"logistic/methods-{alpha:g}-*",),
            figure="logistic_methods",
            judge=as_in_the_paper(alpha)(descent_ascent_ends_farther),
        ),
        Claim(
            id=f"npo-rt-nearer-{alpha:g}",
            short=f"α = {alpha:g}: NPO+RT ends nearer to π_retr",
            statement=f"At α = {alpha:g} NPO+RT ends nearer to the retrained model than the original was.",
            source="this project, after arXiv:2509.26427",
            measure="log of ‖θ − θ_retr‖ of π_ref over that at the end (> 0)",
            units=(f"logistic/methods-{alpha:g}-*",),
            figure="logistic_methods",
            judge=as_in_the_paper(alpha)(npo_with_retain_ends_nearer),
        ),
    )
)

CLAIMS = (BOUNDED, STAGES, *RECOVERY, *OF_ASCENT)
