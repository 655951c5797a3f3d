"""Claims on the rule for β: how near estimates come to the wanted drop, and runs at the rule's β to that drop.

Judged on `figures/data/wanted-drop.json`: settings that have a retrained model, whose drop is the wanted one, with the
estimates that a user without one has, and the final drop of NPO+RT at the β that `npo beta` finds.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if

__all__ = ["CLAIMS", "PLACE"]

PLACE = "llm/wanted-drop/"
ALIKE = 1.5  # a factor within which an estimate is of use
MISSES = 0.2  # of the wanted drop, by which a run may end beside it
COMMAND = "npo beta tofu-mini; npo beta fictional-tiny; the runs are those of the kept sweeps over β"


def estimated(name: str, results: Results) -> Judgement:
    """How many times the wanted drop an estimate is, or the reverse, in the setting where it is furthest off."""
    ratios = {
        unit.removeprefix(PLACE): data.values["estimates"][name]["drop"] / data.values["wanted"]
        for unit, data in results.items()
        if unit.startswith(PLACE) and name in data.values["estimates"]
    }
    if not ratios:
        return Judgement(NOT_TESTABLE, None, reason="no setting has this estimate")
    worst = max(max(ratio, 1 / ratio) for ratio in ratios.values())
    reason = "estimate over wanted drop: " + ", ".join(f"{setting} {x:.2g}" for setting, x in ratios.items())
    return Judgement(holds_if(worst < ALIKE), worst, reason=reason)


def ended(results: Results) -> Judgement:
    """How far runs at the rule's β ended beside the wanted drop, as a share of it: the most of settings and seeds."""
    off = {
        unit.removeprefix(PLACE): [x / data.values["wanted"] - 1 for x in data.values["rule"]["ended"].values()]
        for unit, data in results.items()
        if unit.startswith(PLACE)
    }
    worst = float(np.abs(np.concatenate(list(off.values()))).max())
    said = {setting: ", ".join(f"{x:+.1%}" for x in several) for setting, several in off.items()}
    return Judgement(holds_if(worst < MISSES), worst, reason="; ".join(f"{s} {x}" for s, x in said.items()))


def _claim(name: str, short: str, statement: str, measure: str, judge: Callable[[Results], Judgement]) -> Claim:
    return Claim(
        id=f"rule-{name}",
        short=short,
        statement=statement,
        source="scale/beta/wanted.py, scale/beta/budget.py",
        measure=measure,
        units=(f"{PLACE}*",),
        figure="llm_beta_law",
        judge=judge,
        command=COMMAND,
    )


_FACTOR = f"largest factor between estimate and wanted drop (claimed < {ALIKE})"
CLAIMS = (
    _claim(
        "drop",
        "npo beta's β leads to the wanted drop",
        "One run through the schedule at β = 6/u*, corrected by the law, gives a β at which NPO+RT ends at u*.",
        f"largest distance of a final drop from the wanted one, as a share of it (claimed < {MISSES})",
        ended,
    ),
    _claim(
        "held-out",
        "held-out answers tell the wanted drop",
        "Answers of the same kind that nobody learnt tell the wanted drop without a retrained model.",
        _FACTOR,
        partial(estimated, "held-out"),
    ),
    _claim(
        "base",
        "the base model tells the wanted drop",
        "The model before finetuning tells the wanted drop without a retrained model.",
        _FACTOR,
        partial(estimated, "base"),
    ),
    _claim(
        "paraphrase",
        "paraphrases tell the wanted drop",
        "The answers in other words tell the wanted drop without a retrained model.",
        _FACTOR,
        partial(estimated, "paraphrase"),
    ),
)
