"""The methods by name: a row for each forget loss, crossed with the retain terms "", "+RT" (NLL) and "+KL".

A row says how the paper of a loss uses it. `theory.objective.method` makes the objective, and whatever a user says
goes before what stands here.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from theory import losses, retain
from theory.dual import DualAscent
from theory.kernel import Kernel
from theory.reductions import Denominator, examples, tokens
from theory.reference_points import z_ref_as_coded

__all__ = ["EVERY", "FORGET", "METHODS", "RETAIN", "RIVALS", "ForgetLoss", "named", "spelled"]


@dataclass(frozen=True)
class ForgetLoss:
    """A forget loss as its paper has it: hyperparameters, mean, and how strongly a retain term is meant.

    `per` is the mean, over examples or over answer tokens, and `retain_per` that of the retain term, where it is
    another. `own` is a retain kernel that belongs to the loss, of weight `own_weight`: it is there where no other is
    asked for, with `dual` as a constraint. `z_ref` is KTO's reference point where it is not the paper's; no clamp.
    """

    kernel: Kernel
    hyperparameters: Mapping[str, float | int] = field(default_factory=dict)
    per: Denominator = examples
    retain_per: Denominator | None = None
    retain_weight: float = 1.0
    own: Kernel | None = None
    own_weight: float = 1.0
    dual: DualAscent | None = None
    z_ref: Kernel | None = None


FORGET: Mapping[str, ForgetLoss] = {
    "GA": ForgetLoss(losses.ga),
    "IDK": ForgetLoss(losses.idk),
    "DPO": ForgetLoss(losses.dpo),
    "KTO": ForgetLoss(losses.kto),
    "NPO": ForgetLoss(losses.npo),
    # Its code for TOFU forget10: an eighth of the forget loss and the retain set's NLL a token.
    "SimNPO": ForgetLoss(losses.simnpo, {"beta": 4.5, "gamma": 0.0}, retain_per=tokens, retain_weight=8.0),
    "WGA": ForgetLoss(losses.wga, {"beta": 1.0}, tokens),
    "TNPO": ForgetLoss(losses.tnpo, {"beta": 4.0}, tokens),
    "SatImp": ForgetLoss(losses.satimp, {"beta1": 5.0, "beta2": 1.0}, tokens, retain_weight=0.1),
    "CE-U": ForgetLoss(losses.ce_u, {}, tokens),
    "UNDIAL": ForgetLoss(losses.undial, {"beta": 10.0}, tokens),
    "AltPO": ForgetLoss(losses.altpo, {"beta": 0.1}),
    # Layer 7, counted from 0, of the 32 of its Zephyr 7B: after a quarter of the blocks.
    "RMU": ForgetLoss(losses.rmu, {"layer": 0.25, "c": 6.5}, tokens, own=losses.rmu_retain, own_weight=1200.0),
    "WTNPO": ForgetLoss(losses.wtnpo, {"beta": 4.0, "alpha": 1.5}, tokens),
    "IHL": ForgetLoss(losses.ihl, {}, tokens),
    "FLAT-TV": ForgetLoss(losses.flat_tv),
    "FLAT-KL": ForgetLoss(losses.flat_kl),
    "FLAT-JS": ForgetLoss(losses.flat_js),
    "FLAT-Pearson": ForgetLoss(losses.flat_pearson),
    "D2O": ForgetLoss(losses.d2o, {"alpha": 0.1, "beta": 0.1}),
    # A fifth of the forget loss, four fifths of the retain loss.
    "DOOR": ForgetLoss(losses.door, {"beta": 0.5}, retain_weight=4.0),
    # A tenth of the forget loss.
    "ME": ForgetLoss(losses.me, {}, tokens, retain_weight=10.0),
    "IDK+AP": ForgetLoss(losses.idk, own=losses.ap),
    "RKLD": ForgetLoss(losses.rkld, {"alpha": 4.0}, tokens),
    "PDU": ForgetLoss(losses.pdu, {}, tokens, own=losses.nll, own_weight=50.0, dual=DualAscent()),
    "KTO-code": ForgetLoss(losses.kto, z_ref=z_ref_as_coded),
    "KTO-sigmoid": ForgetLoss(losses.kto_sigmoid, z_ref=z_ref_as_coded),
    "GA-FKL": ForgetLoss(losses.ga_fkl, {"strength": 1.0}, tokens),
}
RETAIN: Mapping[str, Kernel | None] = {"": None, "+RT": losses.nll, "+KL": retain.kl}
_NAMES = {f"{name}{kept}".upper(): (name, kept) for name in FORGET for kept in RETAIN}

METHODS = (
    *("GA", "GA+RT", "GA+KL", "IDK+RT", "DPO", "DPO+RT", "DPO+KL"),
    *("KTO", "KTO+RT", "NPO", "NPO+RT", "NPO+KL"),
)
"""The twelve methods of the paper (arXiv:2404.05868)."""

RIVALS = ("GA", "NPO", "SimNPO")
"""The forget losses beside which a new one is looked at first."""

EVERY = tuple(f"{name}{kept}" for name, kept in _NAMES.values())
"""All methods: every forget loss alone, with +RT and with +KL."""


def named(name: str) -> tuple[ForgetLoss, str]:
    """The forget loss of a method and the name of its retain term; ValueError with the nearest name if unknown.

    >>> named("npo+rt")[1]
    '+RT'
    """
    if name.upper() not in _NAMES:
        near = difflib.get_close_matches(name.upper(), _NAMES, n=1)
        hint = f" Did you mean {''.join(_NAMES[near[0]])}?" if near else ""
        raise ValueError(
            f"Unknown method {name!r}.{hint} Known methods: {', '.join(FORGET)}; each alone, with +RT or with +KL."
        )
    forget, kept = _NAMES[name.upper()]
    return FORGET[forget], kept


def spelled(name: str) -> str:
    """A method's name as it is written here; ValueError with the nearest name if unknown.

    >>> spelled("simnpo+rt"), spelled("npo")
    ('SimNPO+RT', 'NPO')
    """
    named(name)
    return "".join(_NAMES[name.upper()])
