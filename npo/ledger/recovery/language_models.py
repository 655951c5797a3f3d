"""Claims on relearning in language models, judged on kept runs: how long it takes, and who resists at an equal drop."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import decided, holds_if
from npo.ledger.recovery.relearning import MORE, NEAR
from npo.runs.equal_drop import TOKENS
from theory.methods import RIVALS
from theory.theorems.time.forgetting import room as room_of_steps

__all__ = ["CLAIMS", "DROPS", "PLACE"]

PLACE, DROPS = "llm/way-back/", "llm/equal-drop/tofu-mini"
OURS = "this project: theory/theorems/recovery/relearning.py"
COMMAND = "python -m npo.runs.way_back, as figures/data/way-back-*.json say"
FIGURE = "recovery_llm"
EXACT = 0.1  # of F(u), that finite steps may leave of a set's law with its remainder
RIVAL = f"{RIVALS[-1]}+RT"
ALONE = 0.25  # that its absence leaves


def _singles(results: Results) -> list[tuple[float, Mapping[str, float]]]:
    """The step and the times of every answer that went alone."""
    return [(data.values["step"], one) for data in results.values() for one in data.values["singles"]]


def _sets(results: Results) -> list[tuple[float, Mapping[str, Any]]]:
    return [(data.values["beta"], data.values["set"]) for data in results.values() if "set" in data.values]


def takes_u(results: Results) -> Judgement:
    """Within the bound of the steps, of answers alone and of sets; the effect is the largest |T/r − 1|."""
    off = [(step, abs(one["relearn"] / one["gained"] - 1)) for step, one in _singles(results)]
    sets = [(data.values["step"], data.values["set"]["back"]) for data in results.values() if "set" in data.values]
    worst = max(x for _, x in off + sets)
    inside = all(x <= step / (1 - step) for step, x in off + sets)
    return Judgement(holds_if(inside), worst, reason=f"{len(off)} ways back of one answer, {len(sets)} of a set")


def ratio_is_the_laws(results: Results) -> Judgement:
    """Within the bounds of both descents; the effect is the largest |ratio/(F(u)/u) − 1|."""
    found, inside = [], True
    for step, one in _singles(results):
        measured = one["unlearn"] / one["relearn"]
        over = measured / (one["asked"] / one["gained"])
        within = room_of_steps(step)
        inside &= (1 - step) / float(within.upper) <= over <= (1 + step) / float(within.lower)
        found.append((abs(over - 1), measured))
    least, largest = min(x for _, x in found), max(x for _, x in found)
    reason = f"{len(found)} answers and β, ratios from {least:.2g} to {largest:.3g}"
    return Judgement(holds_if(inside), max(x for x, _ in found), reason=reason)


def plain_by_one_path(results: Results) -> Judgement:
    """τ_unlearn over ∫ dF/G along the way back, to a fifth; the effect is the furthest from 1, in logs."""
    off = [float(np.log(one["plain_unlearn"] / one["plain_asked"])) for _, one in _singles(results)]
    slow = [
        (one["plain_unlearn"] / one["plain_relearn"]) / (one["asked"] / one["lost"])
        for _, one in _singles(results)
        if one["asked"] > 10 * one["lost"]
    ]
    worst = max(off, key=abs)
    reason = f"where the intrinsic ratio is above 10, that of plain steps is {min(slow):.2g} to {max(slow):.2g} of it"
    return Judgement(holds_if(abs(worst) < np.log(1.2)), worst, reason=reason)


def sets_leave_it_there_alone(results: Results) -> Judgement:
    """NPO's sets: off their law by a quarter without the remainder, not with it; the effect is what it leaves."""
    npo = [one for beta, one in _sets(results) if beta]
    alone, exact = (max(one[name] for one in npo) for name in ("alone", "exact"))
    reason = f"without the remainder off by {alone:.2g} of F(u) at most, with it by {exact:.2g}; back, without, by "
    reason += f"{max(one['back'] for one in npo):.2g} of T"
    return Judgement(holds_if(exact < EXACT and alone > ALONE), exact, reason=reason)


# --- at an equal drop -------------------------------------------------------------------------------------------------


def _log_steps(results: Results, way: str, column: str) -> dict[int, float]:
    """log of the steps until a part is back, by seed; of those that got to the drop and back."""
    entries = results[DROPS].values["entries"].values()
    mine = [one for one in entries if one["way"] == way and one["there"]]
    return {int(one["seed"]): float(np.log(one[column])) for one in mine if one[column]}


def _over(results: Results, later: str, sooner: str, column: str = "adam_half") -> dict[int, float]:
    a, b = (_log_steps(results, way, column) for way in (later, sooner))
    return {seed: a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())}


def _told(results: Results, later: str, sooner: str) -> str:
    found = {column: _over(results, later, sooner, column) for column in ("adam_half", "adam_most", "gd_half")}
    said = [f"{name.replace('_', ' ')} {np.exp(np.mean([*x.values()])):.2f}" for name, x in found.items() if x]
    return f"times as many steps: {', '.join(said)}"


def _missing(pair: tuple[str, str]) -> str:
    return f"{' or '.join(pair)} did not get to the drop and half way back"


def comes_back_later(results: Results, pair: tuple[str, str]) -> Judgement:
    """log of the steps of AdamW until half is back, one way of unlearning over another."""
    found = _over(results, *pair)
    if not found:
        return Judgement(NOT_TESTABLE, None, reason=_missing(pair))
    return decided([*found.values()], tuple(found), _told(results, *pair), least=MORE)


def comes_back_alike(results: Results, pair: tuple[str, str]) -> Judgement:
    """The same, to a fifth."""
    found = _over(results, *pair)
    if not found:
        return Judgement(NOT_TESTABLE, None, reason=_missing(pair))
    effect = float(np.mean([*found.values()]))
    if len(found) == 1:
        reason = f"{_told(results, *pair)}; one seed decides nothing"
        return Judgement(NOT_TESTABLE, effect, None, tuple(found), reason)
    return Judgement(holds_if(abs(effect) < NEAR), effect, None, tuple(found), _told(results, *pair))


def _claim(id: str, short: str, statement: str, measure: str, judge: Any) -> Claim:
    return Claim(
        id,
        short,
        statement,
        OURS,
        measure,
        units=(f"{PLACE}*",),
        figure=FIGURE,
        judge=judge,
        command=COMMAND,
    )


def _drop_claim(
    id: str, short: str, statement: str, pair: tuple[str, str], judge: Callable[..., Judgement], source: str = OURS
) -> Claim:
    said = "within ± 0.18" if judge is comes_back_alike else f"> {MORE:.2g}"
    measure = f"log of AdamW's steps until half is back, {pair[0]} over {pair[1]} (claimed {said})"
    whole = f"At an equal drop, on tofu-mini, {statement}"
    made = "python -m npo.runs.equal_drop, as figures/data/equal-drop-tofu-mini.json says"
    return Claim(
        id,
        short,
        whole,
        source,
        measure,
        units=(DROPS,),
        figure=FIGURE,
        judge=partial(judge, pair=pair),
        command=made,
    )


CLAIMS: tuple[Claim, ...] = (
    _claim(
        "recovery-time-llm",
        "relearning takes T = u in language models",
        "In language models too relearning takes as much intrinsic time as nats were lost, whatever loss took them: of "
        "answers and sets at the output head, and of one answer by all weights.",
        "largest |T/r − 1|; of one answer a check of the steps, halved until they keep to the flow's identity",
        takes_u,
    ),
    _claim(
        "recovery-ratio-llm",
        "there and back: F(u)/u in language models",
        "In language models too unlearning takes F(u)/u times the intrinsic time of relearning, as long under GA, up "
        "to millions of times as long under NPO: at the head, and one answer by all weights.",
        "largest |ratio/(F(u)/u) − 1|; a check of the steps, halved until they keep to the flow's identity",
        ratio_is_the_laws,
    ),
    _claim(
        "recovery-plain-llm",
        "plain time there is told by the way back",
        "In a language model the plain time of unlearning an answer is, to a fifth, the integral of dF/‖∇log π‖² along "
        "its way back: both go one path.",
        "log of plain time over that integral, the furthest from 0 (claimed within ± 0.18)",
        plain_by_one_path,
    ),
    _claim(
        "recovery-set-llm",
        "a set leaves its law there, not back",
        "A set of a language model's answers leaves NPO's law on the way there by the exact remainder, and on the way "
        "back by NLL there is none.",
        f"largest distance of F(u) from T + R over F(u) (claimed < {EXACT}, without R > {ALONE})",
        sets_leave_it_there_alone,
    ),
    _drop_claim(
        "recovery-equal-drop-llm",
        "at an equal drop NPO comes back as GA (tofu)",
        "NPO's answers come back half way in as many steps as GA's, to a fifth.",
        ("NPO, β = 0.1", "GA"),
        comes_back_alike,
    ),
    _drop_claim(
        "recovery-retain-llm",
        "NPO with a retain term: back later (tofu)",
        "answers that NPO unlearned with a retain term come back a tenth later than without.",
        ("NPO+RT, β = 0.1", "NPO, β = 0.1"),
        comes_back_later,
    ),
    _drop_claim(
        "recovery-rival-llm",
        f"{RIVAL} resists better than NPO+RT (tofu)",
        f"what {RIVAL} unlearned comes back a tenth later than what NPO+RT did.",
        (RIVAL, "NPO+RT, β = 0.1"),
        comes_back_later,
        "after arXiv:2410.07163",
    ),
    _drop_claim(
        "recovery-tokens-llm",
        "a loss of tokens resists better (tofu)",
        f"what {TOKENS[0]}, a loss of tokens, unlearned comes back a tenth later than what GA did.",
        (TOKENS[0], "GA"),
        comes_back_later,
    ),
    _drop_claim(
        "recovery-sam-llm",
        "SAM of radius 0.01: back a tenth later (tofu)",
        "what NPO unlearned by SAM of radius 0.01 comes back a tenth later than by AdamW alone.",
        ("NPO, SAM", "NPO, β = 0.1"),
        comes_back_later,
        "after arXiv:2502.05374",
    ),
    _drop_claim(
        "recovery-sign-llm",
        "sign descent: back a tenth later (tofu)",
        "what NPO unlearned by sign descent comes back a tenth later than by AdamW.",
        ("NPO, sign", "NPO, β = 0.1"),
        comes_back_later,
        "after arXiv:2510.00761",
    ),
)
