"""Claims of Section 4 of arXiv:2404.05868, on the logistic problem at α = 1."""

from collections.abc import Callable, Mapping

import numpy as np

from npo.claims.claim import (
    FAILS,
    HOLDS,
    NOT_TESTABLE,
    Claim,
    Judgement,
    OffCurve,
    OnCurve,
    Results,
    holds_if,
    judge_sets,
    judge_singles,
    mean_with_interval,
    misfit,
    seed_of,
)

__all__ = ["CLAIMS", "hypervolume"]

Arrays = Mapping[str, np.ndarray]
UNBOUNDED, BOUNDED = ("GA", "GA+RT"), ("NPO+RT", "DPO+RT")
NEAR = 0.005  # nats of forget distance that count as having unlearned
WITHIN = 1200  # steps
DIVERGES, LEVEL = 2.0, 1.5  # growth over the second half of the steps
RETAIN_LIMIT = 1.0  # nats of retain distance at the hypervolume's reference point


def _runs(results: Results) -> dict[int, Arrays]:
    """Figure 4's arrays by seed."""
    return {seed_of(name): results[name].arrays for name in sorted(results) if "figure4" in name}


def _as_in_the_paper(judge: Callable[[Results], Judgement]) -> Callable[[Results], Judgement]:
    """The sentences of Section 4 are about α = 1 and models fitted for 20,000 steps; other data does not test them."""

    def judged(results: Results) -> Judgement:
        values = next(iter(results.values())).values
        wanted = {"alpha": 1.0, "fit_steps": 20_000, "steps": 2000}
        other = [f"{k} = {values[k]:g}, not {v:g}" for k, v in wanted.items() if values[k] != v]
        return Judgement(NOT_TESTABLE, None, reason="; ".join(other)) if other else judge(results)

    return judged


def _seed(results: Results) -> tuple[int, ...]:
    return (int(next(iter(results.values())).values["seed"]),)


def limit_is_ga(results: Results) -> Judgement:
    """The distance between NPO's and GA's trajectories shrinks with β; the effect is its exponent in β."""
    a = results["logistic/figure3"].arrays
    betas = np.array(sorted(results["logistic/figure3"].values["betas"]))
    if len(betas) < 3:
        return Judgement(NOT_TESTABLE, None, seeds=_seed(results), reason="an exponent needs three β")
    early = a["GA.steps"] <= 1000
    gaps = np.array(
        [np.abs(a[f"NPO-{b:g}.reference_distance"] - a["GA.reference_distance"])[early].max() for b in betas]
    )
    exponent = float(np.polyfit(np.log(betas[:3]), np.log(gaps[:3]), 1)[0])
    shrinks = bool(np.all(np.diff(gaps) > 0))
    reason = "" if shrinks else "not monotone in β"
    return Judgement(holds_if(shrinks and exponent > 0.5), exponent, seeds=_seed(results), reason=reason)


def forget_distance_is_reached(results: Results) -> Judgement:
    """All methods but IDK+RT come below NEAR within WITHIN steps, in the mean over seeds."""
    runs = _runs(results)
    methods = [key.removesuffix(".steps") for key in next(iter(runs.values())) if key.endswith(".steps")]
    least = {
        m: [float(a[f"{m}.forget_distance"][a[f"{m}.steps"] <= WITHIN].min()) for a in runs.values()] for m in methods
    }
    worst = max((m for m in methods if m != "IDK+RT"), key=lambda m: np.mean(least[m]))
    mean, interval = mean_with_interval(least[worst])
    all_reach = all(np.mean(least[m]) < NEAR for m in methods if m != "IDK+RT")
    idk_does_not = np.mean(least["IDK+RT"]) >= NEAR
    some = sum(max(least[m][i] for m in methods if m != "IDK+RT") < NEAR for i in range(len(runs)))
    reason = f"worst: {worst}; all five methods reach it in {some} of {len(runs)} seeds"
    return Judgement(holds_if(bool(all_reach and idk_does_not)), mean, interval, tuple(runs), reason)


def retain_distances_part(results: Results) -> Judgement:
    """Growth of the retain distance from half-way to the end: above DIVERGES for GA, GA+RT, below LEVEL for the others.

    Between the two nothing is said.
    """
    runs = _runs(results)

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


def hypervolume(forget: np.ndarray, retain: np.ndarray, corner: tuple[float, float]) -> float:
    """Area dominated by a path below the corner (forget, retain), both distances to be small.

    The path is joined by straight lines, so that fast and slow methods, which are evaluated after equally many steps,
    are treated alike.

    >>> round(hypervolume(np.array([2.0, 0.0]), np.array([0.0, 0.0]), (2.0, 1.0)), 3)
    2.0
    """
    at = np.linspace(0, len(forget) - 1, 50 * (len(forget) - 1) + 1)
    f, r = (np.interp(at, np.arange(len(x)), x) for x in (forget, retain))
    inside = (f <= corner[0]) & (r <= corner[1])
    order = np.argsort(f[inside])
    f, r = f[inside][order], np.minimum.accumulate(r[inside][order])
    return float(np.sum(np.diff(np.append(f, corner[0])) * (corner[1] - r)))


def _best_front(results: Results, champion: str, rivals: tuple[str, ...]) -> Judgement:
    """Does the champion's Pareto front dominate more area than the best rival's? Paired over seeds."""
    runs = _runs(results)
    leads, names = [], []
    for arrays in runs.values():
        corner = (float(arrays["GA.forget_distance"][0]), RETAIN_LIMIT)
        area = {
            m: hypervolume(arrays[f"{m}.forget_distance"], arrays[f"{m}.retain_distance"], corner)
            for m in (champion, *rivals)
        }
        best = max(rivals, key=lambda m: area[m])
        leads.append(area[champion] - area[best])
        names.append(best)
    mean, interval = mean_with_interval(leads)
    reason = f"nearest rival: {', '.join(sorted(set(names)))}"
    if interval is None:
        return Judgement(NOT_TESTABLE, mean, None, tuple(runs), f"{reason}; one seed decides nothing")
    verdict = HOLDS if interval[0] > 0 else FAILS if interval[1] < 0 else NOT_TESTABLE
    if verdict == NOT_TESTABLE:
        reason += f"; {len(runs)} seeds can't tell them apart"
    return Judgement(verdict, mean, interval, tuple(runs), reason)


def best_of_all(results: Results) -> Judgement:
    """NPO+RT against the other five methods."""
    return _best_front(results, "NPO+RT", ("GA", "GA+RT", "IDK+RT", "NPO", "DPO+RT"))


def best_without_retain_data(results: Results) -> Judgement:
    """NPO against GA, the retain-free methods of Figure 4."""
    return _best_front(results, "NPO", ("GA",))


def linear_against_logarithmic(results: Results) -> Judgement:
    """‖θ − θ_ref‖ in the last 90 % of the steps: a line fits GA better, a line in log t fits NPO better (β ≥ 0.1)."""
    data = results["logistic/figure3"]
    margins = []
    for label in ["GA"] + [f"NPO-{b:g}" for b in data.values["betas"] if b >= 0.1]:
        steps, path = data.arrays[f"{label}.steps"], data.arrays[f"{label}.reference_distance"]
        late = steps >= 0.1 * steps[-1]
        off = {"linear": misfit(steps[late], path[late]), "logarithmic": misfit(np.log(steps[late]), path[late])}
        right, wrong = ("linear", "logarithmic") if label == "GA" else ("logarithmic", "linear")
        margins.append(float(np.log10(off[wrong] / off[right])))
    return Judgement(holds_if(min(margins) > 0), min(margins), seeds=_seed(results))


def one_curve(results: Results) -> Judgement:
    """Every example alone stays within the law's discretisation bounds."""
    data = results["logistic/law"]
    runs = [(f"single-{beta:g}-{i}", beta) for beta in data.values["betas"] for i in data.values["examples"]]

    def columns(label: str, beta: float) -> OnCurve:
        scale = beta or 1.0
        time, drop = (scale * data.arrays[f"{label}.{name}"] for name in ("clock", "drop"))
        return OnCurve(time, drop, beta == 0, data.values["step"])

    return judge_singles((columns(label, beta) for label, beta in runs), _seed(results))


def remainder_accounts(results: Results) -> Judgement:
    """The forget set leaves the curve, and the exact remainder says by how much."""
    data = results["logistic/law"]

    def end(beta: float) -> OffCurve:
        parts = (data.arrays[f"set-{beta:g}.{k}"][-1].astype(np.float64) for k in ("clock", "drop", "remainder"))
        clock, drop, rest = (beta * part for part in parts)
        return OffCurve(clock, drop, rest, data.values["set_step"])

    return judge_sets((end(beta) for beta in data.values["set_betas"]), _seed(results))


_FIGURE_4 = ("logistic/figure4-*",)
_PAPER = "arXiv:2404.05868, Sec. 4.2"

CLAIMS = (
    Claim(
        id="logistic-limit",
        statement="In the logistic model NPO's trajectory tends to GA's as β → 0.",
        source="arXiv:2404.05868, Fig. 3",
        measure="exponent in β of the largest gap in ‖θ − θ_ref‖ within 1000 steps, β ≤ 0.2 (first order: 1)",
        units=("logistic/figure3",),
        figure="logistic_beta_sweep",
        judge=_as_in_the_paper(limit_is_ga),
    ),
    Claim(
        id="logistic-divergence",
        statement="The distance from the reference grows linearly in t for GA, logarithmically for NPO with β ≥ 0.1.",
        source="arXiv:2404.05868, Sec. 3 and Fig. 3",
        measure="smallest log₁₀ ratio of residual variance, wrong form of growth over right form (predicted > 0)",
        units=("logistic/figure3",),
        figure="logistic_beta_sweep",
        judge=_as_in_the_paper(linear_against_logarithmic),
    ),
    Claim(
        id="logistic-forget",
        statement=f"At α = 1 all methods but IDK+RT reach a forget distance below {NEAR} within {WITHIN} steps.",
        source=_PAPER,
        measure="least forget distance of the worst of the five methods, mean over seeds (claimed < 0.005 nats)",
        units=_FIGURE_4,
        figure="logistic_methods",
        judge=_as_in_the_paper(forget_distance_is_reached),
    ),
    Claim(
        id="logistic-retain",
        statement="The retain distances of GA and GA+RT diverge, those of NPO+RT and DPO+RT level off.",
        source=_PAPER,
        measure="late growth of the retain distance: least of GA, GA+RT (> 2) over most of NPO+RT, DPO+RT (< 1.5)",
        units=_FIGURE_4,
        figure="logistic_methods",
        judge=_as_in_the_paper(retain_distances_part),
    ),
    Claim(
        id="logistic-pareto",
        statement="NPO+RT has the best Pareto front of the six methods.",
        source=_PAPER,
        measure="lead in hypervolume over the best rival, nats² (predicted > 0)",
        units=_FIGURE_4,
        figure="logistic_methods",
        judge=_as_in_the_paper(best_of_all),
    ),
    Claim(
        id="logistic-retain-free",
        statement="NPO has the best Pareto front of the methods without retain data (here: against GA).",
        source=_PAPER,
        measure="lead in hypervolume over GA, nats² (predicted > 0)",
        units=_FIGURE_4,
        figure="logistic_methods",
        judge=_as_in_the_paper(best_without_retain_data),
    ),
    Claim(
        id="intrinsic-time-logistic",
        statement="One forget example of the logistic problem alone unlearns along the curve, for every β.",
        source="this project: theory/intrinsic_time.py",
        measure="largest distance from the curve in βu (an identity of the flow: 0, to the descent's step)",
        units=("logistic/law",),
        figure="one_curve",
        judge=one_curve,
    ),
    Claim(
        id="remainder-logistic",
        statement="A set of 200 correlated points leaves the curve, by the exact remainder of unequal weights.",
        source="this project: theory/intrinsic_time.py",
        measure="largest gap of βF(u) to βT + β·remainder, over 1 + βF (an identity of the flow: 0, to the step)",
        units=("logistic/law",),
        figure="one_curve",
        judge=remainder_accounts,
    ),
)
