"""Claims on intrinsic time for every loss: one answer by its loss's own law, and a set by the law and the remainder."""

from collections.abc import Callable
from functools import partial

import numpy as np

from npo.ledger.judging.claim import NOT_TESTABLE, Claim, Judgement, Results
from npo.ledger.judging.statistics import holds_if
from theory.theorems.time.forgetting import off_the_law, room

__all__ = ["CLAIMS"]

SOURCE = "this project: theory/theorems/time/loss_times.py"
FIGURE = "every_loss_one_law"
ENOUGH = 10  # losses, for a claim on every loss


def _seeds(results: Results) -> tuple[int, ...]:
    (data,) = results.values()
    return (int(data.values["seed"]),) if "seed" in data.values else ()


def one_answer(results: Results) -> Judgement:
    """Each loss's answer alone within the bounds of the descent's steps; the effect is the largest |F(u)/T − 1|."""
    (data,) = results.values()
    within, far, inside = room(data.values["step"]), 0.0, True
    losses = data.values["losses"]
    for name in losses:
        clock, asked = (data.arrays[f"single-{name}.{column}"][1:, 0] for column in ("clock", "asked"))
        ratio = asked / clock
        inside &= bool(np.all((ratio >= within.lower) & (ratio <= within.upper)))  # NaN is outside
        far = max(far, float(np.abs(ratio - 1).max()))
    if len(losses) < ENOUGH:
        return Judgement(NOT_TESTABLE, far, seeds=_seeds(results), reason=f"{len(losses)} losses")
    return Judgement(holds_if(inside), far, seeds=_seeds(results), reason=f"{len(losses)} losses, one law each")


def tokens_apart(results: Results) -> Judgement:
    """Within two steps of the descent even without the remainder; the effect is the largest distance, in units of
    1 + |F| + |R|.
    """
    (data,) = results.values()
    plain = [off_the_law(data.arrays, f"tokens-{name}").plain for name in data.values["tokens"]]
    if not plain:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="no loss was followed")
    return Judgement(holds_if(max(plain) < 2 * data.values["step"]), max(plain), reason=f"{len(plain)} losses")


def together(results: Results, *, kind: str, losses: str) -> Judgement:
    """Several together leave their laws, and the remainder with their own weights puts them back; the effect is what
    is left, in units of 1 + |F| + |R|.
    """
    (data,) = results.values()
    found = [off_the_law(data.arrays, f"{kind}-{name}") for name in data.values[losses]]
    if not found:
        return Judgement(NOT_TESTABLE, None, seeds=_seeds(results), reason="no loss was followed")
    plain, left = max(one.plain for one in found), max(one.exact for one in found)
    reason = f"{len(found)} losses; without the remainder up to {plain:.2g}"
    return Judgement(
        holds_if(left < data.values["step"] and plain > 2 * left), left, seeds=_seeds(results), reason=reason
    )


OF_TOKENS = (
    "A loss of tokens moves an answer's tokens off the law of one, and the exact remainder, with each token's own "
    "weight, says by how much."
)
OF_A_SET = (
    "Whatever the loss, a set leaves the law of one example, and the exact remainder, with each example's own weight, "
    "says by how much."
)
SET_MEASURE = "largest distance that the remainder leaves, in units of 1 + |F| + |R|"


def _claim(
    id: str, short: str, statement: str, measure: str, unit: str, judge: Callable[[Results], Judgement]
) -> Claim:
    command = "npo law tofu-smollm2-mini --data DIR, with the settings that docs/smollm2.md names for every loss"
    return Claim(
        id=id,
        short=short,
        statement=statement,
        source=SOURCE,
        measure=measure,
        units=(unit,),
        figure=FIGURE,
        judge=judge,
        command=command if unit.startswith("smollm2") else "",
    )


def _alone(room_name: str, model: str, unit: str) -> Claim:
    return _claim(
        f"loss-times-{room_name}",
        "every loss alone: T = ∫ du/w(u)",
        f"{model} one answer alone obeys T = ∫ du/w(u), whatever the loss: its gradient weight w is its law.",
        "largest |F(u)/T − 1|",
        unit,
        one_answer,
    )


CLAIMS = (
    _alone("logistic", "In the logistic model", "logistic/loss-times"),
    _claim(
        "loss-times-sets-logistic",
        "every loss, a set: the remainder accounts",
        OF_A_SET,
        SET_MEASURE,
        "logistic/loss-times",
        partial(together, kind="set", losses="losses"),
    ),
    _alone("transformer", "In a small transformer", "transformer/loss-times"),
    _claim(
        "loss-times-tokens-transformer",
        "losses of tokens: the remainder accounts",
        OF_TOKENS,
        SET_MEASURE,
        "transformer/loss-times",
        partial(together, kind="tokens", losses="tokens"),
    ),
    _alone("smollm2", "In SmolLM2's output head", "smollm2/losses"),
    _claim(
        "loss-times-tokens-smollm2",
        "at a real head tokens keep the laws of one",
        "At the output head of SmolLM2-135M the tokens of one answer hardly couple: under a loss of tokens each keeps "
        "to the law of one token.",
        "largest distance from the law, in units of 1 + |F| + |R|",
        "smollm2/losses",
        tokens_apart,
    ),
)
