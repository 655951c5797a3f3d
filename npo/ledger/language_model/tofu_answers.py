"""Claims of Section 5 of arXiv:2404.05868 on all rows of the real TOFU: how far models move, and what they answer.

On the kept runs of `npo.ledger.language_model.tofu_scratch`. KL is measured after every epoch, answers at the end.
"""

import numpy as np

from npo.ledger.judging.claim import Judgement, Results
from npo.ledger.judging.statistics import akaike
from npo.ledger.language_model.forget_sets import RULE, BySet, by_set, end, judged
from npo.ledger.language_model.tofu_scratch import tofu_claim
from records.examined import moments_of
from records.store import Data

__all__ = ["CLAIMS"]

MOST = 0.5  # share of answers from which a model is said to answer so
FEW = 0.2  # share of answers up to which it is not
AS_WRONG = 0.1  # of ROUGE-L recall above the retrained model's up to which an answer is as wrong as its own


def _growth(data: Data) -> tuple[float, float]:
    """How much worse a line in t, and one in log t, fits the forget KL by step: Akaike's criterion a point."""
    moments = [m for m in moments_of(data.values) if m.step and m.scores.get("forget_kl") is not None]
    t, kl = np.array([m.step for m in moments], dtype=float), np.array([m.scores["forget_kl"] for m in moments])
    return akaike(t, kl) / len(t), akaike(np.log(t), kl) / len(t)


def kl_of_ga(results: Results) -> Judgement:
    """ΔAIC a point of GA's forget KL, logarithm less line."""

    def lead(data: Data) -> float:
        linear, logarithmic = _growth(data)
        return logarithmic - linear

    return judged(by_set(results, "GA", lead), lambda x: x > 0, high=False)


def kl_of_npo(results: Results) -> Judgement:
    """ΔAIC a point of NPO's forget KL, line less logarithm."""

    def lead(data: Data) -> float:
        linear, logarithmic = _growth(data)
        return linear - logarithmic

    return judged(by_set(results, "NPO", lead), lambda x: x > 0, high=False)


def npo_moves_less(results: Results) -> Judgement:
    """log(KL of GA / KL of NPO) on forget answers at the end, seed by seed."""
    ga, npo = (by_set(results, method, lambda data: end(data, "forget_kl")) for method in ("GA", "NPO"))
    logs = {
        name: {seed: float(np.log(ga[name][seed] / x)) for seed, x in values.items() if seed in ga.get(name, {})}
        for name, values in npo.items()
    }
    return judged(logs, lambda x: x > 0, high=False)


def ga_is_gibberish(results: Results) -> Judgement:
    """The share of degenerate answers of GA."""
    return judged(_wrecked(results, "GA"), lambda x: x > MOST, high=False)


def idk_refuses(results: Results) -> Judgement:
    """The share of refusals among IDK+RT's answers to forget questions."""
    numbers = by_set(results, "IDK+RT", lambda data: float(data.values.get("refusals") or 0.0))
    return judged(numbers, lambda x: x > MOST, high=False)


def npo_rt_is_fluent(results: Results) -> Judgement:
    """The share of degenerate answers and refusals of NPO+RT at the rule's β, the paper's beside it."""
    numbers = {label: _not_fluent(results, label) for label in (RULE, "NPO+RT")}
    first = RULE if numbers[RULE] else "NPO+RT"
    return judged(numbers[first], lambda x: x <= FEW, high=True, more=_paper(numbers["NPO+RT"]))


def npo_rt_is_wrong(results: Results) -> Judgement:
    """ROUGE-L recall of NPO+RT's answers against the truth, less that of the retrained model's."""

    def more(data: Data) -> float:
        return end(data, "forget_rouge") - float(data.values["retrained"].get("forget_rouge") or 0.0)

    numbers = {label: by_set(results, label, more) for label in (RULE, "NPO+RT")}
    first = RULE if numbers[RULE] else "NPO+RT"
    return judged(numbers[first], lambda x: x <= AS_WRONG, high=True, more=_paper(numbers["NPO+RT"]))


def most_wrecked(results: Results) -> Judgement:
    """GA+RT's share of degenerate answers less that of NPO+RT at the rule's β, seed by seed."""
    ga, label = _wrecked(results, "GA+RT"), RULE if _wrecked(results, RULE) else "NPO+RT"
    npo = _wrecked(results, label)
    less = {
        s: {seed: ga[s][seed] - x for seed, x in values.items() if seed in ga.get(s, {})} for s, values in npo.items()
    }
    return judged(less, lambda x: x > 0, high=False)


def _wrecked(results: Results, label: str) -> BySet:
    return by_set(results, label, lambda data: end(data, "forget_degenerate"))


def _not_fluent(results: Results, label: str) -> BySet:
    return by_set(results, label, lambda d: end(d, "forget_degenerate") + float(d.values.get("refusals") or 0.0))


def _paper(numbers: BySet) -> str:
    told = ", ".join(f"{name} {np.mean(list(values.values())):.2g}" for name, values in numbers.items())
    return f"at the paper's β: {told}" if told else ""


CLAIMS = (
    tofu_claim(
        "kl-ga",
        short="under gradient ascent the forget KL is linear",
        statement="Under gradient ascent the KL to the reference on forget answers grows linearly with the steps.",
        measure="ΔAIC a point, a line in log t less a line in t, over epochs, the least (claimed > 0)",
        judge=kl_of_ga,
        methods=("GA",),
    ),
    tofu_claim(
        "kl-npo",
        short="under NPO the forget KL is logarithmic",
        statement="Under NPO the KL to the reference on forget answers grows like the logarithm of the steps.",
        measure="ΔAIC a point, a line in t less a line in log t, over epochs, the least (claimed > 0)",
        judge=kl_of_npo,
        methods=("NPO",),
    ),
    tofu_claim(
        "npo-moves-less",
        short="NPO moves less far from the reference than GA",
        statement="NPO moves the model less far from the reference than gradient ascent in as many steps.",
        measure="log(KL of GA / KL of NPO) on forget answers at the end, the least (claimed > 0)",
        judge=npo_moves_less,
        methods=("GA", "NPO"),
    ),
    tofu_claim(
        "ga-gibberish",
        short="gradient ascent answers gibberish",
        statement="After gradient ascent answers to forget questions are gibberish: empty, or mostly repetition.",
        measure=f"share of degenerate forget answers, the least (claimed > {MOST})",
        judge=ga_is_gibberish,
        methods=("GA",),
    ),
    tofu_claim(
        "idk-refuses",
        short="IDK+RT refuses to answer",
        statement="After IDK+RT most answers to forget questions are refusals.",
        measure=f"share of forget answers that begin as an “I don't know” answer does, the least (claimed > {MOST})",
        judge=idk_refuses,
        methods=("IDK+RT",),
    ),
    tofu_claim(
        "npo-rt-fluent",
        short="NPO+RT answers fluently",
        statement="After NPO+RT, at the β that the rule chooses, answers to forget questions are no gibberish, and no "
        "refusals.",
        measure=f"share of degenerate forget answers and refusals, the most (claimed ≤ {FEW})",
        judge=npo_rt_is_fluent,
        methods=("NPO+RT*",),
    ),
    tofu_claim(
        "npo-rt-wrong",
        short="NPO+RT's answers are as wrong as the retrained's",
        statement="After NPO+RT, at the β that the rule chooses, answers are as far from the truth as the retrained "
        "model's.",
        measure=f"ROUGE-L recall less the retrained model's, the most (claimed ≤ {AS_WRONG})",
        judge=npo_rt_is_wrong,
        methods=("NPO+RT*",),
    ),
    tofu_claim(
        "npo-rt-readable",
        short="NPO+RT wrecks fewer answers than GA+RT",
        statement="NPO+RT, at the β that the rule chooses, wrecks fewer answers to forget questions than GA+RT does.",
        measure="share of degenerate forget answers, GA+RT's less NPO+RT's, the least (claimed > 0)",
        judge=most_wrecked,
        methods=("GA+RT", "NPO+RT*"),
    ),
)
