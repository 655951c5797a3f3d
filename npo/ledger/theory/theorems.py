"""Claims about the theorems themselves, on built instances."""

import numpy as np

from npo.ledger.judging.claim import Claim, Judgement, Results
from npo.ledger.judging.statistics import JudgedPath, holds_if, judge_singles
from theory.theorems.time.paths import from_arrays, labels_of

__all__ = ["CLAIMS"]

ROUNDING = 1e-12


def _pair(x: np.ndarray) -> tuple[float, float]:
    return float(x[1]), float(x[2])


def _seeds(results: Results) -> tuple[int, ...]:
    return (int(next(iter(results.values())).values["seed"]),)


def proposition_1(results: Results) -> Judgement:
    """Both gaps under their bounds at every β, first order in β, and they are the gaps of the kernels themselves."""
    a = results["theory/proposition-1"].arrays
    inside = a["loss_slack"] >= -ROUNDING and a["weight_slack"] >= -ROUNDING and a["off_the_kernels"] < 1e-9
    holds = holds_if(bool(inside and abs(a["rate"][0] - 1) < 1e-3))
    return Judgement(holds, a["rate"][0], _pair(a["rate"]), _seeds(results))


def ga_is_linear(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows as t to the power 1."""
    a = results["theory/theorem-2"].arrays
    holds = holds_if(bool(a["GA.slack"] >= -ROUNDING and abs(a["GA.growth"][0] - 1) < 0.02))
    return Judgement(holds, a["GA.growth"][0], _pair(a["GA.growth"]), _seeds(results))


def npo_is_logarithmic(results: Results) -> Judgement:
    """Inside Theorem 2's bounds, and the margin grows by 1/β a unit of log t."""
    a = results["theory/theorem-2"].arrays
    scaled = a["NPO.growth"] * a["beta"]
    holds = holds_if(bool(a["NPO.slack"] >= -ROUNDING) and abs(scaled[0] - 1) < 0.02)
    return Judgement(holds, scaled[0], _pair(scaled), _seeds(results))


def exponentially_slower(results: Results) -> Judgement:
    """GA's steps are a line in m, NPO's an exponential at rate β, and descent needs as many as the exact flow.

    The effect is the ratio rate/β for the β where it is furthest from 1.
    """
    a = results["theory/exponential-slowdown"].arrays
    m, ga = a["margins"], a["GA.steps"]
    late = m >= m[-1] / 2
    line = np.polyfit(m[late], ga[late], 1)
    straight = abs(line[0] * a["lr"] - 1) < 0.01 and np.abs(np.polyval(line, m[late]) / ga[late] - 1).max() < 0.01
    ratios = [a[f"NPO-{beta:g}.rate"] / beta for beta in a["betas"]]
    worst = max(ratios, key=lambda r: abs(r[0] - 1))
    agree = max(
        float(np.nanmax(np.abs(a[f"{label}.steps_of_descent"] / a[f"{label}.steps"] - 1)))
        for label in ("GA", *(f"NPO-{beta:g}" for beta in a["betas"]))
    )
    holds = holds_if(bool(straight) and abs(worst[0] - 1) < 0.02 and agree < 0.05)
    reason = f"descent needs as many steps as the flow within {agree:.1%}"
    return Judgement(holds, worst[0], _pair(worst), _seeds(results), reason)


def one_curve(results: Results) -> Judgement:
    """Every model and β inside the law's discretisation bounds."""
    a = results["theory/intrinsic-time"].arrays

    def run(label: str) -> JudgedPath:
        beta = float(label.rsplit(", ", 1)[1])
        return JudgedPath(from_arrays(a, label).times(beta or 1.0), beta == 0, float(a["step"]))

    return judge_singles(map(run, labels_of(a)), _seeds(results))


def one_example_ends_there(results: Results) -> Judgement:
    """Within the bounds of the descent's steps; the effect is the largest distance from a wanted drop, as its share."""
    a = results["theory/chosen-beta"].arrays
    labels = ("linear, confidence 2", "tanh network")
    far = max(float(np.abs(a[f"{label}.drop"] / a["wanted"] - 1).max()) for label in labels)
    inside = all(a[f"{label}.slack"] >= -ROUNDING for label in labels)
    return Judgement(holds_if(inside), far, seeds=_seeds(results))


def a_set_ends_near(results: Results) -> Judgement:
    """The remainder accounts for the set's end; the effect is how far the plain rule misses, without it."""
    a = results["theory/chosen-beta"].arrays
    far = float(np.abs(a["set.predicted"] / a["wanted"] - 1).max())
    inside = bool(a["set.slack"] >= -ROUNDING)
    reason = "the steps of the descent come on top: " + f"{float((a['set.drop'] / a['set.predicted'] - 1).max()):.1%}"
    return Judgement(holds_if(inside and far < 0.1), far, seeds=_seeds(results), reason=reason)


def adam_has_its_own_beta(results: Results) -> Judgement:
    """The effect is the largest distance from a wanted drop under Adam, as its share; the plain law's is the reason."""
    a = results["theory/adam-law"].arrays
    far, plain = (
        float(np.abs(a[f"coordinate.{k}"] / a["coordinate.wanted"] - 1).max()) for k in ("drop", "plain_drop")
    )
    holds = holds_if(bool(a["coordinate.slack"] >= -1e-10) and far < 1e-6 and plain > 0.1)
    return Judgement(holds, far, seeds=_seeds(results), reason=f"the plain law's β is off by {plain:.0%}")


def a_probe_tells_adam_s_beta(results: Results) -> Judgement:
    """A set of a network: told only the speeds of gradient ascent, Adam's law is within a fifth, the plain is not."""
    a = results["theory/adam-law"].arrays
    far, plain = (float(np.abs(a[f"network.{k}"] / a["network.wanted"] - 1).max()) for k in ("drop", "plain_drop"))
    reason = f"the plain law's β is off by {plain:.0%}"
    return Judgement(holds_if(far < 0.2 and plain > 2 * far), far, seeds=_seeds(results), reason=reason)


def adam_is_three_halves(results: Results) -> Judgement:
    """The slope in log t and the constant within memory, and a speed that no learning rate changes beyond it."""
    a = results["theory/adam-law"].arrays
    late = a["law.late_speed"] / (-np.log(0.999) / 2)
    within = abs(a["law.slope"][0] - 1.5) < 0.01 and abs(a["law.constant"]) < 0.01
    holds = holds_if(bool(within and np.abs(late - 1).max() < 0.05))
    reason = f"beyond it {late.min():.3f} to {late.max():.3f} of the speed −log β₂/(2β)"
    return Judgement(holds, a["law.slope"][0], _pair(a["law.slope"]), _seeds(results), reason)


CLAIMS = (
    Claim(
        id="proposition-1",
        short="NPO tends to GA as β → 0, at first order",
        statement="As β → 0, NPO's loss (less a constant) and gradient tend to gradient ascent's, at first order in β.",
        source="arXiv:2404.05868, Proposition 1; rate: theory/theorems/paper/ga_limit.py",
        measure="fitted exponent of the loss gap in β, β ≤ 1e-3 (predicted 1)",
        units=("theory/proposition-1",),
        figure="proposition_1",
        judge=proposition_1,
    ),
    Claim(
        id="theorem-2-ga",
        short="GA's margin grows linearly in t",
        statement="On a nearly orthogonal forget set GA's margin grows linearly in t, between C₁η₀t and C₂η₀t.",
        source="arXiv:2404.05868, Theorem 2; constants: theory/theorems/paper/divergence.py",
        measure="fitted power of t in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=ga_is_linear,
    ),
    Claim(
        id="theorem-2-npo",
        short="NPO's margin grows logarithmically in t",
        statement="NPO's margin grows logarithmically, between (1/β) log(1 + C_a η₀t) and (1/β) log(1 + C_b η₀t).",
        source="arXiv:2404.05868, Theorem 2; constants: theory/theorems/paper/divergence.py",
        measure="β × growth of the margin a unit of log t, in the last two decades of steps (predicted 1)",
        units=("theory/theorem-2",),
        figure="theorem_2",
        judge=npo_is_logarithmic,
    ),
    Claim(
        id="exponentially-slower",
        short="steps to a margin m: m for GA, exp(βm) for NPO",
        statement="The steps to a margin m grow linearly in m for GA and as exp(βm) for NPO.",
        source="arXiv:2404.05868, Sec. 3 (the reading of Theorem 2); exact flow: theory/theorems/time/flows.py",
        measure="rate of log(steps) in m, over β, for the β where it is furthest from 1 (predicted 1)",
        units=("theory/exponential-slowdown",),
        figure="steps_to_margin",
        judge=exponentially_slower,
    ),
    Claim(
        id="intrinsic-time-theory",
        short="one example alone keeps to the curve",
        statement="One example alone unlearns along one parameter-free curve in intrinsic time, for any β and model.",
        source="this project: theory/theorems/time/intrinsic_time.py",
        measure="largest distance from the curve in βu, 3 models (an identity of the flow: 0, to the descent's step)",
        units=("theory/intrinsic-time",),
        figure="one_curve",
        judge=one_curve,
    ),
    Claim(
        id="chosen-beta",
        short="the β chosen for a drop ends there",
        statement="With a budget of T nats of descent, the β of log((e^x − 1)/x) = log(2T/u − 1), β = x/u, ends at u.",
        source="this project: theory/theorems/beta/chosen_beta.py",
        measure="largest |drop/wanted − 1|, 2 models, 4 drops (an identity of the flow: 0, to the descent's step)",
        units=("theory/chosen-beta",),
        figure="chosen_beta",
        judge=one_example_ends_there,
    ),
    Claim(
        id="chosen-beta-set",
        short="a set's remainder says how far β misses",
        statement="A set of a small network ends within a tenth of the mean drop that its β was chosen for, and its "
        "remainder accounts for the distance.",
        source="this project: theory/theorems/beta/wanted_drops.py",
        measure="largest |mean drop/wanted − 1| that the remainders predict, 4 drops (0: one weight for all)",
        units=("theory/chosen-beta",),
        figure="chosen_beta",
        judge=a_set_ends_near,
    ),
    Claim(
        id="beta-under-adam",
        short="Adam asks for a β of its own",
        statement="Under Adam the β of Adam's own law ends at the wanted drop, the β of the plain law does not.",
        source="this project: theory/theorems/beta/adam_clock.py",
        measure="largest |drop/wanted − 1| of torch's Adam in one coordinate (predicted 0)",
        units=("theory/adam-law",),
        figure="chosen_beta",
        judge=adam_has_its_own_beta,
    ),
    Claim(
        id="beta-by-probe",
        short="a run of GA tells Adam's law the speeds",
        statement="Told the speeds of one run of gradient ascent under Adam, the law chooses β for a network's forget "
        "set to within a fifth of the wanted drop.",
        source="this project: theory/theorems/beta/adam_in_torch.py",
        measure="largest |mean drop/wanted − 1|, 3 drops (predicted 0)",
        units=("theory/adam-law",),
        figure="chosen_beta",
        judge=a_probe_tells_adam_s_beta,
    ),
    Claim(
        id="adam-three-halves",
        short="under Adam NPO's drop is 3/(2β) log t",
        statement="Within 1/(1 − β₂) steps of Adam NPO's drop in one coordinate grows as (3/2β) log t, and beyond them "
        "at a constant speed, whatever the learning rate.",
        source="this project: theory/theorems/beta/adam_clock.py",
        measure="slope of βu in log t within Adam's memory (predicted 1.5)",
        units=("theory/adam-law",),
        figure="chosen_beta",
        judge=adam_is_three_halves,
    ),
)
