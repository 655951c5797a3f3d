"""Claims on the rule for β, in the logistic model and in the small transformer: one probe, the law, the wanted drop."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if, mean_with_interval
from synthetic.chosen_beta import by_setting, ending_at, of_descent

__all__ = ["CLAIMS"]

Array = np.ndarray
OfSeed = Mapping[str, Array]
NEAR = 0.2  # of the wanted drop
FACTOR = 2.0  # between values of β that serve each other's purpose
TOKENS = {"NPO+RT, 2 tokens": 2, "NPO+RT": 5, "NPO+RT, 10 tokens": 10}


def _seeds(results: Results) -> tuple[int, ...]:
    return tuple(next(iter(results.values())).values["seeds"])


def _ends(columns: OfSeed, look: int = -1) -> float:
    """βu* at which a run ends at u* by this look, by the sweep."""
    return ending_at(columns["multiple"], columns["drop"][look], float(columns["wanted"]))


def _each(by: Mapping[str, Sequence[float]], form: str = ".2f") -> str:
    """Means over seeds, setting by setting."""
    return ", ".join(f"{np.mean(values):{form}} {label}" for label, values in by.items())


def rule_ends_there(results: Results) -> Judgement:
    """Is the run at the rule's β within NEAR of u* in every setting? The effect is the mean of the worst setting."""
    ratios = {
        label: [float(c["tried_drop"][-1] / c["wanted"]) for c in seeds] for label, seeds in by_setting(results).items()
    }
    short = [label for label, values in ratios.items() if not np.isfinite(values).all()]
    if short:
        reason = f"the probe of {', '.join(short)} says that no β gets to u* in these steps"
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason=reason)
    off = {label: [abs(x - 1) for x in values] for label, values in ratios.items()}
    worst = max(off.values(), key=lambda values: float(np.mean(values)))
    mean, interval = mean_with_interval(worst)
    reason = f"final drop over u*, mean over seeds: {_each(ratios)}"
    return Judgement(holds_if(mean < NEAR), mean, interval, _seeds(results), reason)


def one_constant(results: Results) -> Judgement:
    """Largest over smallest βu* that ends at u*, over settings and budgets: a half of the steps, and all."""
    ends = {
        f"{label}{'' if look == -1 else ', half the steps'}": [_ends(c, look) for c in seeds]
        for look in (-1, -2)
        for label, seeds in by_setting(results).items()
    }
    known = {label: values for label, values in ends.items() if np.isfinite(values).all()}
    if len(known) < 2:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="fewer than two settings get to u*")
    table = np.log(list(known.values()))
    spread, interval = mean_with_interval(list(table.max(axis=0) - table.min(axis=0)))
    reason = f"βu* that ends at u*, mean over seeds: {_each(known, '.1f')}"
    if len(known) < len(ends):
        reason += f"; no β of the sweep ends there: {', '.join(sorted(ends.keys() - known.keys()))}"
    ratio = float(np.exp(spread))
    bounds = None if interval is None else (float(np.exp(interval[0])), float(np.exp(interval[1])))
    return Judgement(holds_if(ratio < FACTOR), ratio, bounds, _seeds(results), reason)


def nearest_is_the_rule_s(results: Results) -> Judgement:
    """The β of least distance to the retrained model over the rule's, of the setting where it is furthest from 1."""
    apart, told = dict[str, list[float]](), list[str]()
    for label, seeds in by_setting(results).items():
        chosen = [float(c["chosen"][-1]) for c in seeds]
        if not np.isfinite(chosen).all():
            continue
        least = [float(c["multiple"][np.nanargmin(c["forget_distance"][-1])]) for c in seeds]
        apart[label] = [float(np.log(a / b)) for a, b in zip(least, chosen, strict=True)]
        there, best, before = (
            np.mean([float(value(c)) for c in seeds])
            for value in (lambda c: c["tried_forget_distance"][-1], _least_distance, lambda c: c["before"])
        )
        told.append(f"{label} {np.exp(np.mean(apart[label])):.2f} ({there:.2g}, {best:.2g}, {before:.2g} nats)")
    if not apart:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="no β gets to u* in these steps")
    mean, interval = mean_with_interval(max(apart.values(), key=lambda values: abs(float(np.mean(values)))))
    bounds = None if interval is None else (float(np.exp(interval[0])), float(np.exp(interval[1])))
    reason = f"ratio by setting (distance at the rule's β, the least, π_ref's): {'; '.join(told)}"
    return Judgement(holds_if(abs(mean) < np.log(FACTOR)), float(np.exp(mean)), bounds, _seeds(results), reason)


def _least_distance(columns: OfSeed) -> float:
    return float(np.nanmin(columns["forget_distance"][-1]))


def adam_has_its_own_law(results: Results) -> Judgement:
    """Error of the plain law over that of Adam's, told by the same probes: mean |log predicted/measured| over β."""
    ratios, told = [], []
    for c in by_setting(results)["NPO+RT, AdamW"]:
        beta, drop = c["multiple"] / c["wanted"], c["drop"][-1]
        probe = len(beta) // 2
        plain = of_descent(float(beta[probe]), float(drop[probe]), int(c["steps"][-1]))
        errors = [float(np.abs(np.log(p / drop)).mean()) for p in (np.vectorize(plain.drop)(beta), c["predicted"][-1])]
        told.append(errors)
        ratios.append(errors[0] / errors[1])
    mean, interval = mean_with_interval(ratios)
    plainly, own = np.mean(told, axis=0)
    reason = f"mean |log| error {own:.2f} by Adam's law, {plainly:.2f} by the plain law"
    return Judgement(holds_if(min(ratios) > 1), mean, interval, _seeds(results), reason)


def beta_goes_with_length(results: Results) -> Judgement:
    """Exponent of the β that ends at u* in the tokens of an answer, over 2, 5 and 10 of them."""
    found = by_setting(results)
    betas = {n: [_ends(c) / float(c["wanted"]) for c in found[label]] for label, n in TOKENS.items()}
    if not np.isfinite(list(betas.values())).all():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="no β of the sweep ends at u*")
    lengths = np.log(list(betas))
    powers = [float(np.polyfit(lengths, np.log(values), 1)[0]) for values in zip(*betas.values(), strict=True)]
    mean, interval = mean_with_interval(powers)
    reason = "β that ends at u*: " + ", ".join(f"{np.mean(v):.2g} for {n} tokens" for n, v in betas.items())
    return Judgement(holds_if(abs(mean + 1) < NEAR), mean, interval, _seeds(results), reason)


_RULE, _ADAM = "this project: theory/theorems/beta/chosen_beta.py", "this project: theory/theorems/beta/adam_clock.py"


def _claim(
    room: str, about: str, source: str, judge: Callable[[Results], Judgement], words: tuple[str, str, str]
) -> Claim:
    """A claim on the sweeps of a room; `words` are its short form, its statement and its measure."""
    short, statement, measure = words
    return Claim(
        id=f"beta-{about}-{room}",
        short=short,
        statement=statement,
        source=source,
        measure=measure,
        units=(f"{room}/beta-*",),
        figure="swept_beta",
        judge=judge,
    )


def _of_room(room: str, where: str) -> tuple[Claim, ...]:
    ends = (
        "the rule's β ends at the wanted drop",
        f"In {where} the β that the law picks by one probe at βu* = 3 ends within 20 % of the wanted drop u*.",
        "|u/u* − 1| at the rule's β, of the setting that is worst (predicted 0)",
    )
    constant = (
        "one constant β u* serves all settings",
        f"In {where} one constant β u* ends at u*, whatever the setting and the budget.",
        "largest over smallest βu* that ends at u*, over settings, all the steps and half of them (1; holds below 2)",
    )
    nearest = (
        "the rule's β is nearest to retraining",
        f"In {where} the β whose forget distance to the retrained model is least is the rule's within a factor 2.",
        "β of least E KL(π_retr ‖ π_θ) over the rule's, of the setting where it is furthest from 1 (predicted 1)",
    )
    adam = (
        "Adam's own law beats the plain one under AdamW",
        f"In {where} under AdamW Adam's own law, told by one probe, says the drops at all β better than the plain law.",
        "mean |log predicted/measured| of the plain law over that of Adam's (predicted > 1 in every seed)",
    )
    return (
        _claim(room, "ends", _RULE, rule_ends_there, ends),
        _claim(room, "constant", _RULE, one_constant, constant),
        _claim(room, "nearest", _RULE, nearest_is_the_rule_s, nearest),
        _claim(room, "adam", _ADAM, adam_has_its_own_law, adam),
    )


_LENGTH = (
    "β goes as one over the answer's length",
    "The β that ends at u* goes as one over the length of the answers: per token it is one β.",
    "exponent of that β in the tokens of an answer, 2 to 10 (predicted −1)",
)

CLAIMS = (
    *_of_room("logistic", "the logistic model"),
    *_of_room("transformer", "the small transformer"),
    _claim("transformer", "length", _RULE, beta_goes_with_length, _LENGTH),
)
