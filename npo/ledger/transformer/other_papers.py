"""Sentences of other papers that a small transformer can decide: squeezing, NPO's weights, lengths, stages, mixing."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import kendalltau, spearmanr

from npo.ledger.judging.claim import FAILS, NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if, mean_with_interval
from npo.ledger.transformer import traces
from records.store import Data
from synthetic.readings import at_drop, at_retention
from synthetic.transformer.field import recovery, saturation, short_answers, weights

__all__ = ["CLAIMS"]

GONE, FAR = 1.0, 20.0  # nats a token that an answer has lost
NEAR_ONE = 0.9  # a mean weight that still counts as 1
ONE_PART_IN_FIVE = np.log(1.2)
RETAINED = 0.95  # of the reference's probability of kept answers
FORGOTTEN = 0.3  # probability of forget answers, a token
LOST = 1.1  # times the loss of the start that count as lost
AS_SAID = np.log(1.5)  # how far from the scalar law a ratio may be


def _data(results: Results) -> Data:
    (data,) = results.values()
    return data


def _seeds(data: Data) -> tuple[int, ...]:
    return tuple(data.values["seeds"])


def _short(values: Mapping[str, list[float]]) -> str:
    return ", ".join(f"{name} {np.mean(x):.2f}" for name, x in values.items())


# --- squeezing ----------------------------------------------------------------------------------------------------


def _shares(data: Data, kind: str, names: tuple[str, ...], wanted: float) -> dict[str, list[float]]:
    """Columns, seed by seed, where the answers have lost so many nats a token."""
    runs = [{name: data.arrays[f"{kind}-{seed}.{name}"] for name in ("drop", *names)} for seed in _seeds(data)]
    return {name: [at_drop(run["drop"], run[name], wanted) for run in runs] for name in names}


def _both_above_half(data: Data, kind: str, names: tuple[str, ...], wanted: float, words: str) -> Judgement:
    found = _shares(data, kind, names, wanted)
    least = np.min(list(found.values()), axis=0)
    if np.isnan(least).any():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason=f"not all lost {wanted:g} nats a token")
    return decided(list(least), _seeds(data), words.format(*(np.mean(x) for x in found.values())), least=0.5)


def unlikely_is_squeezed(results: Results) -> Judgement:
    """Of a negative gradient on an unlikely answer: the smaller of two shares, risen likeliest and fallen others."""
    words = "the likeliest other token rises at {:.0%} of positions, {:.0%} of the others fall"
    return _both_above_half(_data(results), "unlikely", ("argmax", "falling"), GONE, words)


def memorised_is_squeezed(results: Results) -> Judgement:
    """Of unlearning, where the answer was memorised: the smaller of these two shares."""
    words = "the likeliest other token rises at {:.0%} of positions, {:.0%} of the others fall"
    return _both_above_half(_data(results), "memorised", ("argmax", "falling"), GONE, words)


def likeliest_takes_all(results: Results) -> Judgement:
    """Far out: the share of the likeliest of the others, and how often it is the one that it was."""
    words = "one token has {:.0%} of the rest, at {:.0%} of positions the one that was likeliest"
    return _both_above_half(_data(results), "memorised", ("top", "same"), FAR, words)


# --- NPO's weights ------------------------------------------------------------------------------------------------


def _weights(data: Data, seed: int) -> np.ndarray:
    """W (steps, n)."""
    return np.asarray(2 / (1 + np.exp(weights.BETA * data.arrays[f"{seed}.drop"])))


def first_epoch_is_ascent(results: Results) -> Judgement:
    """NPO's mean weight over the first epoch."""
    data = _data(results)
    found, last, lost = [], [], []
    for seed in _seeds(data):
        w = _weights(data, seed)
        n = w.shape[1]
        found.append(float(w[:n].mean()))
        last.append(float(w[n].mean()))
        lost.append(float(data.arrays[f"{seed}.drop"][n].mean()))
    reason = f"{np.mean(last):.2f} after it, when {np.mean(lost):.1f} nats are lost"
    return decided(found, _seeds(data), reason, least=NEAR_ONE)


def known_weighs_less(results: Results) -> Judgement:
    """Minus the rank correlation of what was known of an answer with its mean weight."""
    data = _data(results)
    found = [
        -float(spearmanr(data.arrays[f"{seed}.known"], _weights(data, seed).mean(axis=0)).statistic)
        for seed in _seeds(data)
    ]
    return decided(found, _seeds(data), "the better known starts more slowly, as ∇log π is small where π is near 1")


# --- short answers ------------------------------------------------------------------------------------------------


def _end(data: Data, run: str, length: str, seed: int) -> float:
    return float(data.arrays[f"{run}-{seed}.{length}"][-1])


def short_are_forgotten_less(results: Results) -> Judgement:
    """Log of the drop a token of long answers over that of short ones, both in one forget set."""
    data = _data(results)
    short, long = ([_end(data, "both", length, seed) for seed in _seeds(data)] for length in ("short", "long"))
    tokens = short_answers.LENGTHS
    reason = f"nats a token: short {np.mean(short):.2f}, long {np.mean(long):.2f}; nats an answer: "
    reason += f"{tokens['short'] * np.mean(short):.0f} and {tokens['long'] * np.mean(long):.0f}"
    return decided(list(np.log(long) - np.log(short)), _seeds(data), reason)


def beta_counts_tokens(results: Results) -> Judgement:
    """Drop a token of short answers over long ones, each alone: at equal nβ, and at equal β."""
    data, beta = _data(results), short_answers.BETA
    ratios = {
        b: [_end(data, f"short-{b:g}", "short", s) / _end(data, f"long-{beta:g}", "long", s) for s in _seeds(data)]
        for b in (4 * beta, beta)
    }
    mean, interval = mean_with_interval(ratios[4 * beta])
    at_equal_beta = float(np.mean(ratios[beta]))
    holds = abs(mean - 1) < 0.2 and at_equal_beta > 1.5
    return Judgement(holds_if(holds), mean, interval, _seeds(data), f"at equal β {at_equal_beta:.2f}")


# --- the order of stages, mixing ------------------------------------------------------------------------------------


def order_of_stages_matters(results: Results) -> Judgement:
    """|log| of what kept answers lose, forget rows learnt first over last, where these have lost GONE nats a token."""
    data = _data(results)
    found = {}
    for name in ("GA", "NPO"):
        kept = {
            order: [
                at_drop(data.arrays[f"{name}-{order}-{s}.drop"], data.arrays[f"{name}-{order}-{s}.kept"], GONE)
                for s in _seeds(data)
            ]
            for order in ("first", "last")
        }
        found[name] = np.log(kept["first"]) - np.log(kept["last"])
    if np.isnan(found["GA"]).any():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason=f"not all lost {GONE:g} nats a token")
    sign = float(np.sign(found["GA"].mean()))
    reason = f"GA: {np.exp(found['GA'].mean()):.2f} times as much where they were learnt first"
    if not np.isnan(found["NPO"]).any():
        reason += f"; NPO: {np.exp(found['NPO'].mean()):.2f} times"
    return decided(list(sign * found["GA"]), _seeds(data), reason, least=ONE_PART_IN_FIVE)


def mixing_changes_the_order(results: Results) -> Judgement:
    """Kendall's τ between the order of methods at their ends and at equal retention, against that between seeds."""
    data = _data(results)
    names = sorted({key.rpartition("-")[0] for key in data.arrays})
    ends, equal = [], []
    for seed in _seeds(data):
        columns = {n: [data.arrays[f"{n}-{seed}.{side}"] for side in ("forget", "retain")] for n in names}
        ends.append([forget[-1] for forget, _ in columns.values()])
        equal.append([at_retention(forget, retain, RETAINED) for forget, retain in columns.values()])
    found = [float(kendalltau(a, b).statistic) for a, b in zip(ends, equal, strict=True)]
    if len(found) < 2:
        return Judgement(NOT_TESTABLE, found[0], seeds=_seeds(data), reason="one seed decides nothing")
    pairs = [(a, b) for i, a in enumerate(ends) for b in ends[:i]]
    between = float(np.mean([kendalltau(a, b).statistic for a, b in pairs]))
    best = [names[int(np.mean(x, axis=0).argmin())] for x in (ends, equal)]
    reason = f"between seeds {between:.2f}; forgets most: {best[0]} at the end, {best[1]} at equal retention"
    judged = decided([between - tau for tau in found], _seeds(data), reason)
    return Judgement(judged.verdict, *mean_with_interval(found), judged.seeds, judged.reason)


# --- weights of tokens, retention ---------------------------------------------------------------------------------


def _kept_where_forgotten(data: Data, weights_: str) -> list[float]:
    """Probability of kept answers where that of the forget answers has come down to FORGOTTEN."""
    runs = [[data.arrays[f"trade-{weights_}-{s}.{side}"] for side in ("forget", "retain")] for s in _seeds(data)]
    return [at_drop(1 - forget, retain, 1 - FORGOTTEN) for forget, retain in runs]


def saturation_keeps_more(results: Results) -> Judgement:
    """What saturation weights keep less what importance weights keep."""
    data = _data(results)
    kept = {name: _kept_where_forgotten(data, name) for name in ("saturation", "importance")}
    lead = np.subtract(kept["saturation"], kept["importance"])
    if np.isnan(lead).any():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason="not all forgot so much")
    return decided(list(lead), _seeds(data), _short(kept))


def both_keep_most(results: Results) -> Judgement:
    """What both weights together keep less what the better of them keeps alone; the better β₂ of both."""
    data = _data(results)
    kept = {name: _kept_where_forgotten(data, name) for name in saturation.WEIGHTS}
    together = max(("both", "both-0.1"), key=lambda name: float(np.mean(kept[name])))
    lead = np.subtract(kept[together], np.maximum(kept["saturation"], kept["importance"]))
    if np.isnan(lead).any():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason="not all forgot so much")
    return decided(list(lead), _seeds(data), _short(kept))


def importance_delays(results: Results) -> Judgement:
    """Steps until half of the tokens are below p = 1/2, β₂ = 1 over 0.1, over what the integral says."""
    data, found, law = _data(results), [], []
    short, long = (f"{beta2:g}" for beta2 in saturation.DELAYS)
    steps = np.log(np.maximum(data.arrays["escape-steps"], 1))
    for s in _seeds(data):
        waits = [at_drop(data.arrays[f"escape-{b}-{s}.gone"], steps, 0.5) for b in (short, long)]
        said = [float(data.arrays[f"escape-{b}-{s}.law"]) for b in (short, long)]
        found.append(waits[1] - waits[0])
        law.append(float(np.log(said[1] / said[0])))
    if np.isnan(found).any():
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(data), reason="half of the tokens stayed above 1/2")
    mean, interval = mean_with_interval([float(np.exp(a - b)) for a, b in zip(found, law, strict=True)])
    reason = f"measured {np.exp(np.mean(found)):.1f} times, the integral {np.exp(np.mean(law)):.1f} times"
    return Judgement(holds_if(abs(np.log(mean)) < AS_SAID), mean, interval, _seeds(data), reason)


def bounded_lets_recover(results: Results) -> Judgement:
    """Does the loss of kept answers rise under NPO+RT and come back, and under GA+RT end above its start?"""
    data = _data(results)
    losses = {m: [data.arrays[f"{m}-{s}.loss"] for s in _seeds(data)] for m in recovery.METHODS}
    ascent, bounded = (losses[m] for m in recovery.METHODS)
    back = [float(np.log(loss.max() / loss[-1])) for loss in bounded]
    rose = [float(loss.max() / loss[0]) for loss in bounded]
    above = [float(loss[-1] / loss[0]) for loss in ascent]
    reason = f"under NPO+RT the loss rises to {np.mean(rose):.2f} times its start and ends at "
    reason += f"{np.mean([x[-1] / x[0] for x in bounded]):.2f} times; under GA+RT at {min(above):.3g} times at least"
    judged = decided(back, _seeds(data), reason, least=float(np.log(LOST)))
    if min(rose) < LOST:
        return Judgement(NOT_TESTABLE, judged.effect, judged.interval, judged.seeds, f"little was lost: {reason}")
    verdict = judged.verdict if min(above) > 1 else FAILS
    return Judgement(verdict, judged.effect, judged.interval, judged.seeds, judged.reason)


_SQUEEZING = "after arXiv:2407.10490 and arXiv:2510.19422"
_SIMNPO = "after arXiv:2410.07163"
_SATIMP = "after arXiv:2505.11953"

CLAIMS = (
    Claim(
        id="squeezing-unlikely",
        short="a pushed-down unlikely answer feeds the top one",
        statement="A negative gradient on an unlikely answer raises the likeliest other token; most others fall.",
        source=_SQUEEZING,
        measure="the smaller share, of risen likeliest and of fallen other tokens, at 1 nat a token (claimed > 1/2)",
        units=("transformer/squeezing",),
        figure="field_squeezing",
        judge=unlikely_is_squeezed,
    ),
    Claim(
        id="squeezing-memorised",
        short="so does unlearning a memorised answer",
        statement="So it is in unlearning, where the answer that is pushed down was memorised.",
        source=_SQUEEZING,
        measure="the smaller share, of risen likeliest and of fallen other tokens, at 1 nat a token (claimed > 1/2)",
        units=("transformer/squeezing",),
        figure="field_squeezing",
        judge=memorised_is_squeezed,
    ),
    Claim(
        id="squeezing-end",
        short="the likeliest other token takes all in the end",
        statement="Far out nearly all probability is on one token, the one that was likeliest beside the answer.",
        source=_SQUEEZING,
        measure="the smaller of the likeliest token's share of the rest and of how often it is that one, at 20 nats "
        "a token under gradient ascent (claimed > 1/2)",
        units=("transformer/squeezing",),
        figure="field_squeezing",
        judge=likeliest_takes_all,
    ),
    Claim(
        id="npo-first-epoch",
        short="NPO's weights are 1 in the first epoch",
        statement="At β = 0.1 NPO's weights are nearly 1 during the first epoch, so that it begins as gradient ascent.",
        source=_SIMNPO,
        measure=f"mean weight over the steps of the first epoch of ten, AdamW (claimed 1; > {NEAR_ONE:g} counts)",
        units=("transformer/weights",),
        figure="field_lengths",
        judge=first_epoch_is_ascent,
    ),
    Claim(
        id="npo-weights-known",
        short="NPO weighs what is known better less",
        statement="NPO gives the answers that the reference knows better smaller weights.",
        source=_SIMNPO,
        measure="−rank correlation of log π_ref a token with the mean weight over five epochs (claimed > 0)",
        units=("transformer/weights",),
        figure="field_lengths",
        judge=known_weighs_less,
    ),
    Claim(
        id="npo-short-answers",
        short="NPO forgets short answers less",
        statement="Of a forget set with answers of 5 and of 20 tokens NPO forgets the short ones less.",
        source=_SIMNPO,
        measure="log of the drop a token of long over short answers at the end (claimed > 0)",
        units=("transformer/short-answers",),
        figure="field_lengths",
        judge=short_are_forgotten_less,
    ),
    Claim(
        id="npo-beta-of-a-token",
        short="a token feels nβ",
        statement="Each token of an answer of n tokens is slowed down by nβ: at equal nβ drops a token are equal.",
        source="this project, of NPO's weight on whole answers",
        measure="drop a token of 5-token answers over 20-token ones at equal nβ (predicted 1 ± 0.2; > 1.5 at equal β)",
        units=("transformer/short-answers",),
        figure="field_lengths",
        judge=beta_counts_tokens,
    ),
    Claim(
        id="stages-order",
        short="the order of training stages matters",
        statement="The order of the stages in which the same rows were learnt changes what GA costs by a fifth.",
        source="after arXiv:2510.16629",
        measure="|log ratio| of what kept answers lose under GA, forget rows learnt first over last, at 1 nat a token "
        "(claimed > log 1.2)",
        units=("transformer/stages",),
        figure="field_mixing",
        judge=order_of_stages_matters,
    ),
    Claim(
        id="mixing-order",
        short="at equal retention methods' order is another",
        statement="Mixed with the reference to equal retention, the methods come in another order.",
        source="after arXiv:2406.09179",
        measure=f"Kendall's τ of the methods' forgetting at their ends and at {RETAINED:.0%} retention (claimed below "
        "that between seeds)",
        units=("transformer/mixing",),
        figure="field_mixing",
        judge=mixing_changes_the_order,
    ),
    Claim(
        id="saturation-over-importance",
        short="saturation weights beat importance weights",
        statement="Weights that follow saturation (p⁵) keep more than weights that follow importance (1 − p).",
        source=_SATIMP,
        measure=f"lead in probability of kept answers where forget answers are down to {FORGOTTEN:g} (claimed > 0)",
        units=("transformer/saturation",),
        figure="field_weights",
        judge=saturation_keeps_more,
    ),
    Claim(
        id="saturation-and-importance",
        short="both kinds of weights together keep most",
        statement="Both kinds of weights multiplied keep more than either alone.",
        source=_SATIMP,
        measure=f"lead over the better one in probability of kept answers where forget answers are down to "
        f"{FORGOTTEN:g}, for the better β₂ of 0.1 and 1 (claimed > 0)",
        units=("transformer/saturation",),
        figure="field_weights",
        judge=both_keep_most,
    ),
    Claim(
        id="importance-delays",
        short="a factor (1 − p) delays forgetting, as computed",
        statement="A factor 1 − p in the weight delays the forgetting of confident tokens as the scalar integral says.",
        source="this project, of arXiv:2505.11953",
        measure="steps until half of the tokens have p < 1/2, β₂ = 1 over 0.1, over the integral's ratio (predicted 1, "
        "within a factor 1.5)",
        units=("transformer/saturation",),
        figure="field_weights",
        judge=importance_delays,
    ),
    Claim(
        id="bounded-recovers",
        short="kept rows recover from NPO+RT, not from GA+RT",
        statement="A retain term wins back what it lost against NPO, which is bounded; against GA it goes on losing.",
        source="this project: overlap with a retain row",
        measure="log of the kept answers' largest loss over that at the end of NPO+RT, plain descent (predicted > "
        "log 1.1, and GA+RT to end above its start)",
        units=("transformer/recovery",),
        figure="field_weights",
        judge=bounded_lets_recover,
    ),
    *traces.CLAIMS,
)
