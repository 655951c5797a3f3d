"""Claims on relearning all that was forgotten: how long it takes, and who resists it at an equal drop."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from npo.ledger.judging.claim import Claim, Judgement, Results
from npo.ledger.recovery.relearning import (
    MORE,
    TwoArms,
    alike,
    alike_at_an_equal_drop,
    comes_back_later,
    evenness_resists,
    half_in_plain_time,
    ratio_is_the_law_s,
    slow_at_equal_steps,
    takes_u,
    time_is_the_drop,
    tokens_resist,
)
from synthetic.relearning import beta_label
from theory.methods import RIVALS

__all__ = ["CLAIMS"]

OURS = "this project: theory/theorems/recovery/relearning.py"
TIMES, WHO = "recovery_times", "recovery_resistance"
RIVAL = RIVALS[-1]
ROOMS = {"logistic": "the logistic model", "transformer": "the small transformer"}
SAME_BETA = {"logistic": beta_label(5.0), "transformer": "NPO"}
"""NPO at nearly the β that the rival has for an answer: 4.5 over its tokens."""
STEPS = "log of the steps of plain descent until {part} of the drop is back, {later} over {sooner}"


class RoomClaim(NamedTuple):
    """A claim of each room."""

    id: str
    short: str
    statement: str
    measure: str
    judge: Callable[[Results], Judgement]
    source: str = OURS
    figure: str = WHO


def _against(later: str, sooner: str, column: str = "gd_full", least: float = 0.0) -> tuple[str, TwoArms]:
    part = {"gd_full": "all", "gd_half": "half"}[column]
    claimed = f" (claimed > {least:.2g})"
    return STEPS.format(part=part, later=later, sooner=sooner) + claimed, TwoArms(later, sooner, column, least)


def _later(
    id: str, short: str, statement: str, source: str, pair: tuple[str, TwoArms], judge: Callable[..., Judgement]
) -> RoomClaim:
    measure, against = pair
    return RoomClaim(id, short, statement, measure, partial(judge, against=against), source)


_HOW_LONG = (
    RoomClaim(
        "time",
        "relearning takes T = u in plain steps",
        "Whatever unlearned, steps of one size on the NLL of several answers bring half and all of the mean drop "
        "back in as much intrinsic time.",
        "largest |T/u − 1|, mean over seeds (an identity of the flow: 0, to the steps)",
        time_is_the_drop,
        figure=TIMES,
    ),
    RoomClaim(
        "equal-drop",
        "at an equal drop NPO comes back as GA does",
        "At an equal mean drop NPO's answers come back in as many steps as GA's, to a fifth.",
        "log of NPO's steps over GA's, the furthest from 0 (claimed within ± 0.18)",
        alike_at_an_equal_drop,
    ),
    RoomClaim(
        "equal-steps",
        "after equal steps NPO is back in log(2βT)/β",
        "After equal steps of descent GA has its whole time T to win back, and NPO, to a third, the logarithm of "
        "its own.",
        "NPO's nats to win back over log(2βT + 1)/β's curve, less 1 (claimed within a third; GA's within a tenth)",
        slow_at_equal_steps,
        figure=TIMES,
    ),
)
"""How long relearning takes, at an equal drop and after equal steps."""

_OBJECTIVES = (
    _later(
        "retain",
        "unlearned with a retain term: back later",
        "At an equal drop, answers that NPO unlearned with a retain term come back later than without.",
        OURS,
        _against("NPO+RT", "NPO", "gd_half"),
        comes_back_later,
    ),
    _later(
        "rival",
        f"{RIVAL} comes back later than NPO",
        f"At an equal drop {RIVAL} resists relearning better than NPO, each at its paper's β.",
        "after arXiv:2410.07163",
        _against(RIVAL, beta_label(0.1), "gd_half", MORE),
        comes_back_later,
    ),
)
"""Which objective resists."""

_STEPS_TAKEN = (
    _later(
        "sam",
        "SAM of radius 0.01 makes it a tenth longer",
        "At an equal drop SAM of radius 0.01 makes relearning a tenth longer.",
        "after arXiv:2502.05374",
        _against("NPO, SAM 0.01", "NPO", least=MORE),
        comes_back_later,
    ),
    _later(
        "sam-wide",
        "SAM of radius 0.1 makes it a tenth longer",
        "At an equal drop SAM of radius 0.1 makes relearning a tenth longer.",
        "after arXiv:2502.05374, at ten times its radius",
        _against("NPO, SAM 0.1", "NPO", least=MORE),
        comes_back_later,
    ),
    _later(
        "sign",
        "sign descent resists better than Adam",
        "At an equal drop what sign descent unlearned comes back later than what Adam did.",
        "after arXiv:2510.00761",
        _against("NPO, sign", "NPO, Adam"),
        comes_back_later,
    ),
)
"""Which way of stepping resists."""

_EVENNESS = RoomClaim(
    "evenness",
    "the more even the drop, the later its half",
    "Of the losses, the more evenly one has spread the mean drop over the answers, the later half of it is back.",
    "rank correlation over losses of −spread with the steps to half (claimed > 0, p < 0.05)",
    evenness_resists,
)


def _at_the_rival_s_beta(room: str) -> RoomClaim:
    return _later(
        "rival-beta",
        f"NPO at {RIVAL}'s β comes back as it does",
        f"NPO at about the β that {RIVAL} has for an answer comes back half way in as many steps, to a fifth.",
        f"{OURS}, of arXiv:2410.07163",
        _against(RIVAL, SAME_BETA[room], "gd_half"),
        alike,
    )


def _sentences(room: str) -> tuple[RoomClaim, ...]:
    return (*_HOW_LONG, *_OBJECTIVES, _at_the_rival_s_beta(room), *_STEPS_TAKEN, _EVENNESS)


def _claim(room: str, one: RoomClaim) -> Claim:
    where = ROOMS.get(room, "one softmax token and a small network")
    return Claim(
        id=f"recovery-{one.id}-{room}",
        short=one.short,
        statement=f"{one.statement} Of {where}.",
        source=one.source,
        measure=one.measure,
        units=(f"{room}/relearning",),
        figure=one.figure,
        judge=one.judge,
    )


TOKENS = RoomClaim(
    "tokens",
    "losses of tokens resist relearning better",
    "At an equal drop losses of tokens make relearning a tenth longer than GA, in the mean over them.",
    f"mean log of the steps until all is back, over GA's (claimed > {MORE:.2g})",
    tokens_resist,
)

THEORY = (
    RoomClaim(
        "time",
        "relearning takes T = u, whatever unlearned",
        "One answer is relearned in as much intrinsic time as nats were lost, whatever loss unlearned it.",
        "largest |T/u − 1| on the way back (an identity of the flow: 0, to the descent's step)",
        takes_u,
        figure=TIMES,
    ),
    RoomClaim(
        "ratio",
        "T_unlearn/T_relearn = F(u)/u for each loss",
        "Unlearning takes F(u)/u times as long as relearning: 1 for GA, (βu + e^{βu} − 1)/(2βu) for NPO.",
        "largest |ratio/(F(u)/u) − 1| (an identity of the flow: 0, to the descents' steps)",
        ratio_is_the_law_s,
        figure=TIMES,
    ),
    RoomClaim(
        "plain",
        "in steps of equal rate the ratio is half that",
        "In steps of equal rate NPO's ratio, late on, is about half of that in intrinsic time (ten classes, "
        "π_ref = .9, u = 20).",
        "factor at β = 0.5 (claimed 1/2, to a quarter of it)",
        half_in_plain_time,
        figure=TIMES,
    ),
)

CLAIMS = (
    *(_claim("theory", one) for one in THEORY),
    *(_claim(room, one) for room in ROOMS for one in _sentences(room)),
    _claim("transformer", TOKENS),
)
