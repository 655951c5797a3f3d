"""Claims on the law in the logistic room: on the curve alone, off it together, and the margin law."""

from collections.abc import Iterator, Sequence

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import JudgedPath, holds_if, judge_sets, judge_singles, mean_with_interval, seed_of
from records.store import Data
from synthetic.logistic.law import has_settled
from theory.theorems.time.paths import from_arrays

__all__ = ["CLAIMS"]

SMALL_BETA, SMALL_NOISE = 1.0, 0.2  # up to here the rarer label rises


def _seed(results: Results) -> tuple[int, ...]:
    return (int(next(iter(results.values())).values["seed"]),)


def _seeds(results: Results) -> tuple[int, ...]:
    return tuple(map(seed_of, sorted(results)))


def one_curve(results: Results) -> Judgement:
    """Every example alone stays within the law's discretisation bounds."""
    data = results["logistic/law"]
    runs = [(f"single-{beta:g}-{i}", beta) for beta in data.values["betas"] for i in data.values["examples"]]

    def run(label: str, beta: float) -> JudgedPath:
        return JudgedPath(from_arrays(data.arrays, label).times(beta or 1.0), beta == 0, data.values["step"])

    return judge_singles((run(label, beta) for label, beta in runs), _seed(results))


def remainder_accounts(results: Results) -> Judgement:
    """The forget set leaves the curve, and the exact remainder says by how much."""
    data = results["logistic/law"]

    def run(beta: float) -> JudgedPath:
        return JudgedPath(from_arrays(data.arrays, f"set-{beta:g}").times(beta), False, data.values["set_step"])

    return judge_sets((run(beta) for beta in data.values["set_betas"]), _seed(results))


def first_order_in_the_step(results: Results) -> Judgement:
    """Plain gradient descent of one example ends O(η) from the curve; the exponent in η, mean over examples and β."""
    exponents = []
    for _, data in sorted(results.items()):
        step = np.log(data.arrays["step"])
        gaps = [gap for key, gap in data.arrays.items() if key != "step"]
        exponents.append(float(np.mean([np.polyfit(step[-3:], np.log(gap[-3:]), 1)[0] for gap in gaps])))
    mean, interval = mean_with_interval(exponents)
    return Judgement(holds_if(abs(mean - 1) < 0.1), mean, interval, _seeds(results))


def _cases(data: Data) -> Iterator[tuple[str, float]]:
    """The label of every departure and its β."""
    v = data.values
    yield from ((f"{a:g}-{n:g}-{b:g}", b) for a in v["alphas"] for n in v["noises"] for b in v["betas"])


def _excess(data: Data, noises: Sequence[float]) -> list[float]:
    """Share of the examples that rise less the share of the rarer label, for β ≤ SMALL_BETA."""
    v = data.values
    labels = [f"{a:g}-{n:g}-{b:g}" for a in v["alphas"] for n in noises for b in v["betas"] if b <= SMALL_BETA]
    return [float(data.arrays[f"{x}.rising"][-1] - data.arrays[f"{x}.minority"]) for x in labels]


def law_fails_for_sets(results: Results) -> Judgement:
    """The error of curve and clock in β × mean drop, largest β against smallest; the remainder leaves nothing."""
    errors: dict[str, list[float]] = {"first": [], "last": []}
    left = 0.0
    for _, data in sorted(results.items()):
        betas = data.values["betas"]
        if len(betas) < 2:
            return Judgement(NOT_TESTABLE, None, reason="a comparison needs two β")
        off: dict[float, list[float]] = {b: [] for b in betas}
        for label, beta in _cases(data):
            drop, law, exact = (beta * float(data.arrays[f"{label}.{k}"][-1]) for k in ("drop", "law", "exact"))
            off[beta].append(abs(drop - law) / (1 + abs(drop)))
            left = max(left, abs(drop - exact) / (1 + abs(drop)))
        errors["first"].append(float(np.mean(off[min(betas)])))
        errors["last"].append(float(np.mean(off[max(betas)])))
    growth = [float(np.log10(b / a)) for a, b in zip(errors["first"], errors["last"], strict=True)]
    mean, interval = mean_with_interval(growth)
    reason = (
        f"error {np.mean(errors['first']):.2g} at the smallest β, {np.mean(errors['last']):.2g} at the largest; "
        f"with the remainder {left:.2g} at most"
    )
    return Judgement(holds_if(min(growth) > 0 and left < 0.05), mean, interval, _seeds(results), reason)


def rarer_label_rises(results: Results) -> Judgement:
    """Share of the examples with u < 0 at the end less the share of the rarer label, for β and noise that are small."""
    per_seed, all_of_them, noisier = [], [], []
    for _, data in sorted(results.items()):
        noises = data.values["noises"]
        gaps = _excess(data, [n for n in noises if n <= SMALL_NOISE])
        if not gaps:
            return Judgement(NOT_TESTABLE, None, reason=f"no β ≤ {SMALL_BETA:g} with noise ≤ {SMALL_NOISE:g}")
        per_seed.append(float(np.mean(gaps)))
        all_of_them += gaps
        noisier += _excess(data, [n for n in noises if n > SMALL_NOISE])
    mean, interval = mean_with_interval(per_seed)
    reason = f"{len(all_of_them)} runs, between {min(all_of_them):.3f} and {max(all_of_them):.3f}"
    if noisier:
        reason += f"; with more noise between {min(noisier):.3f} and {max(noisier):.3f}"
    return Judgement(holds_if(max(map(abs, all_of_them)) < 0.02), mean, interval, _seeds(results), reason)


def margin_law(results: Results) -> Judgement:
    """Slope through the origin of the late rates β du/d log t against the relative margins, over a seed's examples.

    The law is that of late times, so runs count whose rates have settled: they are those of the decade before.
    """
    slopes, off, one, unsettled, given_up, total = [], [], [], 0, 0, 0
    for _, data in sorted(results.items()):
        kept = [b for b in data.values["betas"] if has_settled(data, f"{b:g}")]
        unsettled += len(data.values["betas"]) - len(kept)
        if not kept:
            continue
        margin, rate = (np.concatenate([data.arrays[f"{b:g}.{name}"] for b in kept]) for name in ("margin", "rate"))
        there = np.isfinite(margin)
        given_up, total = given_up + int(np.sum(~there)), total + len(margin)
        slopes.append(float(margin[there] @ rate[there] / (margin[there] @ margin[there])))
        off.append(float(np.sqrt(np.mean((rate[there] - margin[there]) ** 2))))
        one.append(float(np.sqrt(np.mean((rate[there] - 1) ** 2))))
    if not slopes:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="no run has settled")
    mean, interval = mean_with_interval(slopes)
    reason = (
        f"rms distance of the rates {np.mean(off):.3f} from the margins, {np.mean(one):.3f} from 1; "
        f"{given_up} of {total} examples are given up (they rise); {unsettled} runs have not settled"
    )
    holds = abs(mean - 1) < 0.05 and np.mean(off) < 0.5 * np.mean(one)
    return Judgement(holds_if(bool(holds)), mean, interval, _seeds(results), reason)


_OURS = "this project: synthetic/logistic/departure.py"

CLAIMS = (
    Claim(
        id="intrinsic-time-logistic",
        short="one example alone keeps to the curve",
        statement="One forget example of the logistic problem alone unlearns along the curve, for every β.",
        source="this project: theory/theorems/time/intrinsic_time.py",
        measure="largest distance from the curve in βu (an identity of the flow: 0, to the descent's step)",
        units=("logistic/law",),
        figure="one_curve",
        judge=one_curve,
    ),
    Claim(
        id="intrinsic-time-order",
        short="plain descent keeps to the curve to O(η)",
        statement="Plain gradient descent on one example keeps to the curve to O(η).",
        source="this project: theory/theorems/time/intrinsic_time.py",
        measure="exponent in η of the distance from the curve at βu = 3 (predicted 1)",
        units=("logistic/order-*",),
        figure="logistic_law",
        judge=first_order_in_the_step,
    ),
    Claim(
        id="remainder-logistic",
        short="a set leaves the curve by the exact remainder",
        statement="A set of 200 correlated points leaves the curve, by the exact remainder of unequal weights.",
        source="this project: theory/theorems/time/intrinsic_time.py",
        measure="largest gap of βF(u) to βT + β·remainder, over 1 + βF (an identity of the flow: 0, to the step)",
        units=("logistic/law",),
        figure="one_curve",
        judge=remainder_accounts,
    ),
    Claim(
        id="departure-logistic",
        short="the larger β, the further a set leaves the curve",
        statement="The larger β, the further 200 correlated points leave the curve; the remainder accounts for it.",
        source=_OURS,
        measure="log₁₀ of the law's error in the mean drop, over 1 + β × drop: largest β over smallest (predicted > 0)",
        units=("logistic/departure-*",),
        figure="logistic_law",
        judge=law_fails_for_sets,
    ),
    Claim(
        id="rarer-label-logistic",
        short="only the rarer label's examples grow likelier",
        statement="For β ≤ 1 and up to 20 % label noise NPO makes just the examples of the rarer label likelier.",
        source=_OURS,
        measure="share of forget examples with u < 0 less the share of the rarer label (predicted 0)",
        units=("logistic/departure-*",),
        figure="logistic_law",
        judge=rarer_label_rises,
    ),
    Claim(
        id="margin-logistic",
        short="late rates of unlearning are the margins",
        statement="Correlated points that are not given up unlearn at rates β du/d log t = their margins, not 1.",
        source=_OURS,
        measure="slope of the late rates against margin_i / smallest margin, of 20 points, to t = 10¹² (predicted 1)",
        units=("logistic/margin-*",),
        figure="logistic_law",
        judge=margin_law,
    ),
)
