"""Claims about the methods on a small language: what kinds of answers are left, and what sharing people costs."""

from collections.abc import Sequence

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if, mean_with_interval
from records.store import Data
from synthetic.transformer.language import KINDS
from synthetic.transformer.slowdown import of_run

__all__ = ["CLAIMS"]


def _by_seed(results: Results) -> dict[int, Data]:
    return {int(data.values["seed"]): data for _, data in sorted(results.items())}


def _share(data: Data, method: str, side: str, *names: str) -> float:
    """The share of answers of these kinds at the end."""
    kinds = of_run(data.arrays, method)[f"{side}_kinds"][-1]
    return float(sum(kinds[KINDS.index(name)] for name in names))


def _absent(runs: dict[int, Data], names: Sequence[str]) -> str:
    """Methods that were not run, in words; empty where all were."""
    have = {row["method"] for data in runs.values() for row in data.values["table"]}
    return f"not run: {', '.join(n for n in names if n not in have)}" if not have.issuperset(names) else ""


def ascent_ends_in_gibberish(results: Results) -> Judgement:
    """The share of gibberish among GA's answers to kept questions, less NPO's, at the end."""
    runs = _by_seed(results)
    if why := _absent(runs, ("GA", "NPO")):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    ga, npo = ([_share(d, name, "retain", "gibberish") for d in runs.values()] for name in ("GA", "NPO"))
    mean, interval = mean_with_interval([a - b for a, b in zip(ga, npo, strict=True)])
    reason = f"GA {np.mean(ga):.2f}, NPO {np.mean(npo):.2f}"
    return Judgement(holds_if(mean > 0.25), mean, interval, tuple(runs), reason)


def retain_term_keeps(results: Results) -> Judgement:
    """Right answers that NPO+RT leaves on kept questions, where at most a tenth of those to forget ones is right."""
    runs = _by_seed(results)
    if why := _absent(runs, ("NPO+RT",)):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    kept, known = ([_share(d, "NPO+RT", side, "right") for d in runs.values()] for side in ("retain", "forget"))
    mean, interval = mean_with_interval(kept)
    reason = f"right answers to forget questions: {np.mean(known):.2f}"
    return Judgement(holds_if(mean >= 0.9 and float(np.mean(known)) <= 0.1), mean, interval, tuple(runs), reason)


def bounded_losses_stay_readable(results: Results) -> Judgement:
    """Readable answers (well-formed or a refusal) to forget questions under NPO+RT less those under GA+RT."""
    runs = _by_seed(results)
    if why := _absent(runs, ("NPO+RT", "GA+RT")):
        return Judgement(NOT_TESTABLE, None, seeds=tuple(runs), reason=why)
    npo, ga = (
        [_share(d, name, "forget", "well-formed", "refusal") for d in runs.values()] for name in ("NPO+RT", "GA+RT")
    )
    reason = f"NPO+RT {np.mean(npo):.2f}, GA+RT {np.mean(ga):.2f}"
    return decided([a - b for a, b in zip(npo, ga, strict=True)], list(runs), reason)


def sharing_people_costs(results: Results) -> Judgement:
    """Right answers to kept questions that NPO loses by a mean drop of 3 nats: most overlap less none."""
    by_overlap: dict[float, dict[int, float]] = {}
    for data in results.values():
        run = of_run(data.arrays, "NPO")
        drop = run["drop"].mean(axis=1)
        right = np.interp(3.0, drop, run["retain_kinds"][:, 0])
        if drop[-1] >= 3.0:
            lost = float(run["retain_kinds"][0, 0] - right)
            by_overlap.setdefault(float(data.values["overlap"]), {})[int(data.values["seed"])] = lost
    low, high = min(by_overlap, default=0.0), max(by_overlap, default=0.0)
    both = sorted(set(by_overlap.get(low, {})) & set(by_overlap.get(high, {})))
    if low == high or not both:
        return Judgement(NOT_TESTABLE, None, reason="two overlaps in which NPO drops by 3 nats are needed")
    means = ", ".join(f"{np.mean(list(x.values())):.2f} at {o:g}" for o, x in sorted(by_overlap.items()))
    return decided([by_overlap[high][s] - by_overlap[low][s] for s in both], both, f"lost: {means}")


CLAIMS = (
    Claim(
        id="language-ascent",
        short="GA ends in gibberish far more often than NPO",
        statement="In a small language GA turns answers to kept questions into gibberish, NPO far fewer.",
        source="arXiv:2404.05868, Sec. 5.3, Figure 7",
        measure="share of gibberish among answers to kept questions, GA less NPO, AdamW (claimed > ¼)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_methods",
        judge=ascent_ends_in_gibberish,
    ),
    Claim(
        id="language-kept",
        short="NPO+RT keeps what should stay, forgets the rest",
        statement="In a small language NPO+RT keeps what should stay and forgets what should go.",
        source="arXiv:2404.05868, Sec. 5",
        measure="share of right answers to kept questions, AdamW (claimed ≥ 0.9; at most 0.1 of forget ones right)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_methods",
        judge=retain_term_keeps,
    ),
    Claim(
        id="language-readable",
        short="NPO+RT's answers stay readable more than GA+RT's",
        statement="NPO+RT's answers to forget questions are readable more often than GA+RT's.",
        source="arXiv:2404.05868, Sec. 5.3, Figure 7",
        measure="share of well-formed answers and refusals, NPO+RT less GA+RT, AdamW (claimed > 0)",
        units=("transformer/methods-AdamW-*",),
        figure="transformer_answers",
        judge=bounded_losses_stay_readable,
    ),
    Claim(
        id="language-overlap",
        short="the more is shared, the more NPO loses",
        statement="The more people forget and kept rows share, the more NPO loses of what should stay.",
        source="this project's question",
        measure="share of right answers to kept questions lost by a drop of 3 nats, overlap 1 less 0 (claimed > 0)",
        units=("transformer/overlap-*",),
        figure="transformer_methods",
        judge=sharing_people_costs,
    ),
)
