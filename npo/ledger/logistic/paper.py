"""Claims of Section 4 and Appendix B.1 of arXiv:2404.05868, on the logistic problem at α = 1 and α = 0.

What they say of divergence over decades of steps is in `logistic_divergence`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from npo.ledger.judging.claim import FAILS, HOLDS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if, mean_with_interval
from synthetic.logistic.fronts import RETAIN_LIMIT, areas

__all__ = ["CLAIMS", "Arrays", "as_in_the_paper", "runs_by_seed"]

Arrays = Mapping[str, np.ndarray]
PAPER = ("GA", "GA+RT", "IDK+RT", "DPO+RT", "NPO", "NPO+RT")  # the methods of Figure 4
UNBOUNDED, BOUNDED = ("GA", "GA+RT"), ("NPO+RT", "DPO+RT")
NEAR = 0.005  # nats of forget distance that count as having unlearned
WITHIN = 1200  # steps
DIVERGES, LEVEL = 2.0, 1.5  # growth over the second half of the steps
AS_ONE = 0.1  # in the logarithm: distances that differ by less are called equal


def runs_by_seed(results: Results) -> dict[int, Arrays]:
    """The arrays by seed."""
    return {int(data.values["seed"]): data.arrays for _, data in sorted(results.items())}


def as_in_the_paper(alpha: float) -> Callable[[Callable[[Results], Judgement]], Callable[[Results], Judgement]]:
    """Section 4 speaks of one α and of models fitted for 20,000 steps; other data does not test its sentences."""

    def decorate(judge: Callable[[Results], Judgement]) -> Callable[[Results], Judgement]:
        def judged(results: Results) -> Judgement:
            values = next(iter(results.values())).values
            wanted = {"alpha": alpha, "fit_steps": 20_000, "steps": 2000}
            other = [f"{k} = {values[k]:g}, not {v:g}" for k, v in wanted.items() if values[k] != v]
            return Judgement(NOT_TESTABLE, None, reason="; ".join(other)) if other else judge(results)

        return judged

    return decorate


# --- Figure 3 ---------------------------------------------------------------------------------------------------


def limit_is_ga(results: Results) -> Judgement:
    """The distance between NPO's and GA's trajectories shrinks with β; the effect is its exponent in β."""
    values = next(iter(results.values())).values
    betas = np.array(sorted(values["betas"]))
    if len(betas) < 3:
        return Judgement(NOT_TESTABLE, None, reason="an exponent needs three β")
    exponents, monotone, runs = [], True, runs_by_seed(results)
    for a in runs.values():
        early = a["GA.steps"] <= 1000
        path = {b: a[f"NPO-{b:g}.reference_distance"] - a["GA.reference_distance"] for b in betas}
        gaps = np.array([np.abs(path[b][early]).max() for b in betas])
        exponents.append(float(np.polyfit(np.log(betas[:3]), np.log(gaps[:3]), 1)[0]))
        monotone &= bool(np.all(np.diff(gaps) > 0))
    mean, interval = mean_with_interval(exponents)
    low = interval[0] if interval else mean
    reason = "" if monotone else "not monotone in β"
    return Judgement(holds_if(monotone and low > 0.5), mean, interval, tuple(runs), reason)


# --- Figure 4 (a) -----------------------------------------------------------------------------------------------


def forget_distance_is_reached(results: Results) -> Judgement:
    """All methods but IDK+RT come below NEAR within WITHIN steps, in the mean over seeds."""
    runs = runs_by_seed(results)
    least = {
        m: [float(a[f"{m}.forget_distance"][a[f"{m}.steps"] <= WITHIN].min()) for a in runs.values()] for m in PAPER
    }
    others = [m for m in PAPER if m != "IDK+RT"]
    worst = max(others, key=lambda m: np.mean(least[m]))
    mean, interval = mean_with_interval(least[worst])
    reached = [m for m in others if np.mean(least[m]) < NEAR]
    some = sum(max(least[m][i] for m in others) < NEAR for i in range(len(runs)))
    reason = f"worst: {worst}; {', '.join(reached) or 'none'} reach it; all five in {some} of {len(runs)} seeds"
    holds = reached == others and np.mean(least["IDK+RT"]) >= NEAR
    return Judgement(holds_if(bool(holds)), mean, interval, tuple(runs), reason)


def retain_distances_part(results: Results) -> Judgement:
    """Growth of the retain distance from half-way to the end: above DIVERGES for GA, GA+RT, below LEVEL for the others.

    Between the two nothing is said.
    """
    runs = runs_by_seed(results)

    def growth(arrays: Arrays, m: str) -> float:
        path = arrays[f"{m}.retain_distance"]
        return float(path[-1] / path[len(path) // 2])

    diverging = [min(growth(a, m) for m in UNBOUNDED) for a in runs.values()]
    levelling = [max(growth(a, m) for m in BOUNDED) for a in runs.values()]
    mean, interval = mean_with_interval([d / s for d, s in zip(diverging, levelling, strict=True)])
    reason = f"growth {min(diverging):.2f} at least against {max(levelling):.2f} at most"
    if min(diverging) > DIVERGES and max(levelling) < LEVEL:
        return Judgement(HOLDS, mean, interval, tuple(runs), reason)
    wrong = max(levelling) > DIVERGES or min(diverging) < LEVEL
    return Judgement(FAILS if wrong else NOT_TESTABLE, mean, interval, tuple(runs), reason)


def _lead(results: Results, champion: str, rivals: Sequence[str]) -> Judgement:
    """Does the champion's Pareto front dominate a larger share of the box than the best rival's? Paired over seeds."""
    runs = runs_by_seed(results)
    area = {m: areas(list(runs.values()), m) for m in (champion, *rivals)}
    best = np.max([area[m] for m in rivals], axis=0)
    nearest = sorted({max(rivals, key=lambda m: area[m][i]) for i in range(len(runs))})
    return decided(list(area[champion] - best), list(runs), f"nearest rival: {', '.join(nearest)}")


def best_of_all(results: Results) -> Judgement:
    """NPO+RT against the other five methods."""
    return _lead(results, "NPO+RT", [m for m in PAPER if m != "NPO+RT"])


def best_without_retain_data(results: Results) -> Judgement:
    """NPO against GA, the retain-free methods of Figure 4."""
    return _lead(results, "NPO", ("GA",))


def best_of_all_without_retain_data(results: Results) -> Judgement:
    """NPO against GA, DPO and KTO, all the retain-free methods."""
    return _lead(results, "NPO", ("GA", "DPO", "KTO"))


# --- Figure 4 (b) -----------------------------------------------------------------------------------------------


def distances_are_equal(results: Results) -> Judgement:
    """At α = 0 log(retain distance / forget distance) at each method's best is 0, within AS_ONE."""
    runs = runs_by_seed(results)

    def ratios(m: str) -> list[float]:
        best = [int(a[f"{m}.forget_distance"].argmin()) for a in runs.values()]
        return [
            float(np.log(a[f"{m}.retain_distance"][k] / a[f"{m}.forget_distance"][k]))
            for k, a in zip(best, runs.values(), strict=True)
        ]

    worst = max(PAPER, key=lambda m: abs(np.mean(ratios(m))))
    mean, interval = mean_with_interval(ratios(worst))
    return Judgement(holds_if(abs(mean) < AS_ONE), mean, interval, tuple(runs), f"furthest from 0: {worst}")


def smallest_distance(results: Results) -> Judgement:
    """At α = 0 NPO+RT comes nearest to π_retr: log₁₀ of the best rival's least distance over its own."""
    runs = runs_by_seed(results)
    least = {m: np.array([a[f"{m}.forget_distance"].min() for a in runs.values()]) for m in PAPER}
    rivals = [m for m in PAPER if m != "NPO+RT"]
    best = np.min([least[m] for m in rivals], axis=0)
    nearest = sorted({min(rivals, key=lambda m: least[m][i]) for i in range(len(runs))})
    lead = np.log10(best / least["NPO+RT"])
    reason = f"nearest rival: {', '.join(nearest)}; NPO+RT {least['NPO+RT'].mean():.3g} nats, it {best.mean():.3g}"
    return decided(list(lead), list(runs), reason)


# --- Figure 9 ---------------------------------------------------------------------------------------------------


def forget_kl_is_moderate(results: Results) -> Judgement:
    """GA and GA+RT end above, IDK+RT ends below the forget KL where NPO+RT is best; the smallest log₂ ratio."""
    runs = runs_by_seed(results)
    found = []
    for a in runs.values():
        best = int((a["NPO+RT.forget_distance"] + a["NPO+RT.retain_distance"]).argmin())
        moderate = a["NPO+RT.forget_kl"][best]
        above = [a[f"{m}.forget_kl"][-1] / moderate for m in UNBOUNDED]
        found.append(float(np.log2(min(*above, moderate / a["IDK+RT.forget_kl"][-1]))))
    return decided(found, list(runs), "best: least sum of both distances")


_AT_1, _AT_0 = ("logistic/methods-1-*",), ("logistic/methods-0-*",)
_PAPER = "arXiv:2404.05868, Sec. 4.2"
_SHARE = f"lead in hypervolume as a share of the box (π_ref's forget distance × {RETAIN_LIMIT:g} nat; predicted > 0)"

CLAIMS = (
    Claim(
        id="logistic-limit",
        short="NPO's path tends to GA's as β → 0",
        statement="In the logistic model NPO's trajectory tends to GA's as β → 0.",
        source="arXiv:2404.05868, Fig. 3",
        measure="exponent in β of the largest gap in ‖θ − θ_ref‖ within 1000 steps, β ≤ 0.2 (first order: 1)",
        units=("logistic/figure3-*",),
        figure="logistic_beta_sweep",
        judge=as_in_the_paper(1.0)(limit_is_ga),
    ),
    Claim(
        id="logistic-forget",
        short="five methods reach a forget distance of 0.005",
        statement=f"At α = 1 all methods but IDK+RT reach a forget distance below {NEAR} within {WITHIN} steps.",
        source=_PAPER,
        measure="least forget distance of the worst of the five methods, mean over seeds (claimed < 0.005 nats)",
        units=_AT_1,
        figure="logistic_methods",
        judge=as_in_the_paper(1.0)(forget_distance_is_reached),
    ),
    Claim(
        id="logistic-retain",
        short="retain distance: GA diverges, NPO+RT levels off",
        statement="The retain distances of GA and GA+RT diverge, those of NPO+RT and DPO+RT level off.",
        source=_PAPER,
        measure="late growth of the retain distance: least of GA, GA+RT (> 2) over most of NPO+RT, DPO+RT (< 1.5)",
        units=_AT_1,
        figure="logistic_methods",
        judge=as_in_the_paper(1.0)(retain_distances_part),
    ),
    Claim(
        id="logistic-pareto",
        short="NPO+RT has the best Pareto front of six methods",
        statement="NPO+RT has the best Pareto front of the six methods.",
        source=_PAPER,
        measure=_SHARE,
        units=_AT_1,
        figure="logistic_fronts",
        judge=as_in_the_paper(1.0)(best_of_all),
    ),
    Claim(
        id="logistic-retain-free",
        short="NPO's front beats GA's, both without retain data",
        statement="NPO has the best Pareto front of the methods without retain data in the paper's figure, GA and NPO.",
        source=_PAPER,
        measure=_SHARE,
        units=_AT_1,
        figure="logistic_fronts",
        judge=as_in_the_paper(1.0)(best_without_retain_data),
    ),
    Claim(
        id="logistic-retain-free-all",
        short="NPO has the best front without retain data",
        statement="NPO has the best Pareto front of all methods without retain data: GA, DPO, KTO and NPO.",
        source="this project, extending arXiv:2404.05868, Sec. 4.2",
        measure=_SHARE,
        units=_AT_1,
        figure="logistic_fronts",
        judge=as_in_the_paper(1.0)(best_of_all_without_retain_data),
    ),
    Claim(
        id="logistic-overlap",
        short="at α = 0 forget and retain distance are equal",
        statement="At α = 0, where inputs are alike, forget and retain distance are equal.",
        source="arXiv:2404.05868, Fig. 4 (b)",
        measure="log(retain / forget distance) at a method's best, for the method furthest from 0 (claimed 0)",
        units=_AT_0,
        figure="logistic_methods",
        judge=as_in_the_paper(0.0)(distances_are_equal),
    ),
    Claim(
        id="logistic-overlap-best",
        short="at α = 0 NPO+RT comes nearest to π_retr",
        statement="At α = 0 NPO+RT attains the smallest distance of the six methods.",
        source=_PAPER,
        measure="log₁₀ of the best rival's least distance over that of NPO+RT (predicted > 0)",
        units=_AT_0,
        figure="logistic_methods",
        judge=as_in_the_paper(0.0)(smallest_distance),
    ),
    Claim(
        id="logistic-forget-kl",
        short="unlearning is best at a moderate forget KL",
        statement="Unlearning is best at a moderate forget KL: GA and GA+RT end above it, IDK+RT below.",
        source="arXiv:2404.05868, App. B.1",
        measure="least log₂ ratio of final forget KLs to NPO+RT's at its best: GA and GA+RT over it, it over IDK+RT",
        units=_AT_1,
        figure="logistic_forget_kl",
        judge=as_in_the_paper(1.0)(forget_kl_is_moderate),
    ),
)
