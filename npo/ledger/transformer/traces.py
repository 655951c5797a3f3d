"""Sentences of other papers on what an unlearned transformer still shows: in drawn answers, elsewhere, and inside."""

from collections.abc import Callable

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided
from records.store import Data
from synthetic.transformer.field.components import METHODS

__all__ = ["CLAIMS", "leak_of"]

DRAWN = 128  # answers to a question
LEAKS = 0.1  # share of questions of which one of those leaks
TOLD = 0.9  # of single answers whose model is told
BACK = 0.9  # of the nats that relearning must have given back
COMPONENTS = ("transformer/components",)
TRACES = ("transformer/traces",)


def _data(results: Results) -> Data:
    (data,) = results.values()
    return data


def leak_of(logp: np.ndarray, k: int) -> np.ndarray:
    """Mean over questions (the last axis) of the chance that one of k drawn answers is the true one."""
    return np.asarray(-np.expm1(k * np.log1p(-np.exp(np.minimum(logp, -1e-12)))).mean(axis=-1))


def drawn_answers_leak(results: Results) -> Judgement:
    """leak@128 where first no greedy answer is the true one, the method's that leaks least."""
    data = _data(results)
    seeds = tuple(data.values["seeds"])
    found: dict[str, list[list[float]]] = {}
    for name in (*METHODS, "retrained"):
        greedy = [data.arrays[f"{name}-{seed}.greedy"] for seed in seeds]
        if name != "retrained" and not all((one == 0).any() for one in greedy):
            reason = f"{name}'s greedy answers leak to the end"
            return Judgement(NOT_TESTABLE, None, seeds=seeds, reason=reason)
        at = [int(np.argmax(one == 0)) for one in greedy]
        logp = [data.arrays[f"{name}-{seed}.logp"][i] for seed, i in zip(seeds, at, strict=True)]
        found[name] = [[float(leak_of(one, k)) for k in (1, DRAWN)] for one in logp]
    told = "; ".join(f"{name} {np.mean(x, axis=0)[0]:.2g} and {np.mean(x, axis=0)[1]:.2g}" for name, x in found.items())
    end = max(float(leak_of(data.arrays[f"{name}-{seed}.logp"][-1], DRAWN)) for name in METHODS for seed in seeds)
    least = np.min([[pair[1] for pair in found[name]] for name in METHODS], axis=0)
    reason = f"one answer and one of {DRAWN}: {told}; at the end one of {DRAWN} {end:.2g} at most"
    return decided(list(least), seeds, reason, least=LEAKS)


def told_by_an_answer(results: Results) -> Judgement:
    """How often one answer to a kept prompt tells NPO+RT's model from the finetuned one, by the best classifier."""
    data = _data(results)
    seeds = tuple(data.values["seeds"])
    found = {
        name: [[float(data.arrays[f"{name}-{seed}.told_{asked}"]) for seed in seeds] for asked in ("kept", "unseen")]
        for name in (*METHODS, "retrained")
    }
    told = "; ".join(f"{name} {np.mean(kept):.0%} and {np.mean(unseen):.0%}" for name, (kept, unseen) in found.items())
    return decided(found["NPO+RT"][0], seeds, f"kept prompts and unseen ones: {told}", least=TOLD)


def _pairs(data: Data, name: str) -> dict[str, np.ndarray]:
    """Dominant and minor of every method, (seeds, 2)."""
    return {m: np.array([data.arrays[f"{m}-{seed}.{name}"] for seed in data.values["seeds"]]) for m in METHODS}


def _of_components(results: Results, name: str, effect: Callable[[np.ndarray], np.ndarray], least: float) -> Judgement:
    data = _data(results)
    pairs, seeds = _pairs(data, name), tuple(data.values["seeds"])
    told = "; ".join(f"{m} {np.mean(x[:, 0]):.2f} and {np.mean(x[:, 1]):.2f}" for m, x in pairs.items())
    worst = np.min([effect(x) for x in pairs.values()], axis=0)
    return decided(list(worst), seeds, f"dominant and minor: {told}", least=least)


def moves_dominant(results: Results) -> Judgement:
    """The dominant directions' share of what unlearning changes; the method's with the least."""
    return _of_components(results, "moved", lambda x: x[:, 0], 0.5)


def leaves_minor(results: Results) -> Judgement:
    """log of the dominant directions' change over the minor ones', each beside what was there; the least method's."""
    return _of_components(results, "relative", lambda x: np.log(x[:, 0] / x[:, 1]), 0.0)


def takes_back_dominant(results: Results) -> Judgement:
    """log of what relearning leaves of the minor directions' change over that of the dominant; the least method's."""
    data = _data(results)
    back = [data.arrays[f"{m}-{s}.back"] / data.arrays[f"{m}-{s}.lost"] for m in METHODS for s in data.values["seeds"]]
    if min(back) < BACK:
        reason = f"relearning gave back {min(back):.0%} of the nats"
        return Judgement(NOT_TESTABLE, None, seeds=tuple(data.values["seeds"]), reason=reason)
    return _of_components(results, "left", lambda x: np.log(x[:, 1] / x[:, 0]), 0.0)


def _claim(
    name: str,
    short: str,
    statement: str,
    source: str,
    measure: str,
    *,
    units: tuple[str, ...],
    judge: Callable[[Results], Judgement],
) -> Claim:
    return Claim(
        id=name,
        short=short,
        statement=statement,
        source=f"after arXiv:{source}",
        measure=measure,
        units=units,
        figure="field_traces",
        judge=judge,
    )


CLAIMS = (
    _claim(
        "traces-drawn",
        "drawn answers leak where greedy ones don't",
        f"Where no greedy answer leaks any more, one of {DRAWN} drawn ones does, for a tenth of the questions.",
        "2511.04934",
        f"leak@{DRAWN}, where first no greedy answer is the true one, of the method that leaks least (claimed > "
        f"{LEAKS:g})",
        units=TRACES,
        judge=drawn_answers_leak,
    ),
    _claim(
        "traces-unrelated",
        "an answer to another prompt tells the model",
        "A single answer to a prompt that nobody wanted forgotten tells an unlearned model from the finetuned one.",
        "2506.14003",
        f"share of answers to kept prompts that the best possible classifier tells, of NPO+RT (claimed > {TOLD:g})",
        units=TRACES,
        judge=told_by_an_answer,
    ),
    _claim(
        "components-moved",
        "unlearning moves dominant directions most",
        "Most of what unlearning changes in hidden states is along their dominant directions.",
        "2605.11685",
        "the dominant directions' share of the change, of the method that has least (claimed > 1/2)",
        units=COMPONENTS,
        judge=moves_dominant,
    ),
    _claim(
        "components-minor-stay",
        "unlearning leaves minor directions as they are",
        "Unlearning leaves the minor directions of hidden states largely as they are.",
        "2605.11685",
        "log of the dominant directions' change over the minor ones', each over what was there (claimed > 0)",
        units=COMPONENTS,
        judge=leaves_minor,
    ),
    _claim(
        "components-minor-resist",
        "relearning takes minor directions back less",
        "Relearning takes back less of what unlearning changed along minor directions than along dominant ones.",
        "2605.11685",
        "log of the share that relearning leaves of the change, minor over dominant, of the method where it is least "
        "(claimed > 0)",
        units=COMPONENTS,
        judge=takes_back_dominant,
    ),
)
