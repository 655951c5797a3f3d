"""Every published loss as a member of the atlas: its kernel, and the growth that is predicted from its formula.

The master rule: V ~ A e^(−k(m − c)) gives m = (1/k) log(kAτ) + c; V → A > 0 gives m = Aτ + b; V ~ A m^(−q) gives
((1 + q)Aτ)^(1/(1+q)); a zero of V is the limit. Positive answers are "the other class", of probability 1 − π.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import exp, log, log1p, tanh

import torch
from torch import Tensor

from theory.atlas.growth import Growth, finite, from_tail, linear, power
from theory.atlas.scalar import REINFORCED, ScalarLoss, ZRef
from theory.kernel import Kernel, bind
from theory.losses.arithmetic import softplus
from theory.methods import FORGET

__all__ = ["FAMILY", "Member", "member"]


@dataclass(frozen=True)
class Member:
    """A loss of the atlas with its hyperparameters, and its growth predicted as a function of c = logit π_ref."""

    name: str
    kernel: Kernel
    predicted: Callable[[float], Growth]
    z_ref: ZRef | None = None

    def at(self, confidence: float) -> ScalarLoss:
        """The member as a flow, from a reference of this confidence."""
        return ScalarLoss(self.name, self.kernel, confidence, self.z_ref)


def saturation(c: float) -> float:
    """m₀ = −log(1 − π_ref) = log(1 + e^c): what a reference's confidence costs in nats."""
    return log1p(exp(c)) if c < 30 else c + exp(-c)


def _ref_logp(c: float) -> float:
    return c - saturation(c)  # log π_ref = log σ(c)


# --- what each loss's formula says: hyperparameters in, a function of c out ------------------------------------------


def _tail(k: float, log_amplitude: Callable[[float], float]) -> Callable[[float], Growth]:
    return lambda c: from_tail(k=k, amplitude=exp(log_amplitude(c)), c=c)


def _ga() -> Callable[[float], Growth]:
    return lambda c: linear(1.0, -exp(c))


def _npo(beta: float) -> Callable[[float], Growth]:
    return _tail(beta, lambda c: log(2) - beta * _ref_logp(c))


def _dpo(beta: float, prefactor: float = 2.0) -> Callable[[float], Growth]:
    return lambda c: from_tail(k=beta, amplitude=prefactor, c=0.0)  # the pair's gap is m itself


def _simnpo(beta: float, gamma: float) -> Callable[[float], Growth]:
    return _tail(beta, lambda c: log(2) + gamma)


def _wga(beta: float) -> Callable[[float], Growth]:
    return _tail(beta, lambda c: 0.0)


def _tnpo(beta: float, floor: float = 1e-5) -> Callable[[float], Growth]:
    return _tail(beta, lambda c: log(2) - log(exp(beta * _ref_logp(c)) + floor))


def _satimp(beta1: float, beta2: float) -> Callable[[float], Growth]:
    return _wga(beta1)


def _unlikelihood() -> Callable[[float], Growth]:
    return _wga(1.0)


def _undial(beta: float) -> Callable[[float], Growth]:
    def predicted(c: float) -> Growth:
        q = 1 / (1 + exp(beta - c))
        return finite(beta, q * (1 - q))

    return predicted


def _rmu(c: float, layer: float = 0.25) -> Callable[[float], Growth]:
    length = c
    return lambda confidence: finite(confidence + length, 2.0)


def _wtnpo(beta: float, alpha: float, floor: float = 1e-5) -> Callable[[float], Growth]:
    return _tail(alpha + beta, lambda c: log(2) - log(exp(beta * _ref_logp(c)) + floor))


def _rates_at_the_ends(forget: float, positive: float) -> Callable[[], Callable[[float], Growth]]:
    """FLAT: V → (h'(0) + g'(1)) π, the forget side's slope and that of the positive answer, which tends to 1."""
    return lambda: _tail(1.0, lambda c: log(forget + positive))


def _d2o(alpha: float, beta: float) -> Callable[[float], Growth]:
    return _tail(alpha, lambda c: log(alpha) - beta * saturation(c) - alpha * _ref_logp(c))


def _door(beta: float) -> Callable[[float], Growth]:
    """NPO and −log(1 − π): the slower tail wins, at β = 1 both."""
    if beta < 1:
        return _npo(beta)
    return _tail(1.0, lambda c: log1p(2 * exp(-_ref_logp(c))) if beta == 1 else 0.0)


def _rkld(alpha: float) -> Callable[[float], Growth]:
    return _undial(alpha * REINFORCED)


def _kto_as_coded(beta: float) -> Callable[[float], Growth]:
    return _tail(beta, lambda c: log(2) - beta * _ref_logp(c) - saturation(c))


def _ga_fkl(strength: float) -> Callable[[float], Growth]:
    """V = (1 − kπ_ref) + (k − 1)π: linear with its delay for kπ_ref < 1, else a zero at π = (kπ_ref − 1)/(k − 1)."""

    def predicted(c: float) -> Growth:
        k, slope = strength, 1 - strength * exp(_ref_logp(c))
        if slope > 0:
            r = (k - 1) / slope
            return linear(slope, r / (1 + r) * log1p((1 + r) * exp(c)) if k else -exp(c))
        left = -slope / (k - 1)
        return finite(c - log(left / (1 - left)), (k - 1) * left * (1 - left))

    return predicted


_PREDICTIONS: Mapping[str, Callable[..., Callable[[float], Growth]]] = {
    "GA": _ga,
    "IDK": _unlikelihood,
    "DPO": _dpo,
    "KTO": _dpo,  # the exact two-class KL tends to m₀ and takes NPO's constant away
    "NPO": _npo,
    "SimNPO": _simnpo,
    "WGA": _wga,
    "TNPO": _tnpo,
    "SatImp": _satimp,
    "CE-U": _unlikelihood,
    "UNDIAL": _undial,
    "AltPO": _dpo,
    "RMU": _rmu,
    "WTNPO": _wtnpo,
    "IHL": lambda: _tail(1.0, lambda c: log(2)),
    "FLAT-TV": _rates_at_the_ends(0.5, (1 - tanh(1) ** 2) / 2),
    "FLAT-KL": _rates_at_the_ends(exp(-1), 1.0),
    "FLAT-JS": _rates_at_the_ends(0.5, 1 / (1 + exp(1))),
    "FLAT-Pearson": _rates_at_the_ends(1.0, 1.0),
    "D2O": _d2o,
    "DOOR": _door,
    "ME": lambda floor=1e-12: lambda c: finite(c, 0.25),
    "IDK+AP": _unlikelihood,
    "RKLD": _rkld,
    "PDU": lambda: lambda c: finite(c, 0.5),
    "KTO-code": _kto_as_coded,
    "KTO-sigmoid": _kto_as_coded,
    "GA-FKL": _ga_fkl,
}


# --- reference points of KTO ------------------------------------------------------------------------------------------


def _exact_kl(logit: Tensor, ref_logit: Tensor, *, beta: float) -> Tensor:
    """β KL(π_θ ‖ π_ref) of two classes: σ(s)(s − c) + softplus(c) − softplus(s)."""
    kl = torch.sigmoid(logit) * (logit - ref_logit) + softplus(ref_logit) - softplus(logit)
    return beta * kl.clamp(min=0)


def _as_coded(logit: Tensor, ref_logit: Tensor) -> Tensor:
    """The log-ratio on the other class, not times β and not clamped, as the authors' code of KTO takes it."""
    return softplus(ref_logit) - softplus(logit)


# --- the members ------------------------------------------------------------------------------------------------------


def member(name: str, **hyperparameters: float) -> Member:
    """A row of `theory.methods.FORGET` with hyperparameters; those not given are its paper's.

    >>> member("NPO", beta=0.1).predicted(2.0).kind
    'logarithmic'
    """
    row = FORGET[name]
    given = {**row.hyperparameters, **hyperparameters}
    kernel = bind(row.kernel, **given)
    said = ", ".join(f"{value:g}" for value in given.values())
    z_ref = partial(_exact_kl, beta=given["beta"]) if name == "KTO" else _as_coded if row.z_ref else None
    return Member(f"{name}({said})" if said else name, kernel, _PREDICTIONS[name](**given), z_ref)


def _power(logp: Tensor, *, a: float) -> Tensor:
    """A point of the design space: −sgn(a)(−log π)^a, no published loss for a ≠ 1."""
    return -torch.sign(torch.tensor(a)) * (-logp) ** a


def _root(logp: Tensor) -> Tensor:
    """−log(−log π), of which the margin grows like √(2τ)."""
    return -torch.log(-logp)


def _design(a: float) -> Member:
    name = f"(−log π)^{a:g}"
    return Member(name, partial(_power, a=a), lambda c: power((2 - a) * abs(a), 1 / (2 - a)))


_BETAS = ("NPO", "DPO", "AltPO", "KTO", "KTO-code", "KTO-sigmoid")
FAMILY: Mapping[str, Member] = {
    one.name: one
    for one in (
        *(member(name, beta=beta) for name in _BETAS for beta in (0.1, 1.0)),
        *(member(name) for name in _PREDICTIONS if name not in _BETAS),
        *(_design(a) for a in (-1.0, 0.5)),
        Member("−log(−log π)", _root, lambda c: power(2.0, 0.5)),
    )
}
"""The members by name, at the hyperparameters of their papers; `member` makes any other."""
