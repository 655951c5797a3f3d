"""Claims on the atlas against practice: does the speed that the scalar model predicts order what losses really do?

Of every room, optimiser and retain term the rank correlation (Spearman's ρ) over all forget losses between predicted
speed and what was measured. A claim holds where every ρ is above 0 with p < 0.05; it is judged by the least.
"""

from functools import partial
from typing import NamedTuple

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if
from synthetic.practice import SHARE, TERMS
from synthetic.practised import against, practised

__all__ = ["CLAIMS"]

LEVEL = 0.05
LEAST = 5
"""Methods below which ranks say nothing."""

COMMAND = (
    'npo run fictional-family "unlearn.seeds=[0,1]" and unlearn.optimizer=SGD unlearn.lr=0.03, kept by npo.runs.keep'
)


class Sentence(NamedTuple):
    """A claim on one reading, of every room."""

    id: str
    short: str
    statement: str
    reading: str


SENTENCES = (
    Sentence(
        "speed",
        "the atlas orders the drops of losses",
        "At equal steps the losses of the family stand in the order of the atlas's speed: the faster drops further.",
        "speed",
    ),
    Sentence(
        "damage",
        "what the atlas calls fast does more harm",
        "At equal steps a loss that the atlas calls faster has moved the kept rows further from the reference.",
        "damage",
    ),
    Sentence(
        "quality",
        "what the atlas calls slow forgets better",
        "At equal steps a loss that the atlas calls slower is nearer to the retrained model on the forget rows.",
        "distance",
    ),
    Sentence(
        "equal-damage",
        "at an equal drop a fast loss does more harm",
        f"At an equal drop ({SHARE:g} u*) a loss that the atlas calls faster has moved the kept rows further.",
        "damage at an equal drop",
    ),
    Sentence(
        "equal-quality",
        "at an equal drop a slow loss forgets better",
        f"At an equal drop ({SHARE:g} u*) a loss that the atlas calls slower is nearer to the retrained model.",
        "distance at an equal drop",
    ),
)


def judge(results: Results, reading: str) -> Judgement:
    """The least correlation over optimisers and retain terms; the reason has them all."""
    found = {
        f"{setting.optimizer}{term}": (against(setting, reading, term), tuple(map(int, setting.seeds)))
        for setting in practised(results)
        for term in TERMS
    }
    known = {label: one for label, one in found.items() if one[0].methods >= LEAST and abs(one[0].rho) <= 1}
    told = ", ".join(f"{label} {one.rho:.2f} of {one.methods}" for label, (one, _) in known.items())
    few = ", ".join(label for label in found if label not in known)
    reason = "; ".join(filter(None, [told, f"too few get there: {few}" if few else ""]))
    if not known:
        return Judgement(NOT_TESTABLE, None, reason=reason)
    least, seeds = min(known.values(), key=lambda one: one[0].rho)
    holds = all(one.rho > 0 and one.p < LEVEL for one, _ in known.values())
    return Judgement(holds_if(holds), least.rho, None, seeds, reason)


def _claim(sentence: Sentence, room: str, units: str, where: str, command: str = "") -> Claim:
    return Claim(
        id=f"practice-{sentence.id}-{room}",
        short=sentence.short,
        statement=f"{sentence.statement} Of {where}.",
        source="theory/atlas; the scalar model of synthetic/free_answers.py",
        measure=f"least rank correlation with the predicted speed (claimed > 0, each with p < {LEVEL:g})",
        units=(units,),
        figure="atlas_against_practice",
        judge=partial(judge, reading=sentence.reading),
        command=command,
    )


CLAIMS = tuple(
    claim
    for one in SENTENCES
    for claim in (
        _claim(one, "logistic", "logistic/practice-*", "the logistic model"),
        _claim(one, "transformer", "transformer/practice-*", "the small transformer"),
        _claim(one, "llm", "llm/family/*", "a language model (fictional-tiny)", COMMAND),
    )
)
